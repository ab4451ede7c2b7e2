use std::path::PathBuf;

use thiserror::Error;

use crate::problem::Problem;

/// What went wrong while judgements, results or vectors were read, searched or compared.
///
/// ```
/// use retrieval_eval::{EvalError, Measure};
///
/// let error = "nDCG@ten".parse::<Measure>().unwrap_err();
/// assert!(matches!(error, EvalError::UnknownMeasure { .. }));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A file cannot be opened, read or written.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A writer that is no file failed.
    #[error("the writer failed")]
    Write {
        /// What it said.
        #[source]
        source: std::io::Error,
    },
    /// A line of a file is not what its format asks for.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file, or the name given to a reader.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        problem: Problem,
    },
    /// A file is not JSON, or not the JSON of judgements or results.
    #[error("{} is not an object of queries, each an object of documents with numbers", path.display())]
    Json {
        /// The file, or the name given to a reader.
        path: PathBuf,
        /// What is wrong, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A judgement or result that was not read from a file cannot be taken.
    #[error(transparent)]
    Entry(#[from] Problem),
    /// A name is not that of a measure.
    #[error(
        "{name:?} is not a measure; there are nDCG@10, MRR@10, AP, recall@100, P@10, success@1, Rprec, bpref, infAP and all of trec_eval's names"
    )]
    UnknownMeasure {
        /// The name as it was given.
        name: String,
    },
    /// A name is not that of a table format.
    #[error("{name:?} is not a table format; known are text, markdown, latex, csv and json")]
    UnknownFormat {
        /// The name as it was given.
        name: String,
    },
    /// A report holds no measure of that name.
    #[error("the report has no measure {name:?}")]
    AbsentMeasure {
        /// The name as it was given.
        name: String,
    },
    /// The rows of results are not those of the queries.
    #[error("{results} lists of results for {queries} queries")]
    RowCount {
        /// Lists of results.
        results: usize,
        /// Rows of judgements or query ids.
        queries: usize,
    },
    /// A result names a document by an index that no document id has.
    #[error("query {query}: document {index} of {documents}")]
    DocumentIndex {
        /// Row of the query.
        query: usize,
        /// The index.
        index: u32,
        /// Number of document ids.
        documents: usize,
    },
    /// More documents than a `u32` can number.
    #[error("{documents} documents, but an index has 32 bits")]
    TooManyDocuments {
        /// Rows of the document matrix or number of ids.
        documents: usize,
    },
    /// Nothing was asked for.
    #[error("k = 0 results were asked for")]
    NoResults,
    /// Queries and documents are not vectors of one space.
    #[error("queries have {queries} dimensions and documents {documents}")]
    Dimensions {
        /// Columns of the query matrix.
        queries: usize,
        /// Columns of the document matrix.
        documents: usize,
    },
    /// A vector has a component that is not a number.
    #[error("{side} vector {row} has a component that is not a number")]
    NanVector {
        /// `"query"` or `"document"`.
        side: &'static str,
        /// Its row.
        row: usize,
    },
    /// Two vectors without NaN have an inner product that is NaN, by infinite components or overflow.
    #[error("the inner product of query {query} and {side} {row} is not a number")]
    NanProduct {
        /// Row of the query.
        query: usize,
        /// What it was compared with: `"document"` or `"centroid"`.
        side: &'static str,
        /// Row of that.
        row: usize,
    },
    /// A vector has a component that is NaN or infinite.
    #[error("{side} vector {row} has a component that is not finite")]
    NotFiniteVector {
        /// `"query"`, `"document"` or `"centroid"`.
        side: &'static str,
        /// Its row.
        row: usize,
    },
    /// Centroids and documents are not vectors of one space.
    #[error("centroids have {centroids} dimensions and documents {documents}")]
    CentroidDimensions {
        /// Columns of the centroid matrix.
        centroids: usize,
        /// Columns of the document matrix.
        documents: usize,
    },
    /// There is not one label for each document.
    #[error("{labels} labels for {documents} documents")]
    LabelCount {
        /// Number of labels.
        labels: usize,
        /// Rows of the document matrix.
        documents: usize,
    },
    /// A label is not the row of a centroid.
    #[error("document {row} has label {label} of {centroids} clusters")]
    Label {
        /// Row of the document.
        row: usize,
        /// Its label.
        label: u32,
        /// Rows of the centroid matrix.
        centroids: usize,
    },
    /// Nothing was to be searched.
    #[error("probes = 0 clusters were to be searched")]
    NoProbes,
    /// The device of [`DeviceSearcher`](crate::DeviceSearcher) failed: out of memory, or lost.
    #[cfg(feature = "burn")]
    #[error("the device failed")]
    Device(#[from] burn::tensor::backend::ExecutionError),
    /// A device multiplies with less precision than [`DeviceSearcher`](crate::DeviceSearcher) allows for.
    #[cfg(feature = "burn")]
    #[error("the device's product of query {query} and document {document} is off by more than that of TF32")]
    DevicePrecision {
        /// Row of the query.
        query: usize,
        /// Index of the document.
        document: u32,
    },
    /// A statistic over no queries.
    #[error("a statistic over no queries is undefined")]
    NoQueries,
    /// Two runs were not measured on the same queries.
    #[error("the two runs were not measured on the same queries ({baseline} and {treatment} values)")]
    Unpaired {
        /// Queries of the baseline.
        baseline: usize,
        /// Queries of the treatment.
        treatment: usize,
    },
    /// A value that a statistic cannot take.
    #[error("value {index} is {value}")]
    NotFinite {
        /// Position among the values.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Rows of values that have to have one value for each query do not.
    #[error("seed {seed} has {values} values for {queries} queries")]
    SeedLength {
        /// Position of the seed.
        seed: usize,
        /// Its values.
        values: usize,
        /// Those of the first seed.
        queries: usize,
    },
    /// A statistic over no seeds.
    #[error("a statistic over no seeds is undefined")]
    NoSeeds,
    /// Two runs were to be paired seed by seed, but have different numbers of seeds.
    #[error("{baseline} seeds of the baseline cannot be paired with {treatment}")]
    UnpairedSeeds {
        /// Seeds of the baseline.
        baseline: usize,
        /// Seeds of the treatment.
        treatment: usize,
    },
    /// A number that is not a probability.
    #[error("p-value {index} is {value}, not in [0, 1]")]
    PValue {
        /// Position among the p-values.
        index: usize,
        /// The value.
        value: f64,
    },
    /// The gain over a baseline whose mean is zero, over all queries or in too many resamples.
    #[error("the gain over a baseline of mean 0 is undefined")]
    ZeroBaseline,
    /// A statistic was asked to draw nothing.
    #[error("{key} must be at least 1")]
    NoResamples {
        /// The setting.
        key: &'static str,
    },
    /// A number that a statistic cannot be asked for.
    #[error("{key} is {value}, expected {expected}")]
    OutOfRange {
        /// What the number is.
        key: &'static str,
        /// The number.
        value: f64,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A confidence level outside (0, 1).
    #[error("confidence level {level} is not between 0 and 1")]
    Level {
        /// The level.
        level: f64,
    },
}
