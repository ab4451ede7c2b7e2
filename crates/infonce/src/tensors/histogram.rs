//! Counts of similarities on the device.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, backend::Backend};

use crate::histogram::Histogram;

/// Counts of all strata that are kept apart, so that a GPU adds up so many at once: it writes to one of them in one thread.
const LANES: usize = 256;

/// A [`Histogram`] of each stratum on the device.
pub(super) struct DeviceHistograms<B: Backend> {
    bound: f32,
    /// `[strata * BINS, lanes]`
    counts: Tensor<B, 2>,
}

impl<B: Backend> DeviceHistograms<B> {
    pub(super) fn new([queries, passages]: &[Tensor<B, 2>; 2], strata: usize) -> Self {
        let longest = |rows: &Tensor<B, 2>| rows.clone().square().sum_dim(1).sqrt().max();
        let bound = longest(queries) * longest(passages);
        // Rows of zeros have similarities of 0, whatever they are divided by.
        let bound = bound.into_data().iter::<f32>().next().unwrap_or(f32::NAN).max(f32::MIN_POSITIVE);
        let lanes = (LANES / strata).max(1);
        let counts = Tensor::zeros([strata * Histogram::BINS, lanes], (&queries.device(), queries.dtype()));
        Self { bound, counts }
    }

    /// With the similarities whose `weight` is 1, not those whose it is 0, counted for the stratum of each row: `[t, c]` twice, `[t, 1]`.
    pub(super) fn with(self, similarities: Tensor<B, 2>, weight: Tensor<B, 2>, strata: Tensor<B, 2, Int>) -> Self {
        let half = 0.5 * Histogram::BINS as f32;
        let places = (similarities.div_scalar(self.bound).add_scalar(1.0)).mul_scalar(half);
        let places = places.clamp(0.0, Histogram::BINS as f32 - 1.0).floor().int();
        let places = (places + strata.mul_scalar(Histogram::BINS as i64)).reshape([-1]);
        let weight = weight.reshape([-1]);
        let ([count], [bins, lanes]) = (places.dims(), self.counts.dims());
        let (even, mut counts) = (count / lanes * lanes, self.counts);
        if even > 0 {
            let dims = [even / lanes, lanes];
            let (places, weight) =
                (places.clone().slice(0..even).reshape(dims), weight.clone().slice(0..even).reshape(dims));
            counts = counts.scatter(0, places, weight, IndexingUpdateOp::Add);
        }
        if even < count {
            // Fewer than a row, all in the first lane.
            let places = places.slice(even..count).mul_scalar(lanes as i64);
            let counted =
                counts.reshape([-1]).select_assign(0, places, weight.slice(even..count), IndexingUpdateOp::Add);
            counts = counted.reshape([bins, lanes]);
        }
        Self { counts, ..self }
    }

    pub(super) fn into_histograms(self) -> Vec<Histogram> {
        let [_, lanes] = self.counts.dims();
        let counts: Vec<f32> = self.counts.into_data().iter::<f32>().collect();
        let sums: Vec<u64> =
            counts.chunks_exact(lanes).map(|lanes| lanes.iter().map(|&count| count as u64).sum()).collect();
        sums.chunks_exact(Histogram::BINS).map(|counts| Histogram::of(self.bound, counts.to_vec())).collect()
    }
}
