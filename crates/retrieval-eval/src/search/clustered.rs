use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::batch::{Batch, BatchSearcher};
use super::cells::Cells;
use super::documents::Documents;
use super::queries::Queries;
use super::screen::QueryPanels;
use super::{ExactSearcher, Hit, Searcher};
use crate::error::EvalError;

/// Documents that a thread takes at once, with all queries that look into their cell.
const PART: usize = 4096;

/// Approximate search by inner product: a query is compared with the documents of its nearest clusters only.
///
/// A clustering of the documents, given as labels and centroids, makes of each cluster a cell. A search ranks the
/// centroids by their inner product with the query (for unit centroids, that puts the nearest first), and scans the
/// cells of the first `probes`. More probes find more of the true neighbours and cost in proportion. A query gets fewer
/// than `k` hits where its cells hold fewer documents, and none where they are all empty.
///
/// Equal scores, of documents and of centroids, are ordered by lower index first, and equal document vectors have equal
/// scores. The result does not depend on the number of threads. With as many probes as clusters it is the result of
/// [`ExactSearcher`], to the bit.
///
/// The documents and centroids are copied. Beside the result, a search needs as much memory as that of
/// [`ExactSearcher`]; for up to 1024 queries at once, also 16 bytes · `probes` each, and a copy of them for each
/// thread.
///
/// # Shapes
/// - `documents`: `[n, dim]`, n < 2³²
/// - `centroids`: `[clusters, dim]`
/// - `labels`: `[n]`, each in `0..clusters`; clusters may be empty
///
/// # Source
/// Sivic & Zisserman (2003), *ICCV*, for the inverted file; Jégou, Douze & Schmid (2011), *IEEE TPAMI* 33, for its use
/// on vectors. The documents are kept uncompressed, as in FAISS's `IndexIVFFlat`.
///
/// # Examples
/// ```
/// use ndarray::array;
/// use retrieval_eval::{ClusteredSearcher, Hit, Searcher};
///
/// let documents = array![[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]];
/// let centroids = array![[1.0, 0.0], [0.0, 1.0]];
/// let searcher = ClusteredSearcher::new(documents.view(), centroids.view(), &[0, 1, 0, 1])?;
/// let query = array![[1.0, 0.0]];
/// let hits = searcher.search(query.view(), 3)?;
/// assert_eq!(hits, [[Hit { index: 0, score: 1.0 }, Hit { index: 2, score: 0.8 }]]);
///
/// let hits = searcher.with_probes(2)?.search(query.view(), 3)?;
/// assert_eq!(hits[0][2], Hit { index: 1, score: 0.6 });
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[doc(alias = "IndexIVFFlat")]
#[doc(alias = "inverted file")]
#[derive(Clone, Debug)]
pub struct ClusteredSearcher {
    cells: Cells,
    centroids: Array2<f32>,
    probes: usize,
}

impl ClusteredSearcher {
    /// A searcher over the rows of `documents`, grouped by their labels, which probes one cluster for each query.
    ///
    /// # Errors
    /// [`EvalError::TooManyDocuments`] for 2³² rows or more, [`EvalError::CentroidDimensions`],
    /// [`EvalError::LabelCount`] if there is not one label for each document, [`EvalError::Label`] for one without a
    /// centroid, [`EvalError::NotFiniteVector`] for documents or centroids with NaN or infinite components.
    pub fn new(
        documents: ArrayView2<'_, f32>,
        centroids: ArrayView2<'_, f32>,
        labels: &[u32],
    ) -> Result<Self, EvalError> {
        // Both are numbered by 32 bits, as an exact search's documents are.
        ExactSearcher::new(documents)?;
        ExactSearcher::new(centroids)?;
        if centroids.ncols() != documents.ncols() {
            let (centroids, documents) = (centroids.ncols(), documents.ncols());
            return Err(EvalError::CentroidDimensions { centroids, documents });
        }
        check_finite(centroids, "centroid", 0)?;
        check_finite(documents, "document", 0)?;
        let cells = Cells::new(documents, labels, centroids.nrows())?;
        Ok(Self { cells, centroids: centroids.to_owned(), probes: 1 })
    }

    /// This searcher with another number of clusters for each query to look into; all of them if there are fewer.
    ///
    /// # Errors
    /// [`EvalError::NoProbes`] for 0.
    #[doc(alias = "nprobe")]
    pub fn with_probes(mut self, probes: usize) -> Result<Self, EvalError> {
        if probes == 0 {
            return Err(EvalError::NoProbes);
        }
        self.probes = probes;
        Ok(self)
    }

