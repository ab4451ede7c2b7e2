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

/// Anchors of a tile of their gradients, one task: as many as a product takes without packing the candidates.
const TILE_ROWS: usize = 128;
/// Columns of a tile at most.
const TILE_COLUMNS: usize = 96;
const TILE: usize = TILE_ROWS * TILE_COLUMNS;

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
    /// What a strip adds to the gradients: first to those of the candidates, a part on each processor, then to those of the strip's pairs, a
    /// tile on each.
    pub(super) fn pull(
        &self,
        strip: &Range<usize>,
        settled: &[Settled],
        candidates: &mut [Candidates<'_>],
        radial: &mut Radial,
        sums: &mut Vec<f32>,
    ) {
        candidates.par_iter_mut().for_each(|part| self.pull_candidates(strip, settled, part));
        self.pull_pairs(strip, settled, candidates, sums);
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
                columns.set_factors(self.factors(settled, block, &columns.found));
                match compared.scales_of([anchors, part.side], [strip, &part.rows]) {
                    None => columns.weigh(),
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
    fn pull_pairs(
        &self,
        strip: &Range<usize>,
        settled: &[Settled],
        candidates: &mut [Candidates<'_>],
        sums: &mut Vec<f32>,
    ) {
        let (weights, gradients): (Vec<Weights<'_>>, Vec<Gradient<'_>>) =
            candidates.iter_mut().map(Candidates::split).unzip();
        let (tiles, blocks) = (self.tiles(), strip.len().div_ceil(TILE_ROWS));
        let sides: Vec<Side> = [Side::Queries, Side::Passages]
            .into_iter()
            .filter(|&side| self.blocks.are_anchors()[side as usize])
            .collect();
        sums.resize(sides.len() * blocks * tiles.len() * TILE, 0.0);
        let rows_of = |block: usize| block * TILE_ROWS..strip.len().min((block + 1) * TILE_ROWS);
        sums.par_chunks_exact_mut(TILE).enumerate().for_each(|(place, sums)| {
            let (block, tile) = (place / tiles.len(), &tiles[place % tiles.len()]);
            self.sum_anchors(sides[block / blocks], &rows_of(block % blocks), tile, &weights, sums);
        });
        let rows: Vec<(Side, usize, &mut [f32])> = gradient_rows(gradients, strip, self.width).collect();
        rows.into_par_iter().with_min_len(16).for_each(|(side, row, gradient)| {
            let place = row - strip.start;
            if let Some(number) = sides.iter().position(|&of| of == side) {
                let (block, lane) = (place / TILE_ROWS, place % TILE_ROWS);
                let of_block = &sums[(number * blocks + block) * tiles.len() * TILE..];
                for ((_, columns), sums) in tiles.iter().zip(of_block.chunks_exact(TILE)) {
                    let sums = sums[lane..].iter().step_by(rows_of(block).len());
                    gradient[columns.clone()].iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += sum);
                }
            }
            self.take(gradient, &settled[place].own, side, [row, row]);
        });
    }

    /// Columns of the rows that are summed at once, all of one prefix.
    fn tiles(&self) -> Vec<(usize, Range<usize>)> {
        let of_prefix = |(prefix, columns): (usize, &Range<usize>)| {
            let end = columns.end;
            columns.clone().step_by(TILE_COLUMNS).map(move |start| (prefix, start..end.min(start + TILE_COLUMNS)))
        };
        self.compared.prefixes.iter().map(|prefix| &prefix.columns).enumerate().flat_map(of_prefix).collect()
    }

    /// What some rows of a strip have in some columns as anchors of one side: `[columns, rows]`.
    fn sum_anchors(
        &self,
        side: Side,
        places: &Range<usize>,
        (prefix, columns): &(usize, Range<usize>),
        weights: &[Weights<'_>],
        sums: &mut [f32],
    ) {
        let mut add = false;
        for Weights { side: candidates, rows, directed } in weights {
            let candidates = self.side(*candidates).slice(rows.clone()).columns(columns.clone());
            for directed in directed.iter().filter(|directed| self.block(0, directed.direction).anchors == side) {
                directed.prefixes[*prefix].pull_anchors(places.clone(), candidates, sums, add);
                add = true;
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
