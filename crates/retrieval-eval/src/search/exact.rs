use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{ArrayView2, Axis, Slice};
use rayon::prelude::*;

use super::product::inner_products;
use super::top::Top;
use super::{Hit, Searcher};
use crate::error::EvalError;

/// Queries searched at once.
const QUERIES: usize = 1024;
/// Candidates that one thread may hold, 32 MiB of them.
const CANDIDATES: usize = 1 << 22;
/// Scores of one product, 1.5 MiB: they are scanned while the second-level cache still has them.
const SCORES: usize = 384 * 1024;
/// Documents of one product, at least and at most.
const DOCUMENTS: (usize, usize) = (384, 4096);
/// Documents that gemm's kernel takes at once: other block sizes cost it a slow remainder.
const PANEL: usize = 64;

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

    /// Searches the queries `first`, `first + 1`, …
    fn search_block(&self, queries: ArrayView2<'_, f32>, first: usize, k: usize) -> Result<Vec<Vec<Hit>>, EvalError> {
        let blocks = Blocks::new(self.documents.nrows(), queries.nrows());
        let next = AtomicUsize::new(0);
        let workers: Vec<Vec<Top>> = (0..rayon::current_num_threads().min(blocks.count))
            .into_par_iter()
            .map(|_| self.work(queries, k, || blocks.get(next.fetch_add(1, Ordering::Relaxed))))
            .collect::<Result<_, _>>()
            .map_err(|place| self.nan_error(queries, first, place))?;
        Ok(merged(workers, queries.nrows()))
    }

    /// The best documents of the blocks that `next_block` hands out; the place of a NaN is an error.
    fn work(
        &self,
        queries: ArrayView2<'_, f32>,
        k: usize,
        next_block: impl Fn() -> Option<Slice>,
    ) -> Result<Vec<Top>, Place> {
        let mut tops: Vec<Top> = (0..queries.nrows()).map(|_| Top::new(k)).collect();
        let mut scores = Vec::new();
        while let Some(block) = next_block() {
            let documents = self.documents.slice_axis(Axis(0), block);
            scores.resize(documents.nrows() * queries.nrows(), 0.0);
            inner_products(documents, queries, &mut scores);
            for (query, (top, scores)) in tops.iter_mut().zip(scores.chunks_exact(documents.nrows())).enumerate() {
                let document = block.start as usize;
                top.offer(document as u32, scores).map_err(|nan| Place { query, document: document + nan })?;
            }
        }
        Ok(tops)
    }

    fn nan_error(&self, queries: ArrayView2<'_, f32>, first: usize, place: Place) -> EvalError {
        let has_nan = |rows: &ArrayView2<'_, f32>, row: usize| rows.row(row).iter().any(|value| value.is_nan());
        if has_nan(&queries, place.query) {
            EvalError::NanVector { side: "query", row: first + place.query }
        } else if has_nan(&self.documents, place.document) {
            EvalError::NanVector { side: "document", row: place.document }
        } else {
            EvalError::NanProduct { query: first + place.query, document: place.document }
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
        if k == 0 {
            return Err(EvalError::NoResults);
        }
        if queries.ncols() != self.documents.ncols() {
            return Err(EvalError::Dimensions { queries: queries.ncols(), documents: self.documents.ncols() });
        }
        let k = k.min(self.documents.nrows());
        if k == 0 {
            return Ok(vec![Vec::new(); queries.nrows()]);
        }
        let block = (CANDIDATES / (2 * k)).clamp(1, QUERIES);
        let mut hits = Vec::with_capacity(queries.nrows());
        for (queries, first) in queries.axis_chunks_iter(Axis(0), block).zip((0..).step_by(block)) {
            hits.extend(self.search_block(queries, first, k)?);
        }
        Ok(hits)
    }
}

/// Where a score is NaN.
struct Place {
    query: usize,
    document: usize,
}

/// The documents cut into blocks of nearly the same number of panels.
///
/// Unless there is but one block, each has more than 128 documents, and more than 256 scores. That is needed: smaller
/// products are summed in another order by gemm, which would give equal documents different scores.
struct Blocks {
    documents: usize,
    count: usize,
}

impl Blocks {
    fn new(documents: usize, queries: usize) -> Self {
        let size = (SCORES / queries).clamp(DOCUMENTS.0, DOCUMENTS.1);
        Self { documents, count: documents.div_ceil(size) }
    }

    fn get(&self, block: usize) -> Option<Slice> {
        let panels = self.documents.div_ceil(PANEL);
        let start = |block: usize| (block * panels / self.count * PANEL).min(self.documents);
        (block < self.count).then(|| Slice::from(start(block)..start(block + 1)))
    }
}

fn merged(workers: Vec<Vec<Top>>, queries: usize) -> Vec<Vec<Hit>> {
    let mut of_query: Vec<Vec<Top>> = (0..queries).map(|_| Vec::with_capacity(workers.len())).collect();
    for tops in workers {
        of_query.iter_mut().zip(tops).for_each(|(all, top)| all.push(top));
    }
    let best = |tops: Vec<Top>| {
        let merged = tops.into_iter().reduce(|mut one, other| {
            one.merge(other);
            one
        });
        merged.map_or_else(Vec::new, Top::into_hits)
    };
    of_query.into_par_iter().map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_documents_and_none_is_small() {
        for documents in (1..3_000).chain([8_191, 8_192, 8_193, 100_000]) {
            for queries in [1, 2, 3, 100, 1_000, 1_024] {
                let blocks = Blocks::new(documents, queries);
                let mut end = 0;
                for block in 0..blocks.count {
                    let slice = blocks.get(block).unwrap();
                    assert_eq!(slice.start as usize, end);
                    end = slice.end.unwrap() as usize;
                    let size = end - slice.start as usize;
                    assert!(size > 128 && size * queries > 256 || blocks.count == 1, "{size} of {documents}");
                }
                assert_eq!(end, documents);
                assert!(blocks.get(blocks.count).is_none());
            }
        }
    }
}
