//! Every damaged folder is one error that names the file and what is wrong in it.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use burn_flex::{Flex, FlexDevice};
use embed::{
    BertConfig, EmbedError, ExportOptions, FolderOptions, InferencePrecision, LexicalConfig, NeuralEmbedder,
    SaveFolder, Side, StaticConfig, TextTokenizer, TokenLimits, load_embedder,
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
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
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
        ("\"absolute\"", "\"relative_key\"", "position_embedding_type = \"relative_key\""),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "num_attention_heads = 3"),
    ];
    for (from, to, expected) in changes {
        let copy = copy_of("tiny_bert");
        spoil(copy.path(), "config.json", from, to);
        let error = error_of(copy.path()).to_string();
        assert!(error.contains(&format!("config.json: {expected}")), "{error}");
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
    let modules = [
        ("models.Normalize", "models.LayerNorm", "LayerNorm"),
        ("models.Pooling", "models.WeightedLayerPooling", "WeightedLayerPooling"),
        ("sentence_transformers.models.Transformer", "custom_st.Transformer", "custom_st.Transformer"),
    ];
    for (from, to, named) in modules {
        let copy = copy_of("tiny_bert");
        spoil(copy.path(), "modules.json", from, to);
        let error = error_of(copy.path()).to_string();
        assert!(error.contains("modules.json") && error.contains(named), "{error}");
    }
}

#[test]
fn settings_that_change_vectors_and_are_not_implemented_are_refused() {
    let new = "folders/st-6.2.0";
    let changes = [
        ("prompts_left_out", "1_Pooling/config.json", "\"mean\"", "\"attention\"", "pooling_mode = \"attention\""),
        ("prompts_left_out", "1_Pooling/config.json", "\"mean\"", "[\"cls\", \"mean\"]", "pooling_mode"),
        ("prompts_left_out", "1_Pooling/config.json", "\"mean\"", "\"cls\"", "include_prompt = false"),
        ("prompts", "config_sentence_transformers.json", "{", "{\"truncate_dim\": 0, ", "truncate_dim = 0"),
        ("prompts", "config_sentence_transformers.json", "\"SentenceTransformer\"", "\"SparseEncoder\"", "model_type"),
        ("prompts", "sentence_bert_config.json", "last_hidden_state", "logits", "modality_config"),
        ("prompts", "2_Normalize/config.json", "sentence_embedding", "token_embeddings", "module_input_name"),
        ("prompts", "config.json", "\"is_decoder\": false", "\"is_decoder\": true", "is_decoder = true"),
        ("prompts", "tokenizer_config.json", "{", "{\"truncation_side\": \"left\",", "truncation_side = \"left\""),
        (
            "tokenizer_limit",
            "tokenizer_config.json",
            "\"model_max_length\": 9",
            "\"model_max_length\": -1",
            "model_max_length = -1",
        ),
        ("tokenizer_limit", "sentence_bert_config.json", "{", "{\"max_seq_length\": 0,", "max_seq_length = 0"),
        ("static_truncated", "tokenizer.json", "\"Right\"", "\"Left\"", "truncation.direction = Left"),
        ("../../families/bert_dense", "2_Dense/config.json", ".Tanh", ".Softplus", "activation_function"),
        (
            "../../families/bert_dense",
            "2_Dense/config.json",
            "\"in_features\": 16",
            "\"in_features\": 8",
            "in_features = 8",
        ),
        ("../../families/bert_dense", "2_Dense/config.json", "{", "{\"use_residual\": true, ", "use_residual = true"),
        ("../../families/nomic_bert_hub", "config.json", "\"prenorm\": false", "\"prenorm\": true", "prenorm = true"),
        ("../../families/nomic_bert_hub", "config.json", "{", "{\"num_experts\": 8,", "num_experts = 8"),
        ("../../families/nomic_bert_hub", "config.json", "\"swiglu\"", "\"gelu\"", "activation_function = gelu"),
        ("../../families/nomic_bert_hub", "config.json", "fraction\": 1.0", "fraction\": 0.5", "fraction = 0.5"),
        ("../../families/nomic_bert", "config.json", "\"head_dim\": 8", "\"head_dim\": 4", "head_dim = 4"),
        ("../../families/distilbert", "config.json", "\"n_layers\": ", "\"n_layers\": 99999999", "n_layers = 99999999"),
        (
            "../../families/distilbert",
            "config.json",
            "\"hidden_dim\": ",
            "\"hidden_dim\": 999999999999",
            "hidden_dim = 9999",
        ),
        (
            "../../families/mpnet",
            "config.json",
            "_buckets\": 32",
            "_buckets\": 64",
            "relative_attention_num_buckets = 64",
        ),
        ("../../families/modernbert", "config.json", "\"sliding_attention\"", "\"no_attention\"", "layer_types"),
        ("../../families/modernbert", "config.json", "\"default\"", "\"yarn\"", "rope_parameters.rope_type = yarn"),
        (
            "../../families/modernbert",
            "config.json",
            "\"local_attention\": 4",
            "\"local_attention\": -1",
            "local_attention = -1",
        ),
        (
            "../../families/roberta",
            "config.json",
            "\"max_position_embeddings\": ",
            "\"max_position_embeddings\": 2, \"_\": ",
            "max_position_embeddings = 2 is out of range",
        ),
        (
            "lowercase",
            "sentence_bert_config.json",
            "\"do_lower_case\": true",
            "\"do_lower_case\": 3",
            "do_lower_case = 3",
        ),
    ];
    for (name, file, from, to, expected) in changes {
        let copy = copy_of(&format!("{new}/{name}"));
        spoil(copy.path(), file, from, to);
        let error = error_of(copy.path()).to_string();
        assert!(error.contains(file) && error.contains(expected), "{error}");
    }
    for kind in ["tiny_bert", "tiny_static"] {
        let none = FolderOptions::default().with_truncate_dim(0);
        let error = embed::load_static::<Flex>(golden(kind), &none, &FlexDevice).err().unwrap().to_string();
        assert!(error.contains("truncate_dim = 0"), "{error}");
    }
    // Where the flag of the mean is absent it is set.
    let copy = copy_of("folders/st-5.1.2/prompts");
    let (mean, cls) = ("\"pooling_mode_mean_tokens\": true,", "\"pooling_mode_cls_token\": ");
    spoil(copy.path(), "1_Pooling/config.json", mean, "");
    load_embedder::<Flex>(copy.path(), &FolderOptions::default(), &FlexDevice).unwrap();
    spoil(copy.path(), "1_Pooling/config.json", &format!("{cls}false"), &format!("{cls}true"));
    let error = error_of(copy.path()).to_string();
    assert!(error.contains("pooling_mode_mean_tokens, pooling_mode_cls_token"), "{error}");
}

