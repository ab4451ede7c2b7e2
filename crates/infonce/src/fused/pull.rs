//! What a strip's weights add to the gradients.
//!
//! # Equality
//! For cosines `x̂·ŷ` of prefixes `x`, `y` with weights `w`, the gradient with respect to `x` is `Σ w·ŷ / ‖x‖ − x / ‖x‖² · Σ w·x̂·ŷ`. The first sum
//! is a product of scaled weights with the rows as they are; the second is one number for each row and prefix, its radial part, which is
//! taken off when all strips are done.

use std::ops::Range;

use rayon::prelude::*;

use super::columns::RowFound;
use super::compared::Compared;
use super::strip::{Candidates, Directed, Further, Run, Settled, part_rows};
use crate::block::{Block, Side};

/// Anchors whose gradients are summed at once, before they are evened out: some for each processor, and enough that packing the candidates for
/// them costs little. A row's
/// gradient is the same among few and among many (a test of [`product`](super::product) holds that).
pub(super) const SLAB: Range<usize> = 32..128;

/// Of queries and passages the radial parts of each row by each prefix, where cosines are compared.
pub(super) struct Radial([Vec<Vec<f64>>; 2]);

impl Radial {
    /// Zeros.
    pub(super) fn new(compared: &Compared<'_>) -> Self {
        let scaled = compared.prefixes.iter().filter(|prefix| prefix.scales.is_some()).count();
        Self(compared.sides.map(|side| vec![vec![0.0; side.count()]; scaled]))
    }

    fn add(&mut self, prefix: usize, side: Side, row: usize, weighted: f64) {
        if let Some(rows) = self.0[side as usize].get_mut(prefix) {
            rows[row] += weighted;
        }
    }
}

/// Some candidates and their weights in each direction.
struct Weights<'a> {
    side: Side,
    rows: Range<usize>,
    directed: &'a [Directed],
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
            Weights { side, rows: rows.clone(), directed: &self.directed },
            Gradient { side, rows, values: &mut *self.gradient },
        )
    }
}

