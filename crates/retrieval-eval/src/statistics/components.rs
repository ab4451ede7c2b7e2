use puruspe::{betai, gammp, invbetai, ln_gamma};
use serde::{Deserialize, Serialize};

use super::{SeedValues, mean};
use crate::error::EvalError;

/// Shares of queries and seeds in the test's variance at which power is evaluated: its error is below 0.001.
const NODES: u32 = 64;

/// Queries from which on more seeds are never worse.
const FEW_QUERIES: usize = 100;

/// The most seeds that [`VarianceComponents::seeds_for`] tries.
const MOST_SEEDS: usize = 1000;

/// Beyond this noncentrality the normal numerator varies by too little to be seen.
const FAR: f64 = 1000.0;

/// How much of the variance of a difference is of the queries, how much of the training seeds, and how much of neither:
/// what says how many of each another experiment needs.
///
/// A query's difference with one seed is the true difference, plus an effect of the query, of the seed, and of both
/// together; these are the variances of the three effects, in squared units of the measure.
///
/// # Source
/// Clark (1973), *Journal of Verbal Learning and Verbal Behavior* 12, for queries as random as the seeds; Searle, Casella
/// & McCulloch (1992), *Variance Components*, chapter 4, for the estimates; Brennan (2001), *Generalizability Theory*,
/// for other numbers of levels than were seen.
///
/// # Examples
/// ```
/// use retrieval_eval::{SeedValues, VarianceComponents};
///
/// let plain = SeedValues::new(&[[0.2, 0.4, 0.6, 0.1], [0.1, 0.5, 0.6, 0.1]])?;
/// let clustered = SeedValues::new(&[[0.3, 0.5, 0.9, 0.1], [0.1, 0.6, 0.8, 0.1]])?;
/// let components = VarianceComponents::new(&clustered.less(&plain)?).unwrap();
/// assert!(components.query > components.seed);
/// // Another seed helps little where the queries differ.
/// assert!(components.standard_error(4, 9)? > 0.8 * components.standard_error(4, 2)?);
/// assert!(components.power(0.1, 50, 3, 0.05)? > 0.9);
/// assert_eq!(components.seeds_for(0.01, 50, 0.9, 0.05)?, None);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VarianceComponents {
    /// Of the mean over seeds between queries, 0 or more.
    pub query: f64,
    /// Of the mean over queries between seeds, 0 or more.
    pub seed: f64,
    /// Of what neither explains, 0 or more.
    pub residual: f64,
}

impl VarianceComponents {
    /// The components of `differences` ([`SeedValues::less`]) by a two-way analysis of variance without replication.
    ///
    /// An estimate below 0 is 0. `None` with one seed or one query, where they cannot be told apart.
    pub fn new(differences: &SeedValues) -> Option<Self> {
        let (queries, seeds) = (differences.queries(), differences.seeds());
        if queries < 2 || seeds < 2 {
            return None;
        }
        let (by_query, by_seed) = (differences.query_means(), differences.seed_means());
        let center = mean(&by_query);
        let spread = |means: &[f64]| means.iter().map(|mean| (mean - center).powi(2)).sum::<f64>();
        let of_row = |(row, query): (&[f64], &f64)| {
            row.iter().zip(&by_seed).map(|(value, seed)| (value - query - seed + center).powi(2)).sum::<f64>()
        };
        let rest: f64 = differences.rows().zip(&by_query).map(of_row).sum();
        let (q, s) = (queries as f64, seeds as f64);
        let residual = rest / ((q - 1.0) * (s - 1.0));
        // What the means vary by, less the part of the residual in them.
        let component =
            |means: &[f64], levels: f64, others: f64| (spread(means) / (levels - 1.0) - residual / others).max(0.0);
        Some(Self { query: component(&by_query, q, s), seed: component(&by_seed, s, q), residual })
    }

    /// The standard error of a mean difference over so many queries and seeds, in units of the measure.
    ///
    /// # Errors
    /// [`EvalError::OutOfRange`] with no queries or seeds, or where a component is no variance.
    pub fn standard_error(&self, queries: usize, seeds: usize) -> Result<f64, EvalError> {
        Ok(self.design(queries, seeds, 1)?.variance.sqrt())
    }

    /// How likely a true `difference` is found significant at level `alpha` by [`CrossedTTest`](super::CrossedTTest) over
    /// so many queries and seeds, in `[0, 1]`; where nothing varies, whether there is one.
    ///
    /// Exact, but for 0.001 of quadrature, if the effects are normal and these components the true ones; that of few
    /// seeds is known badly.
    ///
    /// # Errors
    /// [`EvalError::OutOfRange`] with fewer than two queries or seeds, a difference that is not finite, an `alpha` not
    /// between 0 and 1, or where a component is no variance.
    ///
    /// # Source
    /// The test's variance is a sum of two scaled χ² variables. Given their ratio, which decides its degrees of freedom, it
    /// is one scaled χ² of all degrees, so that t is noncentral; the mean over the ratio's distribution, which is beta.
    pub fn power(&self, difference: f64, queries: usize, seeds: usize, alpha: f64) -> Result<f64, EvalError> {
        let design = self.design(queries, seeds, 2)?;
        in_range("difference", difference, difference.is_finite(), "a finite number")?;
        probability("alpha", alpha)?;
        Ok(design.power(difference, alpha))
    }

