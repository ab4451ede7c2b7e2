//! What is done to each row alone.

use vectors::simd::{lanes_sum, vectorised};

/// Scale and shift of a LayerNorm.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) scale: Vec<f32>,
    /// Zeros where there is none.
    pub(super) shift: Vec<f32>,
    pub(super) eps: f32,
}

impl Norm {
    pub(super) fn in_place(&self, rows: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                for row in rows.chunks_exact_mut(self.scale.len()) {
                    self.normalise(row);
                }
            },
        );
    }

    #[inline(always)]
    fn normalise(&self, row: &mut [f32]) {
        let width = row.len() as f32;
        let mean = lanes_sum(
            row,
            row,
            #[inline(always)]
            |v, _| v,
        ) / width;
        for value in row.iter_mut() {
            *value -= mean;
        }
        let variance = lanes_sum(
            row,
            row,
            #[inline(always)]
            |v, w| v * w,
        ) / width;
        let inverse = 1.0 / (variance + self.eps).sqrt();
        for ((value, &scale), &shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
            *value = *value * inverse * scale + shift;
        }
    }
}

/// Divides a row by its norm, as [`crate::ops`] does.
pub(super) fn unit(row: &mut [f32]) {
    let square: f32 = row.iter().map(|value| value * value).sum();
    let norm = (square + 1e-24).sqrt();
    row.iter_mut().for_each(|value| *value /= norm);
}
