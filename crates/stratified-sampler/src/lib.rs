#![doc = include_str!("../README.md")]

mod carry;
mod config;
mod error;
mod key;
mod line;
mod merge;
mod permutation;
mod report;
mod sampler;
mod schedule;
mod strata;
mod stratified;
mod uniform;

pub use config::{Leftovers, StratifiedConfig};
pub use error::SamplerError;
pub use report::{PlanReport, StratumReport};
pub use sampler::{BatchSampler, Batches};
pub use stratified::Stratified;
pub use uniform::{Uniform, UniformConfig};
