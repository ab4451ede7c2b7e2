use std::path::{Path, PathBuf};

use burn::tensor::backend::Backend;
use serde::Serialize;
use serde_json::{Value, json};

use super::layout::{ModuleEntry, NORMALIZE, POOLING, STATIC, TRANSFORMER};
use crate::{Bert, EmbedError, Encoder, Pooling, SaveFolder, StaticEncoder, TextTokenizer};

/// Tokens that BERT's tokenizer configuration names, by their role.
const ROLES: [(&str, &str); 5] = [
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

impl<B: Backend> SaveFolder for Bert<B> {
    fn save_folder(&self, folder: &Path, tokenizer: &TextTokenizer, max_tokens: usize) -> Result<(), EmbedError> {
        let max_tokens = max_tokens.min(self.max_tokens());
        replace_folder(folder, |draft| {
            let modules = [("", TRANSFORMER), ("1_Pooling", POOLING), ("2_Normalize", NORMALIZE)];
            write_modules(draft, &modules)?;
            write_json(draft, "config.json", &self.hub_config()?)?;
            write_json(
                draft,
                "sentence_bert_config.json",
                &json!({"max_seq_length": max_tokens, "do_lower_case": false}),
            )?;
            write_json(&draft.join("1_Pooling"), "config.json", &pooling_config(self.dim(), self.pooling()))?;
            write_tokenizer(draft, tokenizer, max_tokens)?;
            self.weight_writer().write(&draft.join("model.safetensors"))
        })
    }
}

impl<B: Backend> Bert<B> {
    /// `config.json` with what transformers needs to pick the class.
    fn hub_config(&self) -> Result<Value, EmbedError> {
        let mut config = serde_json::to_value(self.config())
            .map_err(|source| EmbedError::Json { path: "config.json".into(), source })?;
        if let Some(fields) = config.as_object_mut() {
            fields.insert("architectures".into(), json!(["BertModel"]));
            fields.insert("torch_dtype".into(), json!("float32"));
            fields.entry("pad_token_id").or_insert(json!(0));
        }
        Ok(config)
    }
}

impl<B: Backend> SaveFolder for StaticEncoder<B> {
    fn save_folder(&self, folder: &Path, tokenizer: &TextTokenizer, _max_tokens: usize) -> Result<(), EmbedError> {
        replace_folder(folder, |draft| {
            write_modules(draft, &[("0_StaticEmbedding", STATIC), ("1_Normalize", NORMALIZE)])?;
            let inner = draft.join("0_StaticEmbedding");
            tokenizer.save(inner.join("tokenizer.json"))?;
            self.weight_writer().write(&inner.join("model.safetensors"))
        })
    }
}

/// Writes into a new folder beside `folder`, then puts it in `folder`'s place.
fn replace_folder(folder: &Path, write: impl FnOnce(&Path) -> Result<(), EmbedError>) -> Result<(), EmbedError> {
    let draft = beside(folder, "partial");
    remove(&draft)?;
    create(&draft)?;
    write(&draft)?;
    let old = beside(folder, "replaced");
    remove(&old)?;
    if folder.exists() {
        rename(folder, &old)?;
    }
    rename(&draft, folder)?;
    remove(&old)
}

/// `folder` with a suffix that no other process uses.
fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{suffix}-{}", std::process::id()));
    folder.with_file_name(name)
}

fn write_modules(folder: &Path, modules: &[(&str, &str)]) -> Result<(), EmbedError> {
    let entries = modules.iter().enumerate().map(|(idx, (path, kind))| ModuleEntry {
        idx,
        name: idx.to_string(),
        path: path.to_string(),
        kind: kind.to_string(),
    });
    for (path, _) in modules {
        create(&folder.join(path))?;
    }
    write_json(folder, "modules.json", &entries.collect::<Vec<_>>())?;
    let versions = json!({"sentence_transformers": "5.1.2", "transformers": "4.57.6", "pytorch": "2.9.0"});
    let config = json!({
        "__version__": versions,
        "model_type": "SentenceTransformer",
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": null,
        "similarity_fn_name": "cosine",
    });
    write_json(folder, "config_sentence_transformers.json", &config)
}

fn pooling_config(dim: usize, pooling: Pooling) -> Value {
    json!({
        "word_embedding_dimension": dim,
        "pooling_mode_cls_token": pooling == Pooling::Cls,
        "pooling_mode_mean_tokens": pooling == Pooling::Mean,
        "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
        "pooling_mode_weightedmean_tokens": false,
        "pooling_mode_lasttoken": false,
        "include_prompt": true,
    })
}

/// `tokenizer.json`, which is what tokenizes, and the two files that tell transformers its class and special tokens.
fn write_tokenizer(folder: &Path, tokenizer: &TextTokenizer, max_tokens: usize) -> Result<(), EmbedError> {
    tokenizer.save(folder.join("tokenizer.json"))?;
    let known: serde_json::Map<String, Value> = ROLES
        .iter()
        .filter(|(_, token)| tokenizer.token_id(token).is_some())
        .map(|(role, token)| (role.to_string(), json!(token)))
        .collect();
    write_json(folder, "special_tokens_map.json", &known)?;
    let mut config = known;
    config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    config.insert("model_max_length".into(), json!(max_tokens));
    config.insert("clean_up_tokenization_spaces".into(), json!(true));
    write_json(folder, "tokenizer_config.json", &config)
}

fn write_json(folder: &Path, file: &str, value: &impl Serialize) -> Result<(), EmbedError> {
    let path = folder.join(file);
    let text = serde_json::to_string_pretty(value).map_err(|source| EmbedError::Json { path: path.clone(), source })?;
    std::fs::write(&path, text + "\n").map_err(|source| EmbedError::Write { path, source })
}

fn create(folder: &Path) -> Result<(), EmbedError> {
    std::fs::create_dir_all(folder).map_err(|source| EmbedError::Write { path: folder.into(), source })
}

fn rename(from: &Path, to: &Path) -> Result<(), EmbedError> {
    std::fs::rename(from, to).map_err(|source| EmbedError::Write { path: to.into(), source })
}

fn remove(folder: &Path) -> Result<(), EmbedError> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(EmbedError::Write { path: folder.into(), source })
        }
        _ => Ok(()),
    }
}
