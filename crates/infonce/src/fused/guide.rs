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
use crate::GuideRows;
use crate::block::{Blocks, Side};
use crate::left_out::LEFT_OUT;

const SLACK: f32 = 4e-6;

/// A guide's rows.
pub(super) struct Scores<'a> {
    /// Of queries and passages.
    sides: [Matrix<'a>; 2],
    /// The same in fixed point, where they are candidates of a block, in parts; `None` where a row has no direction, as it is not finite, or too
    /// many columns: then the part is multiplied exactly.
    candidates: [Vec<Option<Fixed<Panels>>>; 2],
    /// Rows of a part of each side.
    part_rows: [usize; 2],
}

/// Some rows in fixed point.
pub(super) struct Fixed<T> {
    values: T,
    norms: Vec<f32>,
    /// The largest of a row.
    residue: f32,
}

/// Both sides' anchors of a strip, one row after another, as `candidates` of [`Scores`].
pub(super) type Anchors = [Option<Fixed<Vec<i32>>>; 2];

/// The scores of a strip's anchors and of some candidates, in fixed point.
#[derive(Default)]
pub(super) struct Products(Vec<i32>);

impl<'a> Scores<'a> {
    /// The rows, as these blocks read them: candidates in parts of so many, which begin with a panel.
    pub(super) fn new(rows: GuideRows<'a>, blocks: &Blocks, part_rows: [usize; 2]) -> Self {
        let sides = [rows.queries, rows.passages].map(|values| Matrix::rows(values, rows.width));
        let panels = |rows: Matrix<'_>| -> Option<Fixed<Panels>> {
            let Fixed { values, norms, residue } = quantised(rows)?;
            let each = words(rows.width());
            Some(Fixed { values: Panels::new(values.chunks_exact(each), each), norms, residue })
        };
        let candidates = [0, 1].map(|side| {
            let rows = sides[side];
            let starts = (0..if blocks.are_candidates()[side] { rows.count() } else { 0 })
                .into_par_iter()
                .step_by(part_rows[side]);
            starts.map(|start| panels(rows.slice(start..rows.count().min(start + part_rows[side])))).collect()
        });
        Self { sides, candidates, part_rows }
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

    /// Fills `products` for a strip and a part's columns.
    pub(super) fn multiply(
        &self,
        (anchors, side): (&Anchors, Side),
        candidates: Side,
        columns: &Range<usize>,
        products: &mut Products,
    ) {
        let (Some(anchors), Some(candidates)) = (&anchors[side as usize], self.part(candidates, columns)) else {
            return;
        };
        products.0.resize(anchors.norms.len() * columns.len(), 0);
        dispatch(Multiply {
            anchors: &anchors.values,
            each: words(self.sides[0].width()),
            panels: &candidates.values,
            out: &mut products.0,
        });
    }

    /// Leaves out the candidates of one anchor, a row of the strip, that are at or above its threshold; how many were not left out before.
    pub(super) fn mask(
        &self,
        (anchors, sides): (&Anchors, [Side; 2]),
        (row, anchor, threshold): (usize, usize, f32),
        columns: &Range<usize>,
        products: &Products,
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
        let sums = &products.0[row * columns.len()..(row + 1) * columns.len()];
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

impl Fixed<Vec<i32>> {
    /// Of directions whose words are these.
    fn of(words: Vec<i32>, directions: &[Direction]) -> Self {
        Self {
            values: words,
            norms: directions.iter().map(|direction| direction.norm).collect(),
            residue: directions.iter().map(|direction| direction.residue).fold(0.0, f32::max),
        }
    }
}

/// Rows in fixed point, one after another; `None` if one has no direction, or there are too many columns.
fn quantised(rows: Matrix<'_>) -> Option<Fixed<Vec<i32>>> {
    let (count, width) = (rows.count(), rows.width());
    if !holds(width) {
        return None;
    }
    let each = words(width);
    let mut all = vec![0; count * each];
    let directions: Option<Vec<Direction>> = all
        .chunks_exact_mut(each)
        .zip(0..count)
        .map(|(words, row)| Direction::quantise(rows.row(row), words))
        .collect();
    Some(Fixed::of(all, &directions?))
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

    /// Scores that are whole multiples of a sixteenth, with thresholds on them: those at one are masked, those below are not.
    #[test]
    fn what_is_at_its_threshold_is_masked_and_what_is_below_is_not() {
        let (width, rows, candidates) = (40, 9, 70);
        let value = |row: usize, column: usize| ((row * 7 + column * 5 + row * column) % 9) as f32 / 4.0 - 1.0;
        let values = |rows: usize, salt: usize| -> Vec<f32> {
            (0..rows).flat_map(|row| (0..width).map(move |column| value(row + salt, column))).collect()
        };
        let (queries, passages) = (values(rows, 1), values(candidates, 3));
        let guide = GuideRows { queries: &queries, passages: &passages, width };
        let blocks = Blocks::new(&InfoNceConfig::default());
        let scores = Scores::new(guide, &blocks, [32, 32]);
        let (sides, mut products) = ([Side::Queries, Side::Passages], Products::default());
        let (strip, columns) = (2..rows, 64..candidates);
        let anchors = scores.anchors(&strip, &blocks);
        scores.multiply((&anchors, sides[0]), sides[1], &columns, &mut products);
        for (row, anchor) in strip.enumerate() {
            let exact: Vec<f32> = columns.clone().map(|column| scores.exact(sides, [anchor, column])).collect();
            for &threshold in &exact {
                let mut values = vec![0.5; columns.len()];
                values[0] = LEFT_OUT;
                let guided = scores.mask((&anchors, sides), (row, anchor, threshold), &columns, &products, &mut values);
                let expected: Vec<f32> = exact
                    .iter()
                    .enumerate()
                    .map(|(place, &score)| if place == 0 || score >= threshold { LEFT_OUT } else { 0.5 })
                    .collect();
                assert_eq!(values, expected);
                assert_eq!(guided as usize, expected[1..].iter().filter(|&&value| value == LEFT_OUT).count());
            }
        }
    }

    #[test]
    fn a_row_of_zeros_is_compared_too() {
        let guide = GuideRows { queries: &[0.0, 0.0], passages: &[1.0, 0.0, -1.0, 0.0], width: 2 };
        let blocks = Blocks::new(&InfoNceConfig::default());
        let (scores, sides) = (Scores::new(guide, &blocks, [32, 32]), [Side::Queries, Side::Passages]);
        let (anchors, mut products) = (scores.anchors(&(0..1), &blocks), Products::default());
        scores.multiply((&anchors, sides[0]), sides[1], &(0..2), &mut products);
        for (threshold, expected) in [(0.0, 2), (0.1, 0)] {
            let mut values = [0.5, 0.5];
            assert_eq!(scores.mask((&anchors, sides), (0, 0, threshold), &(0..2), &products, &mut values), expected);
        }
    }
}
