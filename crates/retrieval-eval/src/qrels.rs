use crate::error::EvalError;
use crate::ids::Ids;
use crate::problem::Problem;

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

    /// Adds a judgement; the same one again changes nothing.
    ///
    /// # Errors
    /// [`Problem::ConflictingGrades`] if the document already has another grade for the query.
    pub fn insert(&mut self, query: &str, document: &str, grade: i32) -> Result<(), EvalError> {
        Ok(self.add(query, document, grade)?)
    }

    pub(crate) fn add(&mut self, query: &str, document: &str, grade: i32) -> Result<(), Problem> {
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
