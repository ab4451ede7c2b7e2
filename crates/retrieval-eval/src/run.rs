use crate::error::EvalError;
use crate::ids::Ids;
use crate::metric::RankedJudgement;
use crate::problem::Problem;
use crate::ranking::{Ranked, Ranking, hash};
use crate::ranks::position;
use crate::search::Hit;
use crate::strings::Strings;

/// Up to this many judgements, a vectorised scan of the results for each beats a table of all results.
const SCANNED: usize = 256;

/// The results of a retrieval system: for each query, its documents with their scores, best first.
///
/// The order is trec_eval's: score descending, and among equal scores document id *descending* in byte order. The
/// order in which results are given and a file's rank column do not count. Scores are compared as `f64`, as
/// trec_eval 10 does; trec_eval 9 and pytrec_eval round them to `f32` first. Queries keep the order in which they came.
///
/// # Examples
/// ```
/// use retrieval_eval::Run;
///
/// let mut run = Run::new();
/// run.insert("q1", [("d1", 0.5), ("d2", 0.5), ("d3", 0.7)])?;
/// let order: Vec<_> = run.results("q1").map(|(document, _)| document).collect();
/// assert_eq!(order, ["d3", "d2", "d1"]);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub(crate) queries: Ids,
    /// The results of query `i` end where `ends[i]` says, and start where those of `i - 1` end.
    ends: Vec<usize>,
    /// Of every result.
    pub(crate) documents: Strings,
    scores: Vec<f64>,
    /// Of the documents' ids: what is not equal here is another document.
    hashes: Vec<u32>,
}

impl Run {
    /// The results of no query.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the results of a query, in any order.
    ///
    /// # Errors
    /// [`Problem::DuplicateQuery`], [`Problem::DuplicateDocument`] or [`Problem::NanScore`]; the run is then as before.
    pub fn insert<D: AsRef<str>>(
        &mut self,
        query: &str,
        results: impl IntoIterator<Item = (D, f64)>,
    ) -> Result<(), EvalError> {
        Ok(self.add(query, &results.into_iter().collect::<Vec<_>>())?)
    }

    pub(crate) fn add<D: AsRef<str>>(&mut self, query: &str, results: &[(D, f64)]) -> Result<(), Problem> {
        if !self.is_new(query) {
            return Err(Problem::DuplicateQuery { query: query.to_owned() });
        }
        let mut ranking = Ranking::new();
        for (document, score) in results {
            ranking.take(query, document.as_ref(), *score)?;
        }
        self.store(query, ranking.ranked());
        Ok(())
    }

    /// The run of a [`Searcher`](crate::Searcher)'s hits, with the ids of its queries and documents.
    ///
    /// # Errors
    /// [`EvalError::RowCount`] unless there is one list of hits for each query id, [`EvalError::DocumentIndex`] for a
    /// hit without a document id, and those of [`Run::insert`].
    pub fn from_hits<Q: AsRef<str>, D: AsRef<str>>(
        query_ids: &[Q],
        document_ids: &[D],
        hits: &[Vec<Hit>],
    ) -> Result<Self, EvalError> {
        if query_ids.len() != hits.len() {
            return Err(EvalError::RowCount { results: hits.len(), queries: query_ids.len() });
        }
        let mut run = Self::new();
        for (query, (id, row)) in query_ids.iter().zip(hits).enumerate() {
            let documents = document_ids.len();
            if let Some(hit) = row.iter().find(|hit| hit.index as usize >= documents) {
                return Err(EvalError::DocumentIndex { query, index: hit.index, documents });
            }
            run.insert(id.as_ref(), row.iter().map(|hit| (&document_ids[hit.index as usize], f64::from(hit.score))))?;
        }
        Ok(run)
    }

    /// This run with scores rounded to `f32` and ordered by them, as trec_eval 9 and pytrec_eval do: scores that only an
    /// `f64` tells apart become ties.
    ///
    /// ```
    /// use retrieval_eval::Run;
    ///
    /// let mut run = Run::new();
    /// run.insert("q1", [("d1", 1.000_000_001), ("d2", 1.0)])?;
    /// assert_eq!(run.results("q1").next(), Some(("d1", 1.000_000_001)));
    /// assert_eq!(run.with_f32_scores().results("q1").next(), Some(("d2", 1.0)));
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    pub fn with_f32_scores(self) -> Self {
        let mut rounded = Self::new();
        let mut ranking = Ranking::new();
        for query in self.queries() {
            ranking.clear();
            for (document, score) in self.results(query) {
                // No document is there twice.
                let _ = ranking.push(document, f64::from(score as f32));
            }
            rounded.store(query, ranking.ranked());
        }
        rounded
    }

    /// The number of queries.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no query.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The ids of the queries, in the order in which they came.
    pub fn queries(&self) -> impl ExactSizeIterator<Item = &str> {
        self.queries.names()
    }

