use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{SamplerError, Weights};

/// What becomes of the pairs that do not fill a batch of their stratum.
///
/// A stratum of `n` pairs has `n / batch_size` batches of its own an epoch; the rest of it, `n % batch_size` pairs, is left over.
/// A stratum of fewer pairs than a batch, or than `min_stratum`, is left over as a whole. Which pairs of a larger
/// stratum are left over differs from epoch to epoch.
///
/// | | pairs an epoch | batches of one stratum |
/// | --- | --- | --- |
/// | [`Drop`](Self::Drop) | each at most once | all |
/// | [`Carry`](Self::Carry) | after `E` epochs each `E` or `E - 1` times | all but those of small strata |
/// | [`Merge`](Self::Merge) | each once | all but the leftovers', which are of few strata near each other |
/// | [`Mix`](Self::Mix) | each once | all but the leftovers', which are of any strata |
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Leftovers, StratifiedConfig};
///
/// // Strata of 5 and 3 pairs, batches of 2.
/// let labels = [0, 0, 0, 0, 0, 1, 1, 1];
/// let seen = |leftovers| {
///     let sampler = StratifiedConfig::new(2).with_leftovers(leftovers).build(&labels)?;
///     Ok::<_, stratified_sampler::SamplerError>((sampler.report(0).seen, sampler.report(0).mixed))
/// };
/// assert_eq!(seen(Leftovers::Drop)?, (6, 0));
/// assert_eq!(seen(Leftovers::Carry)?, (6, 0));
/// assert_eq!(seen(Leftovers::Merge)?, (8, 1));
/// assert_eq!(seen(Leftovers::Mix)?, (8, 1));
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leftovers {
    /// They are not drawn in this epoch. Pairs of strata smaller than a batch are never drawn.
    Drop,
    /// They begin the stratum's next epoch: each stratum is one endless stream, cut into batches. The number of batches may differ by one
    /// a stratum from epoch to epoch.
    ///
    /// No batch has a pair twice: where the order of one epoch meets the next within a batch, a pair of the new order that the
    /// batch already has changes places with the first later one that it has not. A stratum of fewer than two batches keeps
    /// its order for about `batch_size / (n - batch_size)` epochs.
    ///
    /// The small strata together are one more stream, of mixed batches. If together they do not fill a batch, they are one short batch
    /// at the end of each epoch.
    ///
    /// The first batch asked for of another epoch counts the batches of all strata, some nanoseconds each; the others do not.
    Carry,
    /// They share batches with those of the nearest strata. All leftovers stand in one line, each stratum's next to those of
    /// the strata that it is nearest to, and the line is cut into batches from a place on that differs from epoch to epoch
    /// (its end goes on at its beginning). The last batch may be short.
    ///
    /// A stratum's nearest is what [`StratifiedConfig::build_with_nearest`] is given, else the smallest other
    /// stratum, so that the line is then in ascending order of size. The map's trees are lined up in preorder from the smallest
    /// stratum of their cycle, smaller strata first.
    Merge,
    /// They share batches with any others: all leftovers are dealt out, so that each batch has pairs of all of them, in runs of a
    /// stratum that are at most 1/128 of a batch, or one pair, long. The last batch may be short.
    ///
    /// The default, because nothing is lost and an epoch has the same number of batches as [`Uniform`](crate::Uniform)'s, so that the
    /// two compare at equal steps and equal pairs; and a mixed batch favours no stratum.
    #[default]
    Mix,
}

impl Leftovers {
    /// Every policy.
    pub const ALL: [Self; 4] = [Self::Drop, Self::Carry, Self::Merge, Self::Mix];

    /// Returns the name in configurations, which is what parses to it.
    ///
    /// # Examples
    /// ```
    /// use stratified_sampler::Leftovers;
    ///
    /// assert_eq!("carry".parse(), Ok(Leftovers::Carry));
    /// assert_eq!(Leftovers::Carry.name(), "carry");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Carry => "carry",
            Self::Merge => "merge",
            Self::Mix => "mix",
        }
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Leftovers {
    type Err = SamplerError;

    fn from_str(name: &str) -> Result<Self, SamplerError> {
        let named = Self::ALL.into_iter().find(|leftovers| leftovers.name() == name);
        named.ok_or_else(|| SamplerError::UnknownLeftovers { name: name.to_owned() })
    }
}

