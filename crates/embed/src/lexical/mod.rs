//! An embedder that needs no weights: hashed TF-IDF and a random projection.

mod model;
mod words;

pub use model::{Lexical, LexicalConfig};
