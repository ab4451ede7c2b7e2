use rand_chacha::ChaCha8Rng;

use super::bootstrap::{draw, relative};
use super::{Bootstrap, Interval, Paired, checked, mean};
use crate::error::EvalError;
use crate::report::Report;

/// The values of one measure for several training seeds on the same queries: a query × seed matrix.
///
/// # Examples
/// ```
/// use retrieval_eval::{BootstrapConfig, SeedValues};
///
/// let bootstrap = BootstrapConfig::default().build()?;
/// let plain = SeedValues::new(&[[0.2, 0.4, 0.6, 0.1], [0.1, 0.5, 0.6, 0.1]])?;
/// let clustered = SeedValues::new(&[[0.3, 0.5, 0.7, 0.2], [0.2, 0.6, 0.7, 0.2]])?;
/// let gain = bootstrap.mean_over_seeds(&clustered.less(&plain)?);
/// assert!((gain.lower - 0.1).abs() < 1e-12 && (gain.upper - 0.1).abs() < 1e-12);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SeedValues {
    /// One row a query: a resample reads the seeds of a drawn query in one go.
    values: Vec<f64>,
    seeds: usize,
}

impl SeedValues {
    /// Values by seed: a row a seed, the same queries in the same order in each.
    ///
    /// # Errors
    /// [`EvalError::NoSeeds`], [`EvalError::NoQueries`], [`EvalError::SeedLength`] for rows of different lengths,
    /// [`EvalError::NotFinite`].
    pub fn new<R: AsRef<[f64]>>(rows: &[R]) -> Result<Self, EvalError> {
        let queries = rows.first().ok_or(EvalError::NoSeeds)?.as_ref().len();
        for (seed, row) in rows.iter().enumerate() {
            let values = checked(row.as_ref())?.len();
            if values != queries {
                return Err(EvalError::SeedLength { seed, values, queries });
            }
        }
        let values = (0..queries).flat_map(|query| rows.iter().map(move |row| row.as_ref()[query])).collect();
        Ok(Self { values, seeds: rows.len() })
    }

    /// The values of a measure in the reports of several seeds.
    ///
    /// # Errors
    /// [`EvalError::AbsentMeasure`], [`EvalError::Unpaired`] if the queries differ, and those of [`SeedValues::new`].
    pub fn from_reports<Q: PartialEq>(reports: &[Report<Q>], measure: &str) -> Result<Self, EvalError> {
        let rows = reports.iter().map(|report| report.expect_values(measure)).collect::<Result<Vec<_>, _>>()?;
        for report in reports {
            if report.queries != reports[0].queries {
                let (baseline, treatment) = (reports[0].queries.len(), report.queries.len());
                return Err(EvalError::Unpaired { baseline, treatment });
            }
        }
        Self::new(&rows)
    }

    /// The number of seeds, at least 1.
    pub fn seeds(&self) -> usize {
        self.seeds
    }

    /// The number of queries, at least 1.
    pub fn queries(&self) -> usize {
        self.values.len() / self.seeds
    }

    /// The mean over queries and seeds.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// The mean over seeds of each query: what [`Paired`] takes.
    pub fn query_means(&self) -> Vec<f64> {
        self.rows().map(mean).collect()
    }

    /// The mean over queries of each seed.
    pub fn seed_means(&self) -> Vec<f64> {
        let of_seed = |seed: usize| self.rows().map(|row| row[seed]).sum::<f64>() / self.queries() as f64;
        (0..self.seeds).map(of_seed).collect()
    }

    /// The sample standard deviation of [`SeedValues::seed_means`]; `None` with one seed.
    pub fn seed_deviation(&self) -> Option<f64> {
        let (means, center) = (self.seed_means(), self.mean());
        let squares: f64 = means.iter().map(|mean| (mean - center).powi(2)).sum();
        (self.seeds > 1).then(|| (squares / (self.seeds - 1) as f64).sqrt())
    }

    /// These values less those of a baseline, seed by seed: for seeds that stand for the same initial weights or
    /// order of the data in both, which a comparison should not count as noise.
    ///
    /// # Errors
    /// [`EvalError::UnpairedSeeds`], [`EvalError::Unpaired`] for different numbers of seeds or queries.
    pub fn less(&self, baseline: &Self) -> Result<Self, EvalError> {
        self.expect_seeds_of(baseline)?;
        let values = self.values.iter().zip(&baseline.values).map(|(value, baseline)| value - baseline).collect();
        Ok(Self { values, seeds: self.seeds })
    }

