use thiserror::Error;

/// What is wrong with one judgement or one result; [`EvalError::Line`](crate::EvalError::Line) says where.
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
    /// A column starts with a double quote and has no other to end it.
    #[error("a quoted column does not end")]
    OpenQuote,
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
    /// A rank is not a whole number from 1 on.
    #[error("the rank {text:?} is not a whole number from 1 on")]
    Rank {
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
    #[error("the id {id:?} is empty, has white space or starts with a byte order mark, which the format cannot hold")]
    UnwritableId {
        /// The id.
        id: String,
    },
    /// A score that the format cannot hold.
    #[error("query {query:?}: the score of document {document:?} is {score}, which the format cannot hold")]
    UnwritableScore {
        /// Id of the query.
        query: String,
        /// Id of the document.
        document: String,
        /// The score.
        score: f64,
    },
    /// The results of a query do not stand together.
    #[error("query {query:?} has results above, and other queries between them")]
    ScatteredQuery {
        /// Id of the query.
        query: String,
    },
}
