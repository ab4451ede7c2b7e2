//! Rows as fixed-point numbers of 16 bits: half the bytes of f32, and products at up to twice its rate.
//!
//! A product of two such rows is an exact integer, the same on every machine, and how far it can be from the product of the
//! rows themselves is known. So it decides all but close calls, which products of f32 or f64 then decide.
//!
//! # Invariant
//! The rows have norms of at most 1.001, 1 being [`ONE`] = 32,000, and at most [`MOST_COLUMNS`] columns. Rounding moves each
//! column by at most half a unit, so that a rounded row's norm is at most `32,032 + √dim / 2 < 2¹⁵`. By the Cauchy–Schwarz inequality
//! no sum of products of two such rows, nor any part of one, leaves 31 bits: the additions of 32-bit lanes never overflow, in
//! whatever order. The factor of 2 that is left holds longer rows which the check of [`UnitRows`](crate::UnitRows), being in f32,
//! lets through; a value of theirs that 16 bits do not hold it never does.
//!
//! # Error
//! With `x̂`, `ĉ` for rounded rows over 32,000, `r = ‖x − x̂‖` and `s = ‖c − ĉ‖` (which [`quantise`] measures):
//!
//! ```text
//! |x·c − x̂·ĉ| = |(x − x̂)·c + x̂·(c − ĉ)| ≤ r·‖c‖ + ‖x̂‖·s ≤ r·‖c‖ + (‖x‖ + r)·s
//! ```
//!
//! A residue is at most `√dim / 64,000` and in the mean `√(dim / 12) / 32,000`: at 768 columns 2.5e-4, so that a product of two
//! rows is off by at most 5e-4, where bf16 would be by 5e-3. `docs/vectors.md` has the proof and what f32 adds.

#[cfg(feature = "matrix")]
mod columns;
#[cfg(feature = "matrix")]
mod directions;
mod instructions;
mod panels;
mod rows;

#[cfg(feature = "matrix")]
pub use columns::PackedColumns;
#[cfg(feature = "matrix")]
pub use directions::Directions;
pub use instructions::{IntegerSimd, WithIntegerSimd, dispatch, instruction_set, lanes};
pub use panels::{Panels, TILE, WIDTH, dot, products};
pub use rows::FixedRows;

/// 1 in fixed point.
pub const ONE: f32 = 32_000.0;

/// With more columns rounding could add more than 724 to a norm of 32,032, and a sum leave 31 bits.
pub const MOST_COLUMNS: usize = 1 << 21;

/// Words of a row: two numbers in one, as the instructions that multiply them take them.
///
/// # Examples
/// ```
/// assert_eq!(vectors::fixed_point::words(5), 3);
/// ```
#[must_use]
pub fn words(dim: usize) -> usize {
    dim.div_ceil(2)
}

/// Whether rows of so many columns can be held.
///
/// # Examples
/// ```
/// assert!(vectors::fixed_point::holds(768));
/// ```
#[must_use]
pub fn holds(dim: usize) -> bool {
    dim <= MOST_COLUMNS
}

/// Adding 1.5 · 2²³ to a number of less than 2²² leaves it rounded to the nearest integer, in the low bits: there the step of
/// f32 is 1. Numbers here are below 2¹⁵, and their difference from that integer is exact in f32.
const ROUNDING: f32 = 12_582_912.0;

/// Words that are made together, of twice as many values.
const LANES: usize = 8;

/// Writes a row of norm 1.001 at most in fixed point and gives its residue: the norm of what rounding took from it. Which two
/// columns share a word is the same for every row of so many columns; an odd last one shares it with 0.
///
/// # Panics
/// If `words` are not as many as [`words`] says.
///
/// # Examples
/// ```
/// use vectors::fixed_point::quantise;
///
/// let mut row = [0];
/// let residue = quantise(&[0.6, 0.8], &mut row);
/// assert_eq!((row[0] & 0xffff, row[0] >> 16), (19_200, 25_600));
/// assert!(residue < 1e-7);
/// ```
#[inline(always)]
pub fn quantise(row: &[f32], words: &mut [i32]) -> f32 {
    scaled(row, ONE, words)
}

/// What is known of a vector beside its direction in fixed point.
///
/// # Examples
/// ```
/// use vectors::fixed_point::Direction;
///
/// let mut words = [0];
/// let Direction { norm, residue } = Direction::quantise(&[30.0, 40.0], &mut words).unwrap();
/// assert_eq!((norm, words[0] & 0xffff, words[0] >> 16), (50.0, 19_200, 25_600));
/// assert!(residue < 1e-7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Direction {
    /// The vector's L2 norm.
    pub norm: f32,
    /// Norm of what rounding took from the direction, which has norm 1.
    pub residue: f32,
}

impl Direction {
    /// Norms of vectors that have a direction: no f32 made of them is 0, infinite or without its full precision.
    pub const NORMS: std::ops::Range<f64> = 1e-15..1e15;

    /// Writes the direction of a vector of any norm in fixed point, as [`quantise`] does; that of a zero vector is 0.
    ///
    /// `None` for a vector that has no such direction: not finite, with more than [`MOST_COLUMNS`] columns, or with a norm outside
    /// of [`NORMS`](Self::NORMS).
    ///
    /// # Panics
    /// If `words` are not as many as [`words`] says.
    #[inline(always)]
    pub fn quantise(vector: &[f32], words: &mut [i32]) -> Option<Self> {
        let norm = crate::inner_product(vector, vector).sqrt();
        if norm == 0.0 {
            words.fill(0);
            return Some(Self { norm: 0.0, residue: 0.0 });
        }
        if !Self::NORMS.contains(&norm) || !holds(vector.len()) {
            return None;
        }
        let residue = scaled(vector, (f64::from(ONE) / norm) as f32, words);
        Some(Self { norm: norm as f32, residue })
    }
}

