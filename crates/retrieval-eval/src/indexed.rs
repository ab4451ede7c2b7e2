use std::cmp::Ordering;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::EvalError;
use crate::evaluate::{EvalOptions, score_all};
use crate::metric::Metric;
use crate::problem::Problem;
use crate::qrels::Qrels;
use crate::report::Report;
use crate::search::Hit;

/// Judgements without strings: row `i` is query `i`, and a document is its index in the corpus.
///
/// For evaluating a [`Searcher`](crate::Searcher)'s hits again and again, as a training does. Ties: with
/// [`IndexedQrels::with_document_ids`], hits of equal score are ordered by id *descending* in byte order, so that the
/// values are trec_eval's for the same hits; without ids they keep the order in which the searcher gave them (lower
/// index first, for [`ExactSearcher`](crate::ExactSearcher)).
///
/// # Examples
/// ```
/// use retrieval_eval::{EvalOptions, Hit, IndexedQrels, Measure, evaluate_hits};
///
/// let qrels = IndexedQrels::new([vec![(7, 1)], vec![(3, 2), (4, 1)]])?;
/// let hits = vec![
///     vec![Hit { index: 2, score: 0.9 }, Hit { index: 7, score: 0.8 }],
///     vec![Hit { index: 3, score: 0.7 }, Hit { index: 4, score: 0.6 }],
/// ];
/// let report = evaluate_hits(&qrels, &hits, &[Measure::mrr(10)], EvalOptions::default())?;
/// assert_eq!(report.values("MRR@10"), Some(&[0.5, 1.0][..]));
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct IndexedQrels {
    /// Of each query, its (document, grade) pairs, sorted by document.
    rows: Vec<Vec<(u32, i32)>>,
    /// Of each query, the grades of judged documents that the corpus does not have.
    absent: Vec<Vec<i32>>,
    /// Of each document, its place among the ids in descending order.
    places: Option<Vec<u32>>,
}

impl IndexedQrels {
    /// Judgements given as the (document index, grade) pairs of each query; a query may have none.
    ///
    /// # Errors
    /// [`Problem::ConflictingGrades`] if a document has two different grades for a query.
    pub fn new(rows: impl IntoIterator<Item = Vec<(u32, i32)>>) -> Result<Self, EvalError> {
        let rows: Vec<_> =
            rows.into_iter().enumerate().map(|(query, row)| sorted(query, row)).collect::<Result<_, _>>()?;
        Ok(Self { absent: vec![Vec::new(); rows.len()], rows, places: None })
    }

    /// The judgements of the queries `query_ids` in a corpus whose document `i` has id `document_ids[i]`, with ties by id.
    ///
    /// A query id without judgements gets an empty row. Judged documents that are not in the corpus still count among
    /// those to be found, as for trec_eval.
    ///
    /// # Errors
    /// [`Problem::DuplicateId`] for a document id that occurs twice, [`EvalError::TooManyDocuments`] for 2³² or more.
    pub fn from_qrels<Q: AsRef<str>, D: AsRef<str>>(
        qrels: &Qrels,
        query_ids: &[Q],
        document_ids: &[D],
    ) -> Result<Self, EvalError> {
        let mut indices = FxHashMap::default();
        for (index, id) in (0..checked_count(document_ids.len())?).zip(document_ids) {
            if indices.insert(id.as_ref(), index).is_some() {
                return Err(Problem::DuplicateId { id: id.as_ref().to_owned() }.into());
            }
        }
        let mut judgements = Self::default();
        for query in query_ids {
            let (mut row, mut absent) = (Vec::new(), Vec::new());
            for (document, grade) in qrels.judgements(query.as_ref()) {
                match indices.get(document) {
                    Some(&index) => row.push((index, grade)),
                    None => absent.push(grade),
                }
            }
            row.sort_unstable();
            judgements.rows.push(row);
            judgements.absent.push(absent);
        }
        judgements.with_document_ids(document_ids)
    }

    /// These judgements with those of documents that the corpus does not have: for each query their grades. They are
    /// never found, and count among those to be found, as for trec_eval.
    ///
    /// # Errors
    /// [`EvalError::RowCount`] unless there is one list a query.
    ///
    /// # Examples
    /// ```
    /// use retrieval_eval::{EvalOptions, Hit, IndexedQrels, Measure, evaluate_hits};
    ///
    /// let qrels = IndexedQrels::new([vec![(0, 1)]])?.with_absent([vec![1]])?;
    /// let hits = [vec![Hit { index: 0, score: 1.0 }]];
    /// let report = evaluate_hits(&qrels, &hits, &[Measure::recall(10)], EvalOptions::default())?;
    /// assert_eq!(report.mean("recall@10"), Some(0.5));
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    pub fn with_absent(mut self, grades: impl IntoIterator<Item = Vec<i32>>) -> Result<Self, EvalError> {
        let absent: Vec<Vec<i32>> = grades.into_iter().collect();
        if absent.len() != self.len() {
            return Err(EvalError::RowCount { results: absent.len(), queries: self.len() });
        }
        self.absent = absent;
        Ok(self)
    }

