use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, Axis, Slice};

use super::batch::{Batch, BatchSearcher};
use super::documents::Documents;
use super::queries::{NanScore, Queries};
use super::screen::QueryPanels;
use super::{Hit, Searcher};
use crate::error::EvalError;

/// Documents that a thread takes at once.
const PART: usize = 1024;

/// Exact search by inner product: every query is compared with every document.
///
/// Scores are inner products summed in f64 and rounded to f32; equal ones are ordered by lower index first. So the result
/// depends neither on the processor nor on the number of threads or of queries searched together. Most documents are
/// left out by products in 16-bit fixed point, at up to twice the rate of f32, with a bound of their error that keeps all that can
/// be among the best; the bound is tight where the directions of vectors matter more than their largest components.
///
/// The documents are borrowed, from an array or a memory-mapped file: of a `memmap2::Mmap` of f32 rows,
/// `ArrayView2::from_shape(shape, bytemuck::cast_slice(&map))`. Each batch of up to 1024 queries reads the rows once, in
/// order, so that they may be more than memory holds. Beside the result, a search needs at most 48 MiB for each
/// of rayon's threads, or 24 bytes · `k` where that is more, and 6 bytes · `dim` for each of up to 1024 queries at once.
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
    pub(super) documents: ArrayView2<'a, f32>,
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

    /// [`search`](Searcher::search) among the documents that `admits` allows: those for which it is true of the
    /// query's row and the document's index. Lists are shorter where fewer than `k` are admitted.
    ///
    /// `admits` is asked, from several threads, of documents that may be among the best so far: of few where it allows
    /// most, of all where it allows fewer than `k`.
    ///
    /// # Errors
    /// Those of [`search`](Searcher::search); documents that are not admitted cause none.
    ///
    /// # Examples
    /// The nearest other document of each, as BEIR leaves out what has the id of the query:
    /// ```
    /// use ndarray::array;
    /// use retrieval_eval::ExactSearcher;
    ///
    /// let documents = array![[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]];
    /// let searcher = ExactSearcher::new(documents.view())?;
    /// let hits = searcher.search_where(documents.view(), 1, |query, document| document as usize != query)?;
    /// assert_eq!(hits.iter().map(|hits| hits[0].index).collect::<Vec<_>>(), [2, 2, 1]);
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    #[doc(alias = "filter")]
    #[doc(alias = "ignore_identical_ids")]
    #[doc(alias = "IDSelector")]
    pub fn search_where(
        &self,
        queries: ArrayView2<'_, f32>,
        k: usize,
        admits: impl Fn(usize, u32) -> bool + Sync,
    ) -> Result<Vec<Vec<Hit>>, EvalError> {
        self.search_admitted(queries, k, admits)
    }

    pub(super) fn nan_error(&self, batch: Batch<'_>, nan: NanScore) -> EvalError {
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

impl BatchSearcher for ExactSearcher<'_> {
    type Documents = Self;

    fn documents(&self) -> &Self {
        self
    }

    fn dim(&self) -> (usize, usize) {
        self.documents.dim()
    }

    fn search_batch(&self, batch: Batch<'_>, documents: &impl Documents) -> Result<Vec<Vec<Hit>>, EvalError> {
        let queries = Queries::new(batch.queries);
        let panels = QueryPanels::new(&queries, (0..batch.queries.nrows() as u32).collect());
        let count = self.documents.nrows();
        let hits = batch.search(documents, &queries, count.div_ceil(PART), |part, worker| {
            let places = part * PART..count.min((part + 1) * PART);
            worker.screen.scan(documents, places, (&queries, &panels), &mut worker.tops)
        });
        hits.map_err(|nan| self.nan_error(batch, nan))
    }
}

impl Documents for ExactSearcher<'_> {
    fn rows(&self, places: Range<usize>) -> ArrayView2<'_, f32> {
        self.documents.slice_axis(Axis(0), Slice::from(places))
    }

    fn row(&self, place: usize) -> ArrayView1<'_, f32> {
        self.documents.row(place)
    }

    fn index(&self, place: usize) -> u32 {
        place as u32
    }
}

impl Searcher for ExactSearcher<'_> {
    /// The `k` documents of the highest inner product for each query, best first; all of them if `k` exceeds their number.
    ///
    /// # Errors
    /// [`EvalError::NoResults`] for `k = 0`, [`EvalError::Dimensions`], and [`EvalError::NanVector`] or
    /// [`EvalError::NanProduct`] where a score is not a number.
    fn search(&self, queries: ArrayView2<'_, f32>, k: usize) -> Result<Vec<Vec<Hit>>, EvalError> {
        self.search_all(queries, k)
    }
}
