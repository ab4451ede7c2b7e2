//! The sections of the configuration, one struct each, with their defaults.

use std::path::PathBuf;

use embed::{Family, InferencePrecision, Precision};
use serde::{Deserialize, Serialize};

use super::{ArmConfig, MlmConfig, OtherData};

/// The pretrained embedder whose vectors are clustered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbedderConfig {
    /// The kind of embedder.
    pub kind: EmbedderKind,
    /// A sentence-transformers or Hugging Face folder, or with the feature `hub` a hub's id, `hf://owner/name@revision` (`bert`, `static`).
    pub path: PathBuf,
    /// The dimension of the random projection (`lexical`).
    pub dim: usize,
    /// The longest query, in tokens with the special ones; 0: the model's own limit.
    pub max_query_tokens: usize,
    /// The longest passage, in tokens with the special ones; 0: the model's own limit.
    pub max_passage_tokens: usize,
    /// Columns of each vector, the first ones, scaled to norm 1 again (`bert`, `static`); absent: as the folder says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate_dim: Option<usize>,
    /// What a BERT's products with weights are computed in, on the processor: `f32`, or `int16`, which is faster and nearly as exact.
    #[serde(skip_serializing_if = "is_default")]
    pub precision: InferencePrecision,
    /// Text before every query (`bert`, `static`); absent: as the folder says, empty: none.
    pub query_prompt: Option<String>,
    /// Text before every passage (`bert`, `static`); absent: as the folder says, empty: none.
    pub passage_prompt: Option<String>,
    /// A folder in which runs share the vectors of texts; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
}

/// A kind of embedder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmbedderKind {
    /// A BERT read from a folder.
    Bert,
    /// Static token embeddings read from a folder.
    Static,
    /// Hashed TF-IDF with a random projection; needs no weights.
    Lexical,
}

impl Default for EmbedderConfig {
    fn default() -> Self {
        Self {
            kind: EmbedderKind::Lexical,
            path: PathBuf::new(),
            dim: 256,
            max_query_tokens: 0,
            max_passage_tokens: 0,
            truncate_dim: None,
            precision: InferencePrecision::F32,
            query_prompt: None,
            passage_prompt: None,
            cache: None,
        }
    }
}

/// The encoder that is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudentConfig {
    /// The kind of encoder.
    pub kind: StudentKind,
    /// A folder to start from, or with the feature `hub` a hub's id, `hf://owner/name@revision`; absent: from scratch, with a vocabulary trained on the train text.
    pub from: Option<PathBuf>,
    /// The architecture of a BERT from scratch: `bert`, `distilbert`, `modernbert` or `nomic_bert`; a folder has its own, of any family.
    #[serde(skip_serializing_if = "is_bert")]
    pub family: Family,
    /// How many layers (`bert`): of the checkpoint the first ones, all where absent; from scratch 2 where absent.
    pub layers: Option<usize>,
    /// The embedding's dimension from scratch: a static table's width, 768 where absent, or a BERT's hidden size, 256 where absent.
    pub dim: Option<usize>,
    /// Attention heads of a BERT from scratch.
    pub heads: usize,
    /// The feed-forward width of a BERT from scratch; 0: four times `dim`.
    pub intermediate: usize,
    /// How a BERT's tokens become one vector; absent: as the folder says, mean from scratch.
    pub pooling: Option<PoolingKind>,
    /// Text before every query, in training too; absent: as the folder says, empty: none.
    pub query_prompt: Option<String>,
    /// Text before every passage, in training too; absent: as the folder says, empty: none.
    pub passage_prompt: Option<String>,
    /// The size of a vocabulary trained from scratch.
    pub vocab_size: usize,
    /// The standard deviation of a static table's first values, from scratch.
    pub init_std: f64,
    /// Whether the rows of a static table begin scaled by the inverse document frequency of their token in the training text;
    /// absent: fresh rows and those of a BERT's words do, those of static embeddings do not.
    pub idf: Option<bool>,
    /// A masked-language-model stage on the training texts before anything else is trained, of a `bert`, absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlm: Option<MlmConfig>,
}