    /// The largest of the values, whatever their sign.
    pub(super) fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |largest, value| value.abs().max(largest))
    }

    /// The values of each query, one a seed.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.seeds)
    }

    fn expect_queries_of(&self, baseline: &Self) -> Result<(), EvalError> {
        match self.queries() == baseline.queries() {
            true => Ok(()),
            false => Err(EvalError::Unpaired { baseline: baseline.queries(), treatment: self.queries() }),
        }
    }

    fn expect_seeds_of(&self, baseline: &Self) -> Result<(), EvalError> {
        self.expect_queries_of(baseline)?;
        match self.seeds == baseline.seeds {
            true => Ok(()),
            false => Err(EvalError::UnpairedSeeds { baseline: baseline.seeds, treatment: self.seeds }),
        }
    }

    /// The mean over `queries` of the values that `weights`, one a seed, weigh.
    fn weighted_mean(&self, weights: &[f64], queries: &[usize]) -> f64 {
        let of_query = |&query: &usize| {
            let row = &self.values[query * self.seeds..][..self.seeds];
            row.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>()
        };
        queries.iter().map(of_query).sum::<f64>() / queries.len() as f64
    }

    /// How often each seed is drawn, of `seeds` draws, as a fraction.
    fn draw_weights(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut weights = vec![0.0; self.seeds];
        draw(rng, self.seeds).for_each(|seed| weights[seed] += 1.0 / self.seeds as f64);
        weights
    }
}

/// # Several seeds
/// A hierarchical bootstrap: each resample draws seeds with replacement, then queries with replacement, and takes the
/// mean over all the drawn pairs. All drawn seeds share the drawn queries, because a query is as hard for each of them:
/// queries drawn anew within each seed would average that out, and the interval would be too narrow by up to the square
/// root of the number of seeds. One seed gives the spread over queries alone; with fewer than about five the spread
/// over seeds is known badly, and is understated by (seeds - 1) / seeds in variance.
///
/// # Source
/// Davison & Hinkley (1997), *Bootstrap Methods and Their Application*, section 3.8, for hierarchical resampling; Owen
/// (2007), *Annals of Applied Statistics* 1, "The pigeonhole bootstrap", for crossed factors; Bouthillier et al.
/// (2021), MLSys, for seeds as a source of variance beside the sampled data.
impl Bootstrap {
    /// The mean over queries and seeds, with queries and seeds drawn anew.
    pub fn mean_over_seeds(&self, values: &SeedValues) -> Interval {
        let resampled = self.resample(|rng| {
            let weights = values.draw_weights(rng);
            let queries: Vec<usize> = draw(rng, values.queries()).collect();
            values.weighted_mean(&weights, &queries)
        });
        self.interval(values.mean(), resampled)
    }

    /// The mean of the treatment less the mean of the baseline, of the same drawn queries and of seeds drawn for each
    /// on its own; they may have different numbers of seeds. See [`SeedValues::less`] for seeds that are pairs.
    ///
    /// # Errors
    /// [`EvalError::Unpaired`] for different numbers of queries.
    pub fn difference_over_seeds(&self, baseline: &SeedValues, treatment: &SeedValues) -> Result<Interval, EvalError> {
        treatment.expect_queries_of(baseline)?;
        let resampled = self.resample(|rng| {
            let weights = [baseline, treatment].map(|values| values.draw_weights(rng));
            let queries: Vec<usize> = draw(rng, baseline.queries()).collect();
            treatment.weighted_mean(&weights[1], &queries) - baseline.weighted_mean(&weights[0], &queries)
        });
        let (baseline, treatment) = (baseline.query_means(), treatment.query_means());
        Ok(self.interval(Paired::new(&baseline, &treatment)?.difference(), resampled))
    }

    /// The mean of the treatment over the mean of the baseline, less 1, of the same drawn queries and the same drawn
    /// seeds, which stand for the same initial weights or order of the data in both ([`SeedValues::less`]). With one
    /// seed it is [`Bootstrap::relative_gain`].
    ///
    /// # Errors
    /// [`EvalError::Unpaired`], [`EvalError::UnpairedSeeds`] for different numbers of queries or seeds;
    /// [`EvalError::ZeroBaseline`] as [`Bootstrap::relative_gain`].
    pub fn relative_gain_over_seeds(
        &self,
        baseline: &SeedValues,
        treatment: &SeedValues,
    ) -> Result<Interval, EvalError> {
        treatment.expect_seeds_of(baseline)?;
        let query_means = [baseline, treatment].map(SeedValues::query_means);
        let paired = Paired::new(&query_means[0], &query_means[1])?;
        if baseline.seeds == 1 {
            return self.relative_gain(paired);
        }
        let estimate = paired.relative_gain().ok_or(EvalError::ZeroBaseline)?;
        let resampled = self.resample(|rng| {
            let weights = baseline.draw_weights(rng);
            let queries: Vec<usize> = draw(rng, baseline.queries()).collect();
            let [baseline, treatment] = [baseline, treatment].map(|values| values.weighted_mean(&weights, &queries));
            relative(baseline, treatment)
        });
        self.finite_interval(estimate, resampled)
    }
}