/// Settings of [`Stratified`](crate::Stratified).
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Leftovers, StratifiedConfig};
///
/// let config = StratifiedConfig::new(2).with_leftovers(Leftovers::Drop).with_seed(1);
/// let sampler = config.build(&[5, 5, 8, 8, 8])?;
/// assert_eq!(sampler.len(0), 2);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StratifiedConfig {
    /// Pairs of a batch, at least 1.
    pub batch_size: usize,
    /// What becomes of the pairs that fill no batch of their stratum.
    #[serde(default)]
    pub leftovers: Leftovers,
    /// Seed of all orders; 0 by default.
    #[serde(default)]
    pub seed: u64,
    /// Whether to leave out a last batch of fewer pairs; `false` by default.
    #[serde(default)]
    pub drop_last: bool,
    /// The fewest pairs of a stratum with batches of its own; 0 by default. Smaller strata are left over as a whole, as are
    /// those smaller than a batch.
    #[serde(default)]
    pub min_stratum: usize,
    /// The fewest pairs of a stratum that is drawn from at all, whatever becomes of leftovers; 0 by default.
    #[serde(default)]
    pub drop_below: usize,
    /// The most pairs that an epoch draws of a stratum with batches of its own; which ones differs from epoch to epoch.
    /// At least `batch_size` and `min_stratum`; none by default.
    #[serde(default)]
    pub cap: Option<usize>,
    /// How batches are shared out between strata; by size by default. Others need leftovers that do not promise every pair
    /// once: [`Leftovers::Drop`] or [`Leftovers::Carry`].
    #[serde(default)]
    pub weights: Weights,
}

impl StratifiedConfig {
    /// Returns the settings for a batch size, else the defaults.
    pub fn new(batch_size: usize) -> Self {
        Self {
            batch_size,
            leftovers: Leftovers::default(),
            seed: 0,
            drop_last: false,
            min_stratum: 0,
            drop_below: 0,
            cap: None,
            weights: Weights::default(),
        }
    }

    /// Sets what becomes of the pairs that fill no batch of their stratum.
    pub fn with_leftovers(mut self, leftovers: Leftovers) -> Self {
        self.leftovers = leftovers;
        self
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

    /// Sets the fewest pairs of a stratum with batches of its own.
    pub fn with_min_stratum(mut self, min_stratum: usize) -> Self {
        self.min_stratum = min_stratum;
        self
    }

    /// Sets the fewest pairs of a stratum that is drawn from.
    pub fn with_drop_below(mut self, drop_below: usize) -> Self {
        self.drop_below = drop_below;
        self
    }

    /// Sets the most pairs that an epoch draws of one stratum.
    pub fn with_cap(mut self, cap: Option<usize>) -> Self {
        self.cap = cap;
        self
    }

    /// Sets how batches are shared out between strata.
    pub fn with_weights(mut self, weights: Weights) -> Self {
        self.weights = weights;
        self
    }

    /// Checks what can be checked without labels.
    ///
    /// # Errors
    /// [`SamplerError::NoBatchSize`], [`SamplerError::Cap`]; of the weights [`WeightsOfWhole`](SamplerError::WeightsOfWhole),
    /// [`Temperature`](SamplerError::Temperature) and [`Weight`](SamplerError::Weight). [`SamplerError::setting`] names the field.
    pub fn validate(&self) -> Result<(), SamplerError> {
        let (leftovers, at_least) = (self.leftovers, self.batch_size.max(self.min_stratum));
        if self.batch_size == 0 {
            return Err(SamplerError::NoBatchSize);
        }
        if let Some(cap) = self.cap.filter(|cap| *cap < at_least) {
            return Err(SamplerError::Cap { cap, at_least });
        }
        if self.weights != Weights::Size && matches!(leftovers, Leftovers::Merge | Leftovers::Mix) {
            return Err(SamplerError::WeightsOfWhole { leftovers });
        }
        self.weights.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_has_one_name() {
        for leftovers in Leftovers::ALL {
            assert_eq!(leftovers.to_string().parse(), Ok(leftovers));
            assert_eq!(serde_json::to_value(leftovers).unwrap(), leftovers.name());
        }
        let error = "Mix".parse::<Leftovers>().unwrap_err().to_string();
        assert_eq!(error, "no leftovers \"Mix\", expected drop, carry, merge or mix");
    }

    #[test]
    fn every_unusable_setting_is_refused_by_its_name() {
        let usable = StratifiedConfig::new(4).with_leftovers(Leftovers::Drop);
        for (config, name) in [
            (StratifiedConfig::new(0), "batch_size"),
            (usable.clone().with_cap(Some(3)), "cap"),
            (usable.clone().with_min_stratum(6).with_cap(Some(5)), "cap"),
            (StratifiedConfig::new(4).with_weights(Weights::Equal), "weights"),
            (usable.clone().with_weights(Weights::Temperature(0.0)), "weights"),
            (usable.clone().with_weights(Weights::Temperature(f64::NAN)), "weights"),
            (usable.clone().with_weights(Weights::Given(vec![1.0, -1.0])), "weights"),
        ] {
            assert_eq!(config.clone().build(&[0; 8]).unwrap_err().setting(), Some(name), "{config:?}");
        }
        assert_eq!(usable.validate(), Ok(()));
    }
}
