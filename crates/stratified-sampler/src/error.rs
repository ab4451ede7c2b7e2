use crate::{Leftovers, PlanHash};

/// Why a sampler cannot be built or a batch cannot be drawn.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, SamplerError, UniformConfig};
///
/// let sampler = UniformConfig::new(2).build(6)?;
/// let error = sampler.batch(0, 3, &mut Vec::new()).unwrap_err();
/// assert_eq!(error, SamplerError::PastTheEnd { index: 3, len: 3 });
/// assert_eq!(error.to_string(), "no batch 3 in an epoch of 3");
/// # Ok::<(), SamplerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplerError {
    /// There is no pair to draw.
    #[error("no pairs to draw from")]
    NoPairs,
    /// The batch size is zero.
    #[error("batch size 0")]
    NoBatchSize,
    /// More pairs than a `u32` index and the permutations can number.
    #[error("{pairs} pairs, more than the {most} that can be numbered")]
    TooManyPairs {
        /// Pairs given.
        pairs: usize,
        /// The most that are possible.
        most: usize,
    },
    /// No epoch would have a batch.
    #[error("nothing to draw: batch size {batch_size}, largest stratum {largest} pairs")]
    NothingToDraw {
        /// Pairs of a batch.
        batch_size: usize,
        /// Pairs of the largest stratum (all pairs where strata share batches).
        largest: usize,
    },
    /// No stratum is large enough for batches of its own.
    #[error("nothing to draw: strata of at least {min_stratum} pairs, largest stratum {largest} pairs")]
    NoStratumLeft {
        /// The fewest pairs of a stratum with batches of its own.
        min_stratum: usize,
        /// Pairs of the largest stratum.
        largest: usize,
    },
    /// The map of nearest strata has no entry for a label.
    #[error("the map of nearest strata has {length} entries, none for label {label}")]
    NearestTooShort {
        /// Entries of the map.
        length: usize,
        /// The largest label.
        label: u32,
    },
    /// The map of nearest strata names the stratum itself.
    #[error("the map of nearest strata maps label {label} to itself")]
    NearestToItself {
        /// The label.
        label: u32,
    },
    /// The map of nearest strata names a label that it has no entry for.
    #[error("the map of nearest strata maps label {label} to {nearest}, beyond its {length} entries")]
    NearestOutOfRange {
        /// The label.
        label: u32,
        /// What the map says.
        nearest: u32,
        /// Entries of the map.
        length: usize,
    },
    /// The epoch has no batch of that index.
    #[error("no batch {index} in an epoch of {len}")]
    PastTheEnd {
        /// The index asked for.
        index: usize,
        /// Batches of the epoch.
        len: usize,
    },
    /// A temperature of the weights that is not a number above 0.
    #[error("temperature {temperature} of the weights, expected a number above 0")]
    Temperature {
        /// What was given.
        temperature: f64,
    },
    /// A weight that is negative, infinite or no number.
    #[error("weight {weight} of label {label}, expected a number from 0")]
    Weight {
        /// The label.
        label: u32,
        /// Its weight.
        weight: f64,
    },
    /// Fewer weights than labels.
    #[error("{length} weights, none for label {label}")]
    WeightsTooShort {
        /// How many were given.
        length: usize,
        /// A label without one.
        label: u32,
    },
    /// A name that is no [`Leftovers`]'.
    #[error("no leftovers {name:?}, expected drop, carry, merge or mix")]
    UnknownLeftovers {
        /// The name.
        name: String,
    },
    /// No stratum that fills a batch has a weight above 0.
    #[error("the weights of all strata that fill a batch are 0")]
    NoWeight,
    /// Weights other than by size where every pair has to come exactly once.
    #[error("weights other than by size go with leftovers \"drop\" or \"carry\", not \"{leftovers}\"")]
    WeightsOfWhole {
        /// What was asked for.
        leftovers: Leftovers,
    },
    /// A cap that leaves no stratum a batch, or is below the least size of a stratum.
    #[error("a cap of {cap} pairs a stratum, below the {at_least} of a stratum with batches of its own")]
    Cap {
        /// The cap.
        cap: usize,
        /// The larger of `batch_size` and `min_stratum`.
        at_least: usize,
    },
    /// No ranks to share batches between.
    #[error("a world of 0 ranks")]
    NoRanks,
    /// A rank that is not there.
    #[error("rank {rank} in a world of {world}, expected 0 to {}", world - 1)]
    NoSuchRank {
        /// The rank.
        rank: usize,
        /// How many there are.
        world: usize,
    },
    /// Batches that ranks cannot share equally.
    #[error("batch size {batch_size} is no multiple of the {world} ranks")]
    UnevenShares {
        /// Pairs of a batch.
        batch_size: usize,
        /// How many ranks there are.
        world: usize,
    },
    /// A saved position of other batches.
    #[error("the position is of plan {saved}, the sampler's is {here}")]
    OtherPlan {
        /// The hash in the position.
        saved: PlanHash,
        /// The sampler's.
        here: PlanHash,
    },
    /// Text that is no plan hash.
    #[error("{text:?} is no plan hash of 32 hexadecimal digits")]
    NoPlanHash {
        /// The text.
        text: String,
    },
    /// No column of keys.
    #[error("no keys that batches are to have once")]
    NoKeys,
    /// A column of keys that are not the sampler's pairs'.
    #[error("column {column} of the keys has {length}, the sampler {pairs} pairs")]
    KeysOfOthers {
        /// The column, from 0.
        column: usize,
        /// Its keys.
        length: usize,
        /// The pairs.
        pairs: usize,
    },
    /// Kept pairs that are not as many as the sampler's.
    #[error("{kept} pairs are kept, the sampler has {pairs}")]
    KeptOfOthers {
        /// The kept pairs.
        kept: usize,
        /// The sampler's.
        pairs: usize,
    },
    /// Kept pairs that do not ascend, or of which one is past the last pair.
    #[error("kept pair {place} is {pair}, expected ascending ones below {pairs}")]
    NotKept {
        /// Where it is among the kept ones.
        place: usize,
        /// The pair.
        pair: u32,
        /// How many pairs there are.
        pairs: usize,
    },
    /// Strata that cannot have equally many pairs of a batch.
    #[error("{strata_per_batch} strata a batch do not share a batch of {batch_size} equally")]
    UnevenPieces {
        /// Pairs of a batch.
        batch_size: usize,
        /// Strata of a batch.
        strata_per_batch: usize,
    },
    /// Fewer strata than one batch takes.
    #[error("{strata_per_batch} strata a batch of at least {piece} pairs each, only {strata} there are")]
    TooFewStrata {
        /// Strata with enough pairs.
        strata: usize,
        /// Strata of a batch.
        strata_per_batch: usize,
        /// Pairs that a batch takes of one.
        piece: usize,
    },
    /// No samplers to draw from.
    #[error("a curriculum of no samplers")]
    NoSamplers,
    /// A sampler of other pairs or batches than the first, or without a full batch.
    #[error("sampler {sampler} draws batches of {batch_size} out of {pairs} pairs, unlike the first")]
    OtherSampler {
        /// The sampler, from 0.
        sampler: usize,
        /// Pairs of its batches.
        batch_size: usize,
        /// Its pairs.
        pairs: usize,
    },
    /// A sampler that does not begin beyond the one before.
    #[error("a sampler from epoch {} and batch {} on, the one before begins at {} and {}", start.0, start.1, before.0, before.1)]
    NotLater {
        /// Epoch and index where it begins.
        start: (u64, usize),
        /// Where the one before begins.
        before: (u64, usize),
    },
    /// A schedule without a knot.
    #[error("a schedule without knots")]
    NoKnots,
    /// A knot that does not follow the one before, or has not a share for each sampler.
    #[error(
        "knot {index} at {at} with shares {shares:?}: expected a later time than the knot before and {samplers} shares from 0, not all 0"
    )]
    Knot {
        /// The knot, from 0.
        index: usize,
        /// Its time.
        at: f64,
        /// Its shares.
        shares: Vec<f64>,
        /// How many shares there are to be.
        samplers: usize,
    },
}

impl SamplerError {
    /// Returns the field of [`StratifiedConfig`](crate::StratifiedConfig), [`TopicAwareConfig`](crate::TopicAwareConfig) or
    /// [`UniformConfig`](crate::UniformConfig) that was refused, if it was one.
    ///
    /// # Examples
    /// ```
    /// use stratified_sampler::StratifiedConfig;
    ///
    /// let error = StratifiedConfig::new(64).with_cap(Some(10)).validate().unwrap_err();
    /// assert_eq!(error.setting(), Some("cap"));
    /// ```
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::NoBatchSize => Some("batch_size"),
            Self::UnevenPieces { .. } => Some("strata_per_batch"),
            Self::UnknownLeftovers { .. } => Some("leftovers"),
            Self::Cap { .. } => Some("cap"),
            Self::WeightsOfWhole { .. } | Self::Temperature { .. } | Self::Weight { .. } => Some("weights"),
            _ => None,
        }
    }
}