    /// The fewest seeds, from 2 to 1,000, with which a true `difference` has this `power` over so many queries; `None`
    /// where no number does, since the queries alone leave too much.
    ///
    /// # Errors
    /// As [`VarianceComponents::power`], and for a `power` not between 0 and 1.
    ///
    /// # Examples
    /// ```
    /// use retrieval_eval::VarianceComponents;
    ///
    /// let components = VarianceComponents { query: 0.02, seed: 1e-5, residual: 0.01 };
    /// assert_eq!(components.seeds_for(0.01, 2_000, 0.8, 0.05)?, Some(8));
    /// assert_eq!(components.seeds_for(0.01, 500, 0.8, 0.05)?, None);
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    pub fn seeds_for(
        &self,
        difference: f64,
        queries: usize,
        power: f64,
        alpha: f64,
    ) -> Result<Option<usize>, EvalError> {
        probability("power", power)?;
        let reaches = |seeds: usize| Ok::<_, EvalError>(self.power(difference, queries, seeds, alpha)? >= power);
        // With a handful of queries more seeds can cost degrees of freedom: one by one.
        if queries < FEW_QUERIES {
            for seeds in 2..=MOST_SEEDS {
                if reaches(seeds)? {
                    return Ok(Some(seeds));
                }
            }
            return Ok(None);
        }
        let (mut below, mut from) = (1, 2);
        while !reaches(from)? {
            if from == MOST_SEEDS {
                return Ok(None);
            }
            (below, from) = (from, (2 * from).min(MOST_SEEDS));
        }
        while below + 1 < from {
            let middle = below.midpoint(from);
            if reaches(middle)? {
                from = middle;
            } else {
                below = middle;
            }
        }
        Ok(Some(from))
    }

    fn design(&self, queries: usize, seeds: usize, least: usize) -> Result<Design, EvalError> {
        for (key, value) in [("query", self.query), ("seed", self.seed), ("residual", self.residual)] {
            in_range(key, value, value.is_finite() && value >= 0.0, "a variance of 0 or more")?;
        }
        let expected = if least == 1 { "1 or more" } else { "2 or more" };
        in_range("queries", queries as f64, queries >= least, expected)?;
        in_range("seeds", seeds as f64, seeds >= least, expected)?;
        let (q, s) = (queries as f64, seeds as f64);
        let shared = self.residual / (q * s);
        let (by_query, by_seed) = (self.query / q + shared, self.seed / s + shared);
        let variance = self.query / q + self.seed / s + shared;
        Ok(Design { variance, by_query: (by_query, q - 1.0), by_seed: (by_seed, s - 1.0) })
    }
}

/// So many queries and seeds.
struct Design {
    /// Of the mean.
    variance: f64,
    /// What the test takes for the queries' part of the variance, in the mean, and its degrees of freedom.
    by_query: (f64, f64),
    by_seed: (f64, f64),
}

impl Design {
    fn power(&self, difference: f64, alpha: f64) -> f64 {
        if self.variance <= 0.0 {
            return f64::from(difference != 0.0);
        }
        let ((by_query, m), (by_seed, n)) = (self.by_query, self.by_seed);
        let noncentrality = difference.abs() / self.variance.sqrt();
        let given_share = |node: u32| {
            // The seeds' share of the sum of both χ², at equally likely quantiles.
            let share = invbetai((f64::from(node) + 0.5) / f64::from(NODES), n / 2.0, m / 2.0);
            let parts = (by_query * (1.0 - share) / m, by_seed * share / n);
            let sum = parts.0 + parts.1;
            let df = sum.powi(2) / (parts.0.powi(2) / m + parts.1.powi(2) / n);
            let quantile = invbetai(alpha, df / 2.0, 0.5);
            let critical = df * (1.0 - quantile) / quantile * sum / self.variance;
            beyond(critical * (m + n), m + n, noncentrality)
        };
        (0..NODES).map(given_share).sum::<f64>() / f64::from(NODES)
    }
}

