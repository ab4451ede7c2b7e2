//! Pairs, corpus and test queries from a BEIR folder, a file of pairs or the sources of a workspace's dependencies.
//!
//! Each reader is a struct of settings whose `load` returns a [`Dataset`]: one row for each distinct text, training
//! pairs as two indices, test queries with their judgements, and [`Counts`] of what was read and left out.

mod beir;
mod builder;
mod dataset;
mod error;
mod lines;
mod pairs;
#[cfg(test)]
mod real;
mod rust_docs;
mod split;

pub use beir::Beir;
pub use dataset::{Counts, Dataset, Pair, TestQuery, Text, Topics};
pub use error::DataError;
pub use pairs::Pairs;
pub(crate) use rust_docs::ItemId;
pub use rust_docs::{RustDocs, RustDocsCounts};
pub use split::PairSplit;
