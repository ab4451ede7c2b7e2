use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::architecture::Architecture;
use super::family::{Family, Keys};
use super::known;
use crate::EmbedError;
use crate::folder::read_json;

/// The fields of a Hugging Face `config.json` that make an encoder, under BERT's names whatever the [`Family`] calls them.
///
/// Fields that not every family has are in `extra` under the file's names: those that make the model are read there, and all are written back. Dropout
/// probabilities among them are not applied: a training says its own ([`Dropout`](crate::Dropout)).
///
/// # Examples
/// ```
/// let config = embed::BertConfig::new(1000, 64).with_layers(2).with_heads(4);
/// assert_eq!(config.intermediate_size, 256);
/// assert!(config.with_heads(7).validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct BertConfig {
    /// The architecture.
    pub model_type: Family,
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Length of every token's vector.
    pub hidden_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they divide `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Rows of the table of positions, or most positions where they are rotary. See [`max_tokens`](BertConfig::max_tokens).
    pub max_position_embeddings: usize,
    /// Rows of the segment table, 0 where the family has none; texts here are all segment 0.
    pub type_vocab_size: usize,
    /// The family's only one: `gelu`, the one with the error function, or NomicBERT's gated SiLU.
    pub hidden_act: String,
    /// Added to the variance in LayerNorm.
    pub layer_norm_eps: f64,
    /// Standard deviation of fresh weights.
    pub initializer_range: f64,
    /// Every other field of the file.
    pub extra: Map<String, Value>,
}

impl BertConfig {
    /// A configuration with BERT's proportions: 12 layers, heads of 64 (or one), a feed-forward layer four times as wide, 512 positions.
    pub fn new(vocab_size: usize, hidden_size: usize) -> Self {
        let bert = BertConfig {
            model_type: Family::Bert,
            vocab_size,
            hidden_size,
            num_hidden_layers: 12,
            num_attention_heads: (hidden_size / 64).max(1),
            intermediate_size: 4 * hidden_size,
            max_position_embeddings: 512,
            type_vocab_size: 0,
            hidden_act: String::new(),
            layer_norm_eps: 0.0,
            initializer_range: 0.02,
            extra: Map::new(),
        };
        bert.with_family(Family::Bert)
    }

    /// Sets the architecture, with its own segments, activation, epsilon and everything that has a key in `extra`; not the sizes.
    pub fn with_family(mut self, family: Family) -> Self {
        self.extra = Map::new();
        self.model_type = family;
        self.type_vocab_size = family.types();
        self.hidden_act = family.activation(&self.extra).into();
        self.layer_norm_eps = family.layer_norm_eps();
        self
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

    /// Most tokens a text may have: as many as there are positions, less those that RoBERTa's relatives leave to padding.
    pub fn max_tokens(&self) -> usize {
        match self.model_type.positions_follow_padding() {
            true => self.max_position_embeddings.saturating_sub(self.padding() as usize + 1),
            false => self.max_position_embeddings,
        }
    }

    /// The padding token; MPNet's positions follow 1 whatever the file says.
    pub(super) fn padding(&self) -> u32 {
        if self.model_type == Family::Mpnet {
            return 1;
        }
        let id = self.extra.get("pad_token_id").and_then(Value::as_u64);
        id.and_then(|id| u32::try_from(id).ok()).unwrap_or(self.model_type.padding())
    }

    /// The configuration in a folder's `config.json`, validated.
    ///
    /// # Errors
    /// [`EmbedError::MissingFile`], [`EmbedError::MissingKey`], [`EmbedError::Json`], what [`validate`](Self::validate) finds, or
    /// [`EmbedError::Unsupported`] for an architecture or a setting that is not implemented. Keys that are unknown are a warning.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let folder = folder.as_ref();
        let path = folder.join("config.json");
        let map: Map<String, Value> = read_json(folder, "config.json")?;
        let config = Self::of(map, &path).map_err(|error| error.in_file(&path))?;
        config.validate().map_err(|error| error.in_file(&path))?;
        known::check_keys(folder, &config)?;
        Ok(config)
    }

    /// Nothing, if this crate can build the model.
    ///
    /// # Errors
    /// [`EmbedError::Unsupported`] for another activation or setting, [`EmbedError::OutOfRange`] for sizes that do not fit.
    pub fn validate(&self) -> Result<(), EmbedError> {
        let keys = self.keys();
        let activation = self.model_type.activation(&self.extra);
        if self.hidden_act != activation {
            let (key, value) = (keys.activation.into(), self.hidden_act.clone());
            return Err(EmbedError::Unsupported { path: None, key, value, supported: activation.into() });
        }
        let mut sizes = vec![
            ("vocab_size", self.vocab_size),
            (keys.hidden_size, self.hidden_size),
            (keys.heads, self.num_attention_heads),
            (keys.intermediate_size, self.intermediate_size),
            (keys.positions, self.max_position_embeddings),
        ];
        sizes.extend(keys.types.map(|key| (key, self.type_vocab_size)));
        if let Some(&(key, size)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(out_of_range(key, size, "at least 1"));
        }
        if self.max_tokens() == 0 {
            let range = format!("above {}, the padding token's number and one", self.padding() as usize + 1);
            return Err(out_of_range(keys.positions, self.max_position_embeddings, &range));
        }
        let range = self.initializer_range;
        if !(range.is_finite() && range >= 0.0) {
            return Err(out_of_range("initializer_range", range, "finite, at least 0"));
        }
        let eps = self.layer_norm_eps;
        if !(eps.is_finite() && eps > 0.0) {
            return Err(out_of_range(keys.eps.unwrap_or("layer_norm_eps"), eps, "finite, above 0"));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let range = format!("a divisor of {} = {}", keys.hidden_size, self.hidden_size);
            return Err(out_of_range(keys.heads, self.num_attention_heads, &range));
        }
        // Nothing is made of a size that no file can have.
        const MOST: usize = 1 << 24;
        const MOST_LAYERS: usize = 1 << 12;
        if let Some(&(key, size)) = sizes.iter().find(|(_, size)| *size > MOST) {
            return Err(out_of_range(key, size, "at most 16777216"));
        }
        if self.num_hidden_layers > MOST_LAYERS {
            return Err(out_of_range(keys.layers, self.num_hidden_layers, "at most 4096"));
        }
        Architecture::of(self).map(drop)
    }

    /// The fields of a `config.json` by which transformers finds its class. Those of nomic's own code have transformers' names beside their own.
    pub(crate) fn for_transformers(&self) -> Map<String, Value> {
        let mut map = Map::from(self.clone());
        if self.model_type == Family::NomicBert {
            let plain = Map::from(BertConfig { extra: Map::new(), hidden_act: "silu".into(), ..self.clone() });
            // What an earlier export wrote beside them may be of more layers.
            for (key, value) in plain {
                if !self.keys().are(&key) {
                    map.insert(key, value);
                }
            }
            if let Some(base) = self.extra.get("rotary_emb_base") {
                let parameters = json!({"rope_theta": base, "rope_type": "default"});
                map.entry("rope_parameters").or_insert(parameters);
            }
        }
        map.insert("architectures".into(), json!([self.model_type.class()]));
        map.insert("torch_dtype".into(), json!("float32"));
        // transformers makes no table without the padding's row.
        let padding = self.padding() as usize;
        map.insert("pad_token_id".into(), if padding < self.vocab_size { json!(padding) } else { Value::Null });
        map
    }

    fn keys(&self) -> &'static Keys {
        self.model_type.keys(&self.extra)
    }

    /// What a file at `path`, for messages, says.
    fn of(mut map: Map<String, Value>, path: &Path) -> Result<Self, EmbedError> {
        let model_type = match map.remove("model_type") {
            None => Family::Bert,
            Some(Value::String(name)) => Family::named(&name)?,
            Some(other) => return Err(out_of_range("model_type", other, "a string")),
        };
        let keys = model_type.keys(&map);
        let activation = model_type.activation(&map);
        let mut size = |key: &str| match map.remove(key) {
            None => Err(EmbedError::MissingKey { path: path.into(), key: key.into() }),
            Some(value) => whole(key, &value),
        };
        let config = BertConfig {
            model_type,
            vocab_size: size("vocab_size")?,
            hidden_size: size(keys.hidden_size)?,
            num_hidden_layers: size(keys.layers)?,
            num_attention_heads: size(keys.heads)?,
            intermediate_size: size(keys.intermediate_size)?,
            max_position_embeddings: size(keys.positions)?,
            type_vocab_size: model_type.types(),
            hidden_act: activation.into(),
            layer_norm_eps: model_type.layer_norm_eps(),
            initializer_range: 0.02,
            extra: Map::new(),
        };
        let mut given = |key: Option<&str>| key.and_then(|key| Some((key.to_owned(), map.remove(key)?)));
        let types = given(keys.types).map(|(key, value)| whole(&key, &value)).transpose()?;
        let hidden_act = given(Some(keys.activation)).map(|(_, value)| match value {
            Value::String(name) => name,
            other => other.to_string(),
        });
        let eps = given(keys.eps).map(|(key, value)| number(&key, &value)).transpose()?;
        let range = given(Some("initializer_range")).map(|(key, value)| number(&key, &value)).transpose()?;
        Ok(BertConfig {
            type_vocab_size: types.unwrap_or(config.type_vocab_size),
            hidden_act: hidden_act.unwrap_or(config.hidden_act),
            layer_norm_eps: eps.unwrap_or(config.layer_norm_eps),
            initializer_range: range.unwrap_or(config.initializer_range),
            extra: map,
            ..config
        })
    }
}

impl TryFrom<Map<String, Value>> for BertConfig {
    type Error = EmbedError;

    fn try_from(map: Map<String, Value>) -> Result<Self, EmbedError> {
        Self::of(map, Path::new("config.json"))
    }
}

impl From<BertConfig> for Map<String, Value> {
    fn from(config: BertConfig) -> Self {
        let keys = config.keys();
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| drop(map.insert(key.into(), value));
        put("model_type", config.model_type.to_string().into());
        put("vocab_size", config.vocab_size.into());
        put(keys.hidden_size, config.hidden_size.into());
        put(keys.layers, config.num_hidden_layers.into());
        put(keys.heads, config.num_attention_heads.into());
        put(keys.intermediate_size, config.intermediate_size.into());
        put(keys.positions, config.max_position_embeddings.into());
        put(keys.activation, config.hidden_act.into());
        put("initializer_range", json!(config.initializer_range));
        if let Some(key) = keys.types {
            put(key, config.type_vocab_size.into());
        }
        if let Some(key) = keys.eps {
            put(key, json!(config.layer_norm_eps));
        }
        map.extend(config.extra);
        if let Some(Value::Array(layers)) = map.get_mut("layer_types") {
            layers.truncate(config.num_hidden_layers);
        }
        map
    }
}

fn whole(key: &str, value: &Value) -> Result<usize, EmbedError> {
    let whole = value.as_u64().and_then(|size| usize::try_from(size).ok());
    whole.ok_or_else(|| out_of_range(key, value, "a whole number"))
}

fn number(key: &str, value: &Value) -> Result<f64, EmbedError> {
    value.as_f64().ok_or_else(|| out_of_range(key, value, "a number"))
}

pub(super) fn out_of_range(key: &str, value: impl ToString, range: &str) -> EmbedError {
    EmbedError::OutOfRange { path: None, key: key.into(), value: value.to_string(), range: range.into() }
}
