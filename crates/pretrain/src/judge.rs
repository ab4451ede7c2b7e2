//! Rankings of test queries, judged as BEIR does.

use std::path::Path;

use embed::{Embedder, Side};
use ndarray::ArrayView2;
use retrieval_eval::{EvalError, EvalOptions, Hit, IndexedQrels, Metric, Report, Searcher, evaluate_hits};

use crate::data::{Beir, Dataset, TestQuery};
use crate::error::{PretrainError, Result};
use crate::rows::{as_array, embed_to_scratch};

/// The test split of a BEIR folder.
///
/// # Errors
/// A file cannot be read, or there are no queries.
pub(crate) fn test_split(source: &Beir) -> Result<Dataset> {
    let dataset = source.load_test()?;
    match dataset.test.is_empty() {
        true => Err(PretrainError::NoTestQueries { path: source.path.clone() }),
        false => Ok(dataset),
    }
}

/// Test queries, the corpus they are searched in, and how deep.
///
/// Equal scores are ordered by id, descending, as trec_eval does; judged documents that the corpus lacks count among those to
/// be found; every query counts, whatever was found for it.
pub(crate) struct Judge<'a> {
    /// The texts of the queries, and the whole corpus.
    pub(crate) dataset: &'a Dataset,
    /// The queries with their judgements.
    pub(crate) queries: &'a [TestQuery],
    /// Passages of a ranking that are judged, the query's own not counted.
    pub(crate) depth: usize,
    /// Whether a query never finds the passage of its own id.
    pub(crate) ignore_identical_ids: bool,
    /// The lowest grade that is relevant.
    pub(crate) relevance_level: i32,
}

impl<'a> Judge<'a> {
    /// How many passages a search has to give for each query: the depth, and a place for the query's own passage.
    pub(crate) fn search_depth(&self) -> usize {
        let own = self.ignore_identical_ids && self.queries.iter().any(|query| query.own.is_some());
        // A depth beyond the corpus would only cost a searcher memory.
        self.depth.saturating_add(own.into()).min(self.dataset.passages.len())
    }

