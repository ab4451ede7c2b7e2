//! Pairs, corpus and test queries from a BEIR folder, a file of pairs or the sources of a workspace's dependencies.
//!
//! Each reader is a struct of settings whose `load` returns a [`Dataset`]: the texts, training pairs as two indices,
//! validation and test queries with their judgements, and [`Counts`] of what was read and left out.

mod beir;
mod builder;
mod counts;
mod dataset;
mod digest;
mod error;
mod judgements;
mod known_texts;
mod lenient;
mod lines;
mod pair;
mod pairs;
mod positives;
#[cfg(test)]
mod real;
mod row_index;
#[cfg(feature = "rust-docs")]
mod rust_docs;
mod source;
mod split;
mod texts;
mod topics;
mod validation;

pub use beir::{Beir, BeirValidation};
pub use counts::{Counts, RustDocsCounts};
pub use dataset::{Dataset, TestQuery, Topics};
pub use error::DataError;
pub use pair::Pair;
pub use pairs::Pairs;
pub use positives::Positives;
#[cfg(feature = "rust-docs")]
pub use rust_docs::RustDocs;
pub use source::PairSource;
pub use split::PairSplit;
pub use texts::{Text, Texts, TextsIter};
