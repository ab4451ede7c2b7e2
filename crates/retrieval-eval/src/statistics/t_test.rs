use puruspe::betai;
use serde::{Deserialize, Serialize};

use super::Paired;

/// Student's paired two-sided t-test: how likely a mean difference is if the true one is 0.
///
/// It takes the differences as independent and their mean as nearly normal, which many queries bring about.
///
/// # Source
/// Student (1908), *Biometrika* 6; Smucker, Allan & Carterette (2007), CIKM, on retrieval. The p-value is
/// `I_x(df / 2, 1 / 2)` at `x = df / (df + t²)`, with `I` the regularised incomplete beta function.
///
/// # Examples
/// ```
/// use retrieval_eval::{Paired, TTest};
///
/// let test = TTest::new(Paired::new(&[0.1, 0.2, 0.3], &[0.2, 0.4, 0.6])?).unwrap();
/// assert!((test.t - 12f64.sqrt()).abs() < 1e-12);
/// assert_eq!(test.degrees_of_freedom, 2);
/// assert!((test.p_value - 0.074_179_900_228).abs() < 1e-9);
/// // The differences do not vary.
/// assert_eq!(TTest::new(Paired::new(&[0.1, 0.2], &[0.2, 0.3])?), None);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TTest {
    /// Mean difference over its standard error; above 0 if the treatment is better.
    pub t: f64,
    /// Queries less 1.
    pub degrees_of_freedom: usize,
    /// Two-sided, in `[0, 1]`.
    pub p_value: f64,
}

impl TTest {
    /// The test of the difference of means.
    ///
    /// `None` for one query and for differences that are all equal but for rounding, where t is undefined.
    pub fn new(paired: Paired<'_>) -> Option<Self> {
        let t = paired.cohens_d()? * (paired.len() as f64).sqrt();
        let degrees_of_freedom = paired.len() - 1;
        let df = degrees_of_freedom as f64;
        // Rounding may leave the unit interval by a bit.
        let p_value = betai(df / 2.0, 0.5, df / (df + t * t)).clamp(0.0, 1.0);
        Some(Self { t, degrees_of_freedom, p_value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_difference_on_the_whole_has_p_one() {
        let test = TTest::new(Paired::new(&[0.0, 1.0], &[1.0, 0.0]).unwrap()).unwrap();
        assert_eq!((test.t, test.p_value), (0.0, 1.0));
    }

    #[test]
    fn one_query_or_constant_differences_have_no_test() {
        let undefined =
            |baseline: &[f64], treatment: &[f64]| TTest::new(Paired::new(baseline, treatment).unwrap()).is_none();
        assert!(undefined(&[0.1], &[0.9]));
        assert!(undefined(&[0.3, 0.4], &[0.3, 0.4]));
        // 0.3 - 0.2 and 0.2 - 0.1 are not the same number.
        assert!(undefined(&[0.1, 0.2, 0.6], &[0.2, 0.3, 0.7]));
    }

    #[test]
    fn two_queries_have_the_cauchy_distributions_p() {
        // With one degree of freedom p = 1 - 2 atan(|t|) / π, and t = 3 for the differences 1 and 2.
        let test = TTest::new(Paired::new(&[0.0, 0.0], &[1.0, 2.0]).unwrap()).unwrap();
        assert!((test.t - 3.0).abs() < 1e-12);
        assert!((test.p_value - (1.0 - 3f64.atan() * std::f64::consts::FRAC_2_PI)).abs() < 1e-12);
    }
}
