//! A strip of rows after another: all of its exponentials, then their sums, then what they weigh in the gradients.
//!
//! # Invariant
//! After [`Run::fill`] every part of a block holds `exp(sharpness · (similarity − hardest))`, 0 for what is no negative, with the hardest of
//! its own columns; [`Run::factors`] brings each part to the largest logit of the whole row. No exponential is above 1.

use std::ops::Range;

use rayon::prelude::*;

use super::columns::{Columns, RowFound};
use super::guide::{Products, Scores};
use super::product::Matrix;
use crate::block::{Block, Blocks, Side};
use crate::negatives::Negatives;
use crate::similarities::{Histogram, Similarities, Sums};
use crate::softmax::{Pick, RowSum};
use crate::{InBatch, InfoNceConfig};

/// Bytes that the exponentials of a strip take where its rows allow it.
const STRIP: usize = 16 << 20;
/// Rows of a strip at least, as long as the batch has them: with fewer, a product is bound by reading the candidates.
const LEAST_ROWS: usize = 64;
/// Rows of all partial sums of the anchors' gradients together, whatever the rows of a strip.
const PARTIAL_ROWS: usize = 2048;
/// Columns that are worked on at once: whole panels of a guide.
const COLUMNS: Range<usize> = 64..256;

/// What a batch gives.
pub(super) struct Output {
    pub(super) loss: f32,
    /// Of queries and passages.
    pub(super) gradients: [Vec<f32>; 2],
    pub(super) scale_gradient: f32,
    pub(super) masked: usize,
    pub(super) accuracy: f32,
    pub(super) similarities: Similarities,
}

/// A batch, and what is the same for all of its strips.
struct Run<'a> {
    config: &'a InfoNceConfig,
    blocks: Blocks,
    negatives: Negatives,
    /// Queries and passages.
    sides: [Matrix<'a>; 2],
    guide: Option<Guided<'a>>,
    queries: usize,
    width: usize,
    /// The similarity of each pair.
    own: Vec<f32>,
    /// The largest similarity that there can be.
    bound: f32,
}

/// A guide and each pair's lowest score that is masked.
struct Guided<'a> {
    scores: Scores<'a>,
    thresholds: Vec<f32>,
}

/// Some candidates of one side, and where their gradient goes.
struct Candidates<'a> {
    side: Side,
    rows: Range<usize>,
    gradient: &'a mut [f32],
    /// One for each block that has these candidates.
    columns: Vec<(usize, Columns)>,
    histogram: Histogram,
}

/// What is known of a strip's rows once all of its columns are filled.
struct Settled {
    /// Of each row and group the sums over all of its negatives, and what they make of the pair.
    picks: Vec<Vec<(RowSum, Pick)>>,
}

pub(super) fn run(
    config: &InfoNceConfig,
    [queries, passages]: [&[f32]; 2],
    width: usize,
    known: &InBatch<'_>,
) -> Output {
    let sides = [Matrix::rows(queries, width), Matrix::rows(passages, width)];
    let mut gradients = sides.map(|side| vec![0.0; side.count() * width]);
    let run = Run::new(config, sides, width, known);
    let totals = run.strips(&mut gradients);
    let pairs = run.queries as f64;
    Output {
        loss: (totals.loss / pairs) as f32,
        gradients,
        scale_gradient: (totals.scale_slope / pairs) as f32,
        masked: totals.masked,
        accuracy: (totals.hits as f64 / pairs) as f32,
        similarities: totals.sums.finish(run.queries, sides[1].count(), totals.histogram.as_ref()),
    }
}

/// Sums over the pairs of a batch.
struct Totals {
    loss: f64,
    scale_slope: f64,
    masked: usize,
    hits: usize,
    sums: Sums,
    histogram: Option<Histogram>,
}

