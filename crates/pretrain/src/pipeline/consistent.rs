//! Consistency filtering: a pair whose passage is not among the nearest of its query says little of what answers it.
//!
//! # Source
//! Dai et al. 2022, "Promptagator" (arXiv 2209.11755), §3.2 (round-trip consistency); Nussbaum et al. 2024, "Nomic Embed" (arXiv 2402.01613), §3.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;

use super::Pipeline;
use super::training_search::{Depth, TrainingSearch};
use crate::error::{PretrainError, Result};
use crate::files::write_indices;
use crate::parts::Parts;
use crate::progress::count;
use crate::rows::as_array;

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
        let (search, scratch) = (TrainingSearch::new(&self.dataset), self.run.root());
        let queries = self.vectors(Side::Query)?.select(&search.queries.items, scratch)?;
        let passages = self.vectors(Side::Passage)?.select(&search.passages.items, scratch)?;
        let searcher = self.parts.searcher(as_array(&passages, scratch)?, &self.device)?;
        let all: Vec<usize> = (0..queries.len()).collect();
        let mut kept = Vec::new();
        let near = (&*searcher, as_array(&queries, scratch)?);
        search.for_each("consistent pairs", near, &all, Depth::All(within), |query, hits| {
            let is_near = |&&pair: &&usize| hits.iter().any(|hit| hit.index == search.passage_of(pair));
            kept.extend(search.pairs_of(query).iter().filter(is_near).map(|&pair| pair as u32));
            Ok(())
        })?;
        if kept.is_empty() {
            let (key, expected) = ("sampler.consistent_within", "so many that some passage is among them");
            return Err(PretrainError::OutOfRange { key, value: within.to_string(), expected });
        }
        kept.sort_unstable();
        let (of, all) = (count(kept.len()), count(self.dataset.train.len()));
        tracing::info!("consistent pairs: of {of} of {all} the passage is among the {} nearest", count(within));
        Ok(kept)
    }
}
