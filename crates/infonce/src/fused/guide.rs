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
use vectors::Matrix;
use vectors::fixed_point::{
    Direction, IntegerSimd, ONE, Panels, TILE, WithIntegerSimd, dispatch, holds, lanes, products, words,
};
use vectors::simd::vectorised;

use super::panels::stride;
use crate::GuideRows;
use crate::block::{Blocks, Side};
use crate::left_out::LEFT_OUT;

const SLACK: f32 = 4e-6;
/// Candidates whose scores are held at once: whole tiles.
const COLUMNS: usize = 4 * TILE;
/// Anchors that a processor brings into fixed point at once: whole panels.
const BLOCK: usize = 64;

/// A guide's rows.
pub(super) struct Scores<'a> {
    /// Of queries and passages.
    sides: [Matrix<'a>; 2],
    /// The same in fixed point, where they are candidates of a block, in parts, one row after another; `None` where a row has no direction, as
    /// it is not finite, or too many columns: then the part is multiplied exactly.
    candidates: [Vec<Part>; 2],
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
type Part = Option<Fixed<Vec<i32>>>;

/// Both sides' anchors of a strip, side by side, as `candidates` of [`Scores`].
#[derive(Default)]
pub(super) struct Anchors {
    /// Of each [`BLOCK`] its panels.
    sides: [Option<Fixed<Vec<Panels>>>; 2],
    words: Vec<i32>,
}

/// The scores of some candidates and of all anchors of a strip, in fixed point; over these the thresholds of the anchors.
#[derive(Default)]
pub(super) struct Products {
    sums: Vec<i32>,
    over_norms: Vec<f32>,
}

/// Memory of a guide, for the next.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) candidates: [Vec<Part>; 2],
    pub(super) anchors: Anchors,
}

/// Some pairs, and the threshold of each.
pub(super) struct Strip<'a> {
    pub(super) rows: Range<usize>,
    pub(super) thresholds: &'a [f32],
}

impl<'a> Scores<'a> {
    /// The rows, as these blocks read them: candidates in parts of so many. In the memory of earlier ones.
    pub(super) fn new(rows: GuideRows<'a>, blocks: &Blocks, part_rows: [usize; 2], mut kept: [Vec<Part>; 2]) -> Self {
        let sides = [rows.queries, rows.passages].map(|values| Matrix::rows(values, rows.width));
        for (side, parts) in kept.iter_mut().enumerate() {
            let (rows, each) = (sides[side], part_rows[side]);
            let count = if blocks.are_candidates()[side] { rows.count().div_ceil(each) } else { 0 };
            parts.resize_with(count, Default::default);
            parts.par_iter_mut().enumerate().for_each(|(part, fixed)| {
                let rows = rows.slice(part * each..rows.count().min((part + 1) * each));
                *fixed = fixed.take().unwrap_or_default().of(rows);
            });
        }
        Self { sides, candidates: kept, part_rows }
    }

    /// The memory of the rows, for the next guide.
    pub(super) fn into_kept(self) -> [Vec<Part>; 2] {
        self.candidates
    }

    /// The part of one side that has these rows.
    fn part(&self, side: Side, rows: &Range<usize>) -> Option<&Fixed<Vec<i32>>> {
        self.candidates[side as usize][rows.start / self.part_rows[side as usize]].as_ref()
    }

    /// Inner product of two rows.
    pub(super) fn exact(&self, [anchors, candidates]: [Side; 2], [anchor, candidate]: [usize; 2]) -> f32 {
        let [a, b] = [self.sides[anchors as usize].row(anchor), self.sides[candidates as usize].row(candidate)];
        vectors::inner_product(a, b) as f32
    }

