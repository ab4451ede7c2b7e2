//! Rows as fixed-point numbers of 16 bits: half the bytes of f32, and products at twice its rate.
//!
//! A product of two such rows is an exact integer, and how far it can be from the product of the rows themselves is
//! known: so it decides all but close calls.

use memmap2::MmapMut;
use rayon::prelude::*;

use crate::rows::Source;

/// 1 in fixed point. A row of norm 1.001 stays below a norm of 2¹⁵, so that by the Cauchy–Schwarz inequality no sum of
/// products of two rows, nor a part of one, leaves 31 bits.
pub(crate) const ONE: f32 = 32_000.0;

/// Rounding adds at most half a unit a column to a row's norm: √dim / 2 in all.
const MOST_COLUMNS: usize = 1 << 21;

/// Two numbers in one word, as the instructions that multiply them take them.
pub(crate) fn words(dim: usize) -> usize {
    dim.div_ceil(2)
}

/// Whether rows of so many columns can be held.
pub(crate) fn holds(dim: usize) -> bool {
    dim <= MOST_COLUMNS
}

/// Adding this to a number of less than 2²² leaves it rounded, in the low bits.
const ROUNDING: f32 = 12_582_912.0;

/// Words that are made together, of twice as many values.
const LANES: usize = 8;

/// Writes a row in fixed point and gives the norm of what rounding took from it. Which two values share a word is the
/// same for every row of so many columns; an odd last one shares it with 0.
#[inline(always)]
pub(crate) fn quantise(row: &[f32], words: &mut [i32]) -> f32 {
    let (blocks, rest) = row.as_chunks::<{ 2 * LANES }>();
    let (block_words, rest_words) = words.as_chunks_mut::<LANES>();
    let mut squared = [0.0_f32; LANES];
    for (values, words) in blocks.iter().zip(&mut *block_words) {
        for lane in 0..LANES {
            let (low, of_low) = rounded(values[lane]);
            let (high, of_high) = rounded(values[lane + LANES]);
            words[lane] = low & 0xffff | high << 16;
            squared[lane] += of_low + of_high;
        }
    }
    let rest_words = block_words[blocks.len()..].as_flattened_mut().iter_mut().chain(rest_words);
    for (values, word) in rest.chunks(2).zip(rest_words) {
        let (low, of_low) = rounded(values[0]);
        let (high, of_high) = rounded(values.get(1).copied().unwrap_or(0.0));
        *word = low & 0xffff | high << 16;
        squared[0] += of_low + of_high;
    }
    squared.iter().sum::<f32>().sqrt() / ONE
}

/// A value in fixed point, in the low 16 bits, and the square of what rounding took from it.
#[inline(always)]
fn rounded(value: f32) -> (i32, f32) {
    let scaled = value * ONE;
    let shifted = scaled + ROUNDING;
    let residual = scaled - (shifted - ROUNDING);
    (shifted.to_bits().cast_signed(), residual * residual)
}

/// A copy of rows in fixed point.
pub(crate) struct FixedRows {
    /// Words, in memory that the system gives in large pages if it can: clearing it by small ones takes as long as
    /// writing it.
    words: MmapMut,
    words_a_row: usize,
    /// The largest norm of what rounding took from a row.
    error: f32,
}

/// Rows of a task.
const PART_ROWS: usize = 1024;

impl FixedRows {
    /// `None` if the system has no memory for it.
    pub(crate) fn new(rows: Source<'_>) -> Option<Self> {
        let words_a_row = words(rows.dim());
        let mut all = MmapMut::map_anon(rows.len() * words_a_row * size_of::<i32>()).ok()?;
        #[cfg(target_os = "linux")]
        let _ = all.advise(memmap2::Advice::HugePage);
        let words: &mut [i32] = bytemuck::cast_slice_mut(&mut all);
        let parts = words.par_chunks_mut(PART_ROWS * words_a_row).enumerate();
        let errors = parts.map(|(part, words)| {
            let first = part * PART_ROWS;
            let rows = rows.range(first..first + words.len() / words_a_row);
            pulp::Arch::new().dispatch(Quantise { rows, words, words_a_row })
        });
        let error = errors.reduce(|| 0.0, f32::max);
        Some(Self { words: all, words_a_row, error })
    }

    pub(crate) fn error(&self) -> f32 {
        self.error
    }

    /// The rows of a part.
    pub(crate) fn range(&self, rows: std::ops::Range<usize>) -> &[i32] {
        &bytemuck::cast_slice(&self.words)[rows.start * self.words_a_row..rows.end * self.words_a_row]
    }
}

struct Quantise<'a> {
    rows: Source<'a>,
    words: &'a mut [i32],
    words_a_row: usize,
}

impl pulp::WithSimd for Quantise<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f32 {
        let (mut error, mut widened) = (0.0_f32, Vec::new());
        for (row, words) in self.words.chunks_exact_mut(self.words_a_row).enumerate() {
            error = error.max(quantise(self.rows.row(row, &mut widened), words));
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_rounding_takes_is_what_is_said(values in prop::collection::vec(-1.001_f32..1.001, 1..70)) {
            let mut row = vec![i32::MAX; words(values.len())];
            let error = quantise(&values, &mut row);
            let exact = values.iter().map(|&value| f64::from((value * ONE).round_ties_even()));
            let squared = values.iter().zip(exact.clone()).map(|(&value, exact)| (f64::from(value * ONE) - exact).powi(2));
            let taken = squared.sum::<f64>().sqrt() / f64::from(ONE);
            prop_assert!((taken - f64::from(error)).abs() < 1e-8 * (values.len() as f64).sqrt(), "{} {}", taken, error);
            prop_assert!(taken <= 0.5001 * (values.len() as f64).sqrt() / f64::from(ONE));
            let numbers: &[i16] = bytemuck::cast_slice(&row);
            let sorted = |numbers: &mut dyn Iterator<Item = i16>| {
                let mut numbers: Vec<i16> = numbers.collect();
                numbers.sort_unstable();
                numbers
            };
            let padding = std::iter::repeat_n(0, numbers.len() - values.len());
            let expected = sorted(&mut exact.map(|exact| exact as i16).chain(padding));
            prop_assert_eq!(sorted(&mut numbers.iter().copied()), expected);
        }
    }
}
