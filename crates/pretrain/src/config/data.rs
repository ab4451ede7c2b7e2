//! The section `[data]`: where pairs, corpus and test queries come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::data::Columns;

/// Where pairs, corpus and test queries come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// How `path` is laid out.
    pub format: DataFormat,
    /// A folder of BEIR or MS MARCO, a file of pairs or a folder of them, or the folder of a Cargo workspace.
    pub path: PathBuf,
    /// What the columns of a file of pairs are called (pairs).
    pub columns: Columns,
    /// A file with the ids of query, passage and hard negative, in the folder (ms-marco); absent: none.
    pub triples: Option<String>,
    /// Whether a BEIR passage is title and text, with a space between them, rather than the text alone.
    pub use_titles: bool,
    /// The test split's name in file names (beir, ms-marco); among several sources empty where one has no test.
    pub test_split: String,
    /// The topics held out as the test split (pairs); empty: a share by hash.
    pub test_topics: Vec<String>,
    /// What the held-out share is a share of (pairs).
    pub test_by: SplitBy,
    /// The share held out as the test split by hash (pairs, rust-docs), above 0 and below 1; among several sources 0 too.
    pub test_share: f64,
    /// The share of training that is the validation split, from 0 on and below 1: of topics, packages' families or passages.
    pub validation_share: f64,
    /// The validation split's name in file names (beir, ms-marco); empty: none but `validation_share`.
    pub validation_split: String,
    /// How many pairs a deterministic sample keeps (rust-docs); absent: all.
    pub sample: Option<usize>,
    /// The most training pairs, chosen by their texts' hashes; absent: all.
    pub limit: Option<usize>,
    /// Text that becomes part of every query, before it, for every model and in every table.
    pub query_prompt: String,
    /// Text that becomes part of every passage, before it.
    pub passage_prompt: String,
    /// Several sources instead of one, each with keys in which it differs from these.
    #[serde(alias = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceTable>,
}

/// One of several sources.
///
/// # Examples
///
/// ```
/// let text = r#"
/// [data]
/// format = "pairs"
///
/// [[data.source]]
/// name = "questions"
/// path = "questions.jsonl"
///
/// [[data.source]]
/// name = "glosses"
/// path = "glosses.tsv"
/// test_share = 0.0
/// limit = 10_000
/// "#;
/// let sources = pretrain::Config::parse(text, &[])?.data.resolved()?;
/// assert_eq!((sources[1].name.as_str(), sources[1].data.limit), ("glosses", Some(10_000)));
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceTable {
    /// Its name in ids, tables and messages.
    pub name: String,
    /// How often its pairs are drawn, against those of other sources (`sampler.by_source`).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// Keys of `data`.
    #[serde(flatten)]
    pub keys: Table,
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

/// One of several sources with all its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedSource {
    /// Its name.
    pub name: String,
    /// How often its pairs are drawn, against those of other sources.
    pub weight: f64,
    /// What it is read from.
    pub data: DataConfig,
}

/// A layout of training and test data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataFormat {
    /// `corpus.jsonl`, `queries.jsonl`, `qrels/{train,test}.tsv`.
    Beir,
    /// A query and its passage in each row of JSON lines, TSV, CSV or Parquet.
    Pairs,
    /// `collection.tsv`, `queries.{split}.tsv`, `qrels.{split}.tsv`.
    MsMarco,
    /// Doc comments and items of the packages in a `Cargo.lock`.
    RustDocs,
}

/// What a hash holds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// Passages, with all their pairs.
    Passage,
    /// Whole topics.
    Topic,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            format: DataFormat::RustDocs,
            path: PathBuf::from("."),
            use_titles: true,
            test_split: "test".into(),
            test_topics: Vec::new(),
            test_by: SplitBy::Passage,
            test_share: 0.15,
            validation_share: 0.0,
            validation_split: String::new(),
            sample: None,
            columns: Columns::default(),
            triples: None,
            limit: None,
            query_prompt: String::new(),
            passage_prompt: String::new(),
            sources: Vec::new(),
        }
    }
}
