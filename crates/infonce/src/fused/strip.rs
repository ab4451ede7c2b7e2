//! A strip of rows after another: all of its exponentials, then their sums, then what they weigh in the gradients.
//!
//! # Invariant
//! After [`Run::fill`] every part of a block holds `exp(sharpness · (similarity − hardest))`, 0 for what is no negative, with the hardest of
//! its own columns; [`Run::factors`] brings each part to the largest logit of the whole row. No exponential is above 1.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::columns::{Columns, NO_SIMILARITY, RowFound};
use super::guide::{Products, Scores};
use super::product::Matrix;
use crate::block::{Block, Blocks, Side};
use crate::histogram::Histogram;
use crate::negatives::Negatives;
use crate::softmax::{Picks, RowSum};
use crate::tally::{Diagnosis, Strata, Tally, diagnose};
use crate::{InBatch, InfoNceConfig};

/// Bytes that the exponentials of a strip take where its rows allow it.
const STRIP: usize = 16 << 20;
/// Rows of a strip at least, as long as the batch has them: with fewer, a product is bound by reading the candidates.
const LEAST_ROWS: usize = 64;
const MOST_ROWS: usize = 256;
/// Anchors whose gradients are summed at once: some for each processor, and enough that packing the candidates for them costs little. A row's
/// gradient is the same among few and among many (a test of [`product`](super::product) holds that).
const SLAB: Range<usize> = 32..128;
/// Histograms of all strata together at least, so that not all processors wait for the same.
const HISTOGRAMS: usize = 8;
/// Columns that are worked on at once.
const COLUMNS: Range<usize> = 64..256;

/// What a batch gives.
pub(super) struct Output {
    pub(super) loss: f32,
    /// Of queries and passages.
    pub(super) gradients: [Vec<f32>; 2],
    pub(super) scale_gradient: f32,
    pub(super) masked: usize,
    pub(super) diagnosis: Diagnosis,
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
    /// The pairs whose loss is asked for.
    pairs: Range<usize>,
    strata: Strata,
    width: usize,
    /// The similarity of each pair.
    own: Vec<f32>,
    /// Of each stratum in the direction from query to passage, as often as makes [`HISTOGRAMS`]: counts do not depend on who takes which. Empty where no
    /// percentile is asked for.
    histograms: Vec<Mutex<Histogram>>,
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
}

/// Some candidates and their weights in each block.
struct Weights<'a> {
    side: Side,
    rows: Range<usize>,
    columns: &'a [(usize, Columns)],
}

/// The gradient of some candidates.
struct Gradient<'a> {
    side: Side,
    rows: Range<usize>,
    values: &'a mut [f32],
}

impl Candidates<'_> {
    fn split(&mut self) -> (Weights<'_>, Gradient<'_>) {
        let (side, rows) = (self.side, self.rows.clone());
        (
            Weights { side, rows: rows.clone(), columns: &self.columns },
            Gradient { side, rows, values: &mut *self.gradient },
        )
    }
}

/// What is known of a pair once all columns of its strip are filled.
struct Settled {
    /// Of each group the sums over all of its negatives, and their probability.
    groups: Vec<(RowSum, f64)>,
    /// Minus the derivative of its loss with respect to its own logit.
    own: f64,
    /// The same for each further positive.
    further: Vec<Further>,
}

/// A positive beside the pair's own.
struct Further {
    anchors: Side,
    row: usize,
    candidate: usize,
    pull: f64,
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
        diagnosis: diagnose(&run.strata, &totals.tallies, run.histograms().as_deref(), sides[1].count()),
    }
}

/// Sums over the pairs of a batch.
struct Totals {
    loss: f64,
    scale_slope: f64,
    masked: usize,
    /// Of each stratum.
    tallies: Vec<Tally>,
}