#[test]
fn pieces_of_weights_that_are_missing_or_elsewhere_are_named() {
    let copy = copy_of("families/bert_sharded");
    spoil(copy.path(), "model.safetensors.index.json", "model-00001-of-00004", "../model-00001-of-00004");
    let error = error_of(copy.path()).to_string();
    assert!(error.contains("weight_map = ../model-00001-of-00004.safetensors"), "{error}");
    let copy = copy_of("families/bert_sharded");
    std::fs::remove_file(copy.path().join("model-00002-of-00004.safetensors")).unwrap();
    assert!(matches!(error_of(copy.path()), EmbedError::MissingFile { file, .. } if file.starts_with("model-00002")));
    let copy = copy_of("families/bert_sharded");
    std::fs::write(copy.path().join("model-00003-of-00004.safetensors"), "no weights").unwrap();
    let error = error_of(copy.path());
    assert!(error.to_string().contains("model-00003") && matches!(error, EmbedError::Safetensors { .. }), "{error:?}");
}

#[test]
fn settings_that_are_not_applied_are_a_warning_with_file_and_key() {
    let dot = ("\"similarity_fn_name\": \"cosine\"", "\"similarity_fn_name\": \"dot\"");
    let changes = [
        ("prompts", "config.json", "{", "{\"rope_theta\": 1e4, ", "rope_theta"),
        ("prompts", "sentence_bert_config.json", "{", "{\"query_length\": 4, ", "query_length"),
        ("prompts", "1_Pooling/config.json", "{", "{\"weights\": [1], ", "weights"),
        ("prompts", "2_Normalize/config.json", "{", "{\"p\": 1, ", "p"),
        ("prompts", "config_sentence_transformers.json", "{", "{\"whitening\": true, ", "whitening"),
        ("prompts", "modules.json", "\"idx\": 0,", "\"idx\": 0, \"kwargs\": [\"task\"],", "kwargs"),
        ("prompts", "tokenizer_config.json", "{", "{\"add_prefix_space\": true, ", "add_prefix_space"),
        ("unscaled", "config_sentence_transformers.json", dot.0, dot.1, "similarity_fn_name"),
        ("model2vec", "config.json", "{", "{\"wavelet\": 2, ", "wavelet"),
    ];
    for (name, file, from, to, key) in changes {
        let copy = copy_of(&format!("folders/st-6.2.0/{name}"));
        spoil(copy.path(), file, from, to);
        let warnings = support::warnings(|| {
            load_embedder::<Flex>(copy.path(), &FolderOptions::default(), &FlexDevice).unwrap();
        });
        assert_eq!(warnings.lines().count(), 1, "{warnings}");
        assert!(warnings.contains(file) && warnings.contains(&format!(": {key} ")), "{warnings}");
    }
    let passage = golden("folders/st-6.2.0/prompts_passage");
    let warnings = support::warnings(|| {
        load_embedder::<Flex>(&passage, &FolderOptions::default(), &FlexDevice).unwrap();
    });
    assert!(warnings.contains("prompts.passage") && warnings.contains("prompts.corpus"), "{warnings}");
    // Distances of unit rows order as their cosine does.
    let copy = copy_of("folders/st-6.2.0/prompts");
    spoil(copy.path(), "config_sentence_transformers.json", dot.0, dot.1);
    let load = || drop(load_embedder::<Flex>(copy.path(), &FolderOptions::default(), &FlexDevice).unwrap());
    assert_eq!(support::warnings(load), "");
}

