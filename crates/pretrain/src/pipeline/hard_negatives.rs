//! Hard negatives: of each training pair those that the data gives, then the passages nearest to its query, by the clustering embedder, that do not
//! answer it.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use infonce::InfoNceConfig;
use ndarray::ArrayView2;
use retrieval_eval::Hit;
use rustc_hash::FxHashSet;
use vectors::inner_product;

use super::Pipeline;
use super::training_search::{Depth, TrainingSearch};
use crate::data::{Negatives, Pair};
use crate::error::{PretrainError, Result};
use crate::files::write_indices;
use crate::parts::Parts;
use crate::progress::count;
use crate::rows::as_array;
use crate::train::HardNegatives;

/// Passages that are looked at first beside those that are known to answer, for each that is wanted and as a guide leaves some out.
const FIRST: usize = 4;
/// Those that are looked at, at least, for a query of which a guide left too few.
const DEEP: usize = 1024;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Mines those that a loss asks for, unless they are there or it asks for none.
    pub(super) fn mine_hard_negatives(&self, loss: &InfoNceConfig) -> Result<()> {
        if loss.hard_negatives == 0 {
            return Ok(());
        }
        self.check_hard_negatives(loss)?;
        let stage = self.hard_negatives_stage(loss)?;
        self.run.stage_quietly(&stage, || write_indices(&stage.outputs()[0], &self.mine(loss)?))?;
        Ok(())
    }

    /// Those that a loss asks for; `None` if it asks for none.
    pub(super) fn hard_negatives(&self, loss: &InfoNceConfig) -> Result<Option<HardNegatives>> {
        let each = loss.hard_negatives;
        if each == 0 {
            return Ok(None);
        }
        let stage = self.hard_negatives_stage(loss)?;
        Ok(Some(HardNegatives { each, passages: vectors::read_labels(&stage.outputs()[0])? }))
    }

    /// Whether every query has as many passages in training that do not answer it.
    pub(super) fn check_hard_negatives(&self, loss: &InfoNceConfig) -> Result<()> {
        if loss.hard_negatives == 0 {
            return Ok(());
        }
        let train = &self.dataset.train;
        let trained: FxHashSet<u32> = train.iter().map(|pair| pair.passage).collect();
        let (positives, negatives) = (self.dataset.positives(), &self.dataset.negatives);
        // Those given may be among the passages of training, or not.
        let found = |(pair, of): (u32, &Pair)| {
            let given = negatives.of(pair);
            let answers = positives.of(of.query).chunk_by(|a, b| a == b).map(|same| &same[0]);
            let taken = answers.chain(given).filter(|passage| trained.contains(passage)).count();
            given.len() + trained.len().saturating_sub(taken)
        };
        let least = (0..).zip(train).map(found).min().unwrap_or(0);
        match least >= loss.hard_negatives {
            true => Ok(()),
            false => Err(PretrainError::TooFewNegatives { wanted: loss.hard_negatives, found: least }),
        }
    }

    fn mine(&self, loss: &InfoNceConfig) -> Result<Vec<u32>> {
        let (each, given) = (loss.hard_negatives, &self.dataset.negatives);
        if !given.is_empty() {
            tracing::info!("hard negatives: {} are given with the data", count(given.len()));
        }
        let pairs = 0..self.dataset.train.len() as u32;
        if pairs.clone().all(|pair| given.of(pair).len() >= each) {
            return Ok(pairs.flat_map(|pair| &given.of(pair)[..each]).copied().collect());
        }
        let (search, scratch) = (TrainingSearch::new(&self.dataset), self.run.root());
        let queries = self.vectors(Side::Query)?.select(&search.queries.items, scratch)?;
        let passages = self.vectors(Side::Passage)?.select(&search.passages.items, scratch)?;
        let rows = [as_array(&queries, scratch)?, as_array(&passages, scratch)?];
        let searcher = self.parts.searcher(rows[1], &self.device)?;
        let mining = Mining { loss, search: &search, rows, given };
        tracing::info!("hard negatives: {each} of {} passages for each query", count(passages.len()));
        let mut mined = vec![0; self.dataset.train.len() * each];
        let first = if loss.guide.is_some() { FIRST * each } else { each };
        let mut pending: Vec<usize> = (0..queries.len()).collect();
        for (depth, is_last) in [(first, false), ((FIRST * first).max(DEEP), true)] {
            let mut lacking = Vec::new();
            search.for_each(
                "hard negatives",
                (&*searcher, rows[0]),
                &pending,
                Depth::Others(depth),
                |query, hits| {
                    for &pair in search.pairs_of(query) {
                        let found = mining.hard(query, pair, hits, is_last);
                        if found.len() == each {
                            mined[pair * each..][..each].copy_from_slice(&found);
                        } else if is_last {
                            return Err(PretrainError::TooFewNegatives { wanted: each, found: found.len() });
                        } else if lacking.last() != Some(&query) {
                            lacking.push(query);
                        }
                    }
                    Ok(())
                },
            )?;
            pending = lacking;
        }
        Ok(mined)
    }
}

/// What hard negatives are looked for by.
struct Mining<'a> {
    loss: &'a InfoNceConfig,
    search: &'a TrainingSearch<'a>,
    /// Of the training queries and passages.
    rows: [ArrayView2<'a, f32>; 2],
    given: &'a Negatives,
}

impl Mining<'_> {
    /// Those given of a pair, and behind them the first of these that are hard negatives of it: that do not answer its query and are not its text again, and that the loss's
    /// guide does not take for such as do. Where too few are, and this is the last look, the last ones that do not answer: the guide masks those.
    fn hard(&self, query: usize, pair: usize, hits: &[Hit], is_last: bool) -> Vec<u32> {
        let given = self.given.of(pair as u32);
        let mut hard = given[..given.len().min(self.loss.hard_negatives)].to_vec();
        let wanted = self.loss.hard_negatives - hard.len();
        let passage = |hit: &Hit| self.search.passages.items[hit.index as usize];
        let threshold = self.loss.guide.map_or(f32::INFINITY, |guide| guide.threshold(self.score(query, pair)));
        let others = || self.search.others(query, hits).filter(|hit| !given.contains(&passage(hit)));
        let found: Vec<u32> = others().filter(|hit| hit.score < threshold).map(&passage).take(wanted).collect();
        if found.len() == wanted || !is_last {
            hard.extend(found);
            return hard;
        }
        let all: Vec<u32> = others().map(&passage).collect();
        hard.extend(&all[all.len().saturating_sub(wanted)..]);
        hard
    }

    fn score(&self, query: usize, pair: usize) -> f32 {
        let row = |side: ArrayView2<'_, f32>, row: usize| side.row(row).to_vec();
        inner_product(&row(self.rows[0], query), &row(self.rows[1], self.search.passage_of(pair) as usize)) as f32
    }
}
