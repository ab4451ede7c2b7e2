use std::path::Path;

use burn::tensor::backend::Backend;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ExportOptions;
use super::layout::{DENSE, ModuleEntry, NORMALIZE, POOLING, STATIC, TRANSFORMER};
use super::pooling::flag;
use super::replace::replace_folder;
use crate::bert::Projection;
use crate::{Bert, EmbedError, Encoder, Pooling, Prompts, SaveFolder, StaticEncoder, TextTokenizer};

/// Tokens that a tokenizer's configuration names, by their role: BERT's names and RoBERTa's.
const ROLES: [(&str, [&str; 2]); 5] = [
    ("unk_token", ["[UNK]", "<unk>"]),
    ("sep_token", ["[SEP]", "</s>"]),
    ("pad_token", ["[PAD]", "<pad>"]),
    ("cls_token", ["[CLS]", "<s>"]),
    ("mask_token", ["[MASK]", "<mask>"]),
];

impl<B: Backend> SaveFolder for Bert<B> {
    fn save_folder(&self, folder: &Path, tokenizer: &TextTokenizer, options: &ExportOptions) -> Result<(), EmbedError> {
        check_vocabulary(tokenizer, self)?;
        let max_tokens = options.max_tokens.min(self.max_tokens());
        replace_folder(folder, |draft| {
            let dense: Vec<String> = (0..self.projections().len()).map(|at| format!("{}_Dense", at + 2)).collect();
            let normalize = format!("{}_Normalize", dense.len() + 2);
            let mut modules = vec![("", TRANSFORMER), ("1_Pooling", POOLING)];
            modules.extend(dense.iter().map(|folder| (folder.as_str(), DENSE)));
            modules.push((&normalize, NORMALIZE));
            write_modules(draft, &modules, &options.prompts, self.truncate_dim())?;
            for (folder, projection) in dense.iter().zip(self.projections()) {
                write_projection(&draft.join(folder), projection)?;
            }
            write_json(draft, "config.json", &self.config().for_transformers())?;
            // The tokenizer's own normaliser writes texts in lower case, where it does.
            let limit = json!({"max_seq_length": max_tokens, "do_lower_case": false});
            write_json(draft, "sentence_bert_config.json", &limit)?;
            write_json(&draft.join("1_Pooling"), "config.json", &self.pooling_config())?;
            write_tokenizer(draft, tokenizer, max_tokens)?;
            self.weight_writer().write(&draft.join("model.safetensors"))
        })
    }
}

impl<B: Backend> Bert<B> {
    /// A flag for each mode, which every version reads.
    fn pooling_config(&self) -> Value {
        let mut config = json!({
            "word_embedding_dimension": self.config().hidden_size,
            "pooling_mode_cls_token": false,
            "pooling_mode_mean_tokens": false,
            "pooling_mode_max_tokens": false,
            "pooling_mode_mean_sqrt_len_tokens": false,
            "pooling_mode_weightedmean_tokens": false,
            "pooling_mode_lasttoken": false,
            // With CLS pooling versions differ in what leaving out means, and nothing is left out here.
            "include_prompt": self.include_prompt() || self.pooling() == Pooling::Cls,
        });
        config[flag(self.pooling())] = true.into();
        config
    }
}

impl<B: Backend> SaveFolder for StaticEncoder<B> {
    fn save_folder(&self, folder: &Path, tokenizer: &TextTokenizer, options: &ExportOptions) -> Result<(), EmbedError> {
        check_vocabulary(tokenizer, self)?;
        replace_folder(folder, |draft| {
            let modules = [("0_StaticEmbedding", STATIC), ("1_Normalize", NORMALIZE)];
            write_modules(draft, &modules, &options.prompts, None)?;
            let inner = draft.join("0_StaticEmbedding");
            let path = inner.join("tokenizer.json");
            match options.max_tokens {
                usize::MAX => tokenizer.save(&path)?,
                most => tokenizer.save_limited(&path, most)?,
            }
            self.weight_writer().write(&inner.join("model.safetensors"))
        })
    }
}

fn check_vocabulary<B: Backend>(tokenizer: &TextTokenizer, encoder: &impl Encoder<B>) -> Result<(), EmbedError> {
    let (tokens, rows) = (tokenizer.vocab_size(), encoder.vocab_size());
    if tokens > rows {
        return Err(EmbedError::Vocabulary { tokens, rows });
    }
    Ok(())
}

fn write_projection<B: Backend>(folder: &Path, projection: &Projection<B>) -> Result<(), EmbedError> {
    let [input, output] = projection.widths();
    let config = json!({
        "in_features": input,
        "out_features": output,
        "bias": projection.is_biased(),
        "activation_function": projection.activation().name(),
    });
    write_json(folder, "config.json", &config)?;
    projection.weight_writer().write(&folder.join("model.safetensors"))
}

fn write_modules(
    folder: &Path,
    modules: &[(&str, &str)],
    prompts: &Prompts,
    truncate_dim: Option<usize>,
) -> Result<(), EmbedError> {
    let entries = modules.iter().enumerate().map(|(idx, (path, kind))| ModuleEntry {
        idx,
        name: idx.to_string(),
        path: path.to_string(),
        kind: kind.to_string(),
        extra: Map::new(),
    });
    for (path, _) in modules {
        create(&folder.join(path))?;
    }
    write_json(folder, "modules.json", &entries.collect::<Vec<_>>())?;
    let versions = json!({"sentence_transformers": "5.1.2", "transformers": "4.57.6", "pytorch": "2.9.0"});
    let mut config = json!({
        "__version__": versions,
        "model_type": "SentenceTransformer",
        "prompts": {"query": prompts.query, "document": prompts.passage},
        "default_prompt_name": null,
        "similarity_fn_name": "cosine",
    });
    if let Some(columns) = truncate_dim {
        config["truncate_dim"] = columns.into();
    }
    write_json(folder, "config_sentence_transformers.json", &config)
}

/// `tokenizer.json`, which is what tokenizes, and the two files that tell transformers its class and special tokens.
fn write_tokenizer(folder: &Path, tokenizer: &TextTokenizer, max_tokens: usize) -> Result<(), EmbedError> {
    tokenizer.save(folder.join("tokenizer.json"))?;
    let known: Map<String, Value> = ROLES
        .iter()
        .filter_map(|(role, names)| {
            let token = names.iter().find(|token| tokenizer.token_id(token).is_some())?;
            Some((role.to_string(), json!(token)))
        })
        .collect();
    write_json(folder, "special_tokens_map.json", &known)?;
    let mut config = known;
    config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    config.insert("model_max_length".into(), json!(max_tokens));
    if let Some(space) = tokenizer.prefix_space() {
        config.insert("add_prefix_space".into(), json!(space));
    }
    config.insert("clean_up_tokenization_spaces".into(), json!(true));
    write_json(folder, "tokenizer_config.json", &config)
}

fn write_json(folder: &Path, file: &str, value: &impl Serialize) -> Result<(), EmbedError> {
    let path = folder.join(file);
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from);
    text.and_then(|text| std::fs::write(&path, text + "\n")).map_err(|source| EmbedError::Write { path, source })
}

fn create(folder: &Path) -> Result<(), EmbedError> {
    std::fs::create_dir_all(folder).map_err(|source| EmbedError::Write { path: folder.into(), source })
}
