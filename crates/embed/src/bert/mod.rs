//! BERT: configuration, module, weights of a Hugging Face folder.

mod config;
mod known;
mod layer;
mod masked;
mod model;
mod weights;

pub use config::BertConfig;
pub use masked::MaskedBert;
pub(crate) use model::check_ids;
pub use model::{Bert, Pooling};
