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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
}