/// How likely the square of a noncentral t is above `square`: a noncentral F of 1 and `df` degrees, hence a Poisson
/// mixture of incomplete beta functions, whose terms are all positive.
fn beyond(square: f64, df: f64, noncentrality: f64) -> f64 {
    let x = df / (df + square);
    if noncentrality > FAR {
        return gammp(df / 2.0, (noncentrality.powi(2) * df / square / 2.0).min(1e100)).min(1.0);
    }
    let rate = noncentrality.powi(2) / 2.0;
    let weight = |term: f64| match term {
        0.0 => (-rate).exp(),
        _ => (term * rate.ln() - rate - ln_gamma(term + 1.0)).exp(),
    };
    let mode = rate.floor() as u32;
    let terms = |terms: &mut dyn Iterator<Item = u32>| {
        let weighed = terms.map(|term| (f64::from(term), weight(f64::from(term))));
        let seen = weighed.take_while(|&(_, weight)| weight > 1e-12);
        seen.map(|(term, weight)| weight * betai(df / 2.0, term + 0.5, x)).sum::<f64>()
    };
    (terms(&mut (0..mode).rev()) + terms(&mut (mode..))).clamp(0.0, 1.0)
}

fn in_range(key: &'static str, value: f64, holds: bool, expected: &'static str) -> Result<(), EvalError> {
    if holds { Ok(()) } else { Err(EvalError::OutOfRange { key, value, expected }) }
}

fn probability(key: &'static str, value: f64) -> Result<(), EvalError> {
    in_range(key, value, value > 0.0 && value < 1.0, "a number between 0 and 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, expected: f64, tolerance: f64) {
        assert!((ours - expected).abs() <= tolerance, "{ours}, not {expected}");
    }

    /// Effects of ±1 of the queries and ±½ of the seeds: sample variances of 2 and ½, and nothing between them.
    #[test]
    fn effects_without_interaction_are_told_apart() {
        let components = VarianceComponents::new(&SeedValues::new(&[[1.5, -0.5], [0.5, -1.5]]).unwrap()).unwrap();
        assert_eq!((components.query, components.seed, components.residual), (2.0, 0.5, 0.0));
        close(components.standard_error(4, 2).unwrap(), 0.75f64.sqrt(), 1e-12);
    }

    /// All means are equal, and the four values ±1 have one degree of freedom: a residual of 4 and estimates of −2.
    #[test]
    fn estimates_below_zero_are_zero() {
        let components = VarianceComponents::new(&SeedValues::new(&[[1.0, -1.0], [-1.0, 1.0]]).unwrap()).unwrap();
        assert_eq!((components.query, components.seed, components.residual), (0.0, 0.0, 4.0));
    }

    #[test]
    fn one_seed_or_one_query_has_no_components() {
        assert_eq!(VarianceComponents::new(&SeedValues::new(&[[0.1, 0.2]]).unwrap()), None);
        assert_eq!(VarianceComponents::new(&SeedValues::new(&[[0.1], [0.2]]).unwrap()), None);
    }

    /// Without a residual nor a difference the test is the queries' or the seeds' own, and rejects as seldom as it says.
    #[test]
    fn without_a_difference_the_power_is_the_level() {
        let [queries, seeds] =
            [[1.0, 0.0], [0.0, 1.0]].map(|[query, seed]| VarianceComponents { query, seed, residual: 0.0 });
        for alpha in [0.05, 0.3] {
            close(queries.power(0.0, 30, 5, alpha).unwrap(), alpha, 1e-3);
            close(seeds.power(0.0, 30, 5, alpha).unwrap(), alpha, 1e-3);
        }
    }

    #[test]
    fn the_limit_of_a_large_noncentrality_joins_the_series() {
        for (square, df) in [(1e6, 1.0), (4e5, 2.0), (3e6, 5.0)] {
            close(beyond(square, df, FAR * 1.000_001), beyond(square, df, FAR), 1e-5);
        }
        assert_eq!(beyond(4.0, 9.0, 1e300), 1.0);
    }

    #[test]
    fn where_nothing_varies_any_difference_is_found() {
        let none = VarianceComponents { query: 0.0, seed: 0.0, residual: 0.0 };
        assert_eq!((none.power(0.1, 9, 2, 0.05).unwrap(), none.power(0.0, 9, 2, 0.05).unwrap()), (1.0, 0.0));
        assert_eq!(none.seeds_for(0.1, 9, 0.9, 0.05).unwrap(), Some(2));
    }

    #[test]
    fn what_is_no_design_is_an_error() {
        let good = VarianceComponents { query: 1.0, seed: 1.0, residual: 1.0 };
        let bad = VarianceComponents { residual: -1.0, ..good };
        for (result, name) in [
            (good.standard_error(0, 1), "queries"),
            (good.standard_error(1, 0), "seeds"),
            (bad.standard_error(1, 1), "residual"),
            (good.power(0.1, 9, 1, 0.05), "seeds"),
            (good.power(f64::INFINITY, 9, 2, 0.05), "difference"),
            (good.power(0.1, 9, 2, 1.0), "alpha"),
            (good.power(0.1, 9, 2, f64::NAN), "alpha"),
        ] {
            assert!(matches!(result, Err(EvalError::OutOfRange { key, .. }) if key == name), "{name}");
        }
        assert!(matches!(good.seeds_for(0.1, 9, 0.0, 0.05), Err(EvalError::OutOfRange { key: "power", .. })));
    }
}
