//! Which candidates a guide finds about as near as the pair's own passage: by products in 16-bit fixed point, at half the cost of f32,
//! and exactly where these are too near the threshold to tell.
//!
//! # Invariant
//! A candidate is masked if and only if its score is at least the pair's threshold, scores being inner products summed in f64 and rounded
//! to f32.
//!
//! # Inequality
//! For rows of norms `m` and `n` the score is within `m n (r + (1 + r) s + SLACK)` of `m n x̂·ĉ`, with `r` and `s` for the largest residues of
//! a strip's anchors and of a part's candidates (`docs/vectors.md`, as directions have norm 1). What is that far above the threshold is masked, what is that far below is not,
//! and what lies between is multiplied exactly.
//!
//! # Floating point
//! f32 rounds the sum as a number, its scale, the bound and the threshold over `m`: at most 6·2⁻²⁴ of `m n` together, a tenth of [`SLACK`].

use std::ops::Range;

use rayon::prelude::*;
use vectors::fixed_point::{
    Direction, IntegerSimd, ONE, Panels, TILE, WithIntegerSimd, dispatch, holds, lanes, products, words,
};
use vectors::simd::vectorised;

use super::product::Matrix;
use super::workspace::Scratches;
use crate::GuideRows;
use crate::block::{Blocks, Side};
use crate::left_out::LEFT_OUT;

const SLACK: f32 = 4e-6;
/// Anchors whose scores are held at once: whole tiles.
const ROWS: usize = 16 * TILE;

/// A guide's rows.
pub(super) struct Scores<'a> {
    /// Of queries and passages.
    sides: [Matrix<'a>; 2],
    /// The same in fixed point, where they are candidates of a block, in parts; `None` where a row has no direction, as it is not finite, or too
    /// many columns: then the part is multiplied exactly.
    candidates: [Vec<Panelled>; 2],
    /// Rows of a part of each side.
    part_rows: [usize; 2],
}

/// Some rows in fixed point.
#[derive(Default)]
pub(super) struct Fixed<T> {
    values: T,
    norms: Vec<f32>,
    /// The largest of a row.
    residue: f32,
}

/// Some candidates, if they could be brought into fixed point.
pub(super) type Panelled = Option<Fixed<Panels>>;

/// Both sides' anchors of a strip, one row after another, as `candidates` of [`Scores`].
pub(super) type Anchors = [Option<Fixed<Vec<i32>>>; 2];

/// The scores of some anchors and of some candidates, in fixed point.
#[derive(Default)]
pub(super) struct Products(Vec<i32>);

impl<'a> Scores<'a> {
    /// The rows, as these blocks read them: candidates in parts of so many, which begin with a panel. In the memory of earlier ones.
    pub(super) fn new(
        rows: GuideRows<'a>,
        blocks: &Blocks,
        part_rows: [usize; 2],
        mut kept: [Vec<Panelled>; 2],
        scratches: &Scratches,
    ) -> Self {
        let sides = [rows.queries, rows.passages].map(|values| Matrix::rows(values, rows.width));
        for (side, parts) in kept.iter_mut().enumerate() {
            let (rows, each) = (sides[side], part_rows[side]);
            let count = if blocks.are_candidates()[side] { rows.count().div_ceil(each) } else { 0 };
            parts.resize_with(count, Default::default);
            if holds(rows.width()) {
                let room = |panelled: &mut Panelled| {
                    panelled.get_or_insert_default().reserve(each.min(rows.count()), rows.width())
                };
                parts.iter_mut().for_each(room);
            }
            parts.par_iter_mut().enumerate().for_each(|(part, panelled)| {
                let rows = rows.slice(part * each..rows.count().min((part + 1) * each));
                let fixed = panelled.take().unwrap_or_default();
                *panelled = fixed.of(rows, &mut scratches.here().sums);
            });
        }
        Self { sides, candidates: kept, part_rows }
    }

