//! What one strip of rows has in some columns, candidates of one direction: similarities, then exponentials, then weights.

use std::ops::Range;

use vectors::simd::{exp, ln, vectorised};

use super::product::{Matrix, product};
use crate::left_out::{LEFT_OUT, NO_SIMILARITY};
use crate::softmax::RowSum;

/// What a row's negatives among some columns come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowFound {
    /// The largest similarity of a negative; [`LEFT_OUT`] if there is none.
    pub(super) hardest: f32,
    /// Sum of `exp(sharpness · (similarity − hardest))`.
    sum: f32,
    /// The same, each times its similarity.
    pub(super) weighted: f32,
    /// Sum of the similarities.
    pub(super) similarities: f32,
    pub(super) negatives: u32,
    /// Negatives more similar than the pair.
    pub(super) harder: u32,
}

impl RowFound {
    const NONE: Self = Self { hardest: LEFT_OUT, sum: 0.0, weighted: 0.0, similarities: 0.0, negatives: 0, harder: 0 };
    /// Of similarities that are no numbers.
    const NO_NUMBER: Self =
        Self { hardest: 0.0, sum: f32::NAN, weighted: f32::NAN, similarities: f32::NAN, negatives: 1, harder: 0 };

    /// As logits.
    pub(super) fn sum(&self, sharpness: f64) -> RowSum {
        if self.negatives == 0 {
            return RowSum::EMPTY;
        }
        RowSum { largest: f64::from(self.hardest) * sharpness, sum: self.sum.into(), similarity: self.weighted.into() }
    }
}

/// Some columns of a strip, by one prefix of the rows.
#[derive(Default)]
pub(super) struct Columns {
    /// `[rows, columns]`
    pub(super) values: Vec<f32>,
    /// One for each row.
    pub(super) found: Vec<RowFound>,
    /// What each row of exponentials is multiplied by to be weights.
    pub(super) factors: Vec<f32>,
}

/// What the products of the rows' prefixes are multiplied by: of each row and of each column.
pub(super) type Scales<'a> = Option<[&'a [f32]; 2]>;

impl Columns {
    /// Makes room for so many values.
    pub(super) fn reserve(&mut self, values: usize) {
        self.values.reserve(values.saturating_sub(self.values.len()));
    }

    /// The similarities of whole rows, compared as they come.
    pub(super) fn multiply(&mut self, anchors: Matrix<'_>, candidates: Matrix<'_>) {
        let columns = candidates.count();
        self.values.resize(anchors.count() * columns, 0.0);
        product(&mut self.values, columns, anchors, candidates.transposed(), false);
    }

    /// The similarities of a prefix, of its products, where what is left out is below [`NO_SIMILARITY`] already.
    pub(super) fn scale(&mut self, products: &[f32], columns: usize, scales: Scales<'_>) {
        self.values.clear();
        self.values.extend_from_slice(products);
        let Some([rows, of_columns]) = scales else { return };
        for (values, &row) in self.values.chunks_exact_mut(columns).zip(rows) {
            vectorised(
                #[inline(always)]
                || {
                    for (value, &column) in values.iter_mut().zip(of_columns) {
                        *value = if *value < NO_SIMILARITY { LEFT_OUT } else { *value * (row * column) };
                    }
                },
            );
        }
    }

    /// Turns similarities into exponentials of the negatives, 0 elsewhere; `own` has those of the pairs.
    pub(super) fn exponentiate(&mut self, columns: usize, sharpness: f32, own: &[f32]) {
        self.found.clear();
        for (values, &own) in self.values.chunks_exact_mut(columns).zip(own) {
            self.found.push(vectorised(
                #[inline(always)]
                || exponentials(values, sharpness, own),
            ));
        }
    }

    /// Multiplies each row by its factor, which makes the exponentials weights.
    pub(super) fn weigh(&mut self, columns: usize) {
        for (values, &factor) in self.values.chunks_exact_mut(columns).zip(&self.factors) {
            vectorised(
                #[inline(always)]
                || values.iter_mut().for_each(|value| *value *= factor),
            );
        }
    }

