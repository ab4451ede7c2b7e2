use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Paired, checked, mean};
use crate::error::EvalError;

/// An estimate with its confidence interval.
///
/// ```
/// use retrieval_eval::BootstrapConfig;
///
/// let interval = BootstrapConfig::default().build()?.mean(&[0.0, 0.5, 1.0, 0.5])?;
/// assert_eq!(interval.estimate, 0.5);
/// assert!(interval.lower < 0.5 && interval.upper > 0.5);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Of all queries, without resampling.
    pub estimate: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// How often such an interval holds the truth, in (0, 1).
    pub level: f64,
}

/// Settings of a bootstrap; [`BootstrapConfig::build`] gives the working [`Bootstrap`].
///
/// ```
/// use retrieval_eval::BootstrapConfig;
///
/// let config = BootstrapConfig::default().with_seed(7).with_resamples(2_000).with_level(0.9);
/// assert!(config.build().is_ok());
/// assert!(BootstrapConfig::default().with_level(95.0).build().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BootstrapConfig {
    /// Times the queries are drawn anew; 10,000 by default.
    pub resamples: usize,
    /// Confidence level of the intervals, in (0, 1); 0.95 by default.
    pub level: f64,
    /// Of the draws; 0 by default.
    pub seed: u64,
}

impl Default for BootstrapConfig {
    fn default() -> Self {
        Self { resamples: 10_000, level: 0.95, seed: 0 }
    }
}

impl BootstrapConfig {
    /// Sets [`BootstrapConfig::resamples`].
    pub fn with_resamples(mut self, resamples: usize) -> Self {
        self.resamples = resamples;
        self
    }

    /// Sets [`BootstrapConfig::level`].
    pub fn with_level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// Sets [`BootstrapConfig::seed`].
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether a bootstrap can be built of these settings.
    ///
    /// # Errors
    /// [`EvalError::NoResamples`] for 0 resamples, [`EvalError::Level`] for a level outside (0, 1).
    pub fn validate(&self) -> Result<(), EvalError> {
        match *self {
            Self { resamples: 0, .. } => Err(EvalError::NoResamples { key: "resamples" }),
            Self { level, .. } if !(level > 0.0 && level < 1.0) => Err(EvalError::Level { level }),
            _ => Ok(()),
        }
    }

    /// The bootstrap of these settings.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    pub fn build(self) -> Result<Bootstrap, EvalError> {
        self.validate().map(|()| Bootstrap { config: self })
    }
}

/// Percentile bootstrap over queries: how the mean would vary with other queries of the same kind.
///
/// Each resample draws as many queries as there are, with replacement, from ChaCha8 stream number `i` of the seed: the
/// result does not depend on the number of threads. Quantiles are interpolated linearly between the resampled
/// statistics. Time grows with resamples · queries; memory with resamples + queries.
///
/// # Source
/// Efron & Tibshirani (1993), *An Introduction to the Bootstrap*, chapter 13.
///
/// # Examples
/// ```
/// use retrieval_eval::{BootstrapConfig, Paired};
///
/// let bootstrap = BootstrapConfig::default().build()?;
/// let paired = Paired::new(&[0.2, 0.4, 0.6, 0.1], &[0.3, 0.5, 0.7, 0.2])?;
/// let difference = bootstrap.difference(paired);
/// assert!((difference.lower - 0.1).abs() < 1e-12 && (difference.upper - 0.1).abs() < 1e-12);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bootstrap {
    config: BootstrapConfig,
}

impl Bootstrap {
    /// The mean of the values, one a query.
    ///
    /// # Errors
    /// [`EvalError::NoQueries`], [`EvalError::NotFinite`].
    pub fn mean(&self, values: &[f64]) -> Result<Interval, EvalError> {
        Ok(self.interval_of_mean(checked(values)?))
    }

    /// The mean of the treatment less the mean of the baseline, both of the same drawn queries.
    pub fn difference(&self, paired: Paired<'_>) -> Interval {
        self.interval_of_mean(&paired.differences())
    }

    /// The mean of the treatment over the mean of the baseline, less 1, both of the same drawn queries.
    ///
    /// A resample in which the baseline is 0 counts as an infinite gain, or as none if the treatment is 0 too.
    ///
    /// # Errors
    /// [`EvalError::ZeroBaseline`] if the baseline's mean is 0, over all queries or in so many resamples that an end of
    /// the interval is infinite.
    pub fn relative_gain(&self, paired: Paired<'_>) -> Result<Interval, EvalError> {
        let estimate = paired.relative_gain().ok_or(EvalError::ZeroBaseline)?;
        let rows: Vec<[f64; 2]> = paired
            .baseline()
            .iter()
            .zip(paired.treatment())
            .map(|(&baseline, &treatment)| [baseline, treatment])
            .collect();
        let resampled = self.resample(|rng| {
            let [baseline, treatment] =
                draw(rng, rows.len()).fold([0.0; 2], |sum, query| [sum[0] + rows[query][0], sum[1] + rows[query][1]]);
            relative(baseline, treatment)
        });
        self.finite_interval(estimate, resampled)
    }

    fn interval_of_mean(&self, values: &[f64]) -> Interval {
        let n = values.len();
        let resampled = self.resample(|rng| draw(rng, n).map(|query| values[query]).sum::<f64>() / n as f64);
        self.interval(mean(values), resampled)
    }

    /// The statistic of each resample, which it draws itself.
    pub(super) fn resample(&self, statistic: impl Fn(&mut ChaCha8Rng) -> f64 + Sync) -> Vec<f64> {
        let seeded = ChaCha8Rng::seed_from_u64(self.config.seed);
        let one = |stream: usize| {
            let mut rng = seeded.clone();
            rng.set_stream(stream as u64);
            statistic(&mut rng)
        };
        (0..self.config.resamples).into_par_iter().map(one).collect()
    }

    /// The interval of a relative gain.
    pub(super) fn finite_interval(&self, estimate: f64, resampled: Vec<f64>) -> Result<Interval, EvalError> {
        let interval = self.interval(estimate, resampled);
        let finite = interval.lower.is_finite() && interval.upper.is_finite();
        if finite { Ok(interval) } else { Err(EvalError::ZeroBaseline) }
    }

    pub(super) fn interval(&self, estimate: f64, mut resampled: Vec<f64>) -> Interval {
        resampled.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.config.level) / 2.0;
        Interval {
            estimate,
            lower: quantile(&resampled, tail),
            upper: quantile(&resampled, 1.0 - tail),
            level: self.config.level,
        }
    }
}

/// The gain of a resample.
pub(super) fn relative(baseline: f64, treatment: f64) -> f64 {
    if baseline == treatment { 0.0 } else { treatment / baseline - 1.0 }
}

/// `n` draws from `0..n` with replacement.
pub(super) fn draw(rng: &mut ChaCha8Rng, n: usize) -> impl Iterator<Item = usize> {
    // The high half of a product: no division, and a bias of at most n / 2^32.
    (0..n).map(move |_| ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize)
}

/// Quantile of sorted values, interpolated linearly between them.
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * fraction;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    // Not `below + …` with two infinities, whose difference is NaN.
    if below == above { below } else { below + (above - below) * place.fract() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(quantile(&sorted, 0.0), 1.0);
        assert_eq!(quantile(&sorted, 0.5), 3.0);
        assert_eq!(quantile(&sorted, 1.0), 8.0);
        assert_eq!(quantile(&[5.0], 0.3), 5.0);
        assert_eq!(quantile(&[f64::INFINITY; 2], 0.5), f64::INFINITY);
    }
}
