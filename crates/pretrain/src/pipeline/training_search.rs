//! What training queries find among training passages.

use ndarray::{ArrayView2, Axis};
use retrieval_eval::{Hit, Searcher};

use super::cluster::ClusteredRows;
use crate::data::{Dataset, Positives};
use crate::error::Result;
use crate::progress::bar;

/// Queries that are searched for at once.
const BLOCK: usize = 1024;
/// What is found for all of them at most.
const FOUND: usize = 1 << 22;

/// The distinct training queries and passages, by their places, and which pairs are theirs.
pub(super) struct TrainingSearch<'a> {
    dataset: &'a Dataset,
    positives: Positives,
    pub(super) queries: ClusteredRows,
    pub(super) passages: ClusteredRows,
    pairs_of: Vec<Vec<usize>>,
}

impl<'a> TrainingSearch<'a> {
    pub(super) fn new(dataset: &'a Dataset) -> Self {
        let queries = ClusteredRows::distinct(dataset.train.iter().map(|pair| pair.query));
        let passages = ClusteredRows::distinct(dataset.train.iter().map(|pair| pair.passage));
        let mut pairs_of = vec![Vec::new(); queries.items.len()];
        (0..).zip(&queries.row_of_pair).for_each(|(pair, &query): (usize, &u32)| pairs_of[query as usize].push(pair));
        Self { dataset, positives: dataset.positives(), queries, passages, pairs_of }
    }

    /// The pairs of a query.
    pub(super) fn pairs_of(&self, query: usize) -> &[usize] {
        &self.pairs_of[query]
    }

    /// The place of a pair's passage.
    pub(super) fn passage_of(&self, pair: usize) -> u32 {
        self.passages.row_of_pair[pair]
    }

    /// What these queries find, one after another, best first: `depth` passages each, or with `others` so many beside those that may answer.
    ///
    /// # Shapes
    /// - `rows`: one for each query, `[queries, dim]`; the searcher has one for each passage
    pub(super) fn for_each(
        &self,
        what: &str,
        (searcher, rows): (&dyn Searcher, ArrayView2<'_, f32>),
        queries: &[usize],
        depth: Depth,
        mut each: impl FnMut(usize, &[Hit]) -> Result<()>,
    ) -> Result<()> {
        let most = self.passages.items.len();
        let bar = bar(queries.len() as u64, what);
        for block in queries.chunks((FOUND / depth.wanted().clamp(1, most)).clamp(1, BLOCK)) {
            let known =
                block.iter().map(|&query| self.positives.of(self.queries.items[query]).len()).max().unwrap_or(0);
            let depth = match depth {
                Depth::All(depth) => depth,
                // The query's own text may be among the passages too.
                Depth::Others(depth) => depth.saturating_add(known + 1),
            };
            let found = searcher.search(rows.select(Axis(0), block).view(), depth.min(most))?;
            block.iter().zip(&found).try_for_each(|(&query, hits)| each(query, hits))?;
            bar.inc(block.len() as u64);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Those of a query's hits that no pair says to answer it and that are not its text again.
    pub(super) fn others<'h>(&self, query: usize, hits: &'h [Hit]) -> impl Iterator<Item = &'h Hit> {
        let item = self.queries.items[query];
        let (known, text) = (self.positives.of(item), self.dataset.queries.text(item).trim());
        hits.iter().filter(move |hit| {
            let passage = self.passages.items[hit.index as usize];
            known.binary_search(&passage).is_err() && self.dataset.passages.text(passage).trim() != text
        })
    }
}

/// How many passages are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Depth {
    /// Of all.
    All(usize),
    /// Of those that do not answer.
    Others(usize),
}

impl Depth {
    fn wanted(self) -> usize {
        let (Self::All(depth) | Self::Others(depth)) = self;
        depth
    }
}