    /// The memory of the rows, for the next guide.
    pub(super) fn into_kept(self) -> [Vec<Panelled>; 2] {
        self.candidates
    }

    /// The part of one side that has these rows.
    fn part(&self, side: Side, rows: &Range<usize>) -> Option<&Fixed<Panels>> {
        self.candidates[side as usize][rows.start / self.part_rows[side as usize]].as_ref()
    }

    /// The anchors of a strip, as these blocks read them.
    pub(super) fn anchors(&self, strip: &Range<usize>, blocks: &Blocks) -> Anchors {
        let of = |side: usize| blocks.are_anchors()[side].then(|| quantised(self.sides[side].slice(strip.clone())))?;
        [of(0), of(1)]
    }

    /// Inner product of two rows.
    pub(super) fn exact(&self, [anchors, candidates]: [Side; 2], [anchor, candidate]: [usize; 2]) -> f32 {
        let [a, b] = [self.sides[anchors as usize].row(anchor), self.sides[candidates as usize].row(candidate)];
        vectors::inner_product(a, b) as f32
    }

    /// Leaves out of a part's columns the candidates that are at or above the threshold of their anchor; how many were not left out before.
    /// `values` has a row for each anchor of the strip.
    pub(super) fn mask(
        &self,
        (anchors, sides): (&Anchors, [Side; 2]),
        strip: &Range<usize>,
        thresholds: &[f32],
        columns: &Range<usize>,
        products: &mut Products,
        values: &mut [f32],
    ) -> usize {
        let mut guided = 0;
        for (chunk, values) in values.chunks_mut(ROWS * columns.len()).enumerate() {
            let rows = chunk * ROWS..chunk * ROWS + values.len() / columns.len();
            self.multiply((anchors, sides), &rows, columns, products);
            for (place, (row, values)) in rows.zip(values.chunks_exact_mut(columns.len())).enumerate() {
                let anchor = (row, strip.start + row, thresholds[row]);
                let products = products.0.get(place * columns.len()..).unwrap_or_default();
                guided += self.mask_row((anchors, sides), anchor, columns, products, values) as usize;
            }
        }
        guided
    }

    /// Fills `products` for some anchors and a part's columns, where both are in fixed point.
    fn multiply(
        &self,
        (anchors, [side, candidates]): (&Anchors, [Side; 2]),
        rows: &Range<usize>,
        columns: &Range<usize>,
        products: &mut Products,
    ) {
        let (Some(anchors), Some(candidates)) = (&anchors[side as usize], self.part(candidates, columns)) else {
            return;
        };
        let each = words(self.sides[0].width());
        products.0.resize(rows.len() * columns.len(), 0);
        let anchors = &anchors.values[rows.start * each..rows.end * each];
        dispatch(Multiply { anchors, each, panels: &candidates.values, out: &mut products.0 });
    }

    /// Leaves out the candidates of one anchor, a row of the strip, that are at or above its threshold; how many were not left out before.
    fn mask_row(
        &self,
        (anchors, sides): (&Anchors, [Side; 2]),
        (row, anchor, threshold): (usize, usize, f32),
        columns: &Range<usize>,
        products: &[i32],
        values: &mut [f32],
    ) -> u32 {
        let is_masked = |column: usize| self.exact(sides, [anchor, columns.start + column]) >= threshold;
        let mut guided = 0;
        let mut leave_out = |value: &mut f32| {
            *value = LEFT_OUT;
            guided += 1;
        };
        // A threshold over the norm of a row of zeros says nothing.
        let anchors = anchors[sides[0] as usize].as_ref().filter(|anchors| anchors.norms[row] > 0.0);
        let (Some(anchors), Some(candidates)) = (anchors, self.part(sides[1], columns)) else {
            let negatives = values.iter_mut().enumerate().filter(|(_, value)| **value > LEFT_OUT);
            negatives.filter(|&(column, _)| is_masked(column)).for_each(|(_, value)| leave_out(value));
            return guided;
        };
        let sums = &products[..columns.len()];
        let norms = &candidates.norms;
        let over_norm = threshold / anchors.norms[row];
        let error = anchors.residue + (1.0 + anchors.residue) * candidates.residue + SLACK;
        let (clear, open) = vectorised(
            #[inline(always)]
            || mask_clear(values, sums, norms, over_norm, error),
        );
        if open > 0 {
            for (column, ((value, &sum), &norm)) in values.iter_mut().zip(sums).zip(norms).enumerate() {
                let (masked, possible) = compare(sum, norm, over_norm, error);
                if possible && !masked && *value > LEFT_OUT && is_masked(column) {
                    leave_out(value);
                }
            }
        }
        clear + guided
    }
}

