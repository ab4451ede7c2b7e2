//! What searches share: batches of queries, and threads that take the parts of a batch's work.

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::Hit;
use super::documents::{Admitted, Documents};
use super::queries::{NanScore, Queries};
use super::screen::Screen;
use super::top::Top;
use crate::error::EvalError;

/// Queries searched at once.
pub(super) const QUERIES: usize = 1024;
/// Candidates that one thread may hold, 32 MiB of them.
const CANDIDATES: usize = 1 << 22;

/// Some of the queries that are searched.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'q> {
    pub(crate) queries: ArrayView2<'q, f32>,
    /// Row of the first of them among all.
    pub(crate) first: usize,
    /// Results wanted, between 1 and the number of documents.
    pub(crate) k: usize,
}

impl Batch<'_> {
    /// The best `k` documents of each query, where `scan` offers those of one part to the worker's tops. Threads take
    /// the parts one after another.
    pub(crate) fn search(
        &self,
        documents: &impl Documents,
        queries: &Queries,
        parts: usize,
        scan: impl Fn(usize, &mut Worker) -> Result<(), NanScore> + Sync,
    ) -> Result<Vec<Vec<Hit>>, NanScore> {
        let next = AtomicUsize::new(0);
        let work = |_| {
            let mut worker = Worker::new(self.queries.nrows(), self.k);
            loop {
                match next.fetch_add(1, Ordering::Relaxed) {
                    part if part < parts => scan(part, &mut worker)?,
                    _ => return Ok(worker.tops),
                }
            }
        };
        let threads = rayon::current_num_threads().min(parts);
        let of_threads: Vec<Vec<Top>> = (0..threads).into_par_iter().map(work).collect::<Result<_, _>>()?;
        Ok(merged(of_threads, documents, queries))
    }
}

/// A search that takes its queries batch by batch.
pub(super) trait BatchSearcher {
    /// What is searched.
    type Documents: Documents;

    fn documents(&self) -> &Self::Documents;

    /// Number of documents, and components of each.
    fn dim(&self) -> (usize, usize);

    /// The best of each query among `documents`, which are all or those of them that a query may find.
    fn search_batch(&self, batch: Batch<'_>, documents: &impl Documents) -> Result<Vec<Vec<Hit>>, EvalError>;

    /// The best `k` of all documents.
    fn search_all(&self, queries: ArrayView2<'_, f32>, k: usize) -> Result<Vec<Vec<Hit>>, EvalError> {
        in_batches(queries, k, self.dim(), |batch| self.search_batch(batch, self.documents()))
    }

    /// The best `k` of those that `admits` allows, by the query's row among all and the document's index.
    fn search_admitted(
        &self,
        queries: ArrayView2<'_, f32>,
        k: usize,
        admits: impl Fn(usize, u32) -> bool + Sync,
    ) -> Result<Vec<Vec<Hit>>, EvalError> {
        in_batches(queries, k, self.dim(), |batch| {
            self.search_batch(batch, &Admitted::new(self.documents(), batch.first, &admits))
        })
    }
}

/// Searches batch after batch of queries, among documents of the shape `[n, dim]`.
pub(crate) fn in_batches(
    queries: ArrayView2<'_, f32>,
    k: usize,
    (documents, dim): (usize, usize),
    search: impl Fn(Batch<'_>) -> Result<Vec<Vec<Hit>>, EvalError>,
) -> Result<Vec<Vec<Hit>>, EvalError> {
    if k == 0 {
        return Err(EvalError::NoResults);
    }
    if queries.ncols() != dim {
        return Err(EvalError::Dimensions { queries: queries.ncols(), documents: dim });
    }
    let k = k.min(documents);
    if k == 0 {
        return Ok(vec![Vec::new(); queries.nrows()]);
    }
    let size = (CANDIDATES / (2 * k)).clamp(1, QUERIES);
    let mut hits = Vec::with_capacity(queries.nrows());
    for (queries, first) in queries.axis_chunks_iter(Axis(0), size).zip((0..).step_by(size)) {
        hits.extend(search(Batch { queries, first, k })?);
    }
    Ok(hits)
}

/// What one thread holds.
pub(crate) struct Worker {
    /// For each query, the best documents of the parts so far.
    pub(crate) tops: Vec<Top>,
    pub(crate) screen: Screen,
}

impl Worker {
    fn new(queries: usize, k: usize) -> Self {
        Self { tops: (0..queries).map(|_| Top::new(k)).collect(), screen: Screen::default() }
    }
}

fn merged(of_threads: Vec<Vec<Top>>, documents: &impl Documents, queries: &Queries) -> Vec<Vec<Hit>> {
    let mut of_threads = of_threads.into_iter();
    let Some(mut of_query) = of_threads.next() else { return vec![Vec::new(); queries.len()] };
    for tops in of_threads {
        of_query.iter_mut().zip(tops).for_each(|(all, top)| all.merge(top));
    }
    hits(of_query, documents, queries)
}

/// What is in the tops of the queries.
pub(super) fn hits(of_query: Vec<Top>, documents: &impl Documents, queries: &Queries) -> Vec<Vec<Hit>> {
    let hits = |(query, top): (usize, Top)| top.into_hits(|place| queries.hit(query, documents, place));
    of_query.into_par_iter().enumerate().map(hits).collect()
}
