use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::known;
use crate::EmbedError;
use crate::folder::read_json;

/// The fields of a Hugging Face `config.json` that make a BERT.
///
/// Fields that BERT's encoder does not need are kept in `extra` and written back. Dropout probabilities among them are not applied:
/// a training says its own ([`Dropout`](crate::Dropout)).
///
/// # Examples
/// ```
/// let config = embed::BertConfig::new(1000, 64).with_layers(2).with_heads(4);
/// assert_eq!(config.intermediate_size, 256);
/// assert!(config.with_heads(7).validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Must be `bert`.
    #[serde(default = "bert")]
    pub model_type: String,
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Length of every vector.
    pub hidden_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they divide `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Most tokens a text may have.
    pub max_position_embeddings: usize,
    /// Rows of the segment table; texts here are all segment 0.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Must be `gelu`, the one with the error function.
    #[serde(default = "gelu")]
    pub hidden_act: String,
    /// Must be `absolute`.
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
    /// Added to the variance in LayerNorm.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Standard deviation of fresh weights.
    #[serde(default = "initializer_range")]
    pub initializer_range: f64,
    /// Every other field of the file.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn bert() -> String {
    "bert".into()
}
fn two() -> usize {
    2
}
fn gelu() -> String {
    "gelu".into()
}
fn absolute() -> String {
    "absolute".into()
}
fn layer_norm_eps() -> f64 {
    1e-12
}
fn initializer_range() -> f64 {
    0.02
}

const REQUIRED: [&str; 6] = [
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
];

impl BertConfig {
    /// A configuration with BERT's proportions: 12 layers, heads of 64 (or one), a feed-forward layer four times as wide, 512 positions.
    pub fn new(vocab_size: usize, hidden_size: usize) -> Self {
        BertConfig {
            model_type: bert(),
            vocab_size,
            hidden_size,
            num_hidden_layers: 12,
            num_attention_heads: (hidden_size / 64).max(1),
            intermediate_size: 4 * hidden_size,
            max_position_embeddings: 512,
            type_vocab_size: two(),
            hidden_act: gelu(),
            position_embedding_type: absolute(),
            layer_norm_eps: layer_norm_eps(),
            initializer_range: initializer_range(),
            extra: Map::new(),
        }
    }

    /// Sets the number of layers.
    pub fn with_layers(mut self, layers: usize) -> Self {
        self.num_hidden_layers = layers;
        self
    }

    /// Sets the number of attention heads.
    pub fn with_heads(mut self, heads: usize) -> Self {
        self.num_attention_heads = heads;
        self
    }

    /// Sets the width of the feed-forward layer.
    pub fn with_intermediate_size(mut self, width: usize) -> Self {
        self.intermediate_size = width;
        self
    }

    /// Sets the number of positions.
    pub fn with_max_position_embeddings(mut self, positions: usize) -> Self {
        self.max_position_embeddings = positions;
        self
    }

    /// The configuration in a folder's `config.json`, validated.
    ///
    /// # Errors
    /// [`EmbedError::MissingFile`], [`EmbedError::MissingKey`], [`EmbedError::Json`], what [`validate`](Self::validate) finds, or
    /// [`EmbedError::Unsupported`] for a decoder. Keys that are unknown are a warning.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let folder = folder.as_ref();
        let value: Value = read_json(folder, "config.json")?;
        let path = folder.join("config.json");
        // Another model's file lacks BERT's keys: say that it is another model, not which key it lacks.
        if let Some(kind) = value.get("model_type").and_then(Value::as_str) {
            supported("model_type", kind, "bert").map_err(|error| error.in_file(&path))?;
        }
        if let Some(key) = REQUIRED.into_iter().find(|key| value.get(key).is_none()) {
            return Err(EmbedError::MissingKey { path, key: key.into() });
        }
        let config: BertConfig =
            serde_json::from_value(value).map_err(|source| EmbedError::Json { path: path.clone(), source })?;
        config.validate().map_err(|error| error.in_file(&path))?;
        known::check_keys(folder)?;
        Ok(config)
    }

    /// Nothing, if this crate can build the model.
    ///
    /// # Errors
    /// [`EmbedError::Unsupported`] for another model type, activation or position embedding, [`EmbedError::OutOfRange`] for sizes that
    /// do not fit.
    pub fn validate(&self) -> Result<(), EmbedError> {
        supported("model_type", &self.model_type, "bert")?;
        supported("hidden_act", &self.hidden_act, "gelu")?;
        supported("position_embedding_type", &self.position_embedding_type, "absolute")?;
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        if let Some((key, size)) = sizes.into_iter().find(|&(_, size)| size == 0) {
            return Err(out_of_range(key, size, "at least 1"));
        }
        let range = self.initializer_range;
        if !(range.is_finite() && range >= 0.0) {
            return Err(out_of_range("initializer_range", range, "finite, at least 0"));
        }
        let eps = self.layer_norm_eps;
        if !(eps.is_finite() && eps > 0.0) {
            return Err(out_of_range("layer_norm_eps", eps, "finite, above 0"));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let range = format!("a divisor of hidden_size = {}", self.hidden_size);
            return Err(out_of_range("num_attention_heads", self.num_attention_heads, &range));
        }
        Ok(())
    }
}

fn supported(key: &str, value: &str, only: &str) -> Result<(), EmbedError> {
    if value == only {
        return Ok(());
    }
    Err(EmbedError::Unsupported { path: None, key: key.into(), value: value.into(), supported: only.into() })
}

fn out_of_range(key: &str, value: impl ToString, range: &str) -> EmbedError {
    EmbedError::OutOfRange { path: None, key: key.into(), value: value.to_string(), range: range.into() }
}
