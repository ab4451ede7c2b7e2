//! The key `student.mlm`: a masked-language-model stage before training.

use serde::{Deserialize, Serialize};

use super::TrainConfig;

/// Tokens that are encoded at once where `train.chunk_tokens` says nothing: logits of what is predicted, over the whole vocabulary, take memory too.
const CHUNK_TOKENS: usize = 8_192;

/// How a BERT learns to fill in masked tokens of the training texts before it is trained on pairs.
///
/// # Source
/// Devlin et al. (2019), arXiv 1810.04805, §3.1 and A.1: of the tokens 15% are predicted, of which 80% are hidden, 10% are another token, and 10% stay.
///
/// # Examples
/// ```
/// let text = "[student]\nkind = \"bert\"\nmlm = { steps = 2000, batch_size = 128 }";
/// let config = pretrain::Config::parse(text, &[])?;
/// assert_eq!(config.student.mlm.map(|mlm| (mlm.steps, mlm.mask)), Some((2000, 0.15)));
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlmConfig {
    /// Steps.
    pub steps: usize,
    /// Texts of a step.
    #[serde(default = "MlmConfig::batch_size")]
    pub batch_size: usize,
    /// The longest text, in tokens with the special ones.
    #[serde(default = "MlmConfig::max_tokens")]
    pub max_tokens: usize,
    /// The share of a text's tokens that are predicted.
    #[serde(default = "MlmConfig::mask")]
    pub mask: f64,
    /// The peak learning rate; it rises over the first tenth of the steps and falls to 0.
    #[serde(default = "MlmConfig::learning_rate")]
    pub learning_rate: f64,
    /// Decoupled weight decay, of matrices and tables.
    #[serde(default = "MlmConfig::weight_decay")]
    pub weight_decay: f32,
    /// The rate at which hidden values are dropped; 0: none.
    #[serde(default)]
    pub dropout: f32,
    /// The seed of first weights, of the order of texts and of what is masked.
    #[serde(default)]
    pub seed: u64,
}

impl MlmConfig {
    fn batch_size() -> usize {
        256
    }

    fn max_tokens() -> usize {
        128
    }

    fn mask() -> f64 {
        0.15
    }

    fn learning_rate() -> f64 {
        5e-4
    }

    fn weight_decay() -> f32 {
        0.01
    }

    /// The optimisation: AdamW as it is by default, with the precision, chunks, memory and checkpoints of `train`.
    pub(crate) fn training(&self, train: &TrainConfig) -> TrainConfig {
        TrainConfig {
            learning_rate: Some(self.learning_rate),
            final_rate: 0.0,
            weight_decay: self.weight_decay,
            dropout: self.dropout,
            precision: train.precision,
            seed: self.seed,
            chunk_tokens: if train.chunk_tokens == 0 { CHUNK_TOKENS } else { train.chunk_tokens },
            memory: train.memory,
            checkpoint_every: train.checkpoint_every,
            checkpoints: train.checkpoints,
            ..TrainConfig::default()
        }
    }
}
