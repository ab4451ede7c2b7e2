//! Against sentence-transformers 5.1.2 on PyTorch 2.9.0: `tools/golden/embed.py` wrote the models and the vectors.
//!
//! Tolerance 1e-5: both sides compute in f32, in different orders of summation.

mod support;

use std::path::{Path, PathBuf};

use burn_flex::{Flex, FlexDevice};
use embed::{ExportOptions, FolderOptions, Pooling, SaveFolder, Side, TextTokenizer, load_bert, load_static};
use serde::Deserialize;
use support::{assert_rows, copy_of, golden, load, read, vectors};

#[derive(Deserialize)]
struct Tiny {
    bert: BertGolden,
    #[serde(rename = "static")]
    table: StaticGolden,
}

#[derive(Deserialize)]
struct BertGolden {
    texts: Vec<String>,
    mean: Vec<Vec<f32>>,
    cls: Vec<Vec<f32>>,
    ids_18: Vec<Vec<u32>>,
    ids_6: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct StaticGolden {
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
}

fn tiny() -> Tiny {
    read("tiny.json")
}

#[test]
fn bert_gives_sentence_transformers_vectors_with_mean_pooling() {
    let bert = tiny().bert;
    let embedder = load(golden("tiny_bert"), &FolderOptions::default());
    assert_rows(&vectors(embedder.as_ref(), &bert.texts), &bert.mean, 1e-5);
}

#[test]
fn bert_gives_sentence_transformers_vectors_with_cls_pooling() {
    let bert = tiny().bert;
    let embedder = load(golden("tiny_bert"), &FolderOptions::default().with_pooling(Pooling::Cls));
    assert_rows(&vectors(embedder.as_ref(), &bert.texts), &bert.cls, 1e-5);
}

#[test]
fn token_ids_are_transformers_own_also_where_texts_are_cut() {
    let bert = tiny().bert;
    let texts: Vec<&str> = bert.texts.iter().map(String::as_str).collect();
    let tokenizer = TextTokenizer::from_folder(golden("tiny_bert")).unwrap();
    for (limit, expected) in [(18, bert.ids_18), (6, bert.ids_6)] {
        let batch = tokenizer.encode(&texts, limit).unwrap();
        let rows: Vec<Vec<u32>> = (0..batch.len()).map(|row| batch.tokens(row).to_vec()).collect();
        assert_eq!(rows, expected, "limit {limit}");
    }
}

#[test]
fn half_precision_files_with_prefixed_names_load() {
    let bert = tiny().bert;
    // f16 keeps 11 bits of each weight, bf16 8.
    for (file, tolerance) in [("f16", 5e-3), ("bf16", 4e-2)] {
        let copy = copy_of("tiny_bert");
        std::fs::copy(golden(&format!("tiny_bert/{file}.safetensors")), copy.path().join("model.safetensors")).unwrap();
        let embedder = load(copy.path(), &FolderOptions::default());
        assert_rows(&vectors(embedder.as_ref(), &bert.texts), &bert.mean, tolerance);
    }
}

#[test]
fn static_table_gives_sentence_transformers_vectors() {
    let table = tiny().table;
    let embedder = load(golden("tiny_static"), &FolderOptions::default());
    let found = vectors(embedder.as_ref(), &table.texts);
    for ((text, found), expected) in table.texts.iter().zip(found.rows()).zip(&table.vectors) {
        // Python gives zeros to a text without tokens.
        let expected = if text.is_empty() { &vec![1.0 / 8_f32.sqrt(); 8] } else { expected };
        support::assert_close(found.as_slice().unwrap(), expected, 1e-5);
    }
}

#[test]
fn saved_bert_folder_gives_the_same_vectors() {
    let golden_bert = tiny().bert;
    let model = load_bert::<Flex>(golden("tiny_bert"), &FolderOptions::default(), &FlexDevice).unwrap();
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("model");
    model.encoder.save_folder(&folder, &model.tokenizer, &model.export_options()).unwrap();
    model.encoder.save_folder(&folder, &model.tokenizer, &model.export_options()).unwrap();
    let again = load(&folder, &FolderOptions::default());
    assert_rows(&vectors(again.as_ref(), &golden_bert.texts), &golden_bert.mean, 1e-5);
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 1, "nothing is left beside the folder");
}

#[test]
fn saved_static_folder_gives_the_same_vectors() {
    let texts = tiny().table.texts;
    let model = load_static::<Flex>(golden("tiny_static"), &FolderOptions::default(), &FlexDevice).unwrap();
    let out = tempfile::tempdir().unwrap();
    model.encoder.save_folder(&out.path().join("model"), &model.tokenizer, &ExportOptions::new(64)).unwrap();
    let before = vectors(load(golden("tiny_static"), &FolderOptions::default()).as_ref(), &texts);
    let after = vectors(load(out.path().join("model"), &FolderOptions::default()).as_ref(), &texts);
    assert_eq!(before, after);
}

