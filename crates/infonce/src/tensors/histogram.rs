//! Counts of similarities on the device.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, backend::Backend};

use crate::histogram::Histogram;

/// Columns of counts at most: a GPU's scatter adds each up in one thread.
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
        // As many as there is work for.
        let similarities = queries.dims()[0] * passages.dims()[0];
        let lanes = (similarities / Histogram::BINS).min(LANES / strata).max(1);
        let counts = Tensor::zeros([strata * Histogram::BINS, lanes], (&queries.device(), queries.dtype()));
        Self { bound, counts }
    }

    /// With the similarities whose `weight` is 1, not those whose it is 0, counted for the stratum of each row: `[t, c]` twice, `[t, 1]`.
    pub(super) fn with(self, similarities: Tensor<B, 2>, weight: Tensor<B, 2>, strata: Tensor<B, 2, Int>) -> Self {
        let half = 0.5 * Histogram::BINS as f32;
        let places = (similarities.div_scalar(self.bound).add_scalar(1.0)).mul_scalar(half);
        // Clamped as integers, since what a number that is none becomes is up to the device, which does not check where it writes.
        let places = places.floor().int().clamp(0, Histogram::BINS as i64 - 1);
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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::TensorData;
    use burn_flex::{Flex, FlexDevice};

    use super::*;

    /// Of several columns, of one, and of strata of which each has its own counts.
    #[test]
    fn counts_are_those_of_the_processor() {
        for (rows, width, strata) in [(3, 5, 1), (130, 131, 1), (130, 131, 3), (310, 100, 300)] {
            let values = |count: usize, seed: f32| (0..count).map(move |at| (at as f32 * 0.7 + seed).sin());
            let tensor = |shape: [usize; 2], seed| {
                let values: Vec<f32> = values(shape[0] * shape[1], seed).collect();
                Tensor::<Flex, 2>::from_data(TensorData::new(values, shape), &FlexDevice)
            };
            let sides = [tensor([rows, 4], 0.1), tensor([width, 4], 0.2)];
            let stratum = |row: usize| row % strata;
            let strata_of_rows: Vec<i32> = (0..rows).map(|row| stratum(row) as i32).collect();
            let strata_of_rows = TensorData::new(strata_of_rows, [rows, 1]);
            let weight: Vec<f32> = (0..rows * width).map(|at| f32::from(at % 3 != 0)).collect();
            let counted = DeviceHistograms::new(&sides, strata);
            let bound = counted.bound;
            let mut expected = vec![Histogram::new(bound); strata];
            for (at, value) in values(rows * width, 0.3).enumerate().filter(|(at, _)| at % 3 != 0) {
                expected[stratum(at / width)].count(&[value]);
            }
            let found = counted
                .with(
                    tensor([rows, width], 0.3),
                    Tensor::from_data(TensorData::new(weight, [rows, width]), &FlexDevice),
                    Tensor::from_data(strata_of_rows, &FlexDevice),
                )
                .into_histograms();
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.counts(), expected.counts(), "{rows} x {width}, {strata} strata");
            }
        }
    }
}
