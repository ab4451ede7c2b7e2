//! BERT and its relatives: configuration, module, weights of a Hugging Face folder.

mod architecture;
mod config;
mod family;
mod known;
mod layer;
mod masked;
mod model;
mod names;
mod projection;
mod weights;

#[cfg(feature = "flex")]
pub(crate) use architecture::{Architecture, FeedForward};
pub use config::BertConfig;
pub use family::Family;
#[cfg(feature = "flex")]
pub(crate) use layer::{Dense, Norm};
pub use masked::MaskedBert;
pub use model::{Bert, Pooling};
pub(crate) use model::{check_ids, check_lengths};
pub(crate) use names::WORDS;
pub(crate) use projection::{Activation, Projection};