    /// Leaves out of a part's columns the candidates that are at or above the threshold of their anchor; how many were not left out before.
    /// `values` has the anchors of the strip side by side, a column [`stride`] after another.
    pub(super) fn mask(
        &self,
        (anchors, sides): (&Anchors, [Side; 2]),
        strip: &Strip<'_>,
        columns: &Range<usize>,
        products: &mut Products,
        values: &mut [f32],
    ) -> usize {
        let stride = stride(strip.rows.len());
        let by_column = columns.clone().zip(values.chunks_exact_mut(stride));
        let fixed = anchors.sides[sides[0] as usize].as_ref().zip(self.part(sides[1], columns));
        let Some((anchors, candidates)) = fixed else {
            let rows = 0..strip.rows.len();
            return by_column
                .map(|(column, values)| self.mask_exactly(sides, strip, rows.clone(), column, values))
                .sum();
        };
        let Products { sums, over_norms } = products;
        over_norms.clear();
        // A threshold over the norm of a row of zeros says nothing, and is no number for it.
        let over_norm = |(threshold, &norm): (&f32, &f32)| if norm > 0.0 { threshold / norm } else { f32::NAN };
        over_norms.extend(strip.thresholds.iter().zip(&anchors.norms).map(over_norm));
        let zeros: Vec<usize> = (0..strip.rows.len()).filter(|&row| over_norms[row].is_nan()).collect();
        let error = anchors.residue + (1.0 + anchors.residue) * candidates.residue + SLACK;
        let each = words(self.sides[0].width());
        sums.resize(COLUMNS * stride, 0);
        let mut guided = 0;
        for (place, (column, values)) in by_column.enumerate() {
            if place % COLUMNS == 0 {
                let words = &candidates.values[place * each..];
                let rows = &words[..words.len().min(COLUMNS * each)];
                dispatch(Multiply { rows, each, panels: &anchors.values, stride, out: sums });
            }
            let (sums, norm) = (&sums[place % COLUMNS * stride..], candidates.norms[place]);
            let (clear, open) = vectorised(
                #[inline(always)]
                || mask_clear(values, sums, over_norms, norm, error),
            );
            guided += clear as usize;
            if open > 0 {
                let possible = |&row: &usize| matches!(compare(sums[row], norm, over_norms[row], error), (false, true));
                let rows = (0..strip.rows.len()).filter(possible);
                guided += self.mask_exactly(sides, strip, rows, column, values);
            }
            guided += self.mask_exactly(sides, strip, zeros.iter().copied(), column, values);
        }
        guided
    }

    /// Leaves out a candidate for those of some rows of a strip whose threshold it reaches; how many had not left it out before.
    fn mask_exactly(
        &self,
        sides: [Side; 2],
        strip: &Strip<'_>,
        rows: impl Iterator<Item = usize>,
        column: usize,
        values: &mut [f32],
    ) -> usize {
        let mut guided = 0;
        for row in rows {
            let value = &mut values[row];
            if *value > LEFT_OUT && self.exact(sides, [strip.rows.start + row, column]) >= strip.thresholds[row] {
                *value = LEFT_OUT;
                guided += 1;
            }
        }
        guided
    }
}

/// Whether a candidate is certainly at or above the threshold, and whether it may be.
#[inline(always)]
fn compare(sum: i32, norm: f32, threshold: f32, error: f32) -> (bool, bool) {
    let (score, error) = (sum as f32 * (1.0 / (ONE * ONE)) * norm, error * norm);
    (score - error >= threshold, score + error >= threshold)
}

/// Leaves out a candidate where it is clearly at or above the threshold: of how many rows it was a negative, and of how many others it may
/// have to be left out.
#[inline(always)]
fn mask_clear(values: &mut [f32], sums: &[i32], over_norms: &[f32], norm: f32, error: f32) -> (u32, u32) {
    let (mut guided, mut open) = (0, 0);
    for ((value, &sum), &over_norm) in values.iter_mut().zip(sums).zip(over_norms) {
        let (masked, possible) = compare(sum, norm, over_norm, error);
        let negative = *value > LEFT_OUT;
        guided += u32::from(masked & negative);
        open += u32::from(possible & !masked & negative);
        *value = if masked { LEFT_OUT } else { *value };
    }
    (guided, open)
}

impl Anchors {
    /// The strip's rows of one side.
    pub(super) fn fill(&mut self, scores: &Scores<'_>, side: Side, strip: &Range<usize>) {
        let (rows, place) = (scores.sides[side as usize].slice(strip.clone()), side as usize);
        let (count, each) = (rows.count(), words(rows.width()));
        let mut fixed = self.sides[place].take().unwrap_or_default();
        fixed.values.resize_with(count.div_ceil(BLOCK), Panels::default);
        fixed.norms.resize(count, 0.0);
        self.words.resize(count * each, 0);
        let words = self.words.par_chunks_mut(BLOCK * each).zip(fixed.norms.par_chunks_mut(BLOCK));
        let blocks = fixed.values.par_iter_mut().zip(words).enumerate();
        let residue = blocks.map(|(block, (panels, (words, norms)))| {
            let rows = rows.slice(block * BLOCK..count.min((block + 1) * BLOCK));
            let residue = quantise(rows, words, norms)?;
            panels.fill(words.chunks_exact(each), each);
            Some(residue)
        });
        if let Some(residue) = residue.try_reduce(|| 0.0, |a, b| Some(a.max(b))) {
            self.sides[place] = Some(Fixed { residue, ..fixed });
        }
    }
}

impl Fixed<Vec<i32>> {
    /// These rows in this memory; `None` as for [`quantise`].
    fn of(mut self, rows: Matrix<'_>) -> Option<Self> {
        self.values.resize(rows.count() * words(rows.width()), 0);
        self.norms.resize(rows.count(), 0.0);
        self.residue = quantise(rows, &mut self.values, &mut self.norms)?;
        Some(self)
    }
}

