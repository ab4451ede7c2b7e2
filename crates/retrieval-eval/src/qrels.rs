use std::io::BufRead;
use std::path::Path;

use crate::error::EvalError;
use crate::ids::Ids;
use crate::problem::Problem;
use crate::read::{Lines, columns, open};

/// Relevance judgements: for each query, the grade of each judged document.
///
/// A grade above 0 is relevant; 0 and less is judged not relevant. Queries keep the order in which they came.
///
/// # Examples
/// ```
/// use retrieval_eval::Qrels;
///
/// let mut qrels = Qrels::new();
/// qrels.insert("q1", "d1", 2)?;
/// qrels.insert("q1", "d2", 0)?;
/// assert_eq!(qrels.grade("q1", "d1"), Some(2));
/// assert_eq!(qrels.grade("q1", "d3"), None);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Qrels {
    pub(crate) queries: Ids,
    pub(crate) documents: Ids,
    /// Of each query, its (document, grade) pairs, sorted by document.
    pub(crate) rows: Vec<Vec<(u32, i32)>>,
}

impl Qrels {
    /// Judgements of no query.
    pub fn new() -> Self {
        Self::default()
    }

    /// The judgements of a TREC file: `query iteration document grade`, separated by white space.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`EvalError::Line`] for a malformed line or a document with two different grades.
    pub fn from_trec_file(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        Self::read_trec(open(path.as_ref())?, path.as_ref())
    }

    /// The judgements of a TREC file's content; `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`Qrels::from_trec_file`].
    pub fn read_trec(reader: impl BufRead, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        let mut qrels = Self::new();
        Lines::new(reader, name.as_ref()).each(|line| {
            let [query, _, document, grade] = columns(line.split_ascii_whitespace(), "query iteration document grade")?;
            qrels.add(query, document, parse_grade(grade)?)
        })?;
        Ok(qrels)
    }

    /// The judgements of a BEIR file, `qrels/test.tsv`: a header of the columns `query-id`, `corpus-id` and `score`,
    /// then one judgement a line, all separated by tabs.
    ///
    /// # Errors
    /// [`EvalError::Io`], or [`EvalError::Line`] for another header, a malformed line or a document with two different grades.
    pub fn from_beir_file(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        Self::read_beir(open(path.as_ref())?, path.as_ref())
    }

    /// The judgements of a BEIR file's content; `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`Qrels::from_beir_file`].
    pub fn read_beir(reader: impl BufRead, name: impl AsRef<Path>) -> Result<Self, EvalError> {
        let mut qrels = Self::new();
        let mut header = false;
        Lines::new(reader, name.as_ref()).each(|line| {
            let [query, document, grade] = match columns(line.split('\t'), "query-id corpus-id score") {
                Ok(fields) if header => fields,
                Ok(["query-id", "corpus-id", "score"]) => {
                    header = true;
                    return Ok(());
                }
                Err(problem) if header => return Err(problem),
                _ => return Err(Problem::Header { found: line.to_owned() }),
            };
            qrels.add(query, document, parse_grade(grade)?)
        })?;
        Ok(qrels)
    }

    /// Adds a judgement; the same one again changes nothing.
    ///
    /// # Errors
    /// [`Problem::ConflictingGrades`] if the document already has another grade for the query.
    pub fn insert(&mut self, query: &str, document: &str, grade: i32) -> Result<(), EvalError> {
        Ok(self.add(query, document, grade)?)
    }

    fn add(&mut self, query: &str, document: &str, grade: i32) -> Result<(), Problem> {
        let row = self.queries.intern(query) as usize;
        let number = self.documents.intern(document);
        if row == self.rows.len() {
            self.rows.push(Vec::new());
        }
        let judged = &mut self.rows[row];
        match judged.binary_search_by_key(&number, |&(document, _)| document) {
            Err(place) => judged.insert(place, (number, grade)),
            Ok(place) if judged[place].1 == grade => {}
            Ok(place) => {
                return Err(Problem::ConflictingGrades {
                    query: query.to_owned(),
                    document: document.to_owned(),
                    first: judged[place].1,
                    second: grade,
                });
            }
        }
        Ok(())
    }

    /// The number of queries with at least one judgement.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no query is judged.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The ids of the judged queries, in the order in which they came.
    pub fn queries(&self) -> impl ExactSizeIterator<Item = &str> {
        self.queries.names()
    }

    /// The grade of a document for a query, if it is judged.
    pub fn grade(&self, query: &str, document: &str) -> Option<i32> {
        let judged = &self.rows[self.queries.number(query)? as usize];
        let document = self.documents.number(document)?;
        let place = judged.binary_search_by_key(&document, |&(number, _)| number).ok()?;
        Some(judged[place].1)
    }

    /// The judged documents of a query with their grades; none for an unknown query.
    pub fn judgements(&self, query: &str) -> impl Iterator<Item = (&str, i32)> {
        let row = self.queries.number(query).map(|row| &self.rows[row as usize]);
        row.into_iter().flatten().map(|&(document, grade)| (self.documents.name(document), grade))
    }
}

fn parse_grade(text: &str) -> Result<i32, Problem> {
    text.parse().map_err(|_| Problem::Grade { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_grades_may_repeat_and_different_grades_may_not() {
        let text = "q1 0 d1 1\nq1 0 d1 1\nq2 0 d1 2\nq1 0 d1 2\n";
        let error = Qrels::read_trec(text.as_bytes(), "a.qrels").unwrap_err();
        assert_eq!(error.to_string(), r#"a.qrels:4: query "q1": document "d1" has grade 1 and grade 2"#);
        assert_eq!(Qrels::read_trec(&text.as_bytes()[..30], "a.qrels").unwrap().len(), 2);
    }

    #[test]
    fn a_short_line_names_its_place() {
        let error = Qrels::read_trec("q1 0 d1 1\n\nq1 0 d2\n".as_bytes(), "a.qrels").unwrap_err();
        assert_eq!(error.to_string(), "a.qrels:3: 3 columns where 4 are expected (query iteration document grade)");
    }

    #[test]
    fn beir_ids_may_hold_spaces_and_lines_may_end_in_carriage_returns() {
        let text = "query-id\tcorpus-id\tscore\r\nq 1\td 1\t1\r\n";
        let qrels = Qrels::read_beir(text.as_bytes(), "test.tsv").unwrap();
        assert_eq!(qrels.judgements("q 1").collect::<Vec<_>>(), [("d 1", 1)]);
    }

    #[test]
    fn a_beir_file_without_its_header_is_refused() {
        let error = Qrels::read_beir("q1\td1\t1\n".as_bytes(), "test.tsv").unwrap_err();
        assert!(error.to_string().starts_with("test.tsv:1: the header is"), "{error}");
    }
}
