//! What one strip of rows has in some columns, candidates of one direction: similarities, then exponentials, then weights.
//!
//! A column's values follow one another, those of a vector's lanes belong to as many rows: what is summed for a row is summed in a lane.

use std::array;
use std::ops::Range;

use vectors::Matrix;
use vectors::simd::{exp, ln, vectorised};

use super::panels::{Panels, stride};
use super::product::{VECTOR, product};
use crate::left_out::{LEFT_OUT, NO_SIMILARITY};
use crate::softmax::RowSum;

/// Rows whose exponentials are taken at once: those of a vector, which [`stride`] counts in.
const LANES: usize = VECTOR;
/// Columns whose sums are taken before they are added to those of the others, so that few numbers are added to a large one.
const SUMMED: usize = 16;

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
    /// `[columns, rows]`, the columns [`stride`] apart.
    pub(super) values: Vec<f32>,
    /// One for each row.
    pub(super) found: Vec<RowFound>,
    /// What each row's exponentials are multiplied by to be weights; 0 for lanes without a row.
    pub(super) factors: Vec<f32>,
}

/// What the products of the rows' prefixes are multiplied by: of each row and of each column.
pub(super) type Scales<'a> = Option<[&'a [f32]; 2]>;

impl Columns {
    /// Makes room for so many columns of so many rows.
    pub(super) fn reserve(&mut self, columns: usize, rows: usize) {
        self.values.reserve((columns * stride(rows)).saturating_sub(self.values.len()));
    }

    /// The similarities of whole rows, compared as they come.
    pub(super) fn multiply(&mut self, anchors: &Panels, candidates: Matrix<'_>) {
        self.values.resize(candidates.count() * stride(anchors.count()), 0.0);
        anchors.multiply(0, candidates, &mut self.values, false);
    }

    /// Makes the products of a prefix its similarities, where what is left out is below [`NO_SIMILARITY`] already.
    pub(super) fn scale(&mut self, scales: Scales<'_>) {
        let Some([of_rows, of_columns]) = scales else { return };
        for (values, &column) in self.values.chunks_exact_mut(stride(of_rows.len())).zip(of_columns) {
            vectorised(
                #[inline(always)]
                || {
                    for (value, &row) in values.iter_mut().zip(of_rows) {
                        *value = if *value < NO_SIMILARITY { LEFT_OUT } else { *value * (row * column) };
                    }
                },
            );
        }
    }

    /// Turns similarities into exponentials of the negatives, 0 elsewhere; `own` has those of the pairs.
    pub(super) fn exponentiate(&mut self, sharpness: f32, own: &[f32]) {
        let stride = stride(own.len());
        self.found.clear();
        for first in (0..own.len()).step_by(LANES) {
            let own: [f32; LANES] = array::from_fn(|lane| own.get(first + lane).copied().unwrap_or(0.0));
            let values = &mut self.values[first..];
            self.found.extend(vectorised(
                #[inline(always)]
                || exponentials(values, stride, sharpness, &own),
            ));
        }
        self.found.truncate(own.len());
    }

    /// Sets the factors of all rows.
    pub(super) fn set_factors(&mut self, factors: Vec<f32>) {
        self.factors = factors;
        self.factors.resize(stride(self.found.len()), 0.0);
    }

    /// Multiplies each row by its factor, which makes the exponentials weights.
    pub(super) fn weigh(&mut self) {
        for values in self.values.chunks_exact_mut(self.factors.len()) {
            vectorised(
                #[inline(always)]
                || values.iter_mut().zip(&self.factors).for_each(|(value, factor)| *value *= factor),
            );
        }
    }

    /// As [`weigh`](Self::weigh), where what was scaled was the rows' products: the weights are scaled too, and `radial` of each column takes the
    /// sum of its weights times their similarities.
    pub(super) fn weigh_scaled(&mut self, sharpness: f32, [of_rows, columns]: [&[f32]; 2], radial: &mut [f64]) {
        let (stride, slope) = (self.factors.len(), 1.0 / sharpness);
        let mut sums = vec![[0.0_f32; LANES]; columns.len()];
        for first in (0..self.found.len()).step_by(LANES) {
            let factors: [f32; LANES] = array::from_fn(|lane| self.factors[first + lane]);
            let hardest: [f32; LANES] =
                array::from_fn(|lane| self.found.get(first + lane).map_or(0.0, |found| found.hardest));
            let of_rows: [f32; LANES] = array::from_fn(|lane| of_rows.get(first + lane).copied().unwrap_or(0.0));
            vectorised(
                #[inline(always)]
                || {
                    let of_columns = columns.iter().zip(&mut sums);
                    for (values, (&column, sums)) in lanes_of(&mut self.values[first..], stride).zip(of_columns) {
                        for lane in 0..LANES {
                            let weight = values[lane] * factors[lane];
                            // The similarity that the exponential is of; of 0 it does not matter.
                            let similarity = hardest[lane] + ln(values[lane].max(f32::MIN_POSITIVE)) * slope;
                            sums[lane] += weight * similarity;
                            values[lane] = weight * (of_rows[lane] * column);
                        }
                    }
                },
            );
        }
        let sum_of = |lanes: [f32; LANES]| lanes.iter().map(|&sum| f64::from(sum)).sum::<f64>();
        radial.iter_mut().zip(sums).for_each(|(radial, lanes)| *radial += sum_of(lanes));
    }

