//! A strip of rows after another: all of its exponentials, then their sums, then what they weigh in the gradients.
//!
//! # Invariant
//! After [`Run::fill`] every part of a block holds `exp(sharpness · (similarity − hardest))`, 0 for what is no negative, with the hardest of
//! its own columns; [`Run::factors`] brings each part to the largest logit of the whole row. No exponential is above 1.

use std::mem;
use std::ops::{Range, RangeInclusive};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use vectors::Matrix;

use super::columns::Columns;
use super::compared::Compared;
use super::guide::{Scores, Strip};
use super::panels::stride;
use super::pull::Radial;
use super::workspace::{Scratch, Scratches, Workspace};
use crate::block::{Block, Blocks, Side};
use crate::histogram::Histogram;
use crate::left_out::LEFT_OUT;
use crate::negatives::Negatives;
use crate::softmax::{Picks, RowSum};
use crate::tally::{Diagnosis, Strata, Tally, diagnose};
use crate::{InBatch, InfoNceConfig};

/// Bytes that the exponentials of a strip take where its rows allow it.
const STRIP: usize = 12_000_000;
/// Rows of a strip, as long as the batch has them: with fewer, a product is bound by reading the candidates.
const STRIP_ROWS: RangeInclusive<usize> = 64..=256;
/// Histograms of all strata together at least, so that not all processors wait for the same.
const HISTOGRAMS: usize = 8;
/// Similarities in a row that are worth counting where they lie.
const FEW: usize = 16;
/// Columns that are worked on at once.
const COLUMNS: RangeInclusive<usize> = 64..=256;

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
pub(super) struct Run<'a> {
    pub(super) config: &'a InfoNceConfig,
    /// Of every prefix, one after another.
    pub(super) blocks: Blocks,
    negatives: Negatives,
    pub(super) compared: Compared<'a>,
    guide: Option<Guided<'a>>,
    pub(super) queries: usize,
    /// The pairs whose loss is asked for.
    pairs: Range<usize>,
    strata: Strata,
    /// Columns of the rows, all of them.
    pub(super) width: usize,
    /// Of each stratum in the direction from query to passage, as often as makes [`HISTOGRAMS`]: counts do not depend on who takes which. Empty
    /// where no percentile is asked for.
    histograms: Vec<Mutex<Histogram>>,
    pub(super) scratches: Scratches,
}

/// A guide and each pair's lowest score that is masked.
struct Guided<'a> {
    scores: Scores<'a>,
    thresholds: Vec<f32>,
}

/// Some candidates of one side, and where their gradient goes.
pub(super) struct Candidates<'a> {
    pub(super) side: Side,
    pub(super) rows: Range<usize>,
    pub(super) gradient: &'a mut [f32],
    /// One for each direction that has these candidates.
    pub(super) directed: Vec<Directed>,
    /// Of each prefix and each of these rows, where cosines are compared.
    pub(super) radial: Vec<Vec<f64>>,
}

/// A strip's columns of some candidates in one direction.
pub(super) struct Directed {
    /// Its place among the directions.
    pub(super) direction: usize,
    /// By each prefix.
    pub(super) prefixes: Vec<Columns>,
    /// Columns of all rows that the guide alone masked.
    guided: usize,
}

/// What is known of a pair once all columns of its strip are filled.
pub(super) struct Settled {
    /// Of each group the sums over all of its negatives, and their probability.
    pub(super) groups: Vec<(RowSum, f64)>,
    /// Of each prefix minus the derivative of the pair's loss with respect to its own logit.
    pub(super) own: Vec<f64>,
    /// The same for each further positive.
    pub(super) further: Vec<Further>,
}

/// A positive beside the pair's own, by one prefix.
pub(super) struct Further {
    pub(super) anchors: Side,
    pub(super) row: usize,
    pub(super) candidate: usize,
    pub(super) prefix: usize,
    pub(super) similarity: f64,
    pub(super) pull: f64,
}

