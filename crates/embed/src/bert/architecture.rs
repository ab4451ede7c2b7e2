use serde_json::{Map, Value};

use super::config::out_of_range;
use super::family::is_nomics_own;
use super::{BertConfig, Family};
use crate::EmbedError;
use crate::ops::{BUCKETS, Gate};

/// What distinguishes the families, as a configuration says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Architecture {
    /// How a token's place becomes a row of the table of positions; none where queries and keys are turned by it.
    pub(crate) learned_positions: Option<LearnedPositions>,
    /// Norms before attention and the feed-forward layer, and one behind the last layer; else behind each.
    pub(crate) pre_norm: bool,
    pub(crate) feed_forward: FeedForward,
    /// Which of the dense layers and norms have a bias.
    pub(crate) biases: Biases,
    /// Rows of the table of what is added to attention's scores by distance, shared by all layers; 0: there is none.
    pub(crate) buckets: usize,
    /// What each layer's attention does.
    pub(crate) layers: Vec<Reach>,
    /// Past how many tokens, and by which factor, a text's rotation slows down (NTK-aware scaling).
    pub(crate) scaling: Option<(usize, f64)>,
}

/// The table of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LearnedPositions {
    /// The first token's row.
    pub(crate) first: usize,
    /// The token that has the row before it, and takes no place.
    pub(crate) padding: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedForward {
    Gelu,
    /// `activation(a) ∘ b` of two halves.
    Gated(Gate),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Biases {
    pub(crate) attention: bool,
    pub(super) intermediate: bool,
    pub(super) output: bool,
    pub(crate) norm: bool,
}

/// Where a layer's attention looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reach {
    /// Base of the wavelengths by which queries and keys are turned (Su et al. 2021, arXiv 2104.09864, eq. 15).
    pub(crate) theta: Option<f64>,
    /// Tokens on each side that are seen; all where `None`.
    pub(crate) window: Option<usize>,
}

const LEARNED: Reach = Reach { theta: None, window: None };
const ALL: Biases = Biases { attention: true, intermediate: true, output: true, norm: true };

impl LearnedPositions {
    /// The row of each token of a text.
    pub(crate) fn rows(self, text: &[u32]) -> impl Iterator<Item = u32> {
        let mut next = self.first as u32;
        text.iter().map(move |&id| {
            let is_padding = self.padding == Some(id);
            next += u32::from(!is_padding);
            if is_padding { self.first as u32 - 1 } else { next - 1 }
        })
    }
}

impl FeedForward {
    /// Columns of the first product for each of the second's.
    pub(super) fn parts(self) -> usize {
        match self {
            FeedForward::Gelu => 1,
            FeedForward::Gated(_) => 2,
        }
    }
}

impl Architecture {
    pub(super) fn of(config: &BertConfig) -> Result<Self, EmbedError> {
        let extra = Extra(&config.extra);
        let mut made = Architecture {
            learned_positions: Some(LearnedPositions { first: 0, padding: None }),
            pre_norm: false,
            feed_forward: FeedForward::Gelu,
            biases: ALL,
            buckets: 0,
            layers: vec![LEARNED; config.num_hidden_layers],
            scaling: None,
        };
        if config.model_type.positions_follow_padding() {
            let padding = config.padding();
            made.learned_positions = Some(LearnedPositions { first: padding as usize + 1, padding: Some(padding) });
        }
        match config.model_type {
            Family::Bert | Family::Roberta | Family::XlmRoberta | Family::Camembert | Family::DistilBert => {}
            Family::Mpnet => {
                // transformers sizes the table by the key, and always counts 32 buckets.
                made.buckets = BUCKETS;
                if let Some(other) = extra.size("relative_attention_num_buckets")?.filter(|&given| given != BUCKETS) {
                    return Err(out_of_range("relative_attention_num_buckets", other, "32"));
                }
            }
            Family::ModernBert => made.modern(&extra)?,
            Family::NomicBert => made.nomic(config, &extra)?,
        }
        let rotary = made.layers.iter().any(|layer| layer.theta.is_some());
        if rotary && !(config.hidden_size / config.num_attention_heads).is_multiple_of(2) {
            let heads = config.num_attention_heads;
            return Err(out_of_range("num_attention_heads", heads, "so that heads have an even number of columns"));
        }
        Ok(made)
    }

