//! Directions of vectors in fixed point: products of them are exact integers, at up to twice the rate of f32.

/// The norm of a direction in fixed point. Rounded, it stays below 2¹⁵, so that by the Cauchy–Schwarz inequality no sum of
/// products of two, nor a part of one, leaves 31 bits.
pub(super) const ONE: f32 = 32_000.0;

/// Rounding adds at most half a unit a column to the norm: √dim / 2 in all.
const MOST_COLUMNS: usize = 1 << 21;

/// Norms for which no f32 made of them is 0, infinite or without its full precision.
pub(super) const NORMS: std::ops::Range<f64> = 1e-15..1e15;

/// Adding this to a number of less than 2²² leaves it rounded, in the low bits.
const ROUNDING: f32 = 12_582_912.0;

/// Words that are made together, of twice as many values.
const LANES: usize = 8;

/// Two numbers in one word, as the instructions that multiply them take them.
pub(super) fn words(dim: usize) -> usize {
    dim.div_ceil(2)
}

/// What is known of a vector beside its direction.
#[derive(Clone, Copy)]
pub(super) struct Direction {
    pub(super) norm: f32,
    /// Norm of what rounding took from the direction, which has norm 1.
    pub(super) residue: f32,
}

/// Writes the direction of a vector in fixed point. Which two columns share a word is the same for all vectors of a
/// dimension; an odd last one shares it with 0.
///
/// `None` for a vector that has no such direction: not finite, or with a norm that f32 does not hold well.
#[inline(always)]
pub(super) fn quantise(vector: &[f32], words: &mut [i32]) -> Option<Direction> {
    let norm = norm(vector);
    if norm == 0.0 {
        words.fill(0);
        return Some(Direction { norm: 0.0, residue: 0.0 });
    }
    if !NORMS.contains(&norm) || vector.len() > MOST_COLUMNS {
        return None;
    }
    let scale = (f64::from(ONE) / norm) as f32;
    let (blocks, rest) = vector.as_chunks::<{ 2 * LANES }>();
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
    Some(Direction { norm: norm as f32, residue: squared.iter().sum::<f32>().sqrt() / ONE })
}

/// A number rounded, in the low 16 bits, and the square of what rounding took from it.
#[inline(always)]
fn rounded(value: f32) -> (i32, f32) {
    let shifted = value + ROUNDING;
    let residual = value - (shifted - ROUNDING);
    (shifted.to_bits().cast_signed(), residual * residual)
}

#[inline(always)]
fn norm(vector: &[f32]) -> f64 {
    dot(vector, vector).sqrt()
}

/// The inner product in f64, where products of f32 are exact: the same on every processor.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    const SUMS: usize = 16;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<SUMS>(), b.as_chunks::<SUMS>());
    let mut sums = [0.0_f64; SUMS];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..SUMS {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += f64::from(a) * f64::from(b);
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_direction_is_off_by_no_more_than_it_says(
            values in prop::collection::vec(-1.0_f32..1.0, 1..70), size in -12..12_i32,
        ) {
            let vector: Vec<f32> = values.iter().map(|value| value * 10_f32.powi(size)).collect();
            let mut row = vec![i32::MAX; words(vector.len())];
            let direction = quantise(&vector, &mut row).expect("a norm that f32 holds");
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
    }

    #[test]
    fn vectors_without_a_direction_in_f32_are_told() {
        let mut words = [7; 1];
        assert!(quantise(&[0.0, 0.0], &mut words).is_some_and(|zero| zero.norm == 0.0) && words == [0]);
        for vector in [[f32::NAN, 0.0], [f32::INFINITY, 1.0], [f32::MAX, f32::MAX], [1e-40, 0.0]] {
            assert!(quantise(&vector, &mut words).is_none(), "{vector:?}");
        }
    }
}
