//! A table of token vectors: configuration, module, weights of a folder.

mod config;
mod model;
mod weights;

pub use config::StaticConfig;
pub use model::StaticEncoder;