    fn modern(&mut self, extra: &Extra<'_>) -> Result<(), EmbedError> {
        self.learned_positions = None;
        self.pre_norm = true;
        self.feed_forward = FeedForward::Gated(Gate::Gelu);
        let flag = |key: &str| extra.flag(key).map(|flag| flag.unwrap_or(false));
        let feed_forward = flag("mlp_bias")?;
        self.biases = Biases {
            attention: flag("attention_bias")?,
            intermediate: feed_forward,
            output: feed_forward,
            norm: flag("norm_bias")?,
        };
        let window = extra.size("local_attention")?.unwrap_or(128) / 2;
        let every = extra.size("global_attn_every_n_layers")?.unwrap_or(3);
        if every == 0 {
            return Err(out_of_range("global_attn_every_n_layers", 0, "at least 1"));
        }
        let global = extra.theta("full_attention", "global_rope_theta")?.unwrap_or(160_000.0);
        let local = match extra.0.get("local_rope_theta") {
            // The other's.
            Some(Value::Null) => global,
            _ => extra.theta("sliding_attention", "local_rope_theta")?.unwrap_or(10_000.0),
        };
        let global = Reach { theta: Some(global), window: None };
        let local = Reach { theta: Some(local), window: Some(window) };
        let kinds = extra.strings("layer_types")?;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let sees_all = match &kinds {
                None => index.is_multiple_of(every),
                Some(kinds) => match kinds.get(index).map(String::as_str) {
                    Some("full_attention") => true,
                    Some("sliding_attention") => false,
                    other => {
                        let value = format!("{other:?} of layer {index}");
                        return Err(out_of_range(
                            "layer_types",
                            value,
                            "full_attention or sliding_attention of each layer",
                        ));
                    }
                },
            };
            *layer = if sees_all { global } else { local };
        }
        Ok(())
    }

    fn nomic(&mut self, config: &BertConfig, extra: &Extra<'_>) -> Result<(), EmbedError> {
        self.learned_positions = None;
        self.feed_forward = FeedForward::Gated(Gate::Silu);
        // Its own code has biases where nothing is said.
        let flag = |key: &str| extra.flag(key).map(|flag| flag.unwrap_or(is_nomics_own(&config.extra)));
        self.biases = Biases {
            attention: flag("qkv_proj_bias")?,
            intermediate: flag("mlp_fc1_bias")?,
            output: flag("mlp_fc2_bias")?,
            norm: true,
        };
        let theta = match extra.number("rotary_emb_base")? {
            Some(theta) => theta,
            None => extra.theta("", "rope_theta")?.unwrap_or(1000.0),
        };
        self.layers = vec![Reach { theta: Some(theta), window: None }; config.num_hidden_layers];
        if let Some(factor) = extra.number("rotary_scaling_factor")? {
            self.scaling = Some((extra.size("max_trained_positions")?.unwrap_or(2048).max(1), factor));
        }
        Ok(())
    }

    /// Whether a layer has a norm for what attention gets or gives.
    pub(super) fn norms_attention(&self, layer: usize) -> bool {
        !self.pre_norm || layer > 0
    }

    /// The base of a text's wavelengths: past the positions that were trained it grows with the text's length.
    pub(crate) fn base(&self, theta: f64, tokens: usize, head_size: usize) -> f64 {
        match self.scaling {
            Some((trained, factor)) if tokens > trained => {
                let stretch = factor * tokens as f64 / trained as f64 - (factor - 1.0);
                theta * stretch.powf(head_size as f64 / (head_size as f64 - 2.0))
            }
            _ => theta,
        }
    }
}

/// The keys of one family alone.
struct Extra<'a>(&'a Map<String, Value>);

impl Extra<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn size(&self, key: &str) -> Result<Option<usize>, EmbedError> {
        let whole = |value: &Value| value.as_u64().and_then(|size| usize::try_from(size).ok());
        self.read(key, "a whole number", whole)
    }

    fn number(&self, key: &str) -> Result<Option<f64>, EmbedError> {
        self.read(key, "a number above 0", |value| value.as_f64().filter(|&number| number > 0.0))
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, EmbedError> {
        self.read(key, "true or false", Value::as_bool)
    }

    fn strings(&self, key: &str) -> Result<Option<Vec<String>>, EmbedError> {
        self.read(key, "a list of strings", |value| {
            value.as_array()?.iter().map(|entry| entry.as_str().map(str::to_owned)).collect()
        })
    }

    /// A base of wavelengths, of transformers 5 in `rope_parameters`, by the layer's kind where there are several.
    fn theta(&self, kind: &str, key: &str) -> Result<Option<f64>, EmbedError> {
        let Some(parameters) = self.get("rope_parameters") else { return self.number(key) };
        let of_kind = parameters.get(kind).unwrap_or(parameters);
        if !of_kind.is_object() {
            return Err(out_of_range("rope_parameters", parameters, "an object"));
        }
        if let Some(part) = of_kind.get("partial_rotary_factor").filter(|part| part.as_f64() != Some(1.0)) {
            let (key, supported) = ("rope_parameters.partial_rotary_factor".into(), "1".into());
            return Err(EmbedError::Unsupported { path: None, key, value: part.to_string(), supported });
        }
        let rope_type = of_kind.get("rope_type").and_then(Value::as_str).unwrap_or("default");
        if rope_type != "default" {
            let (key, supported) = ("rope_parameters.rope_type".into(), "default".into());
            return Err(EmbedError::Unsupported { path: None, key, value: rope_type.into(), supported });
        }
        match of_kind.get("rope_theta") {
            None | Some(Value::Null) => Ok(None),
            Some(theta) => match theta.as_f64().filter(|&theta| theta > 0.0) {
                Some(theta) => Ok(Some(theta)),
                None => Err(out_of_range("rope_parameters.rope_theta", theta, "a number above 0")),
            },
        }
    }

    fn read<T>(&self, key: &str, range: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, EmbedError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| out_of_range(key, value, range))
    }
}