impl<'a> Run<'a> {
    fn new(config: &'a InfoNceConfig, sides: [Matrix<'a>; 2], width: usize, known: &InBatch<'a>) -> Self {
        let queries = sides[0].count();
        let (blocks, strata) = (Blocks::new(config), Strata::new(known.strata));
        let guide = config.guide.zip(known.guide).map(|(guide, rows)| {
            let scores = Scores::new(rows, &blocks, sides.map(|side| part_rows(side.count())));
            let own = |pair| guide.threshold(scores.exact([Side::Queries, Side::Passages], [pair, pair]));
            Guided { thresholds: (0..queries).map(own).collect(), scores }
        });
        let own = |pair: usize| vectors::inner_product(sides[0].row(pair), sides[1].row(pair)) as f32;
        let longest = |side: Matrix<'_>| (0..side.count()).map(|row| vectors::norm(side.row(row))).fold(0.0, f64::max);
        let copies = if config.percentile { HISTOGRAMS.div_ceil(strata.count()) } else { 0 };
        let bound = if config.percentile { (longest(sides[0]) * longest(sides[1])) as f32 } else { 0.0 };
        let histograms = (0..copies * strata.count()).map(|_| Mutex::new(Histogram::new(bound))).collect();
        Self {
            blocks,
            negatives: Negatives::new(queries, known, config),
            pairs: known.rows(queries),
            strata,
            own: (0..queries).map(own).collect(),
            histograms,
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
        fitting.clamp(LEAST_ROWS, MOST_ROWS).min(self.config.tile).min(self.pairs.len())
    }