    /// [`search`](Searcher::search) among the documents that `admits` allows: those for which it is true of the
    /// query's row and the document's index. The query looks into the same clusters, so that lists are shorter where
    /// these hold fewer than `k` that are admitted.
    ///
    /// `admits` is asked as in [`ExactSearcher::search_where`].
    ///
    /// # Errors
    /// Those of [`search`](Searcher::search); products with documents that are not admitted cause none.
    ///
    /// # Examples
    /// ```
    /// use ndarray::array;
    /// use retrieval_eval::{ClusteredSearcher, Hit};
    ///
    /// let documents = array![[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]];
    /// let centroids = array![[1.0, 0.0], [0.0, 1.0]];
    /// let searcher = ClusteredSearcher::new(documents.view(), centroids.view(), &[0, 1, 0, 1])?;
    /// let positives: [&[u32]; 1] = [&[0]];
    /// let query = array![[1.0, 0.0]];
    /// let negatives = searcher.search_where(query.view(), 1, |query, document| !positives[query].contains(&document))?;
    /// assert_eq!(negatives, [[Hit { index: 2, score: 0.8 }]]);
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    pub fn search_where(
        &self,
        queries: ArrayView2<'_, f32>,
        k: usize,
        admits: impl Fn(usize, u32) -> bool + Sync,
    ) -> Result<Vec<Vec<Hit>>, EvalError> {
        self.search_admitted(queries, k, admits)
    }

    /// Which queries of the batch look into which cells, by cell, then query.
    fn visits(&self, batch: Batch<'_>) -> Result<Vec<Visit>, EvalError> {
        let nearest = ExactSearcher::new(self.centroids.view())?.search(batch.queries, self.probes);
        let nearest = nearest.map_err(|error| match error {
            EvalError::NanProduct { query, row, .. } => {
                EvalError::NanProduct { query: batch.first + query, side: "centroid", row }
            }
            error => error,
        })?;
        let mut visits = Vec::with_capacity(nearest.iter().map(Vec::len).sum());
        for (query, cells) in (0..).zip(&nearest) {
            visits.extend(cells.iter().map(|hit| Visit { cell: hit.index, query }));
        }
        visits.par_sort_unstable();
        Ok(visits)
    }

    fn parts<'v>(&self, visits: &'v [Visit]) -> Vec<Part<'v>> {
        let mut parts = Vec::new();
        for visits in visits.chunk_by(|one, other| one.cell == other.cell) {
            let places = self.cells.places(visits[0].cell);
            let starts = places.clone().step_by(PART);
            parts.extend(starts.map(|start| Part { visits, places: start..places.end.min(start + PART) }));
        }
        parts
    }
}

impl BatchSearcher for ClusteredSearcher {
    type Documents = Cells;

    fn documents(&self) -> &Cells {
        &self.cells
    }

    fn dim(&self) -> (usize, usize) {
        self.cells.dim()
    }

    fn search_batch(&self, batch: Batch<'_>, documents: &impl Documents) -> Result<Vec<Vec<Hit>>, EvalError> {
        check_finite(batch.queries, "query", batch.first)?;
        let visits = self.visits(batch)?;
        let parts = self.parts(&visits);
        let queries = Queries::new(batch.queries);
        let hits = batch.search(documents, &queries, parts.len(), |part, worker| {
            let Part { visits, places } = &parts[part];
            let panels = QueryPanels::new(&queries, visits.iter().map(|visit| visit.query).collect());
            worker.screen.scan(documents, places.clone(), (&queries, &panels), &mut worker.tops)
        });
        hits.map_err(|nan| EvalError::NanProduct {
            query: batch.first + nan.query,
            side: "document",
            row: nan.document,
        })
    }
}

impl Searcher for ClusteredSearcher {
    /// The `k` documents of the highest inner product for each query among those of the clusters it looks into, best
    /// first; fewer where these hold fewer.
    ///
    /// # Errors
    /// [`EvalError::NoResults`] for `k = 0`, [`EvalError::Dimensions`], [`EvalError::NotFiniteVector`] for a query with
    /// NaN or infinite components, [`EvalError::NanProduct`] where an inner product overflows into NaN.
    fn search(&self, queries: ArrayView2<'_, f32>, k: usize) -> Result<Vec<Vec<Hit>>, EvalError> {
        self.search_all(queries, k)
    }
}

/// A query that looks into a cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Visit {
    cell: u32,
    /// Row of the query in its batch.
    query: u32,
}

/// Documents of one cell, and those who look into it.
struct Part<'v> {
    visits: &'v [Visit],
    places: Range<usize>,
}

fn check_finite(rows: ArrayView2<'_, f32>, side: &'static str, first: usize) -> Result<(), EvalError> {
    let finite = |&row: &usize| rows.row(row).iter().all(|value| value.is_finite());
    match (0..rows.nrows()).into_par_iter().find_first(|row| !finite(row)) {
        Some(row) => Err(EvalError::NotFiniteVector { side, row: first + row }),
        None => Ok(()),
    }
}