#[inline(always)]
fn scaled(row: &[f32], scale: f32, words: &mut [i32]) -> f32 {
    let (blocks, rest) = row.as_chunks::<{ 2 * LANES }>();
    let (block_words, rest_words) = words.as_chunks_mut::<LANES>();
    let mut squared = [0.0_f32; LANES];
    for (values, words) in blocks.iter().zip(&mut *block_words) {
        for lane in 0..LANES {
            let (low, of_low) = rounded(values[lane] * scale);
            let (high, of_high) = rounded(values[lane + LANES] * scale);
            words[lane] = low & 0xffff | high << 16;
            squared[lane] += of_low + of_high;
        }
    }
    let rest_words = block_words[blocks.len()..].as_flattened_mut().iter_mut().chain(rest_words);
    for (values, word) in rest.chunks(2).zip(rest_words) {
        let (low, of_low) = rounded(values[0] * scale);
        let (high, of_high) = rounded(values.get(1).map_or(0.0, |value| value * scale));
        *word = low & 0xffff | high << 16;
        squared[0] += of_low + of_high;
    }
    squared.iter().sum::<f32>().sqrt() / ONE
}

/// A number rounded, in the low 16 bits, and the square of what rounding took from it.
#[inline(always)]
fn rounded(value: f32) -> (i32, f32) {
    let shifted = value + ROUNDING;
    let residual = value - (shifted - ROUNDING);
    (shifted.to_bits().cast_signed(), residual * residual)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(numbers: impl Iterator<Item = i16>) -> Vec<i16> {
        let mut numbers: Vec<i16> = numbers.collect();
        numbers.sort_unstable();
        numbers
    }

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
            let padding = std::iter::repeat_n(0, numbers.len() - values.len());
            let expected = sorted(exact.map(|exact| exact as i16).chain(padding));
            prop_assert_eq!(sorted(numbers.iter().copied()), expected);
        }

        #[test]
        fn a_direction_is_off_by_no_more_than_it_says(
            values in prop::collection::vec(-1.0_f32..1.0, 1..70), size in -12..12_i32,
        ) {
            let vector: Vec<f32> = values.iter().map(|value| value * 10_f32.powi(size)).collect();
            let mut row = vec![i32::MAX; words(vector.len())];
            let direction = Direction::quantise(&vector, &mut row).expect("a norm that f32 holds");
            let exact: f64 = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            prop_assert!((f64::from(direction.norm) - exact).abs() <= 1e-7 * exact);
            let numbers: &[i16] = bytemuck::cast_slice(&row);
            // Of a direction with itself, all that rounding changed shows.
            let product: f64 = numbers.iter().map(|&number| (f64::from(number) / f64::from(ONE)).powi(2)).sum();
            let most = f64::from(direction.residue);
            if exact > 0.0 {
                prop_assert!((product.sqrt() - 1.0).abs() <= most + 1e-6, "{} {}", product, most);
            }
            prop_assert!(most <= 0.5001 * (values.len() as f64).sqrt() / f64::from(ONE));
        }

        /// The inequality of the module's documentation, with both sides measured in f64.
        #[test]
        fn products_are_off_by_no_more_than_the_residues_allow(
            values in prop::collection::vec((-1.0_f32..1.0, -1.0_f32..1.0), 1..200),
        ) {
            let (mut x, mut c): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            prop_assume!(crate::normalise(&mut x).is_ok() && crate::normalise(&mut c).is_ok());
            let (mut x_words, mut c_words) = (vec![0; words(x.len())], vec![0; words(c.len())]);
            let (r, s) = (f64::from(quantise(&x, &mut x_words)), f64::from(quantise(&c, &mut c_words)));
            struct Dot<'a>(&'a [i32], &'a [i32]);
            impl WithIntegerSimd for Dot<'_> {
                type Output = i32;
                #[inline(always)]
                fn with<I: IntegerSimd>(self, simd: I) -> i32 {
                    dot(simd, self.0, self.1)
                }
            }
            let rounded = f64::from(dispatch(Dot(&x_words, &c_words))) / f64::from(ONE).powi(2);
            let off = (crate::inner_product(&x, &c) - rounded).abs();
            prop_assert!(off <= r * crate::norm(&c) + (crate::norm(&x) + r) * s + 1e-7, "{} {} {}", off, r, s);
        }
    }

    #[test]
    fn vectors_without_a_direction_in_f32_are_told() {
        let mut words = [7; 1];
        let zero = Direction::quantise(&[0.0, 0.0], &mut words);
        assert!(zero.is_some_and(|zero| zero.norm == 0.0) && words == [0]);
        for vector in [[f32::NAN, 0.0], [f32::INFINITY, 1.0], [f32::MAX, f32::MAX], [1e-40, 0.0]] {
            assert!(Direction::quantise(&vector, &mut words).is_none(), "{vector:?}");
        }
    }

    #[test]
    fn the_widest_rows_of_the_largest_norm_stay_in_31_bits() {
        let norm = 1.001 * f64::from(ONE) + (MOST_COLUMNS as f64).sqrt() / 2.0;
        assert!(norm * norm < f64::from(i32::MAX));
    }
}
