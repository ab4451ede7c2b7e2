//! Hard negatives for any trainer: of each training pair passages near to its query that do not answer it.

use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use infonce::Guide;
use ndarray::ArrayView2;
use retrieval_eval::Hit;
use serde::Serialize;
use vectors::NpyVectors;

use super::Pipeline;
use super::cluster::ClusteredRows;
use super::training_search::{Depth, TrainingSearch};
use crate::error::Result;
use crate::files::write_whole;
use crate::parts::Parts;
use crate::rows::{as_array, embed_to_scratch};
use crate::run_folder::Member;

/// Which passages are a pair's hard negatives.
#[derive(Debug, Clone, PartialEq)]
pub struct MineConfig {
    /// How many of each pair at most.
    pub each: usize,
    /// Their ranks among the passages that do not answer the query, counted from 1, nearest first.
    pub ranks: RangeInclusive<usize>,
    /// How far below the pair's own score a passage still may be an answer, and is passed over.
    pub guide: Guide,
}

impl Default for MineConfig {
    /// 8 of the first 100, below 95% of the pair's own score: NV-Retriever (Moreira et al. 2024, arXiv 2407.15831).
    fn default() -> Self {
        Self { each: 8, ranks: 1..=100, guide: Guide { margin: 0.05, relative: true } }
    }
}

/// What was mined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// Pairs: lines of the file.
    pub pairs: usize,
    /// Negatives of all of them.
    pub negatives: usize,
    /// Pairs with fewer than were asked for.
    pub short: usize,
}

/// A pair and its negatives, best first.
struct Found {
    pair: usize,
    own: f32,
    /// As rows of the training passages, with their scores.
    negatives: Vec<(u32, f32)>,
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    query: &'a str,
    passage: &'a str,
    negatives: Vec<&'a str>,
    /// The cosine of query and passage.
    score: f32,
    negative_scores: Vec<f32>,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Writes hard negatives of every training pair as JSON lines, by the vectors of a trained model, or of the clustering embedder if there is none.
    ///
    /// A line has `query`, `passage`, `negatives` (texts, nearest first), `score` (the cosine of query and passage) and `negative_scores`. Negatives are training
    /// passages that no training pair says to answer the query, and that are not its text again.
    ///
    /// # Errors
    /// There are no training pairs, the member is not trained, the embeddings are missing, or the file cannot be written.
    pub fn mine_to(&self, member: Option<Member<'_>>, config: &MineConfig, path: &Path) -> Result<Mined> {
        self.require_pairs()?;
        let (search, scratch) = (TrainingSearch::new(&self.dataset), self.run.root());
        let embedder = member.map(|member| self.trained(member)).transpose()?;
        let rows_of = |side, rows: &ClusteredRows| -> Result<NpyVectors> {
            let Some(embedder) = &embedder else { return self.vectors(side)?.select(&rows.items, scratch) };
            let all = match side {
                Side::Query => &self.dataset.queries,
                Side::Passage => &self.dataset.passages,
            };
            let texts: Vec<&str> = rows.items.iter().map(|&item| all.text(item)).collect();
            embed_to_scratch(&**embedder, &texts, side, scratch)
        };
        let files = [rows_of(Side::Query, &search.queries)?, rows_of(Side::Passage, &search.passages)?];
        let vectors = [as_array(&files[0], scratch)?, as_array(&files[1], scratch)?];
        let found = self.found(config, vectors, &search)?;
        write_whole(path, |out| found.iter().try_for_each(|found| self.write_line(out, found, &search.passages)))?;
        Ok(Mined {
            pairs: found.len(),
            negatives: found.iter().map(|found| found.negatives.len()).sum(),
            short: found.iter().filter(|found| found.negatives.len() < config.each).count(),
        })
    }

    /// Of every pair its negatives, in the order of the pairs.
    fn found(
        &self,
        config: &MineConfig,
        [queries, passages]: [ArrayView2<'_, f32>; 2],
        search: &TrainingSearch<'_>,
    ) -> Result<Vec<Found>> {
        let searcher = self.parts.searcher(passages, &self.device)?;
        let (first, last) = (config.ranks.start().max(&1) - 1, *config.ranks.end());
        let all: Vec<usize> = (0..queries.nrows()).collect();
        let mut found = Vec::with_capacity(self.dataset.train.len());
        search.for_each("mine", (&*searcher, queries), &all, Depth::Others(last), |query, hits| {
            let ranked: Vec<&Hit> = search.others(query, hits).take(last).skip(first).collect();
            for &pair in search.pairs_of(query) {
                let own = queries.row(query).dot(&passages.row(search.passage_of(pair) as usize));
                let threshold = config.guide.threshold(own);
                let below = ranked.iter().filter(|hit| hit.score < threshold);
                let negatives = below.take(config.each).map(|hit| (hit.index, hit.score)).collect();
                found.push(Found { pair, own, negatives });
            }
            Ok(())
        })?;
        found.sort_unstable_by_key(|found| found.pair);
        Ok(found)
    }

    fn write_line(&self, out: &mut dyn Write, found: &Found, passages: &ClusteredRows) -> io::Result<()> {
        let pair = self.dataset.train[found.pair];
        let text = |row: u32| self.dataset.passages.text(passages.items[row as usize]);
        let line = Line {
            query: self.dataset.queries.text(pair.query),
            passage: self.dataset.passages.text(pair.passage),
            negatives: found.negatives.iter().map(|&(row, _)| text(row)).collect(),
            score: found.own,
            negative_scores: found.negatives.iter().map(|&(_, score)| score).collect(),
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")
    }
}
