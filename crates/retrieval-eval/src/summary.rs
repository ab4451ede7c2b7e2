use serde::{Deserialize, Serialize};

/// How the values of the queries become the one of all, as trec_eval's line `all` has it.
///
/// ```
/// use retrieval_eval::{Measure, Metric, Summary};
///
/// assert_eq!(Measure::ndcg(10).summary(), Summary::Mean);
/// assert_eq!(Measure::RelevantRetrieved.summary(), Summary::Sum);
/// assert_eq!(Summary::GeometricMean.of(&[0.1, 0.4]).map(|mean| (mean * 1e9).round() / 1e9), Some(0.2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Summary {
    /// The arithmetic mean.
    #[default]
    Mean,
    /// The sum: the values count documents or queries.
    Sum,
    /// The geometric mean of the values, of which none counts as less than [`Summary::FLOOR`].
    GeometricMean,
}

impl Summary {
    /// What a lower value counts as in a geometric mean, which one value of 0 would otherwise make 0.
    pub const FLOOR: f64 = 1e-5;

    /// The one value for all; `None` for a mean of no values.
    pub fn of(self, values: &[f64]) -> Option<f64> {
        let mean = |sum: f64| (!values.is_empty()).then(|| sum / values.len() as f64);
        match self {
            Self::Mean => mean(total(values.iter().copied())),
            Self::Sum => Some(total(values.iter().copied())),
            Self::GeometricMean => mean(total(values.iter().map(|value| value.max(Self::FLOOR).ln()))).map(f64::exp),
        }
    }

    /// How many decimals trec_eval prints: none for counts.
    pub fn decimals(self) -> usize {
        if self == Self::Sum { 0 } else { 4 }
    }
}

/// The sum; `Iterator::sum` would make −0 of no terms.
pub(crate) fn total(terms: impl Iterator<Item = f64>) -> f64 {
    terms.fold(0.0, |sum, term| sum + term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_zero_counts_as_the_floor_in_a_geometric_mean() {
        let mean = Summary::GeometricMean.of(&[0.0, 0.1]).unwrap();
        assert!((mean - 1e-3).abs() < 1e-15, "{mean}");
    }

    #[test]
    fn no_values_have_a_sum_and_no_mean() {
        assert_eq!(Summary::Sum.of(&[]).map(f64::to_bits), Some(0));
        assert_eq!(Summary::Mean.of(&[]), None);
        assert_eq!(Summary::GeometricMean.of(&[]), None);
    }
}
