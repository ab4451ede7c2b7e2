//! What holds for any texts.

#![allow(clippy::unwrap_used)]

mod support;

use burn_flex::{Flex, FlexDevice};
use embed::{
    BertConfig, Embedder, Encoder, FolderOptions, LexicalConfig, NeuralEmbedder, Side, StaticConfig, TextTokenizer,
    TokenBatch, TokenLimits, load_bert,
};
use ndarray::Array2;
use proptest::prelude::*;
use support::{assert_close, golden};

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-f .,?\u{e9}]{0,40}", 1..12)
}

fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn tiny(batch_tokens: usize) -> Box<dyn Embedder> {
    support::load(golden("tiny_bert"), &FolderOptions::default().with_batch_tokens(batch_tokens))
}

fn assert_unit(rows: &Array2<f32>) {
    for row in rows.rows() {
        assert!((row.dot(&row).sqrt() - 1.0).abs() < 1e-5, "{row}");
    }
}

/// The tokenizers of all families that transformers wrote, without special tokens.
fn tokenizers() -> Vec<(String, TextTokenizer)> {
    let folders = std::fs::read_dir(golden("families")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.map(|folder| folder.join("tokenizer.json")).filter(|file| file.exists());
    files
        .map(|file| (file.display().to_string(), TextTokenizer::from_file(&file).unwrap().with_special_tokens(false)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Of a long text only the beginning is split, which must not be seen.
    #[test]
    fn the_first_tokens_of_a_long_text_are_those_of_the_whole(
        words in prop::collection::vec("[a-f\u{e9}\u{4e2d}.,'-]{0,30}|[a-f]{60}|<mask>|\\[MASK\\]", 0..400),
        spaces in prop::collection::vec("[ \u{a0}\n\t]{1,3}", 400),
        tokens in 0_usize..40,
    ) {
        let text: String = words.iter().zip(&spaces).flat_map(|(word, space)| [word.as_str(), space]).collect();
        for (name, tokenizer) in tokenizers() {
            let begun = tokenizer.encode(&[&text], tokens).unwrap();
            let whole = tokenizer.encode(&[&text], 1 << 20).unwrap().truncated(tokens);
            prop_assert_eq!(begun.ids(), whole.ids(), "{}", name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_texts_vector_does_not_depend_on_its_neighbours(texts in words(), budget in 1_usize..80) {
        let together = tiny(budget).embed(&refs(&texts), Side::Passage).unwrap();
        assert_unit(&together);
        let one = tiny(4096);
        for (text, row) in texts.iter().zip(together.rows()) {
            let alone = one.embed(&[text], Side::Passage).unwrap();
            assert_close(row.as_slice().unwrap(), alone.as_slice().unwrap(), 1e-5);
        }
    }

    #[test]
    fn truncation_never_exceeds_the_limit(texts in words(), limit in 0_usize..30) {
        let tokenizer = TextTokenizer::from_folder(golden("tiny_bert")).unwrap();
        let whole = tokenizer.encode(&refs(&texts), usize::MAX).unwrap();
        let cut = tokenizer.encode(&refs(&texts), limit).unwrap();
        for row in 0..texts.len() {
            prop_assert_eq!(cut.row_len(row), whole.row_len(row).min(limit));
            if limit >= 2 {
                prop_assert_eq!((cut.tokens(row)[0], cut.tokens(row)[cut.row_len(row) - 1]), (2, 3));
            }
        }
    }

    #[test]
    fn chunks_hold_every_row_once_within_the_budget(lengths in prop::collection::vec(0_usize..20, 0..40), budget in 1_usize..60) {
        let batch = TokenBatch::from_rows(lengths.iter().map(|&n| vec![0; n]));
        let chunks = batch.chunks(budget);
        let mut rows: Vec<usize> = chunks.concat();
        rows.sort_unstable();
        prop_assert_eq!(rows, (0..lengths.len()).collect::<Vec<_>>());
        for chunk in chunks {
            let padded = chunk.len() * chunk.iter().map(|&row| lengths[row]).max().unwrap();
            prop_assert!(chunk.len() == 1 || padded <= budget);
        }
    }

    #[test]
    fn static_and_lexical_rows_are_unit_for_any_text(texts in prop::collection::vec("\\PC{0,30}", 1..8)) {
        let texts = refs(&texts);
        let lexical = LexicalConfig::default().with_dim(32).with_bucket_bits(10).fit(&texts).unwrap();
        assert_unit(&lexical.embed(&texts, Side::Query).unwrap());
        let tokenizer = TextTokenizer::from_folder(golden("tiny_static")).unwrap().with_special_tokens(false);
        let table = StaticConfig::new(59, 16).init::<Flex>(&FlexDevice).unwrap();
        let table = NeuralEmbedder::new(table, tokenizer, TokenLimits::new(8, 8), &FlexDevice).unwrap();
        assert_unit(&table.embed(&texts, Side::Query).unwrap());
    }
}

#[test]
fn progress_counts_up_to_all_rows() {
    let texts = ["a", "b c d", "", "e f"];
    let mut seen = Vec::new();
    tiny(6).embed_with(&texts, Side::Query, &mut |rows| seen.push(rows)).unwrap();
    assert!(seen.windows(2).all(|w| w[0] < w[1]));
    assert_eq!(seen.last(), Some(&4));
}

/// More than are split ahead, from a thread of rayon's only worker too, which must not wait for itself.
#[test]
fn thousands_of_texts_are_embedded_as_a_few_are() {
    let words = ["cat", "dog", "the", "sat", "mat", ""];
    let texts: Vec<String> = (0..2500).map(|at| format!("{} {}", words[at % 6], words[at / 7 % 6])).collect();
    let (texts, tiny) = (refs(&texts), tiny(6));
    let mut seen = 0;
    let all = tiny.embed_with(&texts, Side::Query, &mut |rows| seen = rows).unwrap();
    assert_eq!(seen, texts.len());
    let few: Vec<f32> =
        texts.chunks(700).flat_map(|few| tiny.embed(few, Side::Query).unwrap().into_raw_vec_and_offset().0).collect();
    assert_eq!(all.as_slice().unwrap(), few);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| tiny.embed(&texts, Side::Query)).unwrap(), all);
}

#[test]
fn each_side_has_its_limit() {
    let model = load_bert::<Flex>(golden("tiny_bert"), &FolderOptions::default(), &FlexDevice).unwrap();
    let (bert, tokenizer) = (model.encoder, model.tokenizer);
    let both = NeuralEmbedder::new(bert, tokenizer, TokenLimits::new(4, 1000), &FlexDevice).unwrap();
    assert_eq!(both.limits().passage, 20, "the model's positions are the most");
    let [long, short] = ["a b c d e f", "a b"];
    let query = both.embed(&[long], Side::Query).unwrap();
    assert_close(query.as_slice().unwrap(), both.embed(&[short], Side::Passage).unwrap().as_slice().unwrap(), 1e-5);
    assert!((&query - &both.embed(&[long], Side::Passage).unwrap()).iter().any(|d| d.abs() > 1e-3));
}

#[test]
fn rows_without_tokens_are_the_constant_vector() {
    let bert = BertConfig::new(10, 16).with_layers(1).with_heads(2).init::<Flex>(&FlexDevice).unwrap();
    let rows = bert.forward(&TokenBatch::from_rows([vec![], vec![1, 2], vec![]]), &FlexDevice);
    let rows: Vec<f32> = rows.into_data().to_vec().unwrap();
    assert_close(&rows[..16], &[0.25; 16], 1e-6);
    assert_close(&rows[32..], &[0.25; 16], 1e-6);
    assert!(rows.iter().all(|v| v.is_finite()));
    assert_eq!(bert.forward(&TokenBatch::default(), &FlexDevice).dims()[1], 16);
}

#[test]
fn training_a_vocabulary_twice_gives_the_same_file() {
    let texts: Vec<String> =
        (0..400).map(|i| format!("word{} stem{}ing pre{}fix \u{e9}{}", i % 37, i % 11, i % 5, i % 3)).collect();
    let out = tempfile::tempdir().unwrap();
    let files = [0, 1, 2].map(|run| {
        let path = out.path().join(format!("{run}.json"));
        TextTokenizer::train_wordpiece(&texts, 120).unwrap().save(&path).unwrap();
        std::fs::read_to_string(path).unwrap()
    });
    assert_eq!(files[0], files[1]);
    assert_eq!(files[0], files[2]);
}

/// Value stability: a change here is a change of seeded output.
#[test]
fn trained_vocabulary_is_stable() {
    let tokenizer = TextTokenizer::train_wordpiece(["low lower lowest", "new newer newest", "low new"], 24).unwrap();
    let batch = tokenizer.encode(&["low newest"], 8).unwrap();
    assert_eq!(tokenizer.vocab_size(), 24);
    assert_eq!(batch.tokens(0), [21, 22, 5, 8, 9]);
}

/// Value stability: a change here is a change of seeded output.
#[test]
fn lexical_vectors_are_stable() {
    let texts = ["read a file", "write a file"];
    let lexical = LexicalConfig::default().with_dim(16).with_bucket_bits(8).with_seed(3).fit(&texts).unwrap();
    let rows = lexical.embed(&["read_file"], Side::Query).unwrap();
    let expected = [
        0.028_857_28,
        -0.038_131_05,
        -0.094_042_74,
        -0.555_749_6,
        -0.122_900_024,
        0.291_401_98,
        -0.235_490_3,
        0.273_621_35,
        0.0,
        0.0,
        0.291_401_98,
        0.235_490_3,
        0.132_173_79,
        0.0,
        -0.490_564_1,
        -0.226_216_54,
    ];
    assert_close(rows.as_slice().unwrap(), &expected, 1e-6);
}
