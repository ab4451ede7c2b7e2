use ndarray::{ArrayView2, Axis, Slice};

use super::batch::{Batch, NanScore, in_batches};
use super::blocks::Blocks;
use super::{Hit, Searcher};
use crate::error::EvalError;

/// Exact search by inner product: every query is compared with every document.
///
/// The documents are borrowed, from an array or a memory-mapped file. Equal scores are ordered by lower index first,
/// and equal document vectors have equal scores. The result does not depend on the number of threads. Beside the
/// result, a search needs at most 34 MiB for each of rayon's threads, or 16 bytes · `k` where that is more.
///
/// # Shapes
/// - `documents`: `[n, dim]`, n < 2³², any strides (rows that are contiguous are fastest)
///
/// # Examples
/// ```
/// use ndarray::array;
/// use retrieval_eval::{ExactSearcher, Hit, Searcher};
///
/// let documents = array![[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]];
/// let searcher = ExactSearcher::new(documents.view())?;
/// let hits = searcher.search(array![[0.0, 1.0]].view(), 2)?;
/// assert_eq!(hits, [[Hit { index: 1, score: 1.0 }, Hit { index: 2, score: 0.8 }]]);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[doc(alias = "IndexFlatIP")]
#[derive(Clone, Debug)]
pub struct ExactSearcher<'a> {
    documents: ArrayView2<'a, f32>,
}

impl<'a> ExactSearcher<'a> {
    /// A searcher over the rows of `documents`.
    ///
    /// # Errors
    /// [`EvalError::TooManyDocuments`] for 2³² rows or more.
    pub fn new(documents: ArrayView2<'a, f32>) -> Result<Self, EvalError> {
        match u32::try_from(documents.nrows()) {
            Ok(_) => Ok(Self { documents }),
            Err(_) => Err(EvalError::TooManyDocuments { documents: documents.nrows() }),
        }
    }

    fn search_batch(&self, batch: Batch<'_>) -> Result<Vec<Vec<Hit>>, EvalError> {
        let blocks = Blocks::new(self.documents.nrows(), batch.queries.nrows());
        let hits = batch.search(blocks.count, |block, worker| {
            let block = blocks.get(block);
            let documents = self.documents.slice_axis(Axis(0), Slice::from(block.clone()));
            let (tops, scores) = worker.score(documents, batch.queries);
            for (query, (top, scores)) in tops.iter_mut().zip(scores).enumerate() {
                let index = |place| (block.start + place) as u32;
                top.offer(scores, index).map_err(|nan| NanScore { query, document: block.start + nan })?;
            }
            Ok(())
        });
        hits.map_err(|nan| self.nan_error(batch, nan))
    }

    fn nan_error(&self, batch: Batch<'_>, nan: NanScore) -> EvalError {
        let has_nan = |rows: &ArrayView2<'_, f32>, row: usize| rows.row(row).iter().any(|value| value.is_nan());
        let query = batch.first + nan.query;
        if has_nan(&batch.queries, nan.query) {
            EvalError::NanVector { side: "query", row: query }
        } else if has_nan(&self.documents, nan.document) {
            EvalError::NanVector { side: "document", row: nan.document }
        } else {
            EvalError::NanProduct { query, side: "document", row: nan.document }
        }
    }
}

impl Searcher for ExactSearcher<'_> {
    /// The `k` documents of the highest inner product for each query, best first; all of them if `k` exceeds their number.
    ///
    /// # Errors
    /// [`EvalError::NoResults`] for `k = 0`, [`EvalError::Dimensions`], and [`EvalError::NanVector`] or
    /// [`EvalError::NanProduct`] where a score is not a number.
    fn search(&self, queries: ArrayView2<'_, f32>, k: usize) -> Result<Vec<Vec<Hit>>, EvalError> {
        in_batches(queries, k, self.documents.dim(), |batch| self.search_batch(batch))
    }
}
