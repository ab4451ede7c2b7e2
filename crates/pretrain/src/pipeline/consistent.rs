//! Consistency filtering: a pair whose passage is not among the nearest of its query says little of what answers it.
//!
//! # Source
//! Dai et al. 2022, "Promptagator" (arXiv 2209.11755), §3.2 (round-trip consistency); Nussbaum et al. 2024, "Nomic Embed" (arXiv 2402.01613), §3.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use ndarray::Axis;

use super::Pipeline;
use super::cluster::ClusteredRows;
use crate::error::{PretrainError, Result};
use crate::files::write_indices;
use crate::parts::Parts;
use crate::progress::{bar, count};
use crate::rows::{as_array, select};

/// Queries that are searched for at once, and what is found for all of them at most.
const BLOCK: usize = 1024;
const FOUND: usize = 1 << 22;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Finds the pairs that an arm keeps, for all that its samplers ask for, unless they are there.
    pub(super) fn keep_consistent(&self, within: usize) -> Result<()> {
        if self.dataset.train.is_empty() {
            return Ok(());
        }
        let stage = self.consistent_stage(within)?;
        self.run.stage_quietly(&stage, || write_indices(&stage.outputs()[0], &self.consistent_pairs(within)?))?;
        Ok(())
    }

    /// The pairs whose passage is among so many nearest of their query, ascending; `None` if all are kept.
    pub(super) fn consistent(&self, within: Option<usize>) -> Result<Option<Vec<u32>>> {
        let Some(within) = within else { return Ok(None) };
        let stage = self.consistent_stage(within)?;
        self.run.require(&stage)?;
        Ok(Some(vectors::read_labels(&stage.outputs()[0])?))
    }

    fn consistent_pairs(&self, within: usize) -> Result<Vec<u32>> {
        let (train, scratch) = (&self.dataset.train, self.run.root());
        let queries = ClusteredRows::distinct(train.iter().map(|pair| pair.query));
        let passages = ClusteredRows::distinct(train.iter().map(|pair| pair.passage));
        let of_training = select(self.vectors(Side::Passage)?, &passages.items, scratch)?;
        let searcher = self.parts.searcher(as_array(&of_training, scratch)?, &self.device)?;
        let file = self.vectors(Side::Query)?;
        let rows = as_array(&file, &self.embeddings(Side::Query))?;
        let mut pairs_of = vec![Vec::new(); queries.items.len()];
        (0..).zip(&queries.row_of_pair).for_each(|(pair, &query): (u32, &u32)| pairs_of[query as usize].push(pair));
        let bar = bar(queries.items.len() as u64, "consistent pairs");
        let (mut kept, depth) = (Vec::new(), within.min(passages.items.len()));
        let at_once = (FOUND / depth).clamp(1, BLOCK);
        for (block, pairs_of) in queries.items.chunks(at_once).zip(pairs_of.chunks(at_once)) {
            let asked: Vec<usize> = block.iter().map(|&query| query as usize).collect();
            let found = searcher.search(rows.select(Axis(0), &asked).view(), depth)?;
            for (pairs, hits) in pairs_of.iter().zip(found) {
                let is_near = |&&pair: &&u32| {
                    let own = passages.row_of_pair[pair as usize];
                    hits.iter().any(|hit| hit.index == own)
                };
                kept.extend(pairs.iter().filter(is_near));
            }
            bar.inc(block.len() as u64);
        }
        bar.finish_and_clear();
        if kept.is_empty() {
            let (key, expected) = ("sampler.consistent_within", "so many that some passage is among them");
            return Err(PretrainError::OutOfRange { key, value: within.to_string(), expected });
        }
        kept.sort_unstable();
        let (of, all) = (count(kept.len()), count(train.len()));
        tracing::info!("consistent pairs: of {of} of {all} the passage is among the {} nearest", count(within));
        Ok(kept)
    }
}
