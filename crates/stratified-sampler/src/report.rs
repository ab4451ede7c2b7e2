use serde::{Deserialize, Serialize};

/// What one epoch of a sampler draws.
///
/// A batch is *pure* if its pairs are of one stratum, else *mixed*; its *purity* is the share of its largest stratum, in `(0, 1]`.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, PlanReport, StratifiedConfig, UniformConfig};
///
/// let labels: Vec<u32> = (0..100).map(|pair| pair % 3).collect();
/// let stratified = StratifiedConfig::new(8).build(&labels)?;
/// let report = stratified.report(0);
/// assert_eq!((report.batches, report.full, report.short), (13, 12, 1));
/// assert_eq!((report.pure, report.mixed), (12, 1));
/// assert_eq!((report.seen, report.wasted), (100, 0));
///
/// // How pure the batches are that know no strata.
/// let uniform = UniformConfig::new(8).build(labels.len())?;
/// assert!(PlanReport::measure(&uniform, 0, &labels).mean_purity < report.mean_purity);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanReport {
    /// The epoch's batches: `full + short`, which is also `pure + mixed`.
    pub batches: usize,
    /// Batches of `batch_size` pairs.
    pub full: usize,
    /// Batches of fewer pairs.
    pub short: usize,
    /// Batches of one stratum.
    pub pure: usize,
    /// Batches of several strata; all batches of a sampler without strata.
    pub mixed: usize,
    /// Pairs there are: `seen + carried + wasted`.
    pub pairs: usize,
    /// Different pairs that the epoch draws.
    pub seen: usize,
    /// Draws of a pair that the epoch has drawn before.
    pub repeated: usize,
    /// Pairs that the epoch does not draw, but a later one draws in its place.
    pub carried: usize,
    /// Pairs that the epoch does not draw, with nothing in their place.
    pub wasted: usize,
    /// Pairs drawn in mixed batches.
    pub mixed_pairs: usize,
    /// Mean purity of the batches; `None` for a sampler without strata.
    pub mean_purity: Option<f64>,
    /// The strata, ascending by label.
    pub strata: Vec<StratumReport>,
}

/// What one epoch draws of one stratum.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, StratifiedConfig};
///
/// let report = StratifiedConfig::new(2).build(&[4, 4, 4, 9, 9, 9])?.report(0);
/// let stratum = &report.strata[0];
/// assert_eq!((stratum.label, stratum.size, stratum.batches, stratum.leftover), (4, 3, 1, 1));
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StratumReport {
    /// The stratum's label.
    pub label: u32,
    /// Its pairs.
    pub size: usize,
    /// Batches of this stratum alone.
    pub batches: usize,
    /// Its pairs that are in none of them.
    pub leftover: usize,
}
