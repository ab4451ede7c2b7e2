use serde::{Deserialize, Serialize};

use super::{Bootstrap, Interval, Outcomes, Paired, RandomisationTest, TTest, mean};

/// How a treatment differs from a baseline on one measure, how surely and how much.
///
/// # Examples
/// ```
/// use retrieval_eval::{BootstrapConfig, Comparison, Paired, RandomisationConfig};
///
/// let paired = Paired::new(&[0.2, 0.4, 0.6], &[0.3, 0.4, 0.8])?;
/// let bootstrap = BootstrapConfig::default().build()?;
/// let comparison = Comparison::new(paired, &bootstrap, &RandomisationConfig::default().build()?);
/// assert!((comparison.difference.estimate - 0.1).abs() < 1e-12);
/// assert!((comparison.relative_gain.unwrap().estimate - 0.25).abs() < 1e-12);
/// assert_eq!(comparison.outcomes.to_string(), "2/1/0");
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Number of queries.
    pub queries: usize,
    /// Mean of the baseline.
    pub baseline: f64,
    /// Mean of the treatment.
    pub treatment: f64,
    /// Mean of the treatment less mean of the baseline.
    pub difference: Interval,
    /// Mean of the treatment over mean of the baseline, less 1; `None` where it is undefined
    /// ([`Bootstrap::relative_gain`]).
    pub relative_gain: Option<Interval>,
    /// Two-sided, of the difference; see [`RandomisationTest`].
    pub p_value: f64,
    /// `None` where it is undefined ([`TTest::new`]).
    pub t_test: Option<TTest>,
    /// `None` where it is undefined ([`Paired::cohens_d`]).
    pub cohens_d: Option<f64>,
    /// Queries won, tied and lost by the treatment.
    pub outcomes: Outcomes,
}

impl Comparison {
    /// The comparison of two runs over the same queries.
    pub fn new(paired: Paired<'_>, bootstrap: &Bootstrap, test: &RandomisationTest) -> Self {
        Self {
            queries: paired.len(),
            baseline: mean(paired.baseline()),
            treatment: mean(paired.treatment()),
            difference: bootstrap.difference(paired),
            relative_gain: bootstrap.relative_gain(paired).ok(),
            p_value: test.p_value(paired),
            t_test: TTest::new(paired),
            cohens_d: paired.cohens_d(),
            outcomes: Outcomes::new(paired),
        }
    }
}
