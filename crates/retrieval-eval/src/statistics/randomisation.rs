use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Paired, ROUNDING};
use crate::error::EvalError;

/// Settings of a randomisation test; [`RandomisationConfig::build`] gives the working [`RandomisationTest`].
///
/// ```
/// use retrieval_eval::RandomisationConfig;
///
/// assert!(RandomisationConfig::default().with_seed(7).build().is_ok());
/// assert!(RandomisationConfig::default().with_permutations(0).build().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomisationConfig {
    /// Random exchanges that are tried; 10,000 by default.
    pub permutations: usize,
    /// Of the exchanges; 0 by default.
    pub seed: u64,
}

impl Default for RandomisationConfig {
    fn default() -> Self {
        Self { permutations: 10_000, seed: 0 }
    }
}

impl RandomisationConfig {
    /// Sets [`RandomisationConfig::permutations`].
    pub fn with_permutations(mut self, permutations: usize) -> Self {
        self.permutations = permutations;
        self
    }

    /// Sets [`RandomisationConfig::seed`].
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether a test can be built of these settings.
    ///
    /// # Errors
    /// [`EvalError::NoResamples`] for 0 permutations.
    pub fn validate(&self) -> Result<(), EvalError> {
        match self.permutations {
            0 => Err(EvalError::NoResamples { key: "permutations" }),
            _ => Ok(()),
        }
    }

    /// The test of these settings.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    pub fn build(self) -> Result<RandomisationTest, EvalError> {
        self.validate().map(|()| RandomisationTest { config: self })
    }
}

/// Paired two-sided randomisation test: how likely a difference of means is if the two runs are exchangeable.
///
/// Each permutation exchanges the two values of every query with probability ½, by ChaCha8 stream number `i` of the
/// seed, and asks whether the means then differ at least as much as they do. The p-value counts the observed
/// assignment as one of the permutations, so that it is never 0.
///
/// # Source
/// Smucker, Allan & Carterette (2007), CIKM; Phipson & Smyth (2010) for the added one.
///
/// # Examples
/// ```
/// use retrieval_eval::{Paired, RandomisationConfig};
///
/// let test = RandomisationConfig::default().build()?;
/// let worse = [0.1; 20];
/// let better = [0.2; 20];
/// assert!(test.p_value(Paired::new(&worse, &better)?) < 0.001);
/// assert_eq!(test.p_value(Paired::new(&worse, &worse)?), 1.0);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RandomisationTest {
    config: RandomisationConfig,
}

impl RandomisationTest {
    /// The two-sided p-value of the difference of means, in `(0, 1]`.
    pub fn p_value(&self, paired: Paired<'_>) -> f64 {
        let mut differences = paired.differences();
        // A difference of 0 stays 0 under every exchange.
        differences.retain(|&difference| difference != 0.0);
        let observed = differences.iter().sum::<f64>().abs();
        // Sums that are equal but for rounding must count as equal.
        let rounding = ROUNDING * differences.iter().map(|difference| difference.abs()).sum::<f64>();
        let seeded = ChaCha8Rng::seed_from_u64(self.config.seed);
        let as_far = |stream: &usize| {
            let mut rng = seeded.clone();
            rng.set_stream(*stream as u64);
            exchanged_sum(&differences, &mut rng).abs() >= observed - rounding
        };
        let count = (0..self.config.permutations).into_par_iter().filter(as_far).count();
        (count + 1) as f64 / (self.config.permutations + 1) as f64
    }
}

/// The sum of the differences with random signs, one random bit each.
fn exchanged_sum(differences: &[f64], rng: &mut ChaCha8Rng) -> f64 {
    let signed = |chunk: &[f64]| {
        let bits = rng.next_u64();
        let sign =
            |(place, difference): (usize, &f64)| f64::from_bits(difference.to_bits() ^ (bits >> place & 1) << 63);
        chunk.iter().enumerate().map(sign).sum::<f64>()
    };
    differences.chunks(64).map(signed).sum()
}
