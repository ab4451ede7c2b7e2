//! What one strip of rows has in some columns of one block: similarities, then exponentials, then weights.

use std::ops::Range;

use vectors::simd::{exp, vectorised};

use super::product::{Matrix, product};
use crate::softmax::RowSum;

/// In the place of a similarity that is no negative's: far below any, and far above −∞, of which 0 times were not a number.
pub(super) const LEFT_OUT: f32 = -1e30;
/// Above [`LEFT_OUT`] and below every similarity.
pub(super) const NO_SIMILARITY: f32 = -1e29;

/// What a row's negatives among some columns come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowFound {
    /// The largest similarity of a negative; [`LEFT_OUT`] if there is none.
    pub(super) hardest: f32,
    /// Sum of `exp(sharpness · (similarity − hardest))`.
    sum: f32,
    /// The same, each times its similarity.
    weighted: f32,
    /// Sum of the similarities.
    pub(super) similarities: f32,
    pub(super) negatives: u32,
    /// Negatives more similar than the pair.
    pub(super) harder: u32,
    /// Columns that the guide alone masked.
    pub(super) guided: u32,
}

impl RowFound {
    const NONE: Self =
        Self { hardest: LEFT_OUT, sum: 0.0, weighted: 0.0, similarities: 0.0, negatives: 0, harder: 0, guided: 0 };

    /// As logits.
    pub(super) fn sum(&self, sharpness: f64) -> RowSum {
        if self.negatives == 0 {
            return RowSum::EMPTY;
        }
        RowSum { largest: f64::from(self.hardest) * sharpness, sum: self.sum.into(), similarity: self.weighted.into() }
    }
}

/// Some columns of a strip in one block.
pub(super) struct Columns {
    /// `[rows, columns]`
    values: Vec<f32>,
    /// One for each row.
    pub(super) found: Vec<RowFound>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self { values: Vec::new(), found: Vec::new() }
    }

    /// Fills in the exponentials of the negatives, 0 elsewhere: of all candidates but those that `left_out` lists for each row, of which the
    /// columns are those from `first` on, and those that `guided` leaves out of a row, which says how many. `see` is shown each row's
    /// similarities before.
    pub(super) fn fill(
        &mut self,
        [anchors, candidates]: [Matrix<'_>; 2],
        (left_out, first): (&[Vec<u32>], usize),
        guided: impl Fn(usize, &mut [f32]) -> u32,
        (sharpness, own): (f32, &[f32]),
        mut see: impl FnMut(usize, &[f32]),
    ) {
        let columns = candidates.count();
        self.values.resize(own.len() * columns, 0.0);
        product(&mut self.values, anchors, candidates.transposed(), false);
        self.found.clear();
        for (row, (values, &own)) in self.values.chunks_exact_mut(columns).zip(own).enumerate() {
            let listed = &left_out[row];
            let start = listed.partition_point(|&column| (column as usize) < first);
            for &column in listed[start..].iter().take_while(|&&column| (column as usize) < first + columns) {
                values[column as usize - first] = LEFT_OUT;
            }
            let guided = guided(row, values);
            see(row, values);
            let found = vectorised(
                #[inline(always)]
                || exponentials(values, sharpness, own),
            );
            self.found.push(RowFound { guided, ..found });
        }
    }

    /// Multiplies each row by its factor, which makes the exponentials weights, and adds the transposed weights times the anchors to the
    /// gradient of the candidates.
    pub(super) fn pull_candidates(
        &mut self,
        factors: impl Iterator<Item = f32>,
        anchors: Matrix<'_>,
        gradient: &mut [f32],
    ) {
        let columns = self.values.len() / anchors.count();
        for (values, factor) in self.values.chunks_exact_mut(columns).zip(factors) {
            vectorised(
                #[inline(always)]
                || values.iter_mut().for_each(|value| *value *= factor),
            );
        }
        product(gradient, Matrix::rows(&self.values, columns).transposed(), anchors, true);
    }

    /// Adds the weights of some rows times the candidates to the gradient of these rows.
    pub(super) fn pull_anchors(&self, rows: Range<usize>, candidates: Matrix<'_>, gradient: &mut [f32]) {
        product(gradient, Matrix::rows(&self.values, candidates.count()).slice(rows), candidates, true);
    }
}

/// Turns the similarities of a row into exponentials.
#[inline(always)]
fn exponentials(values: &mut [f32], sharpness: f32, own: f32) -> RowFound {
    const LANES: usize = 16;
    let hardest = vectors::simd::lanes_max(values);
    if hardest < NO_SIMILARITY {
        values.fill(0.0);
        return RowFound::NONE;
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
        guided: 0,
    }
}
