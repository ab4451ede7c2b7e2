use serde::{Deserialize, Serialize};

use crate::checks::{check_index, number_of_pairs};
use crate::key::{Key, Purpose};
use crate::permutation::Permutation;
use crate::{BatchSampler, PlanHash, SamplerError};

/// Settings of [`Uniform`].
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, UniformConfig};
///
/// let sampler = UniformConfig::new(4).with_seed(3).with_drop_last(true).build(10)?;
/// assert_eq!(sampler.len(0), 2);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UniformConfig {
    /// Pairs of a batch, at least 1.
    pub batch_size: usize,
    /// Seed of the order of the pairs; 0 by default.
    #[serde(default)]
    pub seed: u64,
    /// Whether to leave out a last batch of fewer pairs; `false` by default.
    #[serde(default)]
    pub drop_last: bool,
}

impl UniformConfig {
    /// Returns the settings for a batch size, else the defaults.
    pub fn new(batch_size: usize) -> Self {
        Self { batch_size, seed: 0, drop_last: false }
    }

    /// Sets the seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets whether to leave out a last batch of fewer pairs.
    pub fn with_drop_last(mut self, drop_last: bool) -> Self {
        self.drop_last = drop_last;
        self
    }

    /// Checks what can be checked without pairs.
    ///
    /// # Errors
    /// [`SamplerError::NoBatchSize`].
    pub fn validate(&self) -> Result<(), SamplerError> {
        match self.batch_size {
            0 => Err(SamplerError::NoBatchSize),
            _ => Ok(()),
        }
    }

    /// Returns the sampler of `pairs` pairs.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds, [`SamplerError::NoPairs`], [`SamplerError::TooManyPairs`] beyond 65,535² pairs, and
    /// [`SamplerError::NothingToDraw`] if `drop_last` leaves out the only batch.
    pub fn build(self, pairs: usize) -> Result<Uniform, SamplerError> {
        self.validate()?;
        let size = number_of_pairs(pairs)?;
        if self.drop_last && pairs < self.batch_size {
            return Err(SamplerError::NothingToDraw { batch_size: self.batch_size, largest: pairs });
        }
        Ok(Uniform { key: Key::from_seed(self.seed).purpose(Purpose::Uniform), pairs: size, config: self })
    }
}

/// Batches of any pairs, each pair once an epoch: the baseline that knows no strata.
///
/// Needs a few bytes whatever the number of pairs.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, UniformConfig};
///
/// let sampler = UniformConfig::new(4).build(8)?;
/// let mut pairs = sampler.plan(0);
/// pairs.sort();
/// assert_eq!(pairs, [0, 1, 2, 3, 4, 5, 6, 7]);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Uniform {
    config: UniformConfig,
    pairs: u32,
    key: Key,
}

impl BatchSampler for Uniform {
    fn len(&self, _epoch: u64) -> usize {
        if self.config.drop_last {
            self.pairs() / self.config.batch_size
        } else {
            self.pairs().div_ceil(self.config.batch_size)
        }
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        out.clear();
        check_index(index, self.len(epoch))?;
        let start = index * self.config.batch_size;
        let end = start.saturating_add(self.config.batch_size).min(self.pairs());
        Permutation::new(self.pairs, self.key.child(epoch)).fill(start as u32..end as u32, out);
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.config.batch_size
    }

    fn pairs(&self) -> usize {
        self.pairs as usize
    }

    fn plan_hash(&self) -> PlanHash {
        let UniformConfig { batch_size, seed, drop_last } = self.config;
        PlanHash::of("uniform", [self.pairs.into(), batch_size as u64, seed, drop_last.into()])
    }

    fn full_batches(&self, _epoch: u64) -> usize {
        self.pairs() / self.config.batch_size
    }
}
