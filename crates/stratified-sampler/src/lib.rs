#![doc = include_str!("../README.md")]

mod batches;
mod carry;
mod config;
mod deal;
mod error;
mod key;
mod labeling;
mod line;
mod merge;
mod permutation;
mod placement;
mod position;
mod prefetch;
mod report;
mod sampler;
mod schedule;
mod shard;
mod strata;
mod stratified;
mod topic_aware;
mod uniform;
mod unique;
mod weights;

pub use batches::{Batches, Epochs};
pub use config::{Leftovers, StratifiedConfig};
pub use error::SamplerError;
pub use labeling::Labeling;
pub use position::{PlanHash, Position};
pub use report::{PlanReport, StratumReport};
pub use sampler::BatchSampler;
pub use shard::Shard;
pub use stratified::Stratified;
pub use topic_aware::{TopicAware, TopicAwareConfig};
pub use uniform::{Uniform, UniformConfig};
pub use unique::UniqueBy;
pub use weights::Weights;