impl<'a> Run<'a> {
    fn new(config: &'a InfoNceConfig, sides: [Matrix<'a>; 2], width: usize, known: &InBatch<'a>) -> Self {
        let queries = sides[0].count();
        let blocks = Blocks::new(config);
        let guide = config.guide.zip(known.guide).map(|(guide, rows)| {
            let scores = Scores::new(rows, &blocks);
            let own = |pair| guide.threshold(scores.exact([Side::Queries, Side::Passages], [pair, pair]));
            Guided { thresholds: (0..queries).map(own).collect(), scores }
        });
        let own = |pair: usize| vectors::inner_product(sides[0].row(pair), sides[1].row(pair)) as f32;
        let longest = |side: Matrix<'_>| (0..side.count()).map(|row| vectors::norm(side.row(row))).fold(0.0, f64::max);
        Self {
            blocks,
            negatives: Negatives::new(queries, known, config.mask_duplicates),
            own: (0..queries).map(own).collect(),
            bound: if config.percentile { (longest(sides[0]) * longest(sides[1])) as f32 } else { 0.0 },
            config,
            sides,
            guide,
            queries,
            width,
        }
    }

    fn side(&self, side: Side) -> Matrix<'a> {
        self.sides[side as usize]
    }

    /// How many candidates a block has.
    fn candidates(&self, side: Side) -> usize {
        match side {
            Side::Queries => self.queries,
            Side::Passages => self.sides[1].count(),
        }
    }

    /// Rows of a strip.
    fn rows(&self) -> usize {
        let columns: usize = self.blocks.blocks.iter().map(|block| self.candidates(block.candidates)).sum();
        let fitting = STRIP / (size_of::<f32>() * columns);
        fitting.clamp(LEAST_ROWS, PARTIAL_ROWS / 8).min(self.config.tile).min(self.queries)
    }

    /// All candidates of both sides, some at a time.
    fn split<'g>(&self, [queries, passages]: [&'g mut [f32]; 2]) -> Vec<Candidates<'g>> {
        let mut all = Vec::new();
        for (side, gradient) in [(Side::Queries, queries), (Side::Passages, passages)] {
            let count = self.candidates(side);
            let each = count.div_ceil(8).next_multiple_of(32).clamp(COLUMNS.start, COLUMNS.end);
            let of_side = |(_, block): &(usize, &Block)| block.candidates == side;
            let blocks: Vec<usize> =
                self.blocks.blocks.iter().enumerate().filter(of_side).map(|(place, _)| place).collect();
            for (part, gradient) in gradient.chunks_mut(each * self.width).enumerate() {
                let start = part * each;
                all.push(Candidates {
                    side,
                    rows: start..start + gradient.len() / self.width,
                    gradient,
                    columns: blocks.iter().map(|&block| (block, Columns::new())).collect(),
                    histogram: Histogram::new(if side == Side::Passages { self.bound } else { 0.0 }),
                });
            }
        }
        all
    }

    fn strips(&self, [queries, passages]: &mut [Vec<f32>; 2]) -> Totals {
        let mut candidates = self.split([queries, passages]);
        let rows = self.rows();
        let mut totals =
            Totals { loss: 0.0, scale_slope: 0.0, masked: 0, hits: 0, sums: Sums::default(), histogram: None };
        let worked_on = candidates.iter().filter(|part| !part.columns.is_empty()).count();
        let parts = (PARTIAL_ROWS / rows.next_power_of_two()).clamp(1, worked_on);
        let mut partial: Vec<[Vec<f32>; 2]> = self.partial_sums(parts, rows);
        for start in (0..self.queries).step_by(rows) {
            let strip = start..self.queries.min(start + rows);
            self.fill(&strip, &mut candidates, &mut totals);
            let settled = self.settle(&strip, &candidates, &mut totals);
            self.pull(&strip, &settled, &mut candidates, &mut partial);
        }
        if self.config.percentile {
            let counted = candidates.into_iter().filter(|part| part.side == Side::Passages);
            totals.histogram = counted.map(|part| part.histogram).reduce(Histogram::with);
        }
        totals
    }

    /// Room for the gradients of a strip's anchors, of the sides that are anchors.
    fn partial_sums(&self, parts: usize, rows: usize) -> Vec<[Vec<f32>; 2]> {
        let room = |side: Side| vec![0.0; if self.blocks.are_anchors()[side as usize] { rows * self.width } else { 0 }];
        (0..parts).map(|_| [room(Side::Queries), room(Side::Passages)]).collect()
    }

    /// Exponentials of a strip in all columns.
    fn fill(&self, strip: &Range<usize>, candidates: &mut [Candidates<'_>], totals: &mut Totals) {
        let mut left_out = Vec::with_capacity(self.blocks.blocks.len());
        for block in &self.blocks.blocks {
            let mut lists = vec![Vec::new(); strip.len()];
            for (row, list) in strip.clone().zip(&mut lists) {
                totals.masked += self.negatives.left_out(block, row, list);
            }
            left_out.push(lists);
        }
        let own = &self.own[strip.clone()];
        candidates.par_iter_mut().for_each_init(Products::new, |products, part| {
            for (place, columns) in &mut part.columns {
                let (block, left_out) = (&self.blocks.blocks[*place], &left_out[*place]);
                let sides = [block.anchors, part.side];
                if let Some(guide) = &self.guide {
                    guide.scores.multiply(sides, strip, &part.rows, products);
                }
                let guided = |row: usize, values: &mut [f32]| match &self.guide {
                    Some(Guided { scores, thresholds }) => {
                        let anchor = strip.start + row;
                        scores.mask(sides, (row, anchor, thresholds[anchor]), &part.rows, products, values)
                    }
                    None => 0,
                };
                let rows =
                    [self.side(block.anchors).slice(strip.clone()), self.side(part.side).slice(part.rows.clone())];
                let histogram = (*place == 0 && self.config.percentile).then_some(&mut part.histogram);
                columns.fill(rows, (left_out, part.rows.start), guided, (block.sharpness as f32, own), histogram);
            }
        });
    }

    /// The softmaxes of a strip's pairs.
    fn settle(&self, strip: &Range<usize>, candidates: &[Candidates<'_>], totals: &mut Totals) -> Settled {
        let temperature = f64::from(self.config.temperature);
        let mut picks = Vec::with_capacity(strip.len());
        for (row, &own) in self.own[strip.clone()].iter().enumerate() {
            let mut sums = vec![RowSum::EMPTY; self.blocks.groups.len()];
            let mut hardest = f32::NEG_INFINITY;
            totals.sums.positive(own);
            for (place, columns) in candidates.iter().flat_map(|part| &part.columns) {
                let (block, found) = (&self.blocks.blocks[*place], &columns.found[row]);
                sums[block.group] = sums[block.group].with(found.sum(block.sharpness));
                totals.masked += found.guided as usize;
                if *place == 0 && found.negatives > 0 {
                    hardest = hardest.max(found.hardest);
                    totals.sums.negatives(found.negatives, found.similarities, found.harder);
                }
            }
            totals.hits += usize::from(own > hardest);
            let positive = f64::from(own) / temperature;
            let pick = |(&group, &sum)| (sum, Pick::new(group, sum, positive, temperature));
            let of_row: Vec<(RowSum, Pick)> = self.blocks.groups.iter().zip(&sums).map(pick).collect();
            for (group, (_, pick)) in self.blocks.groups.iter().zip(&of_row) {
                totals.loss += group.share * pick.loss;
                totals.scale_slope += group.share * pick.scale_slope;
            }
            picks.push(of_row);
        }
        Settled { picks }
    }

    /// What a strip adds to the gradients.
    fn pull(
        &self,
        strip: &Range<usize>,
        settled: &Settled,
        candidates: &mut [Candidates<'_>],
        partial: &mut [[Vec<f32>; 2]],
    ) {
        let rows = strip.len();
        let mut worked_on: Vec<_> = candidates.iter_mut().filter(|part| !part.columns.is_empty()).collect();
        let each = worked_on.len().div_ceil(partial.len());
        worked_on.par_chunks_mut(each).zip(&mut *partial).for_each(|(parts, sums)| {
            sums.iter_mut().for_each(|sums| sums.fill(0.0));
            for part in parts {
                for (place, columns) in &mut part.columns {
                    let block = &self.blocks.blocks[*place];
                    let factors: Vec<f32> = self.factors(settled, block, columns);
                    let matrices =
                        [self.side(block.anchors).slice(strip.clone()), self.side(part.side).slice(part.rows.clone())];
                    let sums = &mut sums[block.anchors as usize];
                    let filled = sums.len().min(rows * self.width);
                    columns.pull(factors.into_iter(), matrices, [&mut sums[..filled], &mut *part.gradient]);
                }
            }
        });
        self.add_anchors(strip, candidates, partial);
        self.pull_positives(strip, settled, candidates);
    }

    /// Derivatives of the mean loss with respect to the similarities, over the exponentials of a block's columns.
    fn factors(&self, settled: &Settled, block: &Block, columns: &Columns) -> Vec<f32> {
        let group = self.blocks.groups[block.group];
        let scale = group.share / (self.queries as f64 * f64::from(self.config.temperature));
        let factor = |(picks, found): (&Vec<(RowSum, Pick)>, &RowFound)| {
            let (sum, pick) = &picks[block.group];
            let local = found.sum(block.sharpness);
            match local.sum > 0.0 {
                true => (scale * pick.pull * (local.largest - sum.largest).exp() / sum.sum) as f32,
                false => 0.0,
            }
        };
        settled.picks.iter().zip(&columns.found).map(factor).collect()
    }

    /// Adds the sums of the strip's anchors to their gradients.
    fn add_anchors(&self, strip: &Range<usize>, candidates: &mut [Candidates<'_>], partial: &[[Vec<f32>; 2]]) {
        for side in [Side::Queries, Side::Passages] {
            if partial[0][side as usize].is_empty() {
                continue;
            }
            for (row, gradient) in gradient_rows(candidates, side, strip, self.width) {
                for sums in partial {
                    let at = row * self.width;
                    let sums = &sums[side as usize][at..at + self.width];
                    gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
                }
            }
        }
    }

    /// Takes from each gradient of a pair the pull of the other.
    fn pull_positives(&self, strip: &Range<usize>, settled: &Settled, candidates: &mut [Candidates<'_>]) {
        for (side, other) in [(Side::Queries, Side::Passages), (Side::Passages, Side::Queries)] {
            for (row, gradient) in gradient_rows(candidates, side, strip, self.width) {
                let pulls = self.blocks.groups.iter().zip(&settled.picks[row]);
                let pull: f64 = pulls.map(|(group, (_, pick))| group.share * pick.pull).sum();
                let pull = (pull / (self.queries as f64 * f64::from(self.config.temperature))) as f32;
                let other = self.side(other).row(strip.start + row);
                gradient.iter_mut().zip(other).for_each(|(gradient, value)| *gradient -= pull * value);
            }
        }
    }
}

/// The gradients of a strip's rows of one side, with their places in the strip.
fn gradient_rows<'a, 'g>(
    candidates: &'a mut [Candidates<'g>],
    side: Side,
    strip: &Range<usize>,
    width: usize,
) -> impl Iterator<Item = (usize, &'a mut [f32])> {
    let strip = strip.clone();
    candidates.iter_mut().filter(move |part| part.side == side).flat_map(move |part| {
        let (start, end) = (part.rows.start.max(strip.start), part.rows.end.min(strip.end));
        let (from, first) = (part.rows.start, strip.start);
        let places = start..end.max(start);
        let values = &mut part.gradient[(places.start.min(part.rows.end) - from) * width..];
        values.chunks_exact_mut(width).zip(places).map(move |(gradient, row)| (row - first, gradient))
    })
}