impl Run<'_> {
    /// What a strip adds to the gradients: first to those of the candidates, a part on each processor, then to those of the strip's pairs, some
    /// rows on each.
    pub(super) fn pull(
        &self,
        strip: &Range<usize>,
        settled: &[Settled],
        candidates: &mut [Candidates<'_>],
        radial: &mut Radial,
    ) {
        candidates.par_iter_mut().for_each(|part| self.pull_candidates(strip, settled, part));
        self.pull_pairs(strip, settled, candidates);
        self.pull_further(settled, candidates);
        self.add_radial(strip, settled, candidates, radial);
    }

    /// Makes exponentials weights, and adds what they pull to the gradients of some candidates.
    fn pull_candidates(&self, strip: &Range<usize>, settled: &[Settled], part: &mut Candidates<'_>) {
        for directed in &mut part.directed {
            let anchors = self.block(0, directed.direction).anchors;
            let rows = self.side(anchors).slice(strip.clone());
            // A column of the rows has the weights of its prefix and of all wider ones.
            for (prefix, compared) in self.compared.prefixes.iter().enumerate().rev() {
                let block = self.block(prefix, directed.direction);
                let (narrow, wider) = directed.prefixes.split_at_mut(prefix + 1);
                let columns = &mut narrow[prefix];
                columns.factors = self.factors(settled, block, &columns.found);
                match compared.scales_of([anchors, part.side], [strip, &part.rows]) {
                    None => columns.weigh(part.rows.len()),
                    Some(scales) => columns.weigh_scaled(block.sharpness as f32, scales, &mut part.radial[prefix]),
                }
                if let Some(wider) = wider.first() {
                    columns.add(wider);
                }
                let gradient = &mut part.gradient[compared.columns.start..];
                columns.pull_candidates(rows.columns(compared.columns.clone()), gradient, self.width);
            }
        }
    }

    /// Derivatives of the mean loss with respect to the similarities, over the exponentials of a block's columns.
    fn factors(&self, settled: &[Settled], block: &Block, found: &[RowFound]) -> Vec<f32> {
        let scale = self.blocks.groups[block.group].share * self.scale();
        let factor = |(settled, found): (&Settled, &RowFound)| {
            let (sum, pull) = &settled.groups[block.group];
            let local = found.sum(block.sharpness);
            match local.sum > 0.0 {
                true => (scale * pull * (local.largest - sum.largest).exp() / sum.sum) as f32,
                false => 0.0,
            }
        };
        settled.iter().zip(found).map(factor).collect()
    }

    /// What a similarity weighs in the mean over all pairs.
    fn scale(&self) -> f64 {
        1.0 / (self.queries as f64 * f64::from(self.config.temperature))
    }

    /// Adds to the gradients of a strip's pairs what they have as anchors, and takes from each the pull of the other.
    fn pull_pairs(&self, strip: &Range<usize>, settled: &[Settled], candidates: &mut [Candidates<'_>]) {
        let slab = strip.len().div_ceil(rayon::current_num_threads()).clamp(SLAB.start, SLAB.end);
        // Of even sizes: a row alone is multiplied in another order.
        let slab = strip.len().div_ceil(strip.len().div_ceil(slab));
        let (weights, gradients): (Vec<Weights<'_>>, Vec<Gradient<'_>>) =
            candidates.iter_mut().map(Candidates::split).unzip();
        let mut rows: Vec<(Side, usize, &mut [f32])> = gradient_rows(gradients, strip, self.width).collect();
        let slab_of = |row: usize| (row - strip.start) / slab;
        let slabs: Vec<&mut [(Side, usize, &mut [f32])]> = rows
            .chunk_by_mut(|(side, row, _), (other, next, _)| side == other && slab_of(*row) == slab_of(*next))
            .collect();
        slabs.into_par_iter().for_each(|slab| {
            let (side, places) = (slab[0].0, slab[0].1 - strip.start..slab[slab.len() - 1].1 + 1 - strip.start);
            if self.blocks.are_anchors()[side as usize] {
                let sums = &mut self.scratches.here().sums;
                sums.clear();
                sums.resize(slab.len() * self.width, 0.0);
                self.sum_anchors(side, &places, &weights, sums);
                for ((_, _, gradient), sums) in slab.iter_mut().zip(sums.chunks_exact(self.width)) {
                    gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
                }
            }
            for (_, row, gradient) in slab {
                self.take(gradient, &settled[*row - strip.start].own, side, [*row, *row]);
            }
        });
    }

    /// Adds to `sums` what some rows of a strip have as anchors of one side.
    fn sum_anchors(&self, side: Side, places: &Range<usize>, weights: &[Weights<'_>], sums: &mut [f32]) {
        for Weights { side: candidates, rows, directed } in weights {
            let candidates = self.side(*candidates).slice(rows.clone());
            for directed in directed.iter().filter(|directed| self.block(0, directed.direction).anchors == side) {
                for (columns, compared) in directed.prefixes.iter().zip(&self.compared.prefixes) {
                    let candidates = candidates.columns(compared.columns.clone());
                    columns.pull_anchors(places.clone(), candidates, &mut sums[compared.columns.start..], self.width);
                }
            }
        }
    }

    /// Takes from the gradients what further positives pull.
    fn pull_further(&self, settled: &[Settled], candidates: &mut [Candidates<'_>]) {
        let mut pulls = vec![0.0; self.compared.prefixes.len()];
        for further in settled.iter().flat_map(|settled| &settled.further) {
            let &Further { anchors, row, candidate, prefix, pull, .. } = further;
            pulls.fill(0.0);
            pulls[prefix] = pull;
            for (side, of, other) in [(anchors, row, candidate), (anchors.other(), candidate, row)] {
                let gradient = self.gradient_row(candidates, side, of);
                self.take(gradient, &pulls, side, [of, other]);
            }
        }
    }

    /// The gradient of one row.
    fn gradient_row<'c>(&self, candidates: &'c mut [Candidates<'_>], side: Side, row: usize) -> &'c mut [f32] {
        let parts_before = match side {
            Side::Queries => 0,
            Side::Passages => self.queries.div_ceil(part_rows(self.queries)),
        };
        let part = &mut candidates[parts_before + row / part_rows(self.side(side).count())];
        let start = (row - part.rows.start) * self.width;
        &mut part.gradient[start..start + self.width]
    }

    /// Takes from the gradient of a row the pull of one of the other side, by each prefix.
    fn take(&self, gradient: &mut [f32], pulls: &[f64], side: Side, [row, other]: [usize; 2]) {
        let other_row = self.side(side.other()).row(other);
        let mut pull = 0.0;
        for (prefix, compared) in self.compared.prefixes.iter().enumerate().rev() {
            let scale = |side: Side, row: usize| f64::from(self.compared.scale(prefix, side, row));
            pull += pulls[prefix] * self.scale() * scale(side, row) * scale(side.other(), other);
            let (pull, columns) = (pull as f32, compared.columns.clone());
            let values = gradient[columns.clone()].iter_mut().zip(&other_row[columns]);
            values.for_each(|(gradient, value)| *gradient -= pull * value);
        }
    }

    /// Adds what a strip's pairs have of radial parts, as anchors and for their positives.
    fn add_radial(
        &self,
        strip: &Range<usize>,
        settled: &[Settled],
        candidates: &[Candidates<'_>],
        radial: &mut Radial,
    ) {
        if self.compared.prefixes.iter().all(|prefix| prefix.scales.is_none()) {
            return;
        }
        for directed in candidates.iter().flat_map(|part| &part.directed) {
            for (prefix, columns) in directed.prefixes.iter().enumerate() {
                let anchors = self.block(prefix, directed.direction).anchors;
                for ((row, found), &factor) in strip.clone().zip(&columns.found).zip(&columns.factors) {
                    radial.add(prefix, anchors, row, f64::from(factor) * f64::from(found.weighted));
                }
            }
        }
        for (row, settled) in strip.clone().zip(settled) {
            for (prefix, pull) in settled.own.iter().enumerate() {
                let taken = pull * self.scale() * f64::from(self.compared.prefixes[prefix].own[row]);
                radial.add(prefix, Side::Queries, row, -taken);
                radial.add(prefix, Side::Passages, row, -taken);
            }
            for &Further { anchors, candidate, prefix, similarity, pull, .. } in &settled.further {
                let taken = pull * self.scale() * similarity;
                radial.add(prefix, anchors, row, -taken);
                radial.add(prefix, anchors.other(), candidate, -taken);
            }
        }
    }

    /// Takes off all radial parts.
    pub(super) fn pull_back(&self, candidates: &mut [Candidates<'_>], radial: &Radial) {
        candidates.par_iter_mut().filter(|part| !part.radial.is_empty()).for_each(|part| {
            let side = part.side;
            for ((place, row), gradient) in
                part.rows.clone().enumerate().zip(part.gradient.chunks_exact_mut(self.width))
            {
                let (own_row, mut pull) = (self.side(side).row(row), 0.0);
                for (prefix, compared) in self.compared.prefixes.iter().enumerate().rev() {
                    let scale = f64::from(self.compared.scale(prefix, side, row));
                    pull += (part.radial[prefix][place] + radial.0[side as usize][prefix][row]) * scale * scale;
                    let (pull, columns) = (pull as f32, compared.columns.clone());
                    let values = gradient[columns.clone()].iter_mut().zip(&own_row[columns]);
                    values.for_each(|(gradient, value)| *gradient -= pull * value);
                }
            }
        });
    }
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
