use std::sync::Arc;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::Spans;

/// By how much each token's queries and keys are turned, by its place in its text.
///
/// # Source
/// Su et al. (2021), arXiv 2104.09864, §3.2.2; column `i` goes with `i + size / 2`, as in GPT-NeoX and all published encoders.
pub(crate) struct Rotation<B: Backend> {
    /// Of each token the cosines of a half of a head's columns, then the sines.
    table: Arc<[f32]>,
    size: usize,
    device: B::Device,
}

impl<B: Backend> Rotation<B> {
    /// For heads of `size` columns; `base` of the wavelengths is of a text with so many tokens.
    pub(crate) fn new(spans: &Spans<B>, size: usize, base: impl Fn(usize) -> f64) -> Self {
        let table = rotation_table(spans.offsets(), size, base);
        Self { table: table.into(), size, device: spans.device().clone() }
    }

    #[cfg(feature = "flex")]
    pub(super) fn table(&self) -> &Arc<[f32]> {
        &self.table
    }

    /// Columns of a head.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Cosines and sines, `[tokens, 1, size / 2]` each.
    pub(super) fn tensors(&self) -> [Tensor<B, 3>; 2] {
        let [rows, half] = [self.table.len() / self.size, self.size / 2];
        let table = TensorData::new(self.table.to_vec(), [rows, 1, self.size]);
        let table = Tensor::<B, 3>::from_data(table, &self.device);
        [0, half].map(|first| table.clone().narrow(2, first, half))
    }
}

/// Of each token the cosines of a half of a head's columns, then the sines.
pub(crate) fn rotation_table(offsets: &[usize], size: usize, base: impl Fn(usize) -> f64) -> Vec<f32> {
    let half = size / 2;
    let mut table = Vec::new();
    for span in offsets.windows(2) {
        let base = base(span[1] - span[0]);
        let frequencies: Vec<f64> = (0..half).map(|i| base.powf(-2.0 * i as f64 / size as f64)).collect();
        for place in 0..span[1] - span[0] {
            let angles = frequencies.iter().map(|frequency| place as f64 * frequency);
            table.extend(angles.clone().map(|angle| angle.cos() as f32));
            table.extend(angles.map(|angle| angle.sin() as f32));
        }
    }
    table
}
