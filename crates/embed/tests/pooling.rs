//! Every pooling against sentence-transformers 5.1.2: vectors, with and without prompts, and gradients (`tools/golden/embed_pooling.py`).

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use embed::{Encoder, FolderOptions, Prompts, SaveFolder, Side, load_bert, load_embedder};
use serde::Deserialize;
use serde_json::{Value, json};
use support::{assert_close, copy_of, read};

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    prompt: String,
    poolings: BTreeMap<String, Of>,
}

#[derive(Deserialize)]
struct Of {
    plain: Vec<f32>,
    prompted: Vec<f32>,
    words: Vec<f32>,
}

const FLAGS: [(&str, &str); 6] = [
    ("mean", "pooling_mode_mean_tokens"),
    ("cls", "pooling_mode_cls_token"),
    ("max", "pooling_mode_max_tokens"),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"),
    ("weightedmean", "pooling_mode_weightedmean_tokens"),
    ("lasttoken", "pooling_mode_lasttoken"),
];

/// The module's settings in the form since version 5.3 and in the one before.
fn settings(mode: &str, include_prompt: bool) -> [Value; 2] {
    let flag = FLAGS.iter().find(|(name, _)| *name == mode).unwrap().1;
    let mut flags = json!({ "word_embedding_dimension": 16, "include_prompt": include_prompt });
    for (_, other) in FLAGS {
        flags[other] = (other == flag).into();
    }
    [json!({ "embedding_dimension": 16, "pooling_mode": mode, "include_prompt": include_prompt }), flags]
}

#[test]
fn vectors_and_gradients_are_those_of_sentence_transformers() {
    let golden: Golden = read("pooling.json");
    let texts: Vec<&str> = golden.texts.iter().map(String::as_str).collect();
    assert_eq!(golden.poolings.len(), 11);
    for (name, expected) in &golden.poolings {
        let (mode, include_prompt) = match name.strip_suffix(" without prompt") {
            Some(mode) => (mode, false),
            None => (name.as_str(), true),
        };
        for settings in settings(mode, include_prompt) {
            let folder = copy_of("tiny_bert");
            std::fs::write(folder.path().join("1_Pooling/config.json"), settings.to_string()).unwrap();
            let prompts = Prompts::new(golden.prompt.clone(), String::new());
            let options = FolderOptions::default().with_prompts(prompts);
            let of = |path: &std::path::Path, side| {
                let embedder = load_embedder::<Flex>(path, &options, &FlexDevice).unwrap();
                embedder.embed(&texts, side).unwrap().into_raw_vec_and_offset().0
            };
            assert_close(&of(folder.path(), Side::Passage), &expected.plain, 1e-5);
            assert_close(&of(folder.path(), Side::Query), &expected.prompted, 1e-5);

            let model = load_bert::<Autodiff<Flex>>(folder.path(), &options, &FlexDevice).unwrap();
            let tokens = model.tokenizer.encode(&texts, model.max_tokens).unwrap();
            let rows = model.encoder.forward(&tokens, &FlexDevice);
            let weights = (0..texts.len() * 16).map(|at| ((at * 37 % 23) as f32 - 11.0) / 11.0).collect();
            let weights = Tensor::from_data(TensorData::new(weights, [texts.len(), 16]), &FlexDevice);
            let words = model.encoder.word_embeddings();
            let gradients = (rows * weights).sum().backward();
            let found: Vec<f32> = words.grad(&gradients).unwrap().into_data().to_vec().unwrap();
            assert_close(&found, &expected.words, 2e-5);

            let exported = folder.path().join("exported");
            model.encoder.save_folder(&exported, &model.tokenizer, &model.export_options()).unwrap();
            for (side, expected) in [(Side::Passage, &expected.plain), (Side::Query, &expected.prompted)] {
                assert_close(&of(&exported, side), expected, 1e-5);
            }
        }
    }
}