/// A kind of trainable encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StudentKind {
    /// A BERT.
    Bert,
    /// The mean of static token embeddings.
    Static,
}

/// How token vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolingKind {
    /// The mean over tokens.
    Mean,
    /// The first token's vector.
    Cls,
    /// The last token's vector.
    LastToken,
    /// Of each column the largest value.
    Max,
    /// The mean over tokens, a token weighing as much as its place is from the start.
    WeightedMean,
}

fn is_bert(family: &Family) -> bool {
    *family == Family::Bert
}

impl StudentConfig {
    /// The embedding's dimension from scratch.
    pub fn dim(&self) -> usize {
        self.dim.unwrap_or(match self.kind {
            StudentKind::Static => 768,
            StudentKind::Bert => 256,
        })
    }

    /// The peak learning rate where none is given. For static tables the best of a sweep on validation splits (`docs/results.md`).
    pub fn learning_rate(&self) -> f64 {
        match (self.kind, &self.from) {
            (StudentKind::Static, None) => 1e-2,
            (StudentKind::Static, Some(_)) => 5e-4,
            (StudentKind::Bert, _) => 2e-4,
        }
    }
}

impl Default for StudentConfig {
    fn default() -> Self {
        Self {
            kind: StudentKind::Static,
            from: None,
            family: Family::Bert,
            layers: None,
            dim: None,
            heads: 4,
            intermediate: 0,
            pooling: None,
            query_prompt: None,
            passage_prompt: None,
            vocab_size: 16_384,
            init_std: 0.1,
            idf: None,
            mlm: None,
        }
    }
}

/// The optimisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the pairs, where `steps` does not say how long training is.
    pub epochs: u64,
    /// Optimiser steps, through as many epochs as that takes, the last of them cut short; absent: as many as `epochs` have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The peak learning rate; absent: 1e-2 for a static table from scratch, 5e-4 for one from a folder, 2e-4 for a BERT.
    pub learning_rate: Option<f64>,
    /// The share of the steps in which the rate rises linearly.
    pub warmup: f64,
    /// How the rate falls after that.
    pub schedule: RateDecay,
    /// The lowest share of the peak that it falls to.
    pub final_rate: f64,
    /// The share of the steps, at the end, in which a `warmup-stable-decay` schedule falls.
    pub cooldown: f64,
    /// Decoupled weight decay, of matrices and tables.
    pub weight_decay: f32,
    /// Whether biases and the scales of LayerNorm decay too.
    pub decay_all: bool,
    /// AdamW's β₁.
    pub beta1: f32,
    /// AdamW's β₂.
    pub beta2: f32,
    /// AdamW's ε.
    pub epsilon: f32,
    /// The norm to which the gradient of all parameters together is clipped; 0: none.
    pub clip_norm: f32,
    /// Steps in a row that are skipped because their loss or gradient is not finite; one more ends the training.
    pub skip_at_most: usize,
    /// The rate at which a BERT's hidden values are dropped; 0: none.
    pub dropout: f32,
    /// What a BERT's matrix products are computed in, `f32` or `bf16`; weights, sums, softmax, norms and the loss are f32 either way.
    #[serde(skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// How much of itself the running average of the weights keeps each step, which then is what is judged and exported; 0: no average.
    pub ema: f64,
    /// Tokens, padded, that are encoded at once: a larger batch is encoded in chunks, twice, in the memory of one; 0: the whole batch.
    pub chunk_tokens: usize,
    /// Devices that encode a batch together, chunk by chunk: the run's and those of the next numbers; on the processor, which is one, chunks one after another.
    /// Absent: one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<usize>,
    /// GiB that a step may take, on any device; 0: on the processor what the machine has left.
    pub memory: f64,
    /// The longest query, in tokens with the special ones.
    pub max_query_tokens: usize,
    /// The longest passage, in tokens with the special ones.
    pub max_passage_tokens: usize,
    /// The seed of initial weights, batches and dropout.
    pub seed: u64,
    /// Steps between two checkpoints, from which an interrupted training goes on; 0: none.
    pub checkpoint_every: usize,
    /// Checkpoints that are kept: so many of the last, and the best by validation.
    pub checkpoints: usize,
    /// Whether curves are written as TensorBoard's event files too, in `tensorboard/`.
    pub tensorboard: bool,
    /// Steps between two evaluations on the validation split, the last step's always among them; 0: none.
    pub evaluate_every: usize,
    /// Which step's student is exported.
    pub keep: Keep,
    /// Steps after which what batches are drawn from is clustered anew, by the student's own embeddings, again and again; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recluster_every: Option<usize>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which step's student is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The last step's.
    Last,
    /// The one with the highest first measure on the validation split; of equal ones the first.
    Best,
}