    /// All candidates of both sides, some at a time.
    fn split<'g>(&self, [queries, passages]: [&'g mut [f32]; 2]) -> Vec<Candidates<'g>> {
        let mut all = Vec::new();
        for (side, gradient) in [(Side::Queries, queries), (Side::Passages, passages)] {
            let each = part_rows(self.candidates(side));
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
                });
            }
        }
        all
    }

    fn strips(&self, [queries, passages]: &mut [Vec<f32>; 2]) -> Totals {
        let mut candidates = self.split([queries, passages]);
        let rows = self.rows();
        let tallies = vec![Tally::default(); self.strata.count()];
        let mut totals = Totals { loss: 0.0, scale_slope: 0.0, masked: 0, tallies };
        for start in self.pairs.clone().step_by(rows) {
            let strip = start..self.pairs.end.min(start + rows);
            self.fill(&strip, &mut candidates, &mut totals);
            let settled = self.settle(&strip, &candidates, &mut totals);
            self.pull(&strip, &settled, &mut candidates);
        }
        totals
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
        let guide = self.guide.as_ref().map(|guide| (guide, guide.scores.anchors(strip, &self.blocks)));
        candidates.par_iter_mut().enumerate().for_each_init(Products::new, |products, (number, part)| {
            for (place, columns) in &mut part.columns {
                let (block, left_out) = (&self.blocks.blocks[*place], &left_out[*place]);
                let sides = [block.anchors, part.side];
                if let Some((Guided { scores, .. }, anchors)) = &guide {
                    scores.multiply((anchors, block.anchors), part.side, &part.rows, products);
                }
                let guided = |row: usize, values: &mut [f32]| match &guide {
                    Some((Guided { scores, thresholds }, anchors)) => {
                        let of_row = (row, strip.start + row, thresholds[strip.start + row]);
                        scores.mask((anchors, sides), of_row, &part.rows, products, values)
                    }
                    None => 0,
                };
                let rows =
                    [self.side(block.anchors).slice(strip.clone()), self.side(part.side).slice(part.rows.clone())];
                let see = |row: usize, values: &[f32]| {
                    if *place == 0 {
                        self.count(strip.start + row, number, values);
                    }
                };
                columns.fill(rows, (left_out, part.rows.start), guided, (block.sharpness as f32, own), see);
            }
        });
    }

    /// Counts the similarities of a pair to the candidates of one part.
    fn count(&self, pair: usize, part: usize, similarities: &[f32]) {
        let strata = self.strata.count();
        let copy = part % (self.histograms.len() / strata).max(1);
        let Some(histogram) = self.histograms.get(copy * strata + self.strata.place(pair)) else { return };
        let mut histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner);
        similarities.iter().filter(|&&value| value > NO_SIMILARITY).for_each(|&value| histogram.add(value));
    }

    /// Those of each stratum, if a percentile is asked for.
    fn histograms(&self) -> Option<Vec<Histogram>> {
        let strata = self.strata.count();
        let of = |place: usize| {
            let copies = self.histograms.iter().skip(place).step_by(strata);
            copies.map(|copy| copy.lock().unwrap_or_else(PoisonError::into_inner).clone()).reduce(Histogram::with)
        };
        (0..strata).map(of).collect()
    }

    /// The softmaxes of a strip's pairs.
    fn settle(&self, strip: &Range<usize>, candidates: &[Candidates<'_>], totals: &mut Totals) -> Vec<Settled> {
        let settle = |(place, row): (usize, usize)| {
            let own = self.own[row];
            let mut sums = vec![RowSum::EMPTY; self.blocks.groups.len()];
            let mut hardest = f32::NEG_INFINITY;
            let tally = &mut totals.tallies[self.strata.place(row)];
            for (block, columns) in candidates.iter().flat_map(|part| &part.columns) {
                let (in_first, block) = (*block == 0, &self.blocks.blocks[*block]);
                let found = &columns.found[place];
                sums[block.group] = sums[block.group].with(found.sum(block.sharpness));
                totals.masked += found.guided as usize;
                if in_first && found.negatives > 0 {
                    hardest = hardest.max(found.hardest);
                    tally.negatives(found.negatives, found.similarities, found.harder);
                }
            }
            tally.pair(own, own > hardest);
            let (settled, loss, scale_slope) = self.pick(row, sums);
            totals.loss += loss;
            totals.scale_slope += scale_slope;
            settled
        };
        strip.clone().enumerate().map(settle).collect()
    }

    /// What becomes of a pair with these sums over the negatives of each group: its loss and the slope of that beside.
    fn pick(&self, row: usize, sums: Vec<RowSum>) -> (Settled, f64, f64) {
        let temperature = f64::from(self.config.temperature);
        let mut settled = Settled { groups: Vec::with_capacity(sums.len()), own: 0.0, further: Vec::new() };
        let (mut loss, mut scale_slope) = (0.0, 0.0);
        for (place, (&group, sum)) in self.blocks.groups.iter().zip(sums).enumerate() {
            let further = self.blocks.of_group(place).flat_map(|block| {
                let positives = self.negatives.positives(block, row).iter();
                positives.map(|&candidate| Further {
                    anchors: block.anchors,
                    row,
                    candidate: candidate as usize,
                    pull: 0.0,
                })
            });
            let mut further: Vec<Further> = further.collect();
            let logits: Vec<f64> = further.iter().map(|further| self.similarity(further) / temperature).collect();
            let picks = Picks::new(group, sum, f64::from(self.own[row]) / temperature, &logits, temperature);
            loss += group.share * picks.mean.loss;
            scale_slope += group.share * picks.mean.scale_slope;
            settled.groups.push((sum, picks.mean.pull));
            settled.own += group.share * picks.own;
            further.iter_mut().zip(picks.further).for_each(|(further, pull)| further.pull = group.share * pull);
            settled.further.append(&mut further);
        }
        (settled, loss, scale_slope)
    }

    /// Of a further positive.
    fn similarity(&self, &Further { anchors, row, candidate, .. }: &Further) -> f64 {
        let product = vectors::inner_product(self.side(anchors).row(row), self.side(anchors.other()).row(candidate));
        // As the pair's own: a single number.
        f64::from(product as f32)
    }

    /// What a strip adds to the gradients: first to those of the candidates, a part on each processor, then to those of the strip's pairs, some
    /// rows on each.
    fn pull(&self, strip: &Range<usize>, settled: &[Settled], candidates: &mut [Candidates<'_>]) {
        candidates.par_iter_mut().for_each(|part| {
            for (place, columns) in &mut part.columns {
                let block = &self.blocks.blocks[*place];
                let anchors = self.side(block.anchors).slice(strip.clone());
                let factors: Vec<f32> = self.factors(settled, block, columns);
                columns.pull_candidates(factors.into_iter(), anchors, part.gradient);
            }
        });
        self.pull_pairs(strip, settled, candidates);
        self.pull_further(settled, candidates);
    }

    /// Adds to the gradients of a strip's pairs what they have as anchors, and takes from each the pull of the other.
    fn pull_pairs(&self, strip: &Range<usize>, settled: &[Settled], candidates: &mut [Candidates<'_>]) {
        let slab = strip.len().div_ceil(rayon::current_num_threads()).clamp(SLAB.start, SLAB.end);
        // Of even sizes: a row alone is multiplied in another order.
        let slab = strip.len().div_ceil(strip.len().div_ceil(slab));
        let (weights, gradients): (Vec<Weights<'_>>, Vec<Gradient<'_>>) =
            candidates.iter_mut().map(Candidates::split).unzip();
        let mut rows: Vec<(Side, usize, &mut [f32])> = gradient_rows(gradients, strip, self.width).collect();
        let slabs: Vec<&mut [(Side, usize, &mut [f32])]> = rows
            .chunk_by_mut(|(side, row, _), (other, next, _)| {
                side == other && (row - strip.start) / slab == (next - strip.start) / slab
            })
            .collect();
        slabs.into_par_iter().for_each_init(Vec::new, |sums: &mut Vec<f32>, slab| {
            let (side, places) = (slab[0].0, slab[0].1 - strip.start..slab[slab.len() - 1].1 + 1 - strip.start);
            if self.blocks.are_anchors()[side as usize] {
                sums.clear();
                sums.resize(slab.len() * self.width, 0.0);
                for Weights { side: candidates, rows, columns } in &weights {
                    let candidates = self.side(*candidates).slice(rows.clone());
                    let of_side = columns.iter().filter(|(place, _)| self.blocks.blocks[*place].anchors == side);
                    of_side.for_each(|(_, columns)| columns.pull_anchors(places.clone(), candidates, sums));
                }
                for ((_, _, gradient), sums) in slab.iter_mut().zip(sums.chunks_exact(self.width)) {
                    gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
                }
            }
            for (_, row, gradient) in slab {
                self.take(gradient, settled[*row - strip.start].own, self.side(side.other()).row(*row));
            }
        });
    }

    /// Derivatives of the mean loss with respect to the similarities, over the exponentials of a block's columns.
    fn factors(&self, settled: &[Settled], block: &Block, columns: &Columns) -> Vec<f32> {
        let group = self.blocks.groups[block.group];
        let scale = group.share * self.scale();
        let factor = |(settled, found): (&Settled, &RowFound)| {
            let (sum, pull) = &settled.groups[block.group];
            let local = found.sum(block.sharpness);
            match local.sum > 0.0 {
                true => (scale * pull * (local.largest - sum.largest).exp() / sum.sum) as f32,
                false => 0.0,
            }
        };
        settled.iter().zip(&columns.found).map(factor).collect()
    }

    /// What a similarity weighs in the mean over all pairs.
    fn scale(&self) -> f64 {
        1.0 / (self.queries as f64 * f64::from(self.config.temperature))
    }

    /// Takes from the gradients what further positives pull.
    fn pull_further(&self, settled: &[Settled], candidates: &mut [Candidates<'_>]) {
        for Further { anchors, row, candidate, pull } in settled.iter().flat_map(|settled| &settled.further) {
            for (side, of, other) in [(*anchors, *row, *candidate), (anchors.other(), *candidate, *row)] {
                let gradient = self.gradient_row(candidates, side, of);
                self.take(gradient, *pull, self.side(side.other()).row(other));
            }
        }
    }

    /// The gradient of one row.
    fn gradient_row<'c>(&self, candidates: &'c mut [Candidates<'_>], side: Side, row: usize) -> &'c mut [f32] {
        let parts_before = match side {
            Side::Queries => 0,
            Side::Passages => self.queries.div_ceil(part_rows(self.queries)),
        };
        let part = &mut candidates[parts_before + row / part_rows(self.candidates(side))];
        let start = (row - part.rows.start) * self.width;
        &mut part.gradient[start..start + self.width]
    }

    fn take(&self, gradient: &mut [f32], pull: f64, row: &[f32]) {
        let pull = (pull * self.scale()) as f32;
        gradient.iter_mut().zip(row).for_each(|(gradient, value)| *gradient -= pull * value);
    }
}

/// Rows of a side that are worked on at once, of so many: whole panels of a guide.
fn part_rows(rows: usize) -> usize {
    rows.div_ceil(8).next_multiple_of(32).clamp(COLUMNS.start, COLUMNS.end)
}

/// The gradients of some rows of both sides.
fn gradient_rows<'a>(
    gradients: impl IntoIterator<Item = Gradient<'a>>,
    rows: &Range<usize>,
    width: usize,
) -> impl Iterator<Item = (Side, usize, &'a mut [f32])> {
    let rows = rows.clone();
    gradients.into_iter().flat_map(move |Gradient { side, rows: of, values }| {
        let (start, end) = (of.start.max(rows.start), of.end.min(rows.end));
        let inside = start..end.max(start);
        let values = &mut values[(inside.start.min(of.end) - of.start) * width..];
        values.chunks_exact_mut(width).zip(inside).map(move |(gradient, row)| (side, row, gradient))
    })
}
