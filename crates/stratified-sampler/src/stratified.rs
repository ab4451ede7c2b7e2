mod leftovers;

use std::fmt;
use std::ops::Range;

use crate::carry::Stream;
use crate::checks::number_of_pairs;
use crate::key::{Key, Purpose};
use crate::last_epoch::LastEpoch;
use crate::line::Line;
use crate::merge;
use crate::permutation::Permutation;
use crate::plan_hash::Hashed;
use crate::schedule::{Counts, Schedule};
use crate::strata::Strata;
use crate::tally;
use crate::weights::Stratum;
use crate::{BatchSampler, Leftovers, PlanHash, PlanReport, SamplerError, StratifiedConfig, Weights};

/// Batches of one stratum each, in an order in which strata come in proportion to their sizes.
///
/// The epoch's batches are shuffled as a whole; only a short batch comes last. A stratum's order of an epoch is a keyed
/// permutation of which any part can be computed alone, so that no order is stored. Memory: 4 bytes a pair, and some tens a
/// stratum. See [`Leftovers`] for the pairs that fill no batch of their stratum, [`Weights`] for other shares than by size.
///
/// # Source
/// Merrick (2024), *Embedding and clustering your data can improve contrastive pretraining*, arXiv 2407.18887, §3: the batches of
/// one cluster, shuffled.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, StratifiedConfig};
///
/// let labels: Vec<u32> = (0..1000).map(|pair| pair % 10).collect();
/// let sampler = StratifiedConfig::new(50).with_seed(1).build(&labels)?;
///
/// let mut batch = Vec::new();
/// for index in 0..sampler.len(0) {
///     sampler.batch(0, index, &mut batch)?;
///     let stratum = labels[batch[0] as usize];
///     assert!(batch.iter().all(|&pair| labels[pair as usize] == stratum));
/// }
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
pub struct Stratified {
    config: StratifiedConfig,
    /// Pairs of a full batch; that of the configuration, as far as it fits.
    batch: u32,
    /// Pairs of a home that an epoch draws, at most.
    cap: u32,
    key: Key,
    strata: Strata,
    /// Batches of each stratum an epoch, where they are not by size.
    shares: Option<Vec<u32>>,
    /// The leftovers of every epoch; of no stratum if they are dropped or carried.
    line: Line,
    schedule: Schedule,
    plan_hash: PlanHash,
}

impl StratifiedConfig {
    /// Returns the sampler of pairs whose strata are `labels`: any numbers, one a pair.
    ///
    /// # Errors
    /// - What [`validate`](Self::validate) finds
    /// - [`SamplerError::NoPairs`], [`SamplerError::TooManyPairs`] beyond 65,535² pairs
    /// - [`SamplerError::NothingToDraw`] if no epoch has a batch: under [`Leftovers::Drop`] if the batch size is above every
    ///   stratum, else if `drop_last` leaves out the only batch
    /// - [`SamplerError::NoStratumLeft`] if no epoch has a batch because every stratum is below `min_stratum` or `drop_below`
    /// - Of the weights [`WeightsTooShort`](SamplerError::WeightsTooShort) and [`NoWeight`](SamplerError::NoWeight)
    pub fn build(self, labels: &[u32]) -> Result<Stratified, SamplerError> {
        Stratified::new(self, labels, None)
    }

    /// Returns the sampler of pairs whose strata are `labels`, where stratum `s` is nearest to stratum `nearest[s]`, which
    /// [`Leftovers::Merge`] follows. Labels without pairs need an entry too, if larger ones have pairs.
    ///
    /// # Errors
    /// Those of [`build`](Self::build), and
    /// [`SamplerError::NearestTooShort`], [`SamplerError::NearestToItself`], [`SamplerError::NearestOutOfRange`].
    ///
    /// # Examples
    /// ```
    /// use stratified_sampler::{BatchSampler, Leftovers, StratifiedConfig};
    ///
    /// // Four strata of two pairs; 0 and 2 are near each other, so are 1 and 3.
    /// let labels = [0, 0, 1, 1, 2, 2, 3, 3];
    /// let config = StratifiedConfig::new(8).with_leftovers(Leftovers::Merge);
    /// let sampler = config.build_with_nearest(&labels, &[2, 3, 0, 1])?;
    /// let strata: Vec<u32> = sampler.plan(0).iter().map(|&pair| labels[pair as usize]).collect();
    /// assert!((0..8).all(|at| [0, 2, 1, 3, 0].windows(2).any(|near| {
    ///     [strata[at], strata[(at + 1) % 8]] == *near || strata[at] == strata[(at + 1) % 8]
    /// })));
    /// # Ok::<(), stratified_sampler::SamplerError>(())
    /// ```
    pub fn build_with_nearest(self, labels: &[u32], nearest: &[u32]) -> Result<Stratified, SamplerError> {
        Stratified::new(self, labels, Some(nearest))
    }
}

