use puruspe::betai;
use serde::{Deserialize, Serialize};

use super::{ROUNDING, SeedValues};

/// Two-sided t-test of a mean difference over queries *and* training seeds: how likely it is if the true one is 0.
///
/// Queries and seeds are crossed random factors. With n queries, S seeds, and mean squares MS_q between queries and MS_s
/// between seeds, `t² = n S mean² / (MS_q + MS_s)` with `(MS_q + MS_s)² / (MS_q² / (n − 1) + MS_s² / (S − 1))` degrees of
/// freedom. A test of each query's mean over the seeds would call their luck significant. With one seed it is
/// [`TTest`](super::TTest), and says nothing of other seeds.
///
/// # Source
/// Clark (1973), *Journal of Verbal Learning and Verbal Behavior* 12, min F′, which is conservative where queries and
/// seeds interact; Satterthwaite (1946), *Biometrics Bulletin* 2, for the degrees of freedom.
///
/// # Examples
/// ```
/// use retrieval_eval::{CrossedTTest, SeedValues};
///
/// let plain = SeedValues::new(&[[0.2, 0.4, 0.6, 0.1], [0.1, 0.5, 0.6, 0.1]])?;
/// let clustered = SeedValues::new(&[[0.3, 0.5, 0.6, 0.2], [0.2, 0.6, 0.8, 0.2]])?;
/// let test = CrossedTTest::new(&clustered.less(&plain)?).unwrap();
/// // The queries gain as much each, and two seeds leave one degree of freedom.
/// assert!((test.t - 4.0).abs() < 1e-9 && (test.degrees_of_freedom - 1.0).abs() < 1e-9);
/// assert!(test.p_value > 0.15);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossedTTest {
    /// Mean difference over its standard error.
    pub t: f64,
    /// Above 0, and at most queries and seeds less 2.
    pub degrees_of_freedom: f64,
    /// In `[0, 1]`.
    pub p_value: f64,
}

impl CrossedTTest {
    /// The test of the mean of `differences` ([`SeedValues::less`]).
    ///
    /// `None` for one value, and where neither queries nor seeds differ but for rounding.
    pub fn new(differences: &SeedValues) -> Option<Self> {
        let mean = differences.mean();
        let by_query = Factor::new(&differences.query_means(), mean);
        let by_seed = Factor::new(&differences.seed_means(), mean);
        // (MS_q + MS_s) / (n S).
        let variance = by_query.variance + by_seed.variance;
        if variance.sqrt() <= ROUNDING * differences.largest() {
            return None;
        }
        let df = variance.powi(2) / (by_query.satterthwaite() + by_seed.satterthwaite());
        let t = mean / variance.sqrt();
        // Rounding may leave the unit interval by a bit.
        let p_value = betai(df / 2.0, 0.5, df / (df + t * t)).clamp(0.0, 1.0);
        Some(Self { t, degrees_of_freedom: df, p_value })
    }
}

/// What one factor adds to the variance of the mean.
struct Factor {
    variance: f64,
    degrees_of_freedom: f64,
}

impl Factor {
    /// Of the mean of each level; a single level adds nothing.
    fn new(levels: &[f64], mean: f64) -> Self {
        let degrees_of_freedom = (levels.len() - 1) as f64;
        let squares: f64 = levels.iter().map(|level| (level - mean).powi(2)).sum();
        let variance = squares / degrees_of_freedom.max(1.0) / levels.len() as f64;
        Self { variance, degrees_of_freedom }
    }

    fn satterthwaite(&self) -> f64 {
        self.variance.powi(2) / self.degrees_of_freedom.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Paired, TTest};

    #[test]
    fn with_one_seed_it_is_the_paired_test() {
        let differences = [0.1, -0.2, 0.3, 0.25, 0.0];
        let crossed = CrossedTTest::new(&SeedValues::new(&[differences]).unwrap()).unwrap();
        let paired = TTest::new(Paired::new(&[0.0; 5], &differences).unwrap()).unwrap();
        assert!((crossed.t - paired.t).abs() < 1e-12 && (crossed.p_value - paired.p_value).abs() < 1e-12);
        assert_eq!(crossed.degrees_of_freedom, 4.0);
    }

    /// Query means 2, 4; seed means 3, 3: MS_q = 4 over 4 values, MS_s = 0, so t = 3 with 1 degree of freedom, whose
    /// p-value is 1 − 2 atan(3) / π.
    #[test]
    fn the_test_of_two_queries_and_two_seeds_is_that_worked_by_hand() {
        let test = CrossedTTest::new(&SeedValues::new(&[[2.0, 4.0], [2.0, 4.0]]).unwrap()).unwrap();
        assert!((test.t - 3.0).abs() < 1e-12 && (test.degrees_of_freedom - 1.0).abs() < 1e-12);
        assert!((test.p_value - (1.0 - 2.0 * 3f64.atan() / std::f64::consts::PI)).abs() < 1e-12);
        // Means of 3 and 1, and of 3 and 1: both factors have a variance of 1 with 1 degree of freedom, hence 2 with 2.
        let test = CrossedTTest::new(&SeedValues::new(&[[4.0, 2.0], [2.0, 0.0]]).unwrap()).unwrap();
        assert!((test.t - 2f64.sqrt()).abs() < 1e-12 && (test.degrees_of_freedom - 2.0).abs() < 1e-12);
    }

    /// What every query gains is the same, and of the three trainings one is lucky.
    #[test]
    fn luck_of_the_seeds_is_not_significant_however_many_queries_there_are() {
        let rows = [[0.1; 500], [-0.02; 500], [0.01; 500]];
        let values = SeedValues::new(&rows).unwrap();
        let test = CrossedTTest::new(&values).unwrap();
        assert!(test.p_value > 0.4 && (test.degrees_of_freedom - 2.0).abs() < 1e-9, "{test:?}");
    }

    #[test]
    fn without_any_variance_there_is_no_test() {
        assert_eq!(CrossedTTest::new(&SeedValues::new(&[[0.1; 3], [0.1; 3]]).unwrap()), None);
        assert_eq!(CrossedTTest::new(&SeedValues::new(&[[0.1]]).unwrap()), None);
    }
}