    /// These judgements with hits of equal score ordered by document id, descending; `ids[i]` is the id of document `i`.
    ///
    /// # Errors
    /// [`EvalError::TooManyDocuments`] for 2³² ids or more.
    pub fn with_document_ids<D: AsRef<str>>(mut self, ids: &[D]) -> Result<Self, EvalError> {
        let mut order: Vec<u32> = (0..checked_count(ids.len())?).collect();
        order.sort_unstable_by(|&a, &b| ids[b as usize].as_ref().cmp(ids[a as usize].as_ref()));
        let mut places = vec![0; ids.len()];
        for (place, &document) in (0..).zip(&order) {
            places[document as usize] = place;
        }
        self.places = Some(places);
        Ok(self)
    }

    /// The number of queries, with judgements or without.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no query.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn is_judged(&self, query: usize) -> bool {
        !self.rows[query].is_empty() || !self.absent[query].is_empty()
    }

    /// The documents of a query's hits, best first.
    fn ranked(&self, query: usize, hits: &[Hit], seen: &mut FxHashSet<u32>) -> Result<Vec<u32>, EvalError> {
        self.check(query, hits, seen)?;
        // -0 and 0 are equal scores, hence `partial_cmp`; NaN has been refused.
        let by_score = |a: &Hit, b: &Hit| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal);
        let place = |hit: &Hit| self.places.as_ref().map_or(0, |places| places[hit.index as usize]);
        let order = |a: &Hit, b: &Hit| by_score(a, b).then_with(|| place(a).cmp(&place(b)));
        if hits.is_sorted_by(|a, b| order(a, b).is_le()) {
            return Ok(hits.iter().map(|hit| hit.index).collect());
        }
        let mut hits = hits.to_vec();
        hits.sort_by(order);
        Ok(hits.iter().map(|hit| hit.index).collect())
    }

    fn check(&self, query: usize, hits: &[Hit], seen: &mut FxHashSet<u32>) -> Result<(), EvalError> {
        seen.clear();
        let documents = self.places.as_ref().map_or(usize::MAX, Vec::len);
        for hit in hits {
            let names = || (query.to_string(), hit.index.to_string());
            if hit.index as usize >= documents {
                return Err(EvalError::DocumentIndex { query, index: hit.index, documents });
            }
            if hit.score.is_nan() {
                let (query, document) = names();
                return Err(Problem::NanScore { query, document }.into());
            }
            if !seen.insert(hit.index) {
                let (query, document) = names();
                return Err(Problem::DuplicateDocument { query, document }.into());
            }
        }
        Ok(())
    }
}

fn checked_count(documents: usize) -> Result<u32, EvalError> {
    u32::try_from(documents).map_err(|_| EvalError::TooManyDocuments { documents })
}

/// The row by ascending document, without repetitions.
fn sorted(query: usize, mut row: Vec<(u32, i32)>) -> Result<Vec<(u32, i32)>, Problem> {
    row.sort_by_key(|&(document, _)| document);
    row.dedup();
    match row.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(row),
        Some(pair) => Err(Problem::ConflictingGrades {
            query: query.to_string(),
            document: pair[0].0.to_string(),
            first: pair[0].1,
            second: pair[1].1,
        }),
    }
}

/// The values of `measures` for the hits of a searcher, and their means; `hits[i]` belongs to query `i` of the judgements.
///
/// As [`evaluate`](crate::evaluate), without strings. Hits need not be sorted; [`IndexedQrels`] says how ties are
/// ordered. A query without hits is one without results.
///
/// # Errors
/// [`EvalError::RowCount`] unless there is one list of hits a query; [`Problem::NanScore`] and
/// [`Problem::DuplicateDocument`] for hits that have no order or count twice; [`EvalError::DocumentIndex`] for a
/// document without an id, where ids were given.
pub fn evaluate_hits<M: Metric>(
    qrels: &IndexedQrels,
    hits: &[Vec<Hit>],
    measures: &[M],
    options: EvalOptions,
) -> Result<Report<u32>, EvalError> {
    if hits.len() != qrels.len() {
        return Err(EvalError::RowCount { results: hits.len(), queries: qrels.len() });
    }
    let ranked: Vec<Vec<u32>> = hits
        .par_iter()
        .enumerate()
        .map_init(FxHashSet::default, |seen, (query, hits)| qrels.ranked(query, hits, seen))
        .collect::<Result<_, _>>()?;
    let judged: Vec<usize> = (0..hits.len()).filter(|&query| qrels.is_judged(query)).collect();
    let kept: Vec<usize> =
        judged.iter().copied().filter(|&query| options.complete || !ranked[query].is_empty()).collect();

    let matrix = score_all(kept.len(), measures, options, |row, scratch| {
        let query = kept[row];
        let (judged, absent) = (&qrels.rows[query], &qrels.absent[query]);
        scratch.grades.extend(judged.iter().map(|&(_, grade)| grade).chain(absent.iter().copied()));
        scratch.find(judged, &ranked[query]);
        ranked[query].len()
    });
    let has_hits = |query: &usize| !ranked[*query].is_empty();
    Ok(Report {
        queries: kept.iter().map(|&query| checked_count(query)).collect::<Result<_, _>>()?,
        measures: matrix,
        without_judgements: (0..hits.len()).filter(|query| has_hits(query) && !qrels.is_judged(*query)).count(),
        without_results: judged.iter().filter(|query| !has_hits(query)).count(),
        complete: options.complete,
    })
}
