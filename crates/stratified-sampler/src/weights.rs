use serde::{Deserialize, Serialize};

use crate::SamplerError;

/// How the batches of an epoch are shared out between the strata.
///
/// With any but [`Size`](Self::Size) each stratum is one endless stream of its pairs, as under
/// [`Leftovers::Carry`](crate::Leftovers::Carry), of which an epoch draws a given number of batches: a stratum of much
/// weight and few pairs comes several times an epoch ([`PlanReport::repeated`](crate::PlanReport) counts that), one of
/// little weight and many pairs once in several epochs. The strata together have about as many batches as by size.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Leftovers, StratifiedConfig, Weights};
///
/// // Strata of 90 and 10 pairs, batches of 5: 18 and 2 of them by size.
/// let labels: Vec<u32> = (0..100).map(|pair| u32::from(pair % 10 == 0)).collect();
/// let batches = |weights| {
///     let config = StratifiedConfig::new(5).with_leftovers(Leftovers::Drop).with_weights(weights);
///     let report = config.build(&labels)?.report(0);
///     Ok::<_, stratified_sampler::SamplerError>((report.strata[0].batches, report.strata[1].batches, report.repeated))
/// };
/// assert_eq!(batches(Weights::Size)?, (18, 2, 0));
/// assert_eq!(batches(Weights::Temperature(2.0))?, (15, 5, 15));
/// assert_eq!(batches(Weights::Equal)?, (10, 10, 40));
/// assert_eq!(batches(Weights::Given(vec![4.0, 1.0]))?, (16, 4, 10));
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// In proportion to their sizes: each pair comes equally often.
    #[default]
    Size,
    /// To each the same.
    Equal,
    /// In proportion to `size^(1 / temperature)`, for a temperature above 0: 1 is by size, more is closer to equal.
    Temperature(f64),
    /// In proportion to these, the weight of label `s` at place `s`; 0 is never drawn.
    Given(Vec<f64>),
}

impl Weights {
    pub(crate) fn validate(&self) -> Result<(), SamplerError> {
        match self {
            Self::Temperature(temperature) if !(temperature.is_finite() && *temperature > 0.0) => {
                Err(SamplerError::Temperature { temperature: *temperature })
            }
            Self::Given(weights) => check(weights),
            _ => Ok(()),
        }
    }

    /// Returns the number of batches of each stratum, given with its label and the number of batches that its size
    /// would give it: largest remainders, ties to the first. `None` for weights by size.
    pub(crate) fn share_out(&self, strata: &[Stratum], most_of_one: u32) -> Result<Option<Vec<u32>>, SamplerError> {
        let weights = match self {
            Self::Size => return Ok(None),
            Self::Equal => vec![1.0; strata.len()],
            Self::Temperature(temperature) => {
                // The standard library's differs from platform to platform in the last bit.
                strata.iter().map(|stratum| libm::pow(stratum.size.into(), temperature.recip())).collect()
            }
            Self::Given(weights) => {
                strata.iter().map(|stratum| of_label(weights, stratum.label)).collect::<Result<_, _>>()?
            }
        };
        let total: f64 = weights.iter().sum();
        if total == 0.0 && !strata.is_empty() {
            return Err(SamplerError::NoWeight);
        }
        let batches: u64 = strata.iter().map(|stratum| u64::from(stratum.batches)).sum();
        let shares = weights.iter().map(|weight| weight / total * batches as f64);
        Ok(Some(round(shares.collect(), batches).into_iter().map(|share| share.min(most_of_one)).collect()))
    }
}

/// A stratum with batches of its own.
pub(crate) struct Stratum {
    pub(crate) label: u32,
    pub(crate) size: u32,
    pub(crate) batches: u32,
}

fn check(weights: &[f64]) -> Result<(), SamplerError> {
    match weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        Some(at) => Err(SamplerError::Weight { label: at as u32, weight: weights[at] }),
        None => Ok(()),
    }
}

fn of_label(weights: &[f64], label: u32) -> Result<f64, SamplerError> {
    let length = weights.len();
    weights.get(label as usize).copied().ok_or(SamplerError::WeightsTooShort { length, label })
}

/// Whole numbers near the shares, of that sum.
fn round(shares: Vec<f64>, sum: u64) -> Vec<u32> {
    let mut whole: Vec<u32> = shares.iter().map(|&share| share as u32).collect();
    let missing = sum.saturating_sub(whole.iter().map(|&share| u64::from(share)).sum());
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    by_remainder.sort_by(|&a, &b| shares[b].fract().total_cmp(&shares[a].fract()));
    for &stratum in by_remainder.iter().take(missing as usize) {
        whole[stratum] += 1;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strata(sizes: &[u32], batch: u32) -> Vec<Stratum> {
        (0..).zip(sizes).map(|(label, &size)| Stratum { label, size, batches: size / batch }).collect()
    }

    #[test]
    fn shares_sum_to_the_batches_by_size() {
        let strata = strata(&[100, 37, 12, 11], 10);
        for weights in [Weights::Equal, Weights::Temperature(3.0), Weights::Given(vec![0.1, 0.0, 7.5, 1e-9])] {
            let shares = weights.share_out(&strata, u32::MAX).unwrap().unwrap();
            assert_eq!(shares.iter().sum::<u32>(), 15, "{weights:?}: {shares:?}");
        }
        assert_eq!(Weights::Equal.share_out(&strata, u32::MAX).unwrap().unwrap(), [4, 4, 4, 3]);
        assert_eq!(Weights::Equal.share_out(&strata, 2).unwrap().unwrap(), [2; 4]);
    }

    #[test]
    fn a_temperature_of_one_is_by_size() {
        let strata = strata(&[60, 30, 10], 10);
        assert_eq!(Weights::Temperature(1.0).share_out(&strata, u32::MAX).unwrap().unwrap(), [6, 3, 1]);
        assert_eq!(Weights::Size.share_out(&strata, u32::MAX).unwrap(), None);
    }
}
