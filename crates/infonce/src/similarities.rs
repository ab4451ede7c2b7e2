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
    /// How many pairs these are of.
    pub pairs: usize,
    /// How many negatives they have together.
    pub negatives: u64,
    /// Mean similarity of a query and its own passage.
    pub positive: f32,
    /// Mean similarity of a query and a negative, if there is any.
    pub negative: Option<f32>,
    /// The similarity that 95% of the negatives do not exceed, to a two-thousandth of the largest there can be; only with
    /// [`InfoNceConfig::percentile`](crate::InfoNceConfig::percentile), and if there is any.
    pub negative_p95: Option<f32>,
    /// Share of negatives that are more similar to the query than its own passage is, in `[0, 1]`, if there is any.
    pub harder: Option<f32>,
    /// Share of a query's candidates, its own passage not counted, that are no negatives, in `[0, 1]`.
    pub masked: f32,
}

impl Similarities {
    /// Those of these pairs and of others of the same batch. What they have not the counts for is a bound: of two percentiles the larger, which
    /// 95% of all negatives do not exceed either.
    ///
    /// # Examples
    ///
    /// ```
    /// use infonce::Similarities;
    ///
    /// let of = |pairs, positive| Similarities { pairs, positive, ..Similarities::default() };
    /// assert_eq!(of(1, 0.5).merge(of(3, 0.75)).positive, 0.6875);
    /// ```
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let by_pairs = |a: f32, b: f32| mean([(a, self.pairs as f64), (b, other.pairs as f64)]);
        let by_negatives = |a: Option<f32>, b: Option<f32>| match (a, b) {
            (Some(a), Some(b)) => Some(mean([(a, self.negatives as f64), (b, other.negatives as f64)])),
            (a, b) => a.or(b),
        };
        Self {
            pairs: self.pairs + other.pairs,
            negatives: self.negatives + other.negatives,
            positive: by_pairs(self.positive, other.positive),
            negative: by_negatives(self.negative, other.negative),
            negative_p95: match (self.negative_p95, other.negative_p95) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            },
            harder: by_negatives(self.harder, other.harder),
            masked: by_pairs(self.masked, other.masked),
        }
    }
}

/// What the pairs of one stratum have among the candidates of the batch.
///
/// # Examples
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use infonce::{ContrastiveLoss, InBatch, InfoNceConfig};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], &Default::default());
/// let batch = InBatch { strata: &[7, 3, 7], ..InBatch::default() };
/// let output = InfoNceConfig::default().build()?.loss_and_gradients(rows.clone(), rows, &batch);
/// let pairs: Vec<(u32, usize)> = output.by_stratum.iter().map(|one| (one.stratum, one.similarities.pairs)).collect();
/// assert_eq!(pairs, [(3, 1), (7, 2)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OfStratum {
    /// Which.
    pub stratum: u32,
    /// Share of its queries that score their own passage above every negative, in `[0, 1]`; a tie is a miss.
    pub accuracy: f32,
    /// How hard their negatives were.
    pub similarities: Similarities,
}

impl OfStratum {
    /// That of these pairs and of others of the same stratum.
    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            accuracy: mean([self, other].map(|one| (one.accuracy, one.similarities.pairs as f64))),
            similarities: self.similarities.merge(other.similarities),
            ..self
        }
    }
}

/// The mean of two values by their weights; 0 where these are.
pub(crate) fn mean(values: [(f32, f64); 2]) -> f32 {
    let weights: f64 = values.iter().map(|&(_, weight)| weight).sum();
    let sum: f64 = values.iter().map(|&(value, weight)| f64::from(value) * weight).sum();
    if weights > 0.0 { (sum / weights) as f32 } else { 0.0 }
}