/// How the learning rate falls from its peak.
///
/// ```
/// let settings = ["train.schedule=cosine".to_owned()];
/// assert_eq!(pretrain::Config::parse("", &settings)?.train.schedule, pretrain::RateDecay::Cosine);
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateDecay {
    /// By the same amount each step.
    Linear,
    /// As half a period of a cosine.
    Cosine,
    /// Not at all.
    Constant,
    /// Not at all, but by the same amount each step in the last of them (`cooldown`).
    WarmupStableDecay,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 3,
            steps: None,
            learning_rate: None,
            warmup: 0.1,
            schedule: RateDecay::Linear,
            final_rate: 0.02,
            cooldown: 0.2,
            weight_decay: 0.01,
            decay_all: false,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            clip_norm: 1.0,
            skip_at_most: 10,
            dropout: 0.0,
            precision: Precision::F32,
            ema: 0.0,
            chunk_tokens: 0,
            devices: None,
            memory: 0.0,
            max_query_tokens: 24,
            max_passage_tokens: 64,
            seed: 0,
            checkpoint_every: 0,
            checkpoints: 2,
            tensorboard: false,
            evaluate_every: 0,
            keep: Keep::Last,
            recluster_every: None,
        }
    }
}

/// How the trained encoder is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// The queries that students are judged on.
    #[serde(skip_serializing_if = "JudgedSplit::is_test")]
    pub split: JudgedSplit,
    /// Measures by name; the first is the one that gains are reported of.
    pub measures: Vec<String>,
    /// How many passages are retrieved for a query: at least the cut of every measure.
    pub depth: usize,
    /// Whether a query never finds the passage that has its own id, as in BEIR (ArguAna, Quora).
    pub ignore_identical_ids: bool,
    /// The longest query, in tokens with the special ones.
    pub max_query_tokens: usize,
    /// The longest passage, in tokens with the special ones.
    pub max_passage_tokens: usize,
    /// Whether the untrained student, BM25 and the clustering embedder are judged too.
    pub baselines: bool,
    /// Resamples of the paired bootstrap.
    pub resamples: usize,
    /// Other data on whose test splits all of them are judged too.
    #[serde(alias = "other", skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherData>,
}

/// Queries that students are judged on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedSplit {
    /// The test split.
    #[default]
    Test,
    /// The validation split: what is chosen by it has not seen the test split.
    Validation,
}

impl JudgedSplit {
    fn is_test(&self) -> bool {
        *self == Self::Test
    }
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            split: JudgedSplit::Test,
            measures: ["nDCG@10", "MRR@10", "recall@100"].map(String::from).to_vec(),
            depth: 100,
            ignore_identical_ids: true,
            max_query_tokens: 40,
            max_passage_tokens: 128,
            baselines: true,
            resamples: 10_000,
            others: Vec::new(),
        }
    }
}

/// Where the run lives and what it compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// The run folder.
    pub dir: PathBuf,
    /// Trainings over the same embeddings, by name or as tables (`[[run.arm]]`); empty: one, of `cluster.of`.
    #[serde(alias = "arm")]
    pub arms: Vec<ArmConfig>,
    /// Seeds that every arm is trained with; empty: `train.seed` alone.
    pub seeds: Vec<u64>,
    /// Worker threads; 0: one a core.
    pub threads: usize,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self { dir: PathBuf::from("runs/default"), arms: Vec::new(), seeds: Vec::new(), threads: 0 }
    }
}
