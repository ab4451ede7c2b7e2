use serde::{Deserialize, Serialize};

/// How hard the negatives of a batch are: similarities in the direction from query to passage, whatever the directions of the loss.
///
/// # Examples
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use infonce::{ContrastiveLoss, InBatch, InfoNceConfig};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.6, 0.8]], &Default::default());
/// let output = InfoNceConfig::default().build()?.loss_and_gradients(rows.clone(), rows, &InBatch::default());
/// let similarities = output.similarities;
/// assert_eq!((similarities.positive, similarities.negative, similarities.harder), (1.0, Some(0.6), Some(0.0)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Similarities {
    /// Mean similarity of a query and its own passage.
    pub positive: f32,
    /// Mean similarity of a query and a negative, if there is any.
    pub negative: Option<f32>,
    /// The similarity that 95% of the negatives do not exceed, to a two-thousandth of the largest there can be; only with
    /// [`InfoNceConfig::percentile`](crate::InfoNceConfig::percentile), and if there is any.
    pub negative_p95: Option<f32>,
    /// Share of negatives that are more similar to the query than its own passage is, in `[0, 1]`, if there is any.
    pub harder: Option<f32>,
    /// Share of a query's candidates, its own passage not counted, that are masked as false negatives, in `[0, 1]`.
    pub masked: f32,
}

/// Sums over the pairs of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    positive: f64,
    negative: f64,
    negatives: u64,
    harder: u64,
}

impl Sums {
    pub(crate) fn positive(&mut self, similarity: f32) {
        self.positive += f64::from(similarity);
    }

    /// So many negatives with this sum of similarities, some of them harder than their pair.
    pub(crate) fn negatives(&mut self, negatives: u32, similarities: f32, harder: u32) {
        self.negative += f64::from(similarities);
        self.negatives += u64::from(negatives);
        self.harder += u64::from(harder);
    }

    pub(crate) fn finish(&self, queries: usize, passages: usize, histogram: Option<&Histogram>) -> Similarities {
        let share = |sum: f64| (self.negatives > 0).then(|| (sum / self.negatives as f64) as f32);
        let candidates = queries as f64 * (passages - 1) as f64;
        Similarities {
            positive: (self.positive / queries as f64) as f32,
            negative: share(self.negative),
            negative_p95: histogram.and_then(|histogram| histogram.quantile(0.95)),
            harder: share(self.harder as f64),
            masked: if candidates > 0.0 { (1.0 - self.negatives as f64 / candidates) as f32 } else { 0.0 },
        }
    }
}

/// Counts of similarities, evenly over what there can be.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    bound: f32,
    counts: Vec<u64>,
}

impl Histogram {
    pub(crate) const BINS: usize = 4096;

    /// Of similarities of at most `bound`, whichever sign; of none for a bound of 0.
    pub(crate) fn new(bound: f32) -> Self {
        Self { bound, counts: if bound > 0.0 { vec![0; Self::BINS] } else { Vec::new() } }
    }

    /// That with these counts, one for each of [`BINS`](Self::BINS).
    pub(crate) fn of(bound: f32, counts: Vec<u64>) -> Self {
        Self { bound, counts }
    }

    pub(crate) fn add(&mut self, similarity: f32) {
        let place = (similarity / self.bound + 1.0) * (0.5 * Self::BINS as f32);
        // A cast to an integer takes what is below 0 to 0.
        if let Some(count) = self.counts.get_mut((place as usize).min(Self::BINS - 1)) {
            *count += 1;
        }
    }

    pub(crate) fn with(mut self, other: Self) -> Self {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self
    }

    /// The upper end of the bin in which the share of the counts is reached.
    fn quantile(&self, share: f64) -> Option<f32> {
        let all: u64 = self.counts.iter().sum();
        let wanted = (share * all as f64).ceil() as u64;
        let mut below = 0;
        let reached = self.counts.iter().position(|&count| {
            below += count;
            below >= wanted && below > 0
        })?;
        Some(((reached + 1) as f32 / (0.5 * Self::BINS as f32) - 1.0) * self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_a_bin_of_the_exact_one() {
        let mut histogram = Histogram::new(2.0);
        (0..1000).for_each(|i| histogram.add(i as f32 * 0.002 - 1.0));
        let p95 = histogram.quantile(0.95).unwrap();
        assert!((p95 - 0.898).abs() <= 2.0 * 2.0 / 4096.0, "{p95}");
        assert_eq!(Histogram::new(1.0).quantile(0.95), None);
        assert_eq!(Histogram::new(0.0).quantile(0.95), None);
    }
}
