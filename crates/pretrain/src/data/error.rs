//! What can be wrong with data.

use std::path::{Path, PathBuf};

use retrieval_eval::Problem;

/// What is wrong with the data, with the file and, where there is one, the line.
///
/// ```
/// use pretrain::data::{Beir, DataError};
///
/// let error = Beir::new("no/such/folder").load().unwrap_err();
/// assert!(matches!(error, DataError::Read { .. }));
/// assert_eq!(error.to_string(), "no/such/folder/corpus.jsonl cannot be read");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A source that this crate does not know failed.
    #[error("the data cannot be had")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file or folder is missing or cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not one JSON object, or a field in it has the wrong type.
    #[error("{}:{line}: malformed JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong and in which column.
        #[source]
        source: serde_json::Error,
    },
    /// An object lacks a field.
    #[error("{}:{line}: no field `{field}`", path.display())]
    MissingField {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The field's name.
        field: String,
    },
    /// A folder holds no file of pairs.
    #[error("{}: no file in it is named as one of pairs (.jsonl, .tsv, .csv, .parquet)", path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A file of columns lacks one.
    #[error("{}: no column `{column}` among {}", path.display(), quoted(found))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// The names that it has.
        found: Vec<String>,
    },
    /// A column holds something else than text.
    #[error("{}: column `{column}` is {found}, expected text", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// What it holds.
        found: String,
    },
    /// A Parquet file is broken, or compressed in a way that this build cannot read.
    #[cfg(feature = "parquet")]
    #[error("{} cannot be read as Parquet", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<parquet::errors::ParquetError>,
    },
    /// This build reads no Parquet.
    #[error("{}: this build reads no Parquet (feature `parquet`)", path.display())]
    NoParquet {
        /// The file.
        path: PathBuf,
    },
    /// One id names two different texts.
    #[error("{}:{line}: id `{id}` names another text in an earlier line", path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The id.
        id: String,
    },
    /// A line is not UTF-8.
    #[error("{}:{line}: the line is not UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A line of relevance judgements is not `query-id`, `corpus-id` and a whole number, tab-separated.
    #[error("{}:{line}: {problem}", path.display())]
    MalformedJudgement {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A judgement names a query that `queries.jsonl` lacks.
    #[error("{}:{line}: unknown query id `{id}`", path.display())]
    UnknownQuery {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The id.
        id: String,
    },
    /// A topic to hold out occurs nowhere in the data.
    #[error("{}: no pair has the topic `{topic}`", path.display())]
    UnknownTopic {
        /// The file.
        path: PathBuf,
        /// The topic.
        topic: String,
    },
    /// The share of the data to hold out is not in `[0, 1)`.
    #[error("{split} share {share} is not at least 0 and below 1")]
    Share {
        /// `test` or `validation`.
        split: &'static str,
        /// The share.
        share: f64,
    },
    /// The validation split is one that has another use.
    #[error("validation split `{split}`: expected another than the training and the test split")]
    ValidationSplit {
        /// The split.
        split: String,
    },
    /// The packages that a workspace depends on are not known, or cannot be read.
    #[cfg(feature = "rust-docs")]
    #[error(transparent)]
    RustDocs(#[from] rust_docs::RustDocsError),
    /// The dependencies' sources hold not one usable pair.
    #[error("{}: the sources of {packages} packages hold no documented public items", manifest_dir.display())]
    NoDocs {
        /// The folder with the manifest.
        manifest_dir: PathBuf,
        /// How many packages were found.
        packages: usize,
    },
    /// There are more texts of one kind than a `u32` counts.
    #[error("more than {} distinct texts", u32::MAX)]
    TooManyTexts,
}

/// Names with marks around each.
fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl DataError {
    pub(super) fn missing_field(path: &Path, line: usize, field: &str) -> Self {
        Self::MissingField { path: path.to_owned(), line, field: field.to_owned() }
    }

    pub(super) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }
}
