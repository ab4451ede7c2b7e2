//! Counts of similarities on the device.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, backend::Backend};

use crate::histogram::Histogram;

/// A [`Histogram`] of each stratum on the device.
pub(super) struct DeviceHistograms<B: Backend> {
    bound: f32,
    /// `[strata * BINS]`
    counts: Tensor<B, 1>,
}

impl<B: Backend> DeviceHistograms<B> {
    pub(super) fn new([queries, passages]: &[Tensor<B, 2>; 2], strata: usize) -> Self {
        let longest = |rows: &Tensor<B, 2>| rows.clone().square().sum_dim(1).sqrt().max();
        let bound = longest(queries) * longest(passages);
        // Rows of zeros have similarities of 0, whatever they are divided by.
        let bound = bound.into_data().iter::<f32>().next().unwrap_or(f32::NAN).max(f32::MIN_POSITIVE);
        let counts = Tensor::zeros([strata * Histogram::BINS], (&queries.device(), queries.dtype()));
        Self { bound, counts }
    }

    /// Counts the similarities whose `weight` is 1, not those whose it is 0, for the stratum of each row: `[t, c]` twice, `[t, 1]`.
    pub(super) fn add(&mut self, similarities: Tensor<B, 2>, weight: Tensor<B, 2>, strata: Tensor<B, 2, Int>) {
        let half = 0.5 * Histogram::BINS as f32;
        let places = (similarities.div_scalar(self.bound).add_scalar(1.0)).mul_scalar(half);
        let places = places.clamp(0.0, Histogram::BINS as f32 - 1.0).floor().int();
        let places = (places + strata.mul_scalar(Histogram::BINS as i64)).reshape([-1]);
        let (counts, weight) = (self.counts.clone(), weight.reshape([-1]));
        self.counts = counts.select_assign(0, places, weight, IndexingUpdateOp::Add);
    }

    pub(super) fn into_histograms(self) -> Vec<Histogram> {
        let counts: Vec<u64> = self.counts.into_data().iter::<f32>().map(|count| count as u64).collect();
        counts.chunks_exact(Histogram::BINS).map(|counts| Histogram::of(self.bound, counts.to_vec())).collect()
    }
}
