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
mod in_batch;
mod limits;
mod loss;
mod negatives;
mod similarities;
mod softmax;
mod tensors;
mod tiled;

pub use config::{Guide, InfoNceConfig};
pub use dense::Dense;
pub use direction::{Direction, Directions, Partition};
pub use error::InfoNceError;
pub use in_batch::{GuideRows, InBatch};
pub use loss::{ContrastiveLoss, LossAndGradients};
pub use similarities::Similarities;
pub use tiled::Tiled;