    /// The documents of a query with their scores, best first; none for an unknown query.
    pub fn results(&self, query: &str) -> impl Iterator<Item = (&str, f64)> {
        let range = self.queries.number(query).map_or(0..0, |row| self.range(row));
        range.map(|place| (self.documents.get(place), self.scores[place]))
    }

    /// The number of results of a query.
    pub(crate) fn retrieved(&self, query: u32) -> usize {
        self.range(query).len()
    }

    /// Puts those of the judged documents that are among the results of a query into `found`, best rank first.
    pub(crate) fn find<'j>(
        &self,
        query: u32,
        judged: impl ExactSizeIterator<Item = (&'j str, i32)>,
        found: &mut Vec<RankedJudgement>,
    ) {
        let range = self.range(query);
        if judged.len() > SCANNED {
            let mut ranking = Ranking::new();
            // No document is there twice.
            range.for_each(|place| _ = ranking.push(self.documents.get(place), self.scores[place]));
            return ranking.find(judged, found);
        }
        let rank = |document| {
            let (hash, mut from) = (hash(document), 0);
            loop {
                from += position(&self.hashes[range.clone()][from..], hash)? + 1;
                if self.documents.get(range.start + from - 1) == document {
                    return Some(from);
                }
            }
        };
        found.clear();
        found.extend(judged.filter_map(|(document, grade)| Some(RankedJudgement { rank: rank(document)?, grade })));
        found.sort_unstable_by_key(|result| result.rank);
    }

    fn range(&self, query: u32) -> std::ops::Range<usize> {
        let query = query as usize;
        let start = if query == 0 { 0 } else { self.ends[query - 1] };
        start..self.ends[query]
    }

    pub(crate) fn is_new(&self, query: &str) -> bool {
        self.queries.number(query).is_none()
    }

    /// Adds a query that is new, with its results, best first.
    pub(crate) fn store<'t>(&mut self, query: &str, ranked: impl Iterator<Item = Ranked<'t>>) {
        self.queries.intern(query);
        for result in ranked {
            self.documents.push(result.document);
            self.scores.push(result.score);
            self.hashes.push(result.hash);
        }
        self.ends.push(self.documents.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_occurrence_is_found_where_it_stands_even_among_other_queries() {
        let text = "q1 Q0 d1 1 3 t\nq2 Q0 d1 1 3 t\nq1 Q0 d2 2 2 t\nq2 Q0 d3 2 1 t\nq1 Q0 d1 3 1 t\n";
        let error = Run::read_trec(text.as_bytes(), "a.run").unwrap_err();
        assert_eq!(error.to_string(), r#"a.run:5: query "q1": document "d1" occurs twice"#);
    }

    #[test]
    fn a_nan_score_names_its_line() {
        let error = Run::read_trec("q1 Q0 d1 1 1 t\nq1 Q0 d2 1 nan t\n".as_bytes(), "a.run").unwrap_err();
        assert_eq!(error.to_string(), r#"a.run:2: query "q1": the score of document "d2" is NaN"#);
    }

    #[test]
    fn a_missing_column_and_a_broken_score_are_errors() {
        let error = Run::read_trec("q1 Q0 d1 1 1\n".as_bytes(), "a.run").unwrap_err();
        assert!(error.to_string().starts_with("a.run:1: 5 columns where 6 are expected"), "{error}");
        let error = Run::read_trec("q1 Q0 d1 1 high t\n".as_bytes(), "a.run").unwrap_err();
        assert_eq!(error.to_string(), r#"a.run:1: the score "high" is not a number"#);
    }

    #[test]
    fn a_refused_query_can_be_inserted_again() {
        let mut run = Run::new();
        run.insert("q1", [("d1", 1.0), ("d1", 0.5)]).unwrap_err();
        run.insert("q1", [("d1", f64::NAN)]).unwrap_err();
        assert!(run.is_empty());
        run.insert("q1", [("d1", 1.0), ("d2", 0.5)]).unwrap();
        run.insert("q1", [("d3", 1.0)]).unwrap_err();
        assert_eq!(run.results("q1").count(), 2);
    }

    #[test]
    fn a_written_run_reads_back_equal() {
        let mut run = Run::new();
        run.insert("q2", [("d1", 0.1), ("d2", 1e-300), ("d3", f64::INFINITY)]).unwrap();
        run.insert("q1", [("d2", -0.5)]).unwrap();
        let mut text = Vec::new();
        run.write_trec(&mut text, "ours").unwrap();
        let back = Run::read_trec(text.as_slice(), "a.run").unwrap();
        assert_eq!(back.queries().collect::<Vec<_>>(), ["q2", "q1"]);
        for query in ["q1", "q2"] {
            assert!(back.results(query).eq(run.results(query)));
        }
    }

    #[test]
    fn an_id_that_would_break_a_line_is_not_written() {
        let mut run = Run::new();
        run.insert("q 1", [("d1", 1.0)]).unwrap();
        assert!(run.write_trec(Vec::new(), "ours").is_err());
    }
}