impl Stratified {
    pub(crate) fn new(config: StratifiedConfig, labels: &[u32], nearest: Option<&[u32]>) -> Result<Self, SamplerError> {
        config.validate()?;
        number_of_pairs(labels.len())?;
        if let Some(nearest) = nearest {
            merge::check(nearest, labels.iter().copied().max().unwrap_or(0))?;
        }
        let at_least = config.batch_size.max(config.min_stratum);
        // What does not fit is larger than any stratum, and so is the largest u32, which no number of pairs reaches.
        let batch = u32::try_from(config.batch_size).unwrap_or(u32::MAX);
        let cap = config.cap.map_or(u32::MAX, |cap| u32::try_from(cap).unwrap_or(u32::MAX));
        let strata = Strata::group(labels, at_least, config.drop_below);
        let homes: Vec<Stratum> = (0..strata.homes)
            .map(|stratum| {
                let size = strata.size(stratum);
                Stratum { label: strata.labels[stratum], size, batches: size.min(cap) / batch }
            })
            .collect();
        let shares = config.weights.share_out(&homes, cap / batch)?;
        let line = Line::of_leftovers(&strata, config.leftovers, nearest, |stratum| {
            let own = homes.get(stratum).map_or(0, |home| home.batches);
            strata.size(stratum).min(if own > 0 { cap } else { u32::MAX }) - own * batch
        });
        let schedule = match &shares {
            _ if config.leftovers == Leftovers::Carry => Schedule::PerEpoch(LastEpoch::new()),
            Some(shares) => Schedule::Fixed(Counts::new(shares.iter().copied())),
            None => {
                let own = homes.iter().map(|home| home.batches);
                Schedule::Fixed(Counts::new(own.chain([line.pairs() / batch])))
            }
        };
        let key = Key::from_seed(config.seed);
        let plan_hash = plan_hash(&config, &strata, &line);
        let sampler = Self { config, batch, cap, key, strata, shares, line, schedule, plan_hash };
        sampler.check()?;
        Ok(sampler)
    }

    /// Returns the number of strata that have pairs.
    pub fn strata(&self) -> usize {
        self.strata.len()
    }

    /// Returns the settings it was built with.
    pub fn config(&self) -> &StratifiedConfig {
        &self.config
    }

    fn check(&self) -> Result<(), SamplerError> {
        if self.len(0) > 0 {
            return Ok(());
        }
        let largest = match self.config.leftovers {
            Leftovers::Drop => self.strata.largest(),
            _ => self.strata.pairs(),
        } as usize;
        let StratifiedConfig { batch_size, min_stratum, drop_below, .. } = self.config;
        let min_stratum = min_stratum.max(drop_below);
        Err(if largest < batch_size {
            SamplerError::NothingToDraw { batch_size, largest }
        } else {
            SamplerError::NoStratumLeft { min_stratum, largest }
        })
    }

    fn counts(&self, epoch: u64) -> Counts {
        self.schedule.counts(epoch, || Counts::new(self.streams().map(|source| self.stream(source).batches(epoch))))
    }

    /// Whether strata are endless streams, not permuted anew for each epoch.
    fn has_streams(&self) -> bool {
        self.config.leftovers == Leftovers::Carry || self.shares.is_some()
    }

    /// Whether the small strata together are a stream of their own.
    fn small_fill_batches(&self) -> bool {
        self.config.leftovers == Leftovers::Carry && self.strata.small().len() as u32 >= self.batch
    }

    /// Returns the size of the short batch that ends each epoch, 0 if there is none.
    fn short(&self) -> u32 {
        match self.config.leftovers {
            _ if self.config.drop_last => 0,
            Leftovers::Carry if self.small_fill_batches() => 0,
            Leftovers::Carry => self.strata.small().len() as u32,
            _ => self.line.pairs() % self.batch,
        }
    }

    /// Appends the slots of one of a source's full batches.
    fn draw(&self, epoch: u64, (source, nth): (usize, u32), out: &mut Vec<u32>) {
        if self.has_streams() {
            self.stream(source).draw(epoch, nth, out);
            self.strata.fetch(out, self.source_slots(source).start);
        } else if source < self.strata.homes {
            let start = nth * self.batch;
            self.draw_stratum(epoch, source, start..start + self.batch, out);
        } else {
            self.draw_leftovers(epoch, nth, out);
        }
    }

    /// Appends the slots of the short batch.
    fn draw_short(&self, epoch: u64, out: &mut Vec<u32>) {
        if self.config.leftovers == Leftovers::Carry {
            out.extend(self.strata.small());
        } else {
            self.draw_leftovers(epoch, self.line.pairs() / self.batch, out);
        }
    }

