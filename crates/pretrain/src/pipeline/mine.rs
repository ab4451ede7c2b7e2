//! Hard negatives for any trainer: of each training pair passages near to its query that do not answer it.

use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use infonce::Guide;
use ndarray::{ArrayView2, Axis, s};
use retrieval_eval::Hit;
use serde::Serialize;
use vectors::NpyVectors;

use super::Pipeline;
use super::cluster::ClusteredRows;
use crate::error::Result;
use crate::files::write_whole;
use crate::parts::Parts;
use crate::progress::bar;
use crate::rows::{as_array, embed_to_scratch, select};
use crate::run_folder::Member;

/// Queries that are searched for at once, and what is found for all of them at most.
const BLOCK: usize = 1024;
const FOUND: usize = 1 << 22;

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
        let train = &self.dataset.train;
        let queries = ClusteredRows::distinct(train.iter().map(|pair| pair.query));
        let passages = ClusteredRows::distinct(train.iter().map(|pair| pair.passage));
        let scratch = self.run.root();
        let embedder = member.map(|member| self.trained(member)).transpose()?;
        let rows_of = |side, rows: &ClusteredRows| -> Result<NpyVectors> {
            let Some(embedder) = &embedder else { return select(self.vectors(side)?, &rows.items, scratch) };
            let all = match side {
                Side::Query => &self.dataset.queries,
                Side::Passage => &self.dataset.passages,
            };
            let texts: Vec<&str> = rows.items.iter().map(|&item| all.text(item)).collect();
            embed_to_scratch(&**embedder, &texts, side, scratch)
        };
        let files = [rows_of(Side::Query, &queries)?, rows_of(Side::Passage, &passages)?];
        let vectors = [as_array(&files[0], scratch)?, as_array(&files[1], scratch)?];
        let found = self.found(config, vectors, &queries, &passages)?;
        write_whole(path, |out| found.iter().try_for_each(|found| self.write_line(out, found, &passages)))?;
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
        [query_rows, passage_rows]: [ArrayView2<'_, f32>; 2],
        queries: &ClusteredRows,
        passages: &ClusteredRows,
    ) -> Result<Vec<Found>> {
        let (train, positives) = (&self.dataset.train, self.dataset.positives());
        let searcher = self.parts.searcher(passage_rows, &self.device)?;
        let mut pairs_of = vec![Vec::new(); queries.items.len()];
        (0..).zip(&queries.row_of_pair).for_each(|(pair, &query): (usize, &u32)| pairs_of[query as usize].push(pair));
        let bar = bar(queries.items.len() as u64, "mine");
        let mut all = Vec::with_capacity(train.len());
        let at_once = (FOUND / config.ranks.end().min(&passages.items.len())).clamp(1, BLOCK);
        for start in (0..queries.items.len()).step_by(at_once) {
            let block = start..queries.items.len().min(start + at_once);
            let known = block.clone().map(|query| positives.of(queries.items[query]).len()).max().unwrap_or(0);
            // The query's own text may be among the passages too.
            let depth = config.ranks.end().saturating_add(known + 1).min(passages.items.len());
            let found = searcher.search(query_rows.slice(s![block.clone(), ..]), depth)?;
            for (query, hits) in block.clone().zip(found) {
                let (item, row) = (queries.items[query], query_rows.index_axis(Axis(0), query));
                let (known, text) = (positives.of(item), self.dataset.queries.text(item).trim());
                let is_other = |hit: &&Hit| {
                    let passage = passages.items[hit.index as usize];
                    known.binary_search(&passage).is_err() && self.dataset.passages.text(passage).trim() != text
                };
                let (first, last) = (config.ranks.start().max(&1) - 1, *config.ranks.end());
                let ranked: Vec<&Hit> = hits.iter().filter(is_other).take(last).skip(first).collect();
                for &pair in &pairs_of[query] {
                    let own = row.dot(&passage_rows.row(passages.row_of_pair[pair] as usize));
                    let threshold = config.guide.threshold(own);
                    let below = ranked.iter().filter(|hit| hit.score < threshold);
                    let negatives = below.take(config.each).map(|hit| (hit.index, hit.score)).collect();
                    all.push(Found { pair, own, negatives });
                }
            }
            bar.inc(block.len() as u64);
        }
        bar.finish_and_clear();
        all.sort_unstable_by_key(|found| found.pair);
        Ok(all)
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
