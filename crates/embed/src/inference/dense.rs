use vectors::{Matrix, PackedMatrix};

use crate::ops::flex::cdf;

/// A dense layer.
#[derive(Debug)]
pub(super) struct Dense {
    weight: PackedMatrix,
    /// Zeros where there is none.
    bias: Vec<f32>,
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
    /// Of a weight `[input, output]`.
    pub(super) fn new(weight: &[f32], [input, output]: [usize; 2], bias: Option<Vec<f32>>) -> Self {
        assert_eq!(weight.len(), input * output);
        Self {
            weight: PackedMatrix::new(Matrix::rows(weight, output)),
            bias: bias.unwrap_or_else(|| vec![0.0; output]),
        }
    }

    pub(super) fn output(&self) -> usize {
        self.bias.len()
    }

    /// `x · weight + bias`, of as many rows as `x` has.
    pub(super) fn forward(&self, x: &[f32], out: &mut Vec<f32>, threads: Threads) {
        self.product(
            x,
            out,
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
    pub(super) fn gelu(&self, x: &[f32], out: &mut Vec<f32>, threads: Threads) {
        self.product(
            x,
            out,
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
    pub(super) fn add(&self, x: &[f32], residual: &[f32], out: &mut Vec<f32>, threads: Threads) {
        let width = self.output();
        self.product(
            x,
            out,
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
        threads: Threads,
        finish: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        let [input, output] = self.weight.shape();
        let x = Matrix::rows(x, input);
        // What is in it is written over.
        out.resize(x.count() * output, 0.0);
        match threads {
            Threads::One => self.weight.multiply(out, output, x, finish),
            Threads::All => self.weight.multiply_shared(out, output, x, finish),
        }
    }
}
