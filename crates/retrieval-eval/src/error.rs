use std::path::PathBuf;

use thiserror::Error;

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
    /// A judgement or result that was not read from a file cannot be taken.
    #[error(transparent)]
    Entry(#[from] Problem),
    /// A name is not that of a measure.
    #[error("{name:?} is not a measure; known are nDCG@k, nDCG_exp@k, MRR@k, recall@k, P@k, AP and success@k")]
    UnknownMeasure {
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
    #[error("the inner product of query {query} and document {document} is not a number")]
    NanProduct {
        /// Row of the query.
        query: usize,
        /// Row of the document.
        document: usize,
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
    /// The gain over a baseline whose mean is zero, over all queries or in too many resamples.
    #[error("the gain over a baseline of mean 0 is undefined")]
    ZeroBaseline,
    /// A statistic was asked to draw nothing.
    #[error("{key} must be at least 1")]
    NoResamples {
        /// The setting.
        key: &'static str,
    },
    /// A confidence level outside (0, 1).
    #[error("confidence level {level} is not between 0 and 1")]
    Level {
        /// The level.
        level: f64,
    },
}

/// What is wrong with one judgement or one result; [`EvalError::Line`] says where.
///
/// ```
/// use retrieval_eval::{Problem, Qrels};
///
/// let error = Qrels::read_trec("q1 0 d1 high\n".as_bytes(), "toy.qrels").unwrap_err();
/// assert_eq!(error.to_string(), r#"toy.qrels:1: the grade "high" is not a whole number"#);
/// ```
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// A line has another number of columns.
    #[error("{found} columns where {expected} are expected ({names})")]
    Columns {
        /// Columns of the line.
        found: usize,
        /// Columns of the format.
        expected: usize,
        /// What the columns hold.
        names: &'static str,
    },
    /// A line is not text.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// The first line of a BEIR file is not its header.
    #[error("the header is {found:?}, not \"query-id\\tcorpus-id\\tscore\"")]
    Header {
        /// The first line.
        found: String,
    },
    /// A grade is not an integer of 32 bits.
    #[error("the grade {text:?} is not a whole number")]
    Grade {
        /// The column as it was read.
        text: String,
    },
    /// A score is not a number in decimal notation.
    #[error("the score {text:?} is not a number")]
    Score {
        /// The column as it was read.
        text: String,
    },
    /// A score is NaN, which has no place in an order.
    #[error("query {query:?}: the score of document {document:?} is NaN")]
    NanScore {
        /// Id, or row where there are no ids.
        query: String,
        /// Id, or index where there are no ids.
        document: String,
    },
    /// A document occurs twice among the results of a query.
    #[error("query {query:?}: document {document:?} occurs twice")]
    DuplicateDocument {
        /// Id, or row where there are no ids.
        query: String,
        /// Id, or index where there are no ids.
        document: String,
    },
    /// The results of a query were given before.
    #[error("query {query:?} already has results")]
    DuplicateQuery {
        /// Id of the query.
        query: String,
    },
    /// An id occurs twice in a list of ids.
    #[error("the id {id:?} occurs twice")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// A document is judged twice for a query, differently.
    #[error("query {query:?}: document {document:?} has grade {first} and grade {second}")]
    ConflictingGrades {
        /// Id, or row where there are no ids.
        query: String,
        /// Id, or index where there are no ids.
        document: String,
        /// The grade that came first.
        first: i32,
        /// The grade that came later.
        second: i32,
    },
    /// An id that a column of the format cannot hold.
    #[error("the id {id:?} is empty or has white space, which the format cannot hold")]
    UnwritableId {
        /// The id.
        id: String,
    },
}