    /// Appends slots of a stratum, in the epoch's order.
    fn draw_stratum(&self, epoch: u64, stratum: usize, places: Range<u32>, out: &mut Vec<u32>) {
        let start = self.strata.slots(stratum).start;
        self.strata.draw(&self.order(epoch, stratum), start, places, out);
    }

    /// Returns the epoch's order of a stratum.
    fn order(&self, epoch: u64, stratum: usize) -> Permutation {
        Permutation::new(self.strata.size(stratum), self.stratum_key(stratum).child(epoch))
    }

    fn stratum_key(&self, stratum: usize) -> Key {
        let label = self.strata.labels[stratum];
        self.key.purpose(Purpose::Stratum).child(u64::from(label))
    }

    /// Returns the sources that are streams: strata with batches of their own, then the small ones together.
    fn streams(&self) -> Range<usize> {
        0..self.strata.homes + usize::from(self.small_fill_batches())
    }

    fn stream(&self, source: usize) -> Stream {
        let size = self.source_slots(source).len() as u32;
        let is_home = source < self.strata.homes;
        let take = match &self.shares {
            Some(shares) if is_home => u64::from(shares[source]) * u64::from(self.batch),
            None if is_home => size.min(self.cap).into(),
            _ => size.into(),
        };
        let key = if is_home { self.stratum_key(source) } else { self.key.purpose(Purpose::Leftovers) };
        Stream { size, take, batch: self.batch, key }
    }

    fn source_slots(&self, source: usize) -> Range<u32> {
        if source < self.strata.homes { self.strata.slots(source) } else { self.strata.small() }
    }

    /// Replaces the content of `out` by the slots of a batch.
    fn draw_slots(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        out.clear();
        let counts = self.counts(epoch);
        if index < counts.total() as usize {
            self.draw(epoch, self.source(&counts, epoch, index), out);
        } else if index == counts.total() as usize && self.short() > 0 {
            self.draw_short(epoch, out);
        } else {
            let len = self.len(epoch);
            return Err(SamplerError::PastTheEnd { index, len });
        }
        Ok(())
    }

    /// Returns the source of a full batch, and which of the source's it is.
    fn source(&self, counts: &Counts, epoch: u64, index: usize) -> (usize, u32) {
        let key = self.key.purpose(Purpose::Order).child(epoch);
        counts.source(Permutation::new(counts.total(), key).at(index as u32))
    }
}

impl BatchSampler for Stratified {
    fn len(&self, epoch: u64) -> usize {
        self.full_batches(epoch) + usize::from(self.short() > 0)
    }

    fn full_batches(&self, epoch: u64) -> usize {
        self.counts(epoch).total() as usize
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        self.draw_slots(epoch, index, out)?;
        self.strata.look_up(out);
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.config.batch_size
    }

    fn pairs(&self) -> usize {
        self.strata.pairs() as usize
    }

    fn plan_hash(&self) -> PlanHash {
        self.plan_hash
    }

    fn stratum(&self, epoch: u64, index: usize) -> Option<u32> {
        let counts = self.counts(epoch);
        let full = index < counts.total() as usize;
        let source = full.then(|| self.source(&counts, epoch, index).0)?;
        (source < self.strata.homes).then(|| self.strata.labels[source])
    }

    fn report(&self, epoch: u64) -> PlanReport {
        let draw = |index: usize, out: &mut Vec<u32>| self.draw_slots(epoch, index, out);
        let mut report = tally::of_slots(&self.strata).over(self.len(epoch), self.config.batch_size, draw);
        if self.has_streams() {
            let drawn_from = self.streams().map(|source| self.stream(source)).filter(|stream| stream.take > 0);
            let in_streams: usize = drawn_from.map(|stream| stream.size as usize).sum();
            report.carried = in_streams + self.short() as usize - report.seen;
            report.wasted -= report.carried;
        }
        report
    }
}

impl fmt::Debug for Stratified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stratified")
            .field("config", &self.config)
            .field("pairs", &self.pairs())
            .field("strata", &self.strata())
            .finish_non_exhaustive()
    }
}

fn plan_hash(config: &StratifiedConfig, strata: &Strata, line: &Line) -> PlanHash {
    let StratifiedConfig { batch_size, leftovers, seed, drop_last, min_stratum, drop_below, cap, weights } = config;
    let mut hash = Hashed::new("stratified");
    hash.words([*batch_size as u64, *leftovers as u64, *seed, u64::from(*drop_last)]);
    hash.words([*min_stratum as u64, *drop_below as u64, cap.map_or(u64::MAX, |cap| cap as u64)]);
    match weights {
        Weights::Size => hash.word(0),
        Weights::Equal => hash.word(1),
        Weights::Temperature(temperature) => hash.words([2, temperature.to_bits()]),
        Weights::Given(weights) => hash.words([3].into_iter().chain(weights.iter().map(|weight| weight.to_bits()))),
    }
    strata.hash(&mut hash);
    line.hash(&mut hash);
    hash.finish()
}
