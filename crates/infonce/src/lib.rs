#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod dense;
mod error;
mod ids;
mod known;
mod loss;
mod repeats;
mod scalars;
mod tile;
mod tiled;

pub use config::{Direction, InfoNceConfig};
pub use dense::Dense;
pub use error::InfoNceError;
pub use ids::InBatch;
pub use loss::{ContrastiveLoss, LossAndGradients};
pub use tiled::Tiled;