#[test]
fn a_tokenizer_larger_than_the_table_is_refused_at_load_and_at_export() {
    let copy = copy_of("folders/st-6.2.0/static_prompts");
    spoil(copy.path(), "tokenizer.json", "\":\": 61", "\":\": 61, \"dog\": 70");
    let error = error_of(copy.path());
    assert!(matches!(error, EmbedError::FolderVocabulary { tokens: 71, rows: 62, .. }), "{error:?}");
    let tokenizer = TextTokenizer::from_folder(golden("tiny_bert")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let options = ExportOptions::new(8);
    let bert = BertConfig::new(10, 8).with_layers(1).with_heads(2).init::<Flex>(&FlexDevice).unwrap();
    let table = StaticConfig::new(10, 4).init::<Flex>(&FlexDevice).unwrap();
    let errors = [
        bert.save_folder(&out.path().join("bert"), &tokenizer, &options).unwrap_err(),
        table.save_folder(&out.path().join("table"), &tokenizer, &options).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, EmbedError::Vocabulary { tokens: 59, rows: 10 }), "{error:?}");
    }
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn a_mapping_to_a_row_that_is_not_there_is_refused() {
    let copy = copy_of("folders/st-6.2.0/model2vec_quantized");
    let path = copy.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let at = 8 + header + tensors["mapping"]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 8].copy_from_slice(&24_i64.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
    let error = error_of(copy.path()).to_string();
    assert!(error.contains("model.safetensors: mapping = 24") && error.contains("below 24"), "{error}");
}

#[test]
fn more_layers_than_the_folder_has_are_refused() {
    let options = FolderOptions::default().with_layers(3);
    let error = load_embedder::<Flex>(golden("tiny_bert"), &options, &FlexDevice).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("tiny_bert") && error.ends_with(": layers = 3 is out of range: it has 2"), "{error}");
}

#[test]
fn integers_are_refused_where_there_are_no_products_of_them() {
    let options = FolderOptions::default().with_precision(InferencePrecision::Int16);
    let error = load_embedder::<Flex>(golden("tiny_static"), &options, &FlexDevice).err().unwrap().to_string();
    assert!(error.starts_with("precision = int16 is not supported, only f32, or int16 of a BERT"), "{error}");
    let error = "int8".parse::<InferencePrecision>().unwrap_err().to_string();
    assert_eq!(error, "precision = int8 is not supported, only f32 and int16");
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