pub(super) fn run(
    config: &InfoNceConfig,
    compared: Compared<'_>,
    known: &InBatch<'_>,
    workspace: &mut Workspace,
) -> Output {
    let mut gradients = compared.sides.map(|side| vec![0.0; side.count() * side.width()]);
    let run = Run::new(config, compared, known, workspace);
    let totals = run.strips(&mut gradients, workspace);
    let (pairs, passages) = (run.queries as f64, run.side(Side::Passages).count());
    let histograms = merged(run.histograms, run.strata.count());
    workspace.keep(run.scratches);
    if let Some(guide) = run.guide {
        workspace.guide.candidates = guide.scores.into_kept();
    }
    Output {
        loss: (totals.loss / pairs) as f32,
        gradients,
        scale_gradient: (totals.scale_slope / pairs) as f32,
        masked: totals.masked,
        diagnosis: diagnose(&run.strata, &totals.tallies, histograms.as_deref(), passages),
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
    fn new(config: &'a InfoNceConfig, compared: Compared<'a>, known: &InBatch<'a>, workspace: &mut Workspace) -> Self {
        let (queries, sides) = (compared.sides[0].count(), compared.sides);
        let weights: Vec<f32> = compared.prefixes.iter().map(|prefix| prefix.weight).collect();
        let (blocks, strata) = (Blocks::of_prefixes(config, &weights), Strata::new(known.strata));
        let scratches = workspace.scratches();
        let guide = config.guide.zip(known.guide).map(|(guide, rows)| {
            let kept = mem::take(&mut workspace.guide.candidates);
            let scores = Scores::new(rows, &blocks, sides.map(|side| part_rows(side.count())), kept);
            let own = |pair| guide.threshold(scores.exact([Side::Queries, Side::Passages], [pair, pair]));
            Guided { thresholds: (0..queries).into_par_iter().map(own).collect(), scores }
        });
        let copies = if config.percentile { HISTOGRAMS.div_ceil(strata.count()) } else { 0 };
        let bound = if config.percentile { compared.bound() } else { 0.0 };
        let histograms = (0..copies * strata.count()).map(|_| Mutex::new(Histogram::new(bound))).collect();
        Self {
            blocks,
            negatives: Negatives::new(queries, known, config),
            pairs: known.rows(queries),
            strata,
            histograms,
            scratches,
            config,
            width: sides[0].width(),
            compared,
            guide,
            queries,
        }
    }

    pub(super) fn side(&self, side: Side) -> Matrix<'a> {
        self.compared.sides[side as usize]
    }

    /// The block of a direction by one prefix.
    pub(super) fn block(&self, prefix: usize, direction: usize) -> &Block {
        &self.blocks.blocks[prefix * self.directions() + direction]
    }

    fn directions(&self) -> usize {
        self.blocks.blocks.len() / self.compared.prefixes.len()
    }

    /// How many candidates a block has.
    fn candidates(&self, side: Side) -> usize {
        self.side(side).count()
    }

    /// Rows of a strip.
    fn rows(&self) -> usize {
        let columns: usize = self.blocks.blocks.iter().map(|block| self.candidates(block.candidates)).sum();
        let fitting = STRIP / (size_of::<f32>() * columns) / 16 * 16;
        fitting.clamp(*STRIP_ROWS.start(), *STRIP_ROWS.end()).min(self.config.tile).min(self.pairs.len())
    }

    /// All candidates of both sides, some at a time.
    fn split<'g>(&self, [queries, passages]: [&'g mut [f32]; 2], kept: &mut Vec<Columns>) -> Vec<Candidates<'g>> {
        let (mut all, strip_rows) = (Vec::new(), self.rows());
        for (side, gradient) in [(Side::Queries, queries), (Side::Passages, passages)] {
            let each = part_rows(self.candidates(side));
            let of_side = |&direction: &usize| self.block(0, direction).candidates == side;
            for (part, gradient) in gradient.chunks_mut(each * self.width).enumerate() {
                let rows = part * each..part * each + gradient.len() / self.width;
                let prefixes = || self.compared.prefixes.iter();
                let mut columns = || {
                    let mut columns = kept.pop().unwrap_or_default();
                    columns.reserve(rows.len(), strip_rows);
                    columns
                };
                let directed = |direction: usize| Directed {
                    direction,
                    prefixes: prefixes().map(|_| columns()).collect(),
                    guided: 0,
                };
                let scaled = prefixes().filter(|prefix| prefix.scales.is_some());
                let directed = (0..self.directions()).filter(of_side).map(directed).collect();
                all.push(Candidates {
                    side,
                    radial: scaled.map(|_| vec![0.0; rows.len()]).collect(),
                    rows,
                    gradient,
                    directed,
                });
            }
        }
        all
    }

    fn strips(&self, [queries, passages]: &mut [Vec<f32>; 2], workspace: &mut Workspace) -> Totals {
        let mut candidates = self.split([queries, passages], &mut workspace.columns);
        let rows = self.rows();
        let tallies = vec![Tally::default(); self.strata.count()];
        let mut totals = Totals { loss: 0.0, scale_slope: 0.0, masked: 0, tallies };
        let mut radial = Radial::new(&self.compared);
        for start in self.pairs.clone().step_by(rows) {
            let strip = start..self.pairs.end.min(start + rows);
            self.fill(&strip, &mut candidates, workspace, &mut totals);
            let settled = self.settle(&strip, &candidates, &mut totals);
            self.pull(&strip, &settled, &mut candidates, &mut radial, &mut workspace.sums);
        }
        self.pull_back(&mut candidates, &radial);
        let directed = candidates.into_iter().flat_map(|part| part.directed);
        workspace.columns.extend(directed.flat_map(|directed| directed.prefixes));
        totals
    }

    /// Exponentials of a strip in all columns.
    fn fill(
        &self,
        strip: &Range<usize>,
        candidates: &mut [Candidates<'_>],
        workspace: &mut Workspace,
        totals: &mut Totals,
    ) {
        let mut left_out = Vec::with_capacity(self.directions());
        for direction in 0..self.directions() {
            let mut lists = vec![Vec::new(); strip.len()];
            for (row, list) in strip.clone().zip(&mut lists) {
                totals.masked += self.negatives.left_out(self.block(0, direction), row, list);
            }
            left_out.push(lists);
        }
        for side in [Side::Queries, Side::Passages] {
            if self.blocks.are_anchors()[side as usize] {
                workspace.anchors[side as usize].fill(self.side(side).slice(strip.clone()));
                if let Some(guide) = &self.guide {
                    workspace.guide.anchors.fill(&guide.scores, side, strip);
                }
            }
        }
        let (all_anchors, guide_anchors) = (&workspace.anchors, &workspace.guide.anchors);
        candidates.par_iter_mut().enumerate().for_each(|(number, part)| {
            let Scratch { scores, products } = &mut *self.scratches.here();
            for directed in &mut part.directed {
                let anchors = self.block(0, directed.direction).anchors;
                let (sides, left_out) = ([anchors, part.side], &left_out[directed.direction]);
                let mut leave_out = |values: &mut [f32]| {
                    leave_out_listed(values, left_out, &part.rows);
                    directed.guided = self.guide.as_ref().map_or(0, |guide| {
                        let strip = Strip { rows: strip.clone(), thresholds: &guide.thresholds[strip.clone()] };
                        guide.scores.mask((guide_anchors, sides), &strip, &part.rows, scores, values)
                    });
                };
                let anchors = &all_anchors[anchors as usize];
                let rows = self.side(part.side).slice(part.rows.clone());
                if self.compared.is_plain() {
                    directed.prefixes[0].multiply(anchors, rows);
                    leave_out(&mut directed.prefixes[0].values);
                } else {
                    products.resize(rows.count() * stride(strip.len()), 0.0);
                    for (place, (compared, columns)) in
                        self.compared.prefixes.iter().zip(&mut directed.prefixes).enumerate()
                    {
                        // The products of its first columns are those of the prefix before.
                        let of_prefix = rows.columns(compared.columns.clone());
                        anchors.multiply(compared.columns.start, of_prefix, products, place > 0);
                        if place == 0 {
                            leave_out(products);
                        }
                        // The widest may have them: no other follows.
                        match place + 1 == self.compared.prefixes.len() {
                            true => mem::swap(&mut columns.values, products),
                            false => columns.values.clone_from(products),
                        }
                        columns.scale(compared.scales_of(sides, [strip, &part.rows]));
                    }
                }
                let widest = directed.prefixes.len() - 1;
                for (prefix, columns) in directed.prefixes.iter_mut().enumerate() {
                    if directed.direction == 0 && prefix == widest {
                        self.count(strip, number, &columns.values);
                    }
                    let sharpness = self.block(prefix, directed.direction).sharpness as f32;
                    columns.exponentiate(sharpness, &self.compared.prefixes[prefix].own[strip.clone()]);
                }
            }
        });
    }

    /// Counts the similarities of a strip to the candidates of one part.
    fn count(&self, strip: &Range<usize>, part: usize, similarities: &[f32]) {
        if self.histograms.is_empty() {
            return;
        }
        let strata = self.strata.count();
        let copy = part % (self.histograms.len() / strata);
        let places: Vec<usize> = strip.clone().map(|pair| self.strata.place(pair)).collect();
        let mut start = 0;
        for pairs in places.chunk_by(|place, next| place == next) {
            let histogram = &self.histograms[copy * strata + pairs[0]];
            let mut histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner);
            let columns =
                || similarities.chunks_exact(stride(strip.len())).map(|column| &column[start..start + pairs.len()]);
            match pairs.len() {
                0..FEW => histogram.count(&columns().flatten().copied().collect::<Vec<f32>>()),
                _ => columns().for_each(|column| histogram.count(column)),
            }
            start += pairs.len();
        }
    }

    /// The softmaxes of a strip's pairs.
    fn settle(&self, strip: &Range<usize>, candidates: &[Candidates<'_>], totals: &mut Totals) -> Vec<Settled> {
        let widest = self.compared.prefixes.len() - 1;
        totals.masked +=
            candidates.iter().flat_map(|part| &part.directed).map(|directed| directed.guided).sum::<usize>();
        let settle = |(place, row): (usize, usize)| {
            let own = self.compared.prefixes[widest].own[row];
            let mut sums = vec![RowSum::EMPTY; self.blocks.groups.len()];
            let mut hardest = f32::NEG_INFINITY;
            let tally = &mut totals.tallies[self.strata.place(row)];
            for directed in candidates.iter().flat_map(|part| &part.directed) {
                for (prefix, columns) in directed.prefixes.iter().enumerate() {
                    let (block, found) = (self.block(prefix, directed.direction), &columns.found[place]);
                    sums[block.group] = sums[block.group].with(found.sum(block.sharpness));
                    if directed.direction == 0 && prefix == widest && found.negatives > 0 {
                        hardest = hardest.max(found.hardest);
                        tally.negatives(found.negatives, found.similarities, found.harder);
                    }
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
        let own = vec![0.0; self.compared.prefixes.len()];
        let mut settled = Settled { groups: Vec::with_capacity(sums.len()), own, further: Vec::new() };
        let (mut loss, mut scale_slope) = (0.0, 0.0);
        for (place, (&group, sum)) in self.blocks.groups.iter().zip(sums).enumerate() {
            let mut further = self.further(place, row);
            let logits: Vec<f64> = further.iter().map(|further| further.similarity / temperature).collect();
            let own = f64::from(self.compared.prefixes[group.prefix].own[row]);
            let picks = Picks::new(group, sum, own / temperature, &logits, temperature);
            loss += group.share * picks.mean.loss;
            scale_slope += group.share * picks.mean.scale_slope;
            settled.groups.push((sum, picks.mean.pull));
            settled.own[group.prefix] += group.share * picks.own;
            further.iter_mut().zip(picks.further).for_each(|(further, pull)| further.pull = group.share * pull);
            settled.further.append(&mut further);
        }
        (settled, loss, scale_slope)
    }

    /// The positives of a pair beside its own, in one group.
    fn further(&self, group: usize, row: usize) -> Vec<Further> {
        let of_block = |block: &Block| {
            let &Block { anchors, prefix, .. } = block;
            let further = move |&candidate: &u32| {
                let candidate = candidate as usize;
                let similarity = f64::from(self.compared.similarity(prefix, anchors, [row, candidate]));
                Further { anchors, row, candidate, prefix, similarity, pull: 0.0 }
            };
            self.negatives.positives(block, row).iter().map(further).collect::<Vec<_>>()
        };
        self.blocks.of_group(group).flat_map(of_block).collect()
    }
}

/// Of each of some strata the sum of its histograms, which follow one another by strata; `None` if there are none.
fn merged(histograms: Vec<Mutex<Histogram>>, strata: usize) -> Option<Vec<Histogram>> {
    let mut all =
        histograms.into_iter().map(|histogram| histogram.into_inner().unwrap_or_else(PoisonError::into_inner));
    let mut sums: Vec<Histogram> = all.by_ref().take(strata).collect();
    for (place, histogram) in all.enumerate() {
        sums[place % strata].add_all(&histogram);
    }
    (!sums.is_empty()).then_some(sums)
}

/// Leaves out those of some columns that are listed for each row.
fn leave_out_listed(values: &mut [f32], listed: &[Vec<u32>], columns: &Range<usize>) {
    let stride = stride(listed.len());
    for (row, listed) in listed.iter().enumerate() {
        let start = listed.partition_point(|&column| (column as usize) < columns.start);
        for &column in listed[start..].iter().take_while(|&&column| (column as usize) < columns.end) {
            values[(column as usize - columns.start) * stride + row] = LEFT_OUT;
        }
    }
}

/// Rows of a side that are worked on at once, of so many.
pub(super) fn part_rows(rows: usize) -> usize {
    rows.div_ceil(8).next_multiple_of(16).clamp(*COLUMNS.start(), *COLUMNS.end())
}
