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
mod ids;
mod join;
mod judgements;
mod known_texts;
mod lenient;
mod limit;
mod lines;
mod ms_marco;
mod negatives;
mod pair;
mod pair_rows;
mod pairs;
mod positives;
mod prompts;
#[cfg(test)]
mod real;
mod row_index;
#[cfg(feature = "rust-docs")]
mod rust_docs;
mod source;
mod sources;
mod split;
#[cfg(feature = "cli")]
mod text_rows;
mod texts;
mod topics;
mod used_queries;
mod validation;

pub use beir::{Beir, BeirValidation};
pub use counts::{Counts, RustDocsCounts};
pub use dataset::{Dataset, TestQuery, Topics};
pub use error::DataError;
pub use join::Joined;
pub use ms_marco::MsMarco;
pub use negatives::Negatives;
pub use pair::Pair;
pub use pair_rows::Columns;
pub use pairs::Pairs;
pub use positives::Positives;
#[cfg(feature = "rust-docs")]
pub use rust_docs::RustDocs;
pub use source::PairSource;
pub use sources::Sources;
pub use split::PairSplit;
#[cfg(feature = "cli")]
pub(crate) use text_rows::each_text;
pub use texts::{Text, Texts, TextsIter};