/// Whether a candidate is certainly at or above the threshold, and whether it may be.
#[inline(always)]
fn compare(sum: i32, norm: f32, threshold: f32, error: f32) -> (bool, bool) {
    let (score, error) = (sum as f32 * (1.0 / (ONE * ONE)) * norm, error * norm);
    (score - error >= threshold, score + error >= threshold)
}

/// Leaves out what is clearly at or above the threshold: how many of these were negatives, and how many others may have to be.
#[inline(always)]
fn mask_clear(values: &mut [f32], sums: &[i32], norms: &[f32], threshold: f32, error: f32) -> (u32, u32) {
    let (mut guided, mut open) = (0, 0);
    for ((value, &sum), &norm) in values.iter_mut().zip(sums).zip(norms) {
        let (masked, possible) = compare(sum, norm, threshold, error);
        let negative = *value > LEFT_OUT;
        guided += u32::from(masked & negative);
        open += u32::from(possible & !masked & negative);
        *value = if masked { LEFT_OUT } else { *value };
    }
    (guided, open)
}

impl Fixed<Panels> {
    /// Makes room for so many rows. Before workers fill them, whose allocators would have gaps between these and what a product packs.
    fn reserve(&mut self, rows: usize, width: usize) {
        self.values.reserve(rows, words(width));
    }

    /// These rows in this memory, by way of their words; `None` if one has no direction, or there are too many columns.
    fn of(mut self, rows: Matrix<'_>, scratch: &mut Vec<f32>) -> Option<Self> {
        let each = words(rows.width());
        scratch.clear();
        scratch.resize(rows.count() * each, 0.0);
        let all: &mut [i32] = bytemuck::cast_slice_mut(scratch);
        self.residue = quantise(rows, all, &mut self.norms)?;
        self.values.fill(all.chunks_exact(each), each);
        Some(self)
    }
}

/// Writes the words of some rows in fixed point, one row after another, and their norms, and gives the largest residue; `None` if one has no
/// direction, or there are too many columns.
fn quantise(rows: Matrix<'_>, all: &mut [i32], norms: &mut Vec<f32>) -> Option<f32> {
    if !holds(rows.width()) {
        return None;
    }
    norms.clear();
    let mut residue = 0.0_f32;
    for (row, words) in all.chunks_exact_mut(words(rows.width())).enumerate() {
        let direction = Direction::quantise(rows.row(row), words)?;
        norms.push(direction.norm);
        residue = residue.max(direction.residue);
    }
    Some(residue)
}

/// Rows in fixed point, one after another; `None` as for [`quantise`].
fn quantised(rows: Matrix<'_>) -> Option<Fixed<Vec<i32>>> {
    let mut fixed = Fixed { values: vec![0; rows.count() * words(rows.width())], ..Fixed::default() };
    fixed.residue = quantise(rows, &mut fixed.values, &mut fixed.norms)?;
    Some(fixed)
}

struct Multiply<'a> {
    anchors: &'a [i32],
    each: usize,
    panels: &'a Panels,
    out: &'a mut [i32],
}

