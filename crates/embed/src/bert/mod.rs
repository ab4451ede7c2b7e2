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

pub use config::BertConfig;
pub use family::Family;
pub use masked::MaskedBert;
pub(crate) use model::check_ids;
pub use model::{Bert, Pooling};
pub(crate) use names::WORDS;
pub(crate) use projection::{Activation, Projection};