    /// The report on what `embedder` finds, whose vectors lie in files of `scratch` without a name.
    pub(crate) fn embed_and_search<M: Metric>(
        &self,
        embedder: &dyn Embedder,
        searcher: impl for<'v> FnOnce(ArrayView2<'v, f32>) -> Result<Box<dyn Searcher + 'v>, EvalError>,
        measures: &[M],
        scratch: &Path,
    ) -> Result<Report<u32>> {
        let passages = embed_to_scratch(embedder, &self.dataset.passage_texts(), Side::Passage, scratch)?;
        let queries = embed_to_scratch(embedder, &self.query_texts(), Side::Query, scratch)?;
        let searcher = searcher(as_array(&passages, scratch)?)?;
        self.search(&*searcher, as_array(&queries, scratch)?, measures)
    }

    /// The texts of the queries.
    pub(crate) fn query_texts(&self) -> Vec<&'a str> {
        self.queries.iter().map(|query| self.dataset.queries.text(query.query)).collect()
    }

    /// The report on what a search of all passages finds, by the vectors of the queries.
    pub(crate) fn search<M: Metric>(
        &self,
        searcher: &dyn Searcher,
        queries: ArrayView2<'_, f32>,
        measures: &[M],
    ) -> Result<Report<u32>> {
        self.judge(searcher.search(queries, self.search_depth())?, measures)
    }

    /// The report on rankings of [`search_depth`](Self::search_depth) passages, best first, one a query.
    pub(crate) fn judge<M: Metric>(&self, mut rankings: Vec<Vec<Hit>>, measures: &[M]) -> Result<Report<u32>> {
        for (hits, query) in rankings.iter_mut().zip(self.queries) {
            if self.ignore_identical_ids {
                hits.retain(|hit| Some(hit.index) != query.own);
            }
            hits.truncate(self.depth);
        }
        let ids: Vec<&str> = self.dataset.passages.iter().map(|passage| passage.id).collect();
        let qrels = IndexedQrels::new(self.queries.iter().map(|query| query.relevant.clone()))?
            .with_absent(self.queries.iter().map(|query| query.missing.clone()))?
            .with_document_ids(&ids)?;
        let options = EvalOptions::default().with_complete(true).with_relevance_level(self.relevance_level);
        Ok(evaluate_hits(&qrels, &rankings, measures, options)?)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use retrieval_eval::{ExactSearcher, Measure};

    use super::*;

    fn dataset() -> Dataset {
        let passages = ["a", "b", "c", "d"].map(|id| (id, format!("text {id}")));
        Dataset { passages: passages.into_iter().collect(), ..Dataset::default() }
    }

    fn query(own: Option<u32>, relevant: &[(u32, i32)], missing: &[i32]) -> TestQuery {
        TestQuery { query: 0, relevant: relevant.to_vec(), missing: missing.to_vec(), own }
    }

    fn judge<'a>(queries: &'a [TestQuery], dataset: &'a Dataset, depth: usize) -> Judge<'a> {
        Judge { dataset, queries, depth, ignore_identical_ids: true, relevance_level: 1 }
    }

    /// The value of one measure for one query, whose vector is that of passage a; b is next, then c, then d.
    fn value(judge: &Judge<'_>, measure: Measure) -> f64 {
        let rows = array![[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]];
        let searcher = ExactSearcher::new(rows.view()).unwrap();
        judge.search(&searcher, array![[1.0, 0.0]].view(), &[measure]).unwrap().measures[0].values[0]
    }

    #[test]
    fn a_query_never_finds_its_own_passage_and_still_gets_the_whole_depth() {
        let (dataset, queries) = (dataset(), [query(Some(0), &[(1, 1), (2, 1)], &[])]);
        let mut judge = judge(&queries, &dataset, 2);
        assert_eq!((judge.search_depth(), value(&judge, Measure::recall(2))), (3, 1.0));
        judge.ignore_identical_ids = false;
        assert_eq!((judge.search_depth(), value(&judge, Measure::recall(2))), (2, 0.5));
    }

    #[test]
    fn missing_passages_count_among_those_to_be_found() {
        let (dataset, queries) = (dataset(), [query(None, &[(0, 1)], &[1, 2])]);
        let judge = judge(&queries, &dataset, 3);
        assert_eq!(value(&judge, Measure::recall(3)), 1.0 / 3.0);
        let ideal = 2.0 + 1.0 / 3f64.log2() + 0.5;
        assert!((value(&judge, Measure::ndcg(10)) - 1.0 / ideal).abs() < 1e-12);
        let queries = [query(None, &[], &[1])];
        assert_eq!(value(&self::judge(&queries, &dataset, 3), Measure::ndcg(10)), 0.0);
    }

    #[test]
    fn ties_are_broken_by_id_as_trec_eval_does() {
        let (dataset, queries) = (dataset(), [query(None, &[(1, 1)], &[])]);
        let hits = vec![vec![Hit { index: 0, score: 0.5 }, Hit { index: 1, score: 0.5 }]];
        let report = judge(&queries, &dataset, 2).judge(hits, &[Measure::mrr(10)]).unwrap();
        assert_eq!(report.mean("MRR@10"), Some(1.0));
    }

    #[test]
    fn what_is_below_the_depth_is_not_judged_and_a_depth_beyond_the_corpus_is_the_corpus() {
        let (dataset, queries) = (dataset(), [query(None, &[(3, 1)], &[])]);
        assert_eq!(value(&judge(&queries, &dataset, 3), Measure::recall(100)), 0.0);
        let deep = judge(&queries, &dataset, usize::MAX);
        assert_eq!((deep.search_depth(), value(&deep, Measure::recall(100))), (4, 1.0));
    }
}