impl WithIntegerSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with<I: IntegerSimd>(self, simd: I) {
        let Self { anchors, each, panels, out } = self;
        let (rows, width) = (anchors.len() / each, panels.len());
        let panel_len = Panels::panel_len();
        debug_assert!(panel_len == 2 * lanes::<I>());
        for (place, at) in (0..width).step_by(panel_len).enumerate() {
            let panel = panels.panel::<I>(place);
            let count = panel_len.min(width - at);
            for first in (0..rows).step_by(TILE) {
                let row = |place: usize| &anchors[(first + place).min(rows - 1) * each..][..each];
                let sums = products(simd, panel, [row(0), row(1), row(2), row(3), row(4), row(5)]);
                for (place, sums) in sums.iter().enumerate().take(rows - first) {
                    let sums: &[i32] = bytemuck::cast_slice(sums);
                    out[(first + place) * width + at..][..count].copy_from_slice(&sums[..count]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InfoNceConfig;
    use crate::fused::workspace::Workspace;

    /// Scores that are whole multiples of a sixteenth, with thresholds on them: those at one are masked, those below are not.
    #[test]
    fn what_is_at_its_threshold_is_masked_and_what_is_below_is_not() {
        let (width, rows, candidates) = (40, ROWS + 9, 70);
        let value = |row: usize, column: usize| ((row * 7 + column * 5 + row * column) % 9) as f32 / 4.0 - 1.0;
        let values = |rows: usize, salt: usize| -> Vec<f32> {
            (0..rows).flat_map(|row| (0..width).map(move |column| value(row + salt, column))).collect()
        };
        let (queries, passages) = (values(rows, 1), values(candidates, 3));
        let guide = GuideRows { queries: &queries, passages: &passages, width };
        let blocks = Blocks::new(&InfoNceConfig::default());
        let scores = Scores::new(guide, &blocks, [32, 32], Default::default(), &Workspace::default().scratches(0));
        let sides = [Side::Queries, Side::Passages];
        let (strip, columns) = (2..rows, 64..candidates);
        let anchors = scores.anchors(&strip, &blocks);
        let exact = |row: usize| columns.clone().map(move |column| (row, column));
        let exact: Vec<Vec<f32>> = strip
            .clone()
            .map(|row| exact(row).map(|(row, column)| scores.exact(sides, [row, column])).collect())
            .collect();
        for place in 0..columns.len() {
            let thresholds: Vec<f32> = exact.iter().map(|exact| exact[place]).collect();
            let row = |first: f32, of: &dyn Fn(usize) -> f32| -> Vec<f32> {
                std::iter::once(first).chain((1..columns.len()).map(of)).collect()
            };
            let mut values = row(LEFT_OUT, &|_| 0.5).repeat(strip.len());
            let mut products = Products::default();
            let guided = scores.mask((&anchors, sides), &strip, &thresholds, &columns, &mut products, &mut values);
            let masked = |exact: &Vec<f32>, column: usize| if exact[column] >= exact[place] { LEFT_OUT } else { 0.5 };
            let expected: Vec<f32> =
                exact.iter().flat_map(|exact| row(LEFT_OUT, &|column| masked(exact, column))).collect();
            assert_eq!(values, expected);
            let left_out = expected.iter().filter(|&&value| value == LEFT_OUT).count();
            assert_eq!(guided, left_out - strip.len());
        }
    }

    #[test]
    fn a_row_of_zeros_is_compared_too() {
        let guide = GuideRows { queries: &[0.0, 0.0], passages: &[1.0, 0.0, -1.0, 0.0], width: 2 };
        let blocks = Blocks::new(&InfoNceConfig::default());
        let scores = Scores::new(guide, &blocks, [32, 32], Default::default(), &Workspace::default().scratches(0));
        let anchors = (&scores.anchors(&(0..1), &blocks), [Side::Queries, Side::Passages]);
        for (threshold, expected) in [(0.0, 2), (0.1, 0)] {
            let (mut values, mut products) = ([0.5, 0.5], Products::default());
            let guided = scores.mask(anchors, &(0..1), &[threshold], &(0..2), &mut products, &mut values);
            assert_eq!(guided, expected);
        }
    }
}
