#![doc = include_str!("../README.md")]

mod batch;
mod block;
mod build_loss;
mod config;
mod dense;
mod direction;
mod error;
#[cfg(feature = "flex")]
mod fused;
mod histogram;
mod in_batch;
mod left_out;
mod limits;
mod loss;
mod negatives;
mod prefix;
mod ranks;
mod similarities;
#[cfg(feature = "flex")]
mod softmax;
mod tally;
mod tensors;
mod tiled;
mod view;

pub use config::{Guide, InfoNceConfig, KnownPositives, Similarity};
pub use dense::Dense;
pub use direction::{Direction, Directions, Partition};
pub use error::InfoNceError;
pub use in_batch::{GuideRows, InBatch, Part};
pub use loss::{ContrastiveLoss, LossAndGradients};
pub use prefix::Prefix;
pub use ranks::Ranks;
pub use similarities::{OfStratum, Similarities};
pub use tiled::Tiled;
