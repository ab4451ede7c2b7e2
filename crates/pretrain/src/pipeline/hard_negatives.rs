//! Hard negatives: of each training pair the passages nearest to its query, by the clustering embedder, that do not answer it.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use infonce::InfoNceConfig;
use ndarray::{ArrayView2, Axis};
use retrieval_eval::{Hit, Searcher};
use vectors::inner_product;

use super::Pipeline;
use super::cluster::ClusteredRows;
use crate::data::{Dataset, Positives};
use crate::error::{PretrainError, Result};
use crate::files::write_indices;
use crate::parts::Parts;
use crate::progress::{bar, count};
use crate::rows::{as_array, select};
use crate::train::HardNegatives;

/// Queries that are searched for at once.
const BLOCK: usize = 1024;
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
        let passages = ClusteredRows::distinct(train.iter().map(|pair| pair.passage)).items.len();
        let positives = self.dataset.positives();
        let most = train.iter().map(|pair| distinct(positives.of(pair.query))).max().unwrap_or(0);
        match passages - most >= loss.hard_negatives {
            true => Ok(()),
            false => Err(PretrainError::TooFewNegatives { wanted: loss.hard_negatives, found: passages - most }),
        }
    }

    fn mine(&self, loss: &InfoNceConfig) -> Result<Vec<u32>> {
        let (train, scratch) = (&self.dataset.train, self.run.root());
        let queries = ClusteredRows::distinct(train.iter().map(|pair| pair.query));
        let passages = ClusteredRows::distinct(train.iter().map(|pair| pair.passage));
        let (query_file, passage_file) = (self.vectors(Side::Query)?, self.vectors(Side::Passage)?);
        let of_training = select(self.vectors(Side::Passage)?, &passages.items, scratch)?;
        let mining = Mining {
            loss,
            dataset: &self.dataset,
            searcher: &*self.parts.searcher(as_array(&of_training, scratch)?, &self.device)?,
            passages: &passages.items,
            positives: self.dataset.positives(),
            rows: [
                as_array(&query_file, &self.embeddings(Side::Query))?,
                as_array(&passage_file, &self.embeddings(Side::Passage))?,
            ],
        };
        let each = loss.hard_negatives;
        let mut pairs_of = vec![Vec::new(); queries.items.len()];
        (0..).zip(&queries.row_of_pair).for_each(|(pair, &query): (usize, &u32)| pairs_of[query as usize].push(pair));
        tracing::info!("hard negatives: {each} of {} passages for each query", count(passages.items.len()));
        let bar = bar(queries.items.len() as u64, "hard negatives");
        let mut mined = vec![0; train.len() * each];
        let first = if loss.guide.is_some() { FIRST * each } else { each };
        let mut pending: Vec<usize> = (0..queries.items.len()).collect();
        for (depth, is_last) in [(first, false), ((FIRST * first).max(DEEP), true)] {
            let mut lacking = Vec::new();
            bar.inc_length(if is_last { pending.len() as u64 } else { 0 });
            for block in pending.chunks(BLOCK) {
                let asked: Vec<u32> = block.iter().map(|&query| queries.items[query]).collect();
                for ((&place, &query), hits) in block.iter().zip(&asked).zip(mining.search(&asked, depth)?) {
                    for &pair in &pairs_of[place] {
                        let found = mining.hard(query, train[pair].passage, &hits, is_last);
                        if found.len() == each {
                            mined[pair * each..][..each].copy_from_slice(&found);
                        } else if is_last {
                            return Err(PretrainError::TooFewNegatives { wanted: each, found: found.len() });
                        } else if lacking.last() != Some(&place) {
                            lacking.push(place);
                        }
                    }
                }
                bar.inc(block.len() as u64);
            }
            pending = lacking;
        }
        bar.finish_and_clear();
        Ok(mined)
    }
}

/// What hard negatives are looked for in.
struct Mining<'a> {
    loss: &'a InfoNceConfig,
    dataset: &'a Dataset,
    searcher: &'a dyn Searcher,
    /// The passages that are searched, as those of the data.
    passages: &'a [u32],
    positives: Positives,
    /// Of all queries and passages of the data.
    rows: [ArrayView2<'a, f32>; 2],
}

impl Mining<'_> {
    /// The nearest passages of some queries, best first: so many beside those that are known to answer and the query's own text.
    fn search(&self, queries: &[u32], depth: usize) -> Result<Vec<Vec<Hit>>> {
        let known = queries.iter().map(|&query| self.positives.of(query).len()).max().unwrap_or(0);
        let rows: Vec<usize> = queries.iter().map(|&query| query as usize).collect();
        let rows = self.rows[0].select(Axis(0), &rows);
        Ok(self.searcher.search(rows.view(), (depth + known + 1).min(self.passages.len()))?)
    }

    /// The first of these that are hard negatives of a pair: that do not answer its query and are not its text again, and that the loss's
    /// guide does not take for such as do. Where too few are, and this is the last look, the last ones that do not answer: the guide masks those.
    fn hard(&self, query: u32, passage: u32, hits: &[Hit], is_last: bool) -> Vec<u32> {
        let wanted = self.loss.hard_negatives;
        let known = self.positives.of(query);
        let text = self.dataset.queries.text(query).trim();
        let is_other =
            |passage: u32| known.binary_search(&passage).is_err() && self.dataset.passages.text(passage).trim() != text;
        let others = || hits.iter().filter(|hit| is_other(self.passage(hit)));
        let threshold = self.loss.guide.map_or(f32::INFINITY, |guide| guide.threshold(self.score(query, passage)));
        let below = others().filter(|hit| hit.score < threshold).map(|hit| self.passage(hit));
        let found: Vec<u32> = below.take(wanted).collect();
        if found.len() == wanted || !is_last {
            return found;
        }
        let all: Vec<u32> = others().map(|hit| self.passage(hit)).collect();
        all[all.len().saturating_sub(wanted)..].to_vec()
    }

    fn passage(&self, hit: &Hit) -> u32 {
        self.passages[hit.index as usize]
    }

    fn score(&self, query: u32, passage: u32) -> f32 {
        let [queries, passages] = &self.rows;
        let row = |side: &ArrayView2<'_, f32>, row: u32| side.row(row as usize).to_vec();
        inner_product(&row(queries, query), &row(passages, passage)) as f32
    }
}

/// How many of some ascending values differ.
fn distinct(ascending: &[u32]) -> usize {
    ascending.chunk_by(|a, b| a == b).count()
}
