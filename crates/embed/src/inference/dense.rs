use vectors::fixed_point::{Directions, PackedColumns};
use vectors::{Matrix, PackedMatrix};

use super::InferencePrecision;
use crate::ops::flex::cdf;

/// A dense layer.
#[derive(Debug)]
pub(super) struct Dense {
    weight: Weight,
    /// Zeros where there is none.
    bias: Vec<f32>,
}

#[derive(Debug)]
enum Weight {
    F32(PackedMatrix),
    Int16(PackedColumns),
}

/// On how many threads a product is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    /// This one, where others have texts of their own.
    One,
    /// All, which share the columns.
    All,
}

impl Dense {
    /// Of a weight `[input, output]`. None where it has no such form.
    pub(super) fn new(
        weight: &[f32],
        [input, output]: [usize; 2],
        bias: Option<Vec<f32>>,
        precision: InferencePrecision,
    ) -> Option<Self> {
        assert_eq!(weight.len(), input * output);
        let weight = Matrix::rows(weight, output);
        Some(Self {
            weight: match precision {
                InferencePrecision::F32 => Weight::F32(PackedMatrix::new(weight)),
                InferencePrecision::Int16 => Weight::Int16(PackedColumns::new(weight)?),
            },
            bias: bias.unwrap_or_else(|| vec![0.0; output]),
        })
    }

    pub(super) fn output(&self) -> usize {
        self.bias.len()
    }

    /// `x · weight + bias`, of as many rows as `x` has.
    pub(super) fn forward(&self, x: &[f32], out: &mut Vec<f32>, directions: &mut Directions, threads: Threads) {
        self.product(
            x,
            out,
            directions,
            threads,
            #[inline(always)]
            |_, column, sums| {
                let bias = &self.bias[column..][..sums.len()];
                for (sum, &bias) in sums.iter_mut().zip(bias) {
                    *sum += bias;
                }
            },
        );
    }

    /// `gelu(x · weight + bias)`.
    pub(super) fn gelu(&self, x: &[f32], out: &mut Vec<f32>, directions: &mut Directions, threads: Threads) {
        self.product(
            x,
            out,
            directions,
            threads,
            #[inline(always)]
            |_, column, sums| {
                let bias = &self.bias[column..][..sums.len()];
                for (sum, &bias) in sums.iter_mut().zip(bias) {
                    let value = *sum + bias;
                    *sum = value * cdf(value);
                }
            },
        );
    }

    /// `x · weight + bias + residual`.
    pub(super) fn add(
        &self,
        x: &[f32],
        residual: &[f32],
        out: &mut Vec<f32>,
        directions: &mut Directions,
        threads: Threads,
    ) {
        let width = self.output();
        self.product(
            x,
            out,
            directions,
            threads,
            #[inline(always)]
            |row, column, sums| {
                let residual = &residual[row * width + column..][..sums.len()];
                let bias = &self.bias[column..][..sums.len()];
                for ((sum, &bias), &residual) in sums.iter_mut().zip(bias).zip(residual) {
                    *sum += bias + residual;
                }
            },
        );
    }

    #[inline(always)]
    fn product(
        &self,
        x: &[f32],
        out: &mut Vec<f32>,
        directions: &mut Directions,
        threads: Threads,
        finish: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        let [input, output] = match &self.weight {
            Weight::F32(weight) => weight.shape(),
            Weight::Int16(weight) => weight.shape(),
        };
        let x = Matrix::rows(x, input);
        // What is in it is written over.
        out.resize(x.count() * output, 0.0);
        if let Weight::Int16(_) = self.weight {
            directions.fill(x);
        }
        match (&self.weight, threads) {
            (Weight::F32(weight), Threads::One) => weight.multiply(out, output, x, finish),
            (Weight::F32(weight), Threads::All) => weight.multiply_shared(out, output, x, finish),
            (Weight::Int16(weight), Threads::One) => weight.multiply(out, output, directions, finish),
            (Weight::Int16(weight), Threads::All) => weight.multiply_shared(out, output, directions, finish),
        }
    }
}