/// Writes the words of some rows in fixed point, one row after another, and their norms, and gives the largest residue; `None` if one has no
/// direction, or there are too many columns.
fn quantise(rows: Matrix<'_>, all: &mut [i32], norms: &mut [f32]) -> Option<f32> {
    if !holds(rows.width()) {
        return None;
    }
    let mut residue = 0.0_f32;
    for (row, (words, norm)) in all.chunks_exact_mut(words(rows.width())).zip(norms).enumerate() {
        let direction = Direction::quantise(rows.row(row), words)?;
        *norm = direction.norm;
        residue = residue.max(direction.residue);
    }
    Some(residue)
}

/// Products of some rows, one after another, with those of panels: those of a row follow one another, each [`stride`] after the one before.
struct Multiply<'a> {
    rows: &'a [i32],
    each: usize,
    panels: &'a [Panels],
    stride: usize,
    out: &'a mut [i32],
}

impl WithIntegerSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with<I: IntegerSimd>(self, simd: I) {
        let Self { rows, each, panels, stride, out } = self;
        let (count, panel_len) = (rows.len() / each, Panels::panel_len());
        debug_assert!(panel_len == 2 * lanes::<I>() && BLOCK.is_multiple_of(panel_len));
        for (block, panels) in panels.iter().enumerate() {
            for place in 0..panels.panels() {
                let (panel, at) = (panels.panel::<I>(place), place * panel_len);
                let lanes = panel_len.min(panels.len() - at);
                for first in (0..count).step_by(TILE) {
                    let row = |place: usize| &rows[(first + place).min(count - 1) * each..][..each];
                    let sums = products(simd, panel, [row(0), row(1), row(2), row(3), row(4), row(5)]);
                    for (place, sums) in sums.iter().enumerate().take(count - first) {
                        let sums: &[i32] = bytemuck::cast_slice(sums);
                        let out = &mut out[(first + place) * stride + block * BLOCK + at..];
                        out[..lanes].copy_from_slice(&sums[..lanes]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InfoNceConfig;

    const SIDES: [Side; 2] = [Side::Queries, Side::Passages];

    /// Scores that are whole multiples of a sixteenth, with thresholds on them: those at one are masked, those below are not.
    #[test]
    fn what_is_at_its_threshold_is_masked_and_what_is_below_is_not() {
        let (width, rows, candidates) = (40, BLOCK + 45, 32 + COLUMNS + 5);
        let value = |row: usize, column: usize| ((row * 7 + column * 5 + row * column) % 9) as f32 / 4.0 - 1.0;
        let values = |rows: usize, salt: usize| -> Vec<f32> {
            (0..rows).flat_map(|row| (0..width).map(move |column| value(row + salt, column))).collect()
        };
        let (queries, passages) = (values(rows, 1), values(candidates, 3));
        let guide = GuideRows { queries: &queries, passages: &passages, width };
        let scores = Scores::new(guide, &Blocks::new(&InfoNceConfig::default()), [32; 2], Default::default());
        let (strip, columns) = (2..rows, 32..candidates);
        let stride = stride(strip.len());
        let mut anchors = Anchors::default();
        anchors.fill(&scores, Side::Queries, &strip);
        // The first column is left out already.
        let before = |column: usize| if column == columns.start { LEFT_OUT } else { 0.5 };
        for of in columns.clone() {
            let thresholds: Vec<f32> = strip.clone().map(|row| scores.exact(SIDES, [row, of])).collect();
            let mut values: Vec<f32> = columns.clone().flat_map(|column| vec![before(column); stride]).collect();
            let strip = Strip { rows: strip.clone(), thresholds: &thresholds };
            let guided = scores.mask((&anchors, SIDES), &strip, &columns, &mut Products::default(), &mut values);
            let mut masked = 0;
            for (column, values) in columns.clone().zip(values.chunks(stride)) {
                for (place, row) in strip.rows.clone().enumerate() {
                    let is_masked = scores.exact(SIDES, [row, column]) >= thresholds[place];
                    masked += usize::from(is_masked && column > columns.start);
                    assert_eq!(values[place], if is_masked { LEFT_OUT } else { before(column) }, "{row}, {column}");
                }
            }
            assert_eq!(guided, masked);
        }
    }

    #[test]
    fn a_row_of_zeros_is_compared_too() {
        let guide = GuideRows { queries: &[0.0, 0.0, 1.0, 0.0], passages: &[1.0, 0.0, -1.0, 0.0, 0.0, 0.0], width: 2 };
        let scores = Scores::new(guide, &Blocks::new(&InfoNceConfig::default()), [32; 2], Default::default());
        let mut anchors = Anchors::default();
        anchors.fill(&scores, Side::Queries, &(0..2));
        for (threshold, expected) in [(0.0, 3 + 2), (0.1, 1)] {
            let (mut values, mut products) = (vec![0.5; 3 * stride(2)], Products::default());
            let strip = Strip { rows: 0..2, thresholds: &[threshold; 2] };
            let guided = scores.mask((&anchors, SIDES), &strip, &(0..3), &mut products, &mut values);
            assert_eq!(guided, expected);
        }
    }
}
