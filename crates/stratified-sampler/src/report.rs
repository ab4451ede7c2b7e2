use serde::{Deserialize, Serialize};

use crate::strata::{Ranks, Strata};
use crate::{BatchSampler, Batches, SamplerError};

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

impl PlanReport {
    /// Returns what an epoch of any sampler draws, seen by the strata `labels`, one a pair: also of a
    /// sampler that knows no strata, or others.
    ///
    /// # Panics
    /// If the sampler draws a pair that has no label, or breaks the contract of [`BatchSampler`].
    #[track_caller]
    pub fn measure<S: BatchSampler + ?Sized>(sampler: &S, epoch: u64, labels: &[u32]) -> Self {
        measure(sampler, epoch, labels.len(), Some(labels))
    }
}

/// Returns what an epoch draws of `pairs` pairs, with one label a pair if there are strata.
pub(crate) fn measure<S: BatchSampler + ?Sized>(
    sampler: &S,
    epoch: u64,
    pairs: usize,
    labels: Option<&[u32]>,
) -> PlanReport {
    let ranks = labels.map(|labels| (labels, Ranks::new(labels)));
    let sizes = ranks.as_ref().map_or(&[][..], |(_, ranks)| &ranks.sizes);
    let stratum = |pair: u32| ranks.as_ref().map(|(labels, ranks)| ranks.of(labels[pair as usize]));
    let mut tally = Tally::new(pairs, sizes.iter().copied(), stratum);
    for batch in Batches::new(sampler, epoch) {
        tally.add(&batch, sampler.batch_size());
    }
    tally.finish()
}

/// Returns what an epoch draws whose batches `draw` gives as slots, so that no label of a pair is needed.
pub(crate) fn measure_slots(
    strata: &Strata,
    batches: usize,
    batch_size: usize,
    draw: impl Fn(usize, &mut Vec<u32>) -> Result<(), SamplerError>,
) -> PlanReport {
    let sizes = (0..strata.len()).map(|stratum| (strata.labels[stratum], strata.size(stratum)));
    let mut tally = Tally::new(strata.pairs() as usize, sizes, |slot| Some(strata.of(slot)));
    let mut batch = Vec::new();
    for index in 0..batches {
        draw(index, &mut batch).expect("an index below the length has a batch");
        tally.add(&batch, batch_size);
    }
    tally.finish()
}

/// The counts of the batches added so far.
struct Tally<F> {
    report: PlanReport,
    purities: f64,
    /// The stratum of a pair, if there are strata.
    stratum: F,
    /// One bit a pair: whether it was drawn.
    seen: Vec<u64>,
    /// How many pairs of the batch each stratum has.
    shares: Vec<usize>,
    /// The strata of the batch's pairs.
    strata: Vec<usize>,
}

impl<F: Fn(u32) -> Option<usize>> Tally<F> {
    /// `sizes`: label and size of each stratum.
    fn new(pairs: usize, sizes: impl Iterator<Item = (u32, u32)>, stratum: F) -> Self {
        let reports = sizes.map(|(label, size)| {
            let size = size as usize;
            StratumReport { label, size, batches: 0, leftover: size }
        });
        let report = PlanReport {
            batches: 0,
            full: 0,
            short: 0,
            pure: 0,
            mixed: 0,
            pairs,
            seen: 0,
            repeated: 0,
            carried: 0,
            wasted: 0,
            mixed_pairs: 0,
            mean_purity: None,
            strata: reports.collect(),
        };
        let (seen, shares) = (vec![0; pairs.div_ceil(64)], vec![0; report.strata.len()]);
        Self { report, purities: 0.0, stratum, seen, shares, strata: Vec::new() }
    }

    fn add(&mut self, batch: &[u32], batch_size: usize) {
        self.report.batches += 1;
        self.report.full += usize::from(batch.len() == batch_size);
        let new = self.mark(batch);
        self.report.seen += new;
        self.report.repeated += batch.len() - new;
        match self.largest(batch) {
            Some((stratum, share)) if share == batch.len() => {
                self.report.pure += 1;
                self.purities += 1.0;
                self.report.strata[stratum].batches += 1;
                self.report.strata[stratum].leftover -= new;
            }
            largest => {
                let share = largest.map_or(0, |(_, share)| share);
                self.purities += share as f64 / batch.len() as f64;
                self.report.mixed_pairs += batch.len();
            }
        }
    }

    /// Marks pairs as seen and returns how many were not yet.
    fn mark(&mut self, batch: &[u32]) -> usize {
        let mut new = 0;
        for &pair in batch {
            let (word, bit) = (&mut self.seen[pair as usize / 64], 1 << (pair % 64));
            new += usize::from(*word & bit == 0);
            *word |= bit;
        }
        new
    }

    /// Returns the stratum with the most pairs of a batch, and how many it has.
    fn largest(&mut self, batch: &[u32]) -> Option<(usize, usize)> {
        self.strata.clear();
        self.strata.extend(batch.iter().map_while(|&pair| (self.stratum)(pair)));
        self.strata.iter().for_each(|&stratum| self.shares[stratum] += 1);
        let largest = self.strata.iter().copied().max_by_key(|&stratum| self.shares[stratum])?;
        let share = self.shares[largest];
        self.strata.iter().for_each(|&stratum| self.shares[stratum] = 0);
        Some((largest, share))
    }

    fn finish(self) -> PlanReport {
        let mut report = self.report;
        report.short = report.batches - report.full;
        report.mixed = report.batches - report.pure;
        report.wasted = report.pairs - report.seen;
        if !report.strata.is_empty() && report.batches > 0 {
            report.mean_purity = Some(self.purities / report.batches as f64);
        }
        report.strata.sort_by_key(|stratum| stratum.label);
        report
    }
}
