//! Every damaged folder is one error that names the file and what is wrong in it.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use burn_flex::{Flex, FlexDevice};
use embed::{
    BertConfig, EmbedError, FolderOptions, LexicalConfig, NeuralEmbedder, Side, StaticConfig, TextTokenizer,
    TokenLimits, load_embedder,
};
use support::{copy_of, golden};

fn error_of(folder: &Path) -> EmbedError {
    let options = FolderOptions::default();
    load_embedder::<Flex>(folder, &options, &FlexDevice).err().expect("a damaged folder does not load")
}

fn spoil(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has {from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn truncated_weights_are_reported() {
    let copy = copy_of("tiny_bert");
    let path = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = error_of(copy.path());
    assert!(matches!(error, EmbedError::Safetensors { .. }), "{error:?}");
    assert!(error.to_string().contains("model.safetensors"));
}

#[test]
fn missing_files_are_named() {
    for file in ["tokenizer.json", "model.safetensors", "config.json"] {
        let copy = copy_of("tiny_bert");
        std::fs::remove_file(copy.path().join(file)).unwrap();
        let error = error_of(copy.path()).to_string();
        assert!(error.contains(file) && error.contains(copy.path().to_str().unwrap()), "{error}");
    }
}

#[test]
fn missing_config_keys_are_named() {
    let copy = copy_of("tiny_bert");
    spoil(copy.path(), "config.json", "\"hidden_size\"", "\"hidden_sighs\"");
    let error = error_of(copy.path());
    assert!(matches!(&error, EmbedError::MissingKey { key, .. } if key == "hidden_size"), "{error:?}");
    assert!(error.to_string().contains("config.json"));
}

#[test]
fn broken_json_is_named() {
    let copy = copy_of("tiny_bert");
    spoil(copy.path(), "config.json", "{", "");
    assert!(matches!(error_of(copy.path()), EmbedError::Json { .. }));
}

#[test]
fn shapes_that_the_config_does_not_say_are_reported() {
    let copy = copy_of("tiny_bert");
    spoil(copy.path(), "config.json", "\"intermediate_size\": 24", "\"intermediate_size\": 32");
    match error_of(copy.path()) {
        EmbedError::TensorShape { tensor, found, expected, .. } => {
            assert_eq!(tensor, "encoder.layer.0.intermediate.dense.weight");
            assert_eq!((found, expected), (vec![24, 16], vec![32, 16]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn missing_tensors_are_named() {
    let copy = copy_of("tiny_bert");
    spoil(copy.path(), "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    let error = error_of(copy.path());
    assert!(error.to_string().contains("encoder.layer.2."), "{error}");
}

#[test]
fn other_models_are_refused_with_the_setting() {
    let changes = [
        ("\"hidden_act\": \"gelu\"", "\"hidden_act\": \"gelu_new\"", "hidden_act = gelu_new"),
        ("\"model_type\": \"bert\"", "\"model_type\": \"t5\"", "model_type = t5"),
        ("\"absolute\"", "\"relative_key\"", "position_embedding_type = relative_key"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "num_attention_heads = 3"),
    ];
    for (from, to, expected) in changes {
        let copy = copy_of("tiny_bert");
        spoil(copy.path(), "config.json", from, to);
        let error = error_of(copy.path()).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn unknown_pooling_and_modules_are_refused() {
    let copy = copy_of("tiny_bert");
    spoil(
        copy.path(),
        "1_Pooling/config.json",
        "\"pooling_mode_max_tokens\": false",
        "\"pooling_mode_max_tokens\": true",
    );
    assert!(matches!(error_of(copy.path()), EmbedError::Unsupported { .. }));
    let copy = copy_of("tiny_bert");
    spoil(copy.path(), "modules.json", "models.Normalize", "models.Dense");
    assert!(error_of(copy.path()).to_string().contains("models.Dense"));
}

#[test]
fn more_layers_than_the_folder_has_are_refused() {
    let options = FolderOptions::default().with_layers(3);
    let error = load_embedder::<Flex>(golden("tiny_bert"), &options, &FlexDevice).err().unwrap();
    assert!(matches!(error, EmbedError::OutOfRange { .. }), "{error:?}");
}

#[test]
fn tokens_that_the_table_lacks_are_refused_before_any_text() {
    let tokenizer = TextTokenizer::from_folder(golden("tiny_bert")).unwrap();
    let small = StaticConfig::new(10, 4).init::<Flex>(&FlexDevice).unwrap();
    let error = NeuralEmbedder::new(small, tokenizer, TokenLimits::new(8, 8), &FlexDevice).unwrap_err();
    assert!(matches!(error, EmbedError::Vocabulary { tokens: 59, rows: 10 }), "{error:?}");
}

#[test]
fn vectors_that_are_not_finite_name_the_text() {
    let copy = copy_of("tiny_static");
    let path = copy.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    // The file ends with the table of 59 rows of 8; `cat` is row 52.
    let row = bytes.len() - (59 - 52) * 8 * 4;
    bytes[row..row + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
    let embedder = load_embedder::<Flex>(copy.path(), &FolderOptions::default(), &FlexDevice).unwrap();
    let error = embedder.embed(&["", "cat"], Side::Query).unwrap_err();
    assert!(matches!(error, EmbedError::NotFinite { index: 1 }), "{error:?}");
}

#[test]
fn sizes_of_zero_and_heads_that_do_not_divide_are_refused() {
    assert!(StaticConfig::new(0, 4).init::<Flex>(&FlexDevice).is_err());
    assert!(StaticConfig::new(4, 4).with_std(f64::NAN).init::<Flex>(&FlexDevice).is_err());
    assert!(BertConfig::new(10, 16).with_heads(3).init::<Flex>(&FlexDevice).is_err());
    assert!(LexicalConfig::default().with_dim(0).fit(&["a"]).is_err());
    assert!(LexicalConfig::default().with_bucket_bits(40).fit(&["a"]).is_err());
}