#[test]
fn first_layers_of_a_folder_are_the_first_layers() {
    let options = FolderOptions::default().with_layers(1);
    let one = load_bert::<Flex>(golden("tiny_bert"), &options, &FlexDevice).unwrap();
    assert_eq!(one.encoder.config().num_hidden_layers, 1);
    let out = tempfile::tempdir().unwrap();
    one.encoder.save_folder(&out.path().join("model"), &one.tokenizer, &one.export_options()).unwrap();
    let texts = tiny().bert.texts;
    let cut = vectors(load(golden("tiny_bert"), &options).as_ref(), &texts);
    let saved = vectors(load(out.path().join("model"), &FolderOptions::default()).as_ref(), &texts);
    assert_eq!(cut, saved);
    let whole = vectors(load(golden("tiny_bert"), &FolderOptions::default()).as_ref(), &texts);
    assert!((&whole - &cut).iter().any(|d| d.abs() > 1e-2));
}

#[test]
fn static_table_of_a_bert_folder_is_its_word_embeddings() {
    let bert = load_bert::<Flex>(golden("tiny_bert"), &FolderOptions::default(), &FlexDevice).unwrap();
    let table = load_static::<Flex>(golden("tiny_bert"), &FolderOptions::default(), &FlexDevice).unwrap();
    assert_eq!(table.encoder.table().into_data(), bert.encoder.word_embeddings().into_data());
    assert!(!table.tokenizer.adds_special_tokens());
    assert_eq!(table.max_tokens, usize::MAX);
}

#[test]
fn minilm_gives_sentence_transformers_vectors() {
    #[derive(Deserialize)]
    struct MiniLm {
        texts: Vec<String>,
        vectors: Vec<Vec<f32>>,
    }
    let Some(folder) = minilm() else {
        support::skipped("no models/all-MiniLM-L6-v2 under $PRETRAIN_SHARED");
        return;
    };
    let expected: MiniLm = read("minilm.json");
    let embedder = load(folder, &FolderOptions::default());
    assert_eq!(embedder.dim(), 384);
    let texts: Vec<&str> = expected.texts.iter().map(String::as_str).collect();
    assert_rows(&embedder.embed(&texts, Side::Query).unwrap(), &expected.vectors, 1e-5);
}

/// Of every kind that texts come in, so many.
fn mixed(count: usize) -> Vec<String> {
    let pieces = [
        "What is spherical k-means?",
        "",
        "a",
        "Caf\u{e9} na\u{ef}ve \u{2014} \u{c0}\u{c9}\u{de}",
        "\u{4f60}\u{597d}\u{ff0c}\u{4e16}\u{754c} \u{3053}\u{3093}\u{306b}\u{3061}\u{306f} \u{c548}\u{b155}",
        "\u{1f600} \u{1f469}\u{200d}\u{1f4bb} \u{1f44d}\u{1f3fd}",
        "zero\u{200b}width \u{feff}and\u{ad}soft",
        "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442} \u{645}\u{631}\u{62d}\u{628}\u{627} \u{5e9}\u{5dc}\u{5d5}\u{5dd}",
        "fn main() { println!(\"{}\", 1 << 7); } // tabs\tand\nlines",
        "e\u{301}\u{323} combining, \u{fb01}\u{fb02} ligatures, \u{ff26}\u{ff55}\u{ff4c}\u{ff4c}",
        "[CLS] [SEP] [MASK] ##ing \0 \u{7f}",
        "Contrastive pretraining draws every batch from one cluster, so that negatives are hard.",
    ];
    let text = |at: usize| {
        // One piece, some, or more than the model takes.
        let parts = [1, 1, 2, 3, 7, 60][at % 6];
        (0..parts).map(|part| pieces[(at / 6 + part * 5) % pieces.len()]).collect::<Vec<_>>().join(" ")
    };
    (0..count).map(text).collect()
}

/// Set `EMBED_PYTHON` to a Python with sentence-transformers to run it.
#[test]
fn minilm_gives_sentence_transformers_vectors_of_500_mixed_texts() {
    let (Some(folder), Some(python)) = (minilm(), std::env::var_os("EMBED_PYTHON")) else {
        support::skipped("no $EMBED_PYTHON, or no models/all-MiniLM-L6-v2 under $PRETRAIN_SHARED");
        return;
    };
    let texts = mixed(500);
    let expected = support::python_vectors(&python, &[&folder], &texts).remove(0);
    let found = vectors(load(folder, &FolderOptions::default()).as_ref(), &texts);
    for (text, (found, expected)) in texts.iter().zip(found.rows().into_iter().zip(&expected)) {
        let cosine: f32 = found.iter().zip(expected).map(|(a, b)| a * b).sum();
        assert!(cosine >= 0.99999, "{text:?}: {cosine}");
    }
}

fn minilm() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("PRETRAIN_SHARED").map_or(default, PathBuf::from);
    let folder = shared.join("models/all-MiniLM-L6-v2");
    folder.join("model.safetensors").is_file().then_some(folder)
}