    /// As [`weigh`](Self::weigh), where what was scaled was the rows' products: the weights are scaled too, and `radial` of each column takes the
    /// sum of its weights times their similarities.
    pub(super) fn weigh_scaled(&mut self, sharpness: f32, [rows, of_columns]: [&[f32]; 2], radial: &mut [f64]) {
        let columns = of_columns.len();
        let mut sums = vec![0.0_f32; columns];
        let of_rows = self.found.iter().zip(&self.factors).zip(rows);
        for (values, ((found, &factor), &row)) in self.values.chunks_exact_mut(columns).zip(of_rows) {
            let (hardest, slope) = (found.hardest, 1.0 / sharpness);
            vectorised(
                #[inline(always)]
                || {
                    for ((value, &column), sum) in values.iter_mut().zip(of_columns).zip(&mut sums) {
                        let weight = *value * factor;
                        // The similarity that the exponential is of; of 0 it does not matter.
                        let similarity = hardest + ln(value.max(f32::MIN_POSITIVE)) * slope;
                        *sum += weight * similarity;
                        *value = weight * (row * column);
                    }
                },
            );
        }
        radial.iter_mut().zip(sums).for_each(|(radial, sum)| *radial += f64::from(sum));
    }

    /// Adds the weights of a wider prefix, which those columns have too that both have.
    pub(super) fn add(&mut self, wider: &Self) {
        self.values.iter_mut().zip(&wider.values).for_each(|(value, wider)| *value += wider);
    }

    /// Adds the transposed weights times the anchors to the gradient of the candidates, whose rows are `stride` apart.
    pub(super) fn pull_candidates(&self, anchors: Matrix<'_>, gradient: &mut [f32], stride: usize) {
        let columns = self.values.len() / anchors.count();
        product(gradient, stride, Matrix::rows(&self.values, columns).transposed(), anchors, true);
    }

    /// Adds the weights of some rows times the candidates to the gradient of these rows, which are `stride` apart.
    pub(super) fn pull_anchors(&self, rows: Range<usize>, candidates: Matrix<'_>, gradient: &mut [f32], stride: usize) {
        product(gradient, stride, Matrix::rows(&self.values, candidates.count()).slice(rows), candidates, true);
    }
}

/// Turns the similarities of a row into exponentials.
#[inline(always)]
fn exponentials(values: &mut [f32], sharpness: f32, own: f32) -> RowFound {
    const LANES: usize = 16;
    let hardest = vectors::simd::lanes_max(values);
    if hardest < NO_SIMILARITY {
        // A maximum passes over what is no number.
        let found = if values.iter().any(|value| value.is_nan()) { RowFound::NO_NUMBER } else { RowFound::NONE };
        values.fill(found.sum);
        return found;
    }
    let (mut sums, mut weighted, mut similarities) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    let (mut negatives, mut harder) = ([0_u32; LANES], [0_u32; LANES]);
    let mut one = |lane: usize, value: &mut f32| {
        let similarity = *value;
        let negative = similarity > NO_SIMILARITY;
        let weight = exp((similarity - hardest) * sharpness);
        *value = weight;
        sums[lane] += weight;
        weighted[lane] += weight * similarity;
        similarities[lane] += if negative { similarity } else { 0.0 };
        negatives[lane] += u32::from(negative);
        harder[lane] += u32::from(similarity > own);
    };
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, value) in chunk.iter_mut().enumerate() {
            one(lane, value);
        }
    }
    for (lane, value) in chunks.into_remainder().iter_mut().enumerate() {
        one(lane, value);
    }
    RowFound {
        hardest,
        sum: sums.iter().sum(),
        weighted: weighted.iter().sum(),
        similarities: similarities.iter().sum(),
        negatives: negatives.iter().sum(),
        harder: harder.iter().sum(),
    }
}