    /// Adds the weights of a wider prefix, which those columns have too that both have.
    pub(super) fn add(&mut self, wider: &Self) {
        self.values.iter_mut().zip(&wider.values).for_each(|(value, wider)| *value += wider);
    }

    /// The values: a row for each candidate.
    fn matrix(&self) -> Matrix<'_> {
        Matrix::apart(&self.values, self.found.len(), stride(self.found.len()))
    }

    /// Adds the weights times the anchors to the gradient of the candidates, whose rows are `stride` apart.
    pub(super) fn pull_candidates(&self, anchors: Matrix<'_>, gradient: &mut [f32], stride: usize) {
        product(gradient, stride, self.matrix(), anchors, true);
    }

    /// The transposed candidates times the weights of some rows, or `sums` and these: `[columns of the candidates, rows]`.
    pub(super) fn pull_anchors(&self, rows: Range<usize>, candidates: Matrix<'_>, sums: &mut [f32], add: bool) {
        let count = rows.len();
        product(sums, count, candidates.transposed(), self.matrix().columns(rows), add);
    }
}

/// Turns the similarities of some rows, the first lanes of columns that are so far apart, into exponentials.
#[inline(always)]
fn exponentials(values: &mut [f32], stride: usize, sharpness: f32, own: &[f32; LANES]) -> [RowFound; LANES] {
    let mut hardest = [LEFT_OUT; LANES];
    for column in lanes_of(values, stride) {
        for (hardest, &value) in hardest.iter_mut().zip(&*column) {
            // A maximum passes over what is no number.
            *hardest = if value > *hardest { value } else { *hardest };
        }
    }
    // Of a row without negatives nothing is above 0.
    let base = hardest.map(|hardest| if hardest < NO_SIMILARITY { 0.0 } else { hardest });
    let mut found = Lanes::default();
    for columns in values.chunks_mut(SUMMED * stride) {
        let mut some = Lanes::default();
        for column in lanes_of(columns, stride) {
            for lane in 0..LANES {
                let similarity = column[lane];
                let negative = similarity > NO_SIMILARITY;
                let weight = exp((similarity - base[lane]) * sharpness);
                column[lane] = weight;
                some.sums[lane] += weight;
                some.weighted[lane] += weight * similarity;
                some.similarities[lane] += if negative { similarity } else { 0.0 };
                found.negatives[lane] += u32::from(negative);
                found.harder[lane] += u32::from(similarity > own[lane]);
            }
        }
        for lane in 0..LANES {
            found.sums[lane] += some.sums[lane];
            found.weighted[lane] += some.weighted[lane];
            found.similarities[lane] += some.similarities[lane];
        }
    }
    array::from_fn(|lane| match (hardest[lane] < NO_SIMILARITY, found.sums[lane].is_nan()) {
        (true, true) => {
            lanes_of(values, stride).for_each(|column| column[lane] = f32::NAN);
            RowFound::NO_NUMBER
        }
        (true, false) => RowFound::NONE,
        (false, _) => RowFound {
            hardest: hardest[lane],
            sum: found.sums[lane],
            weighted: found.weighted[lane],
            similarities: found.similarities[lane],
            negatives: found.negatives[lane],
            harder: found.harder[lane],
        },
    })
}

/// What some rows come to, one in each lane.
#[derive(Default)]
struct Lanes {
    sums: [f32; LANES],
    weighted: [f32; LANES],
    similarities: [f32; LANES],
    negatives: [u32; LANES],
    harder: [u32; LANES],
}

/// The first lanes of every column.
#[inline(always)]
fn lanes_of(values: &mut [f32], stride: usize) -> impl Iterator<Item = &mut [f32; LANES]> {
    values.chunks_mut(stride).filter_map(|column| column.first_chunk_mut())
}
