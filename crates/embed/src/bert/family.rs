use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::EmbedError;

/// The architectures that a [`Bert`](crate::Bert) can have, by the `model_type` of a Hugging Face `config.json`.
///
/// # Examples
/// ```
/// use embed::{BertConfig, Family};
///
/// let config = BertConfig::new(1000, 64).with_layers(3).with_family(Family::ModernBert);
/// assert_eq!(config.model_type.to_string(), "modernbert");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Family {
    /// Devlin et al. (2019), arXiv 1810.04805: MiniLM, BGE, E5, GTE, Arctic Embed.
    #[default]
    Bert,
    /// Liu et al. (2019), arXiv 1907.11692: a BERT whose positions begin behind the padding token's number.
    Roberta,
    /// Conneau et al. (2020), arXiv 1911.02116: the same over a multilingual vocabulary; multilingual E5, BGE-M3, Arctic Embed 2 L.
    XlmRoberta,
    /// Martin et al. (2020), arXiv 1911.03894: the same in French.
    Camembert,
    /// Sanh et al. (2019), arXiv 1910.01108: a BERT without segments.
    DistilBert,
    /// Song et al. (2020), arXiv 2004.09297: a RoBERTa with a learned bias by distance in attention; all-mpnet-base.
    Mpnet,
    /// Warner et al. (2024), arXiv 2412.13663: rotary positions, attention near by in two of three layers, gated GELU, norms before.
    ModernBert,
    /// Nussbaum et al. (2024), arXiv 2402.01613: rotary positions and gated SiLU; nomic-embed, Arctic Embed M long.
    NomicBert,
}

/// A family's names of what all have.
pub(super) struct Keys {
    pub(super) hidden_size: &'static str,
    pub(super) layers: &'static str,
    pub(super) heads: &'static str,
    pub(super) intermediate_size: &'static str,
    pub(super) positions: &'static str,
    pub(super) types: Option<&'static str>,
    pub(super) activation: &'static str,
    pub(super) eps: Option<&'static str>,
}

impl Keys {
    /// Whether this is one of them that is not BERT's.
    pub(super) fn are(&self, key: &str) -> bool {
        let own = [self.hidden_size, self.layers, self.heads, self.intermediate_size, self.positions, self.activation];
        own.into_iter().chain(self.eps).any(|own| own == key)
    }
}

const OF_BERT: Keys = Keys {
    hidden_size: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    intermediate_size: "intermediate_size",
    positions: "max_position_embeddings",
    types: Some("type_vocab_size"),
    activation: "hidden_act",
    eps: Some("layer_norm_eps"),
};

const OF_DISTILBERT: Keys = Keys {
    hidden_size: "dim",
    layers: "n_layers",
    heads: "n_heads",
    intermediate_size: "hidden_dim",
    types: None,
    activation: "activation",
    eps: None,
    ..OF_BERT
};

const OF_MPNET: Keys = Keys { types: None, ..OF_BERT };

const OF_MODERNBERT: Keys = Keys { types: None, activation: "hidden_activation", eps: Some("norm_eps"), ..OF_BERT };

/// The names of nomic's own code; transformers has BERT's.
const OF_NOMIC: Keys = Keys {
    hidden_size: "n_embd",
    layers: "n_layer",
    heads: "n_head",
    intermediate_size: "n_inner",
    positions: "n_positions",
    activation: "activation_function",
    eps: Some("layer_norm_epsilon"),
    ..OF_BERT
};

const FAMILIES: [(&str, Family); 8] = [
    ("bert", Family::Bert),
    ("roberta", Family::Roberta),
    ("xlm-roberta", Family::XlmRoberta),
    ("camembert", Family::Camembert),
    ("distilbert", Family::DistilBert),
    ("mpnet", Family::Mpnet),
    ("modernbert", Family::ModernBert),
    ("nomic_bert", Family::NomicBert),
];

impl From<Family> for String {
    fn from(family: Family) -> Self {
        family.to_string()
    }
}

impl TryFrom<String> for Family {
    type Error = EmbedError;

    fn try_from(name: String) -> Result<Self, EmbedError> {
        Self::named(&name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(FAMILIES.iter().find(|(_, family)| family == self).map_or("bert", |(name, _)| name))
    }
}

impl Family {
    /// The family of a `model_type`.
    pub(super) fn named(name: &str) -> Result<Self, EmbedError> {
        let known = FAMILIES.iter().find(|(known, _)| *known == name);
        known.map(|&(_, family)| family).ok_or_else(|| EmbedError::Unsupported {
            path: None,
            key: "model_type".into(),
            value: name.into(),
            supported: FAMILIES.map(|(name, _)| name).join(", "),
        })
    }

    /// The names in a configuration with these `rest` of keys.
    pub(super) fn keys(self, rest: &Map<String, Value>) -> &'static Keys {
        match self {
            Family::DistilBert => &OF_DISTILBERT,
            Family::Mpnet => &OF_MPNET,
            Family::ModernBert => &OF_MODERNBERT,
            Family::NomicBert if is_nomics_own(rest) => &OF_NOMIC,
            _ => &OF_BERT,
        }
    }

    /// Whether positions begin behind the padding token's number, and padding in a text has that number's position.
    pub(super) fn positions_follow_padding(self) -> bool {
        matches!(self, Family::Roberta | Family::XlmRoberta | Family::Camembert | Family::Mpnet)
    }

    /// transformers' class.
    pub(super) fn class(self) -> &'static str {
        match self {
            Family::Bert => "BertModel",
            Family::Roberta => "RobertaModel",
            Family::XlmRoberta => "XLMRobertaModel",
            Family::Camembert => "CamembertModel",
            Family::DistilBert => "DistilBertModel",
            Family::Mpnet => "MPNetModel",
            Family::ModernBert => "ModernBertModel",
            Family::NomicBert => "NomicBertModel",
        }
    }

    /// The default of `pad_token_id`.
    pub(super) fn padding(self) -> u32 {
        match self {
            Family::ModernBert => 50_283,
            family => family.positions_follow_padding().into(),
        }
    }

    pub(super) fn activation(self, rest: &Map<String, Value>) -> &'static str {
        match self {
            Family::NomicBert if is_nomics_own(rest) => "swiglu",
            Family::NomicBert => "silu",
            _ => "gelu",
        }
    }

    pub(super) fn layer_norm_eps(self) -> f64 {
        match self {
            Family::Roberta | Family::XlmRoberta | Family::Camembert | Family::ModernBert => 1e-5,
            _ => 1e-12,
        }
    }

    /// Rows of the segment table; 0 where there is none.
    pub(super) fn types(self) -> usize {
        match self {
            Family::Bert | Family::NomicBert => 2,
            Family::Roberta | Family::XlmRoberta | Family::Camembert => 1,
            Family::DistilBert | Family::Mpnet | Family::ModernBert => 0,
        }
    }
}

/// Whether these are keys of a configuration of nomic's own code, of which some are left where the others are read.
pub(super) fn is_nomics_own(rest: &Map<String, Value>) -> bool {
    ["n_embd", "rotary_emb_base", "rotary_emb_fraction", "qkv_proj_bias"].iter().any(|key| rest.contains_key(*key))
}
