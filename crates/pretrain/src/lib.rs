//! Cluster-stratified contrastive pretraining, from pairs of texts to a trained encoder and its scores.
//!
//! The method (Merrick 2024, [arXiv 2407.18887](https://arxiv.org/abs/2407.18887)): embed the queries or passages of all
//! training pairs with a pretrained model, group them by spherical k-means, draw every minibatch from one cluster, and
//! train with InfoNCE, so that in-batch negatives are of the positive's own topic.
//!
//! A [`Pipeline`] runs the stages over a [`RunFolder`]: [`embed`](Pipeline::embed), [`cluster`](Pipeline::cluster),
//! [`train`](Pipeline::train), [`evaluate`](Pipeline::evaluate), [`compare`](Pipeline::compare). The training loop alone,
//! over any [`Encoder`](embed::Encoder), [`BatchSampler`](stratified_sampler::BatchSampler) and
//! [`ContrastiveLoss`](infonce::ContrastiveLoss), is [`Training`].
//!
//! Features, the first four on by default: `cpu`, `cli` (the command and module `cli`), `bm25` (the baseline by words), `report` (the page that
//! shows a run), `wgpu`, `cuda`, `tch`. A library needs a device alone: `default-features = false, features = ["cpu"]` compiles neither clap nor tantivy.

#[cfg(feature = "bm25")]
mod bm25;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
mod config;
pub mod data;
mod device;
mod difference;
mod error;
mod files;
mod holder;
mod judge;
mod memory;
mod models;
mod nearest;
mod parts;
mod pipeline;
mod plan_file;
#[cfg(feature = "program")]
pub mod program;
mod progress;
#[cfg(feature = "report")]
pub mod report;
mod rows;
mod run_folder;
mod sentences;
mod stale;
mod stop;
mod student;
pub mod study;
mod tensorboard;
mod text_vectors;
mod train;

/// The README's example, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// burn's backend traits, so that a [`BackendTask`] needs no dependency on burn.
pub mod tensor {
    pub use burn::tensor::backend::{AutodiffBackend, Backend};
}

#[cfg(feature = "bm25")]
pub use bm25::Bm25;
pub use config::{
    Arm, ArmConfig, ArmTable, ClusterConfig, ClusterOf, Config, CurriculumSection, DataConfig, DataFormat, Draw,
    EmbedderConfig, EmbedderKind, EvalConfig, JudgedSplit, Keep, MlmConfig, NamedSource, OtherData, PoolingKind,
    Preset, RateDecay, RunConfig, SamplerConfig, SamplerKind, SamplerOverrides, SourceTable, SplitBy, StudentConfig,
    StudentKind, TrainConfig, UniqueKey,
};
pub use device::{BackendTask, DeviceKind};
pub use difference::Difference;
pub use error::{PretrainError, Result, one_line};
pub use holder::RunHolder;
pub use parts::{Configured, ConfiguredEncoder, Parts, Strata, TrainableEncoder};
pub use pipeline::{
    ArmKeys, Candidate, ClusterSummary, Comparison, Found, FoundMargin, Gain, Hardness, Index, MineConfig, Mined,
    OtherComparison, Pipeline, PlanInspection, Proposal, ProposalConfig, ProposedMargin, Row, Scores, SourceQueries,
};
pub use plan_file::PlanFile;
pub use run_folder::{Member, RunFolder, Stage, StageRecord};
pub use stale::Stale;
pub use stop::Stop;
pub use student::{Origin, Student};
pub use tensorboard::EventWriter;
pub use text_vectors::TextVectors;
pub use train::{
    BatchGradients, BatchTokens, HardNegatives, Outcome, PairGuide, PairTokens, SavedState, Schedule, SkippedStep,
    StateError, StepReport, Training, TrainingState,
};
