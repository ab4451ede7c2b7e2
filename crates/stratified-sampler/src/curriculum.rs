use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::checks::check_index;
use crate::last_epoch::LastEpoch;
use crate::plan_hash::Hashed;
use crate::{BatchSampler, PlanHash, SamplerError};

/// What [`Knot::at`] counts.
///
/// # Examples
/// ```
/// assert_eq!(serde_json::to_string(&stratified_sampler::Clock::Epochs)?, r#""epochs""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Batches since the first of epoch 0.
    Steps,
    /// Epochs, of which a batch is a fraction.
    Epochs,
}

/// How shares go from one knot to the next.
///
/// # Examples
/// ```
/// assert_eq!(stratified_sampler::Between::default(), stratified_sampler::Between::Linear);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Between {
    /// In a straight line. The default.
    #[default]
    Linear,
    /// They stay as they are until the next knot.
    Constant,
}

/// The shares of the samplers at one time.
///
/// # Examples
/// ```
/// use stratified_sampler::Knot;
///
/// // Three of four batches are the second sampler's.
/// let knot = Knot { at: 2.0, shares: vec![1.0, 3.0] };
/// assert_eq!(knot.shares.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knot {
    /// The time, from 0.
    pub at: f64,
    /// One share a sampler, from 0; only their proportions matter.
    pub shares: Vec<f64>,
}

/// Settings of [`Curriculum`].
///
/// # Examples
/// ```
/// use stratified_sampler::{Between, Clock, CurriculumConfig, Knot};
///
/// // From uniform batches to those of coarse, then of fine clusters, each for two epochs.
/// let stages = CurriculumConfig::stages(Clock::Epochs, &[0.0, 2.0, 4.0]);
/// // The second sampler's share rises from nothing to all of the first 1000 batches.
/// let rising = CurriculumConfig::rising(Clock::Steps, 0.0, 1000.0);
/// // Anything else.
/// let knots = vec![Knot { at: 0.0, shares: vec![1.0, 0.0] }, Knot { at: 3.0, shares: vec![1.0, 1.0] }];
/// let other = CurriculumConfig { clock: Clock::Epochs, between: Between::Constant, knots };
/// # let _ = (stages, rising, other);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurriculumConfig {
    /// What time is counted in.
    pub clock: Clock,
    /// How shares go from one knot to the next; in a straight line by default.
    #[serde(default)]
    pub between: Between,
    /// Shares over time, ascending. Before the first and after the last they are as there.
    pub knots: Vec<Knot>,
}

impl CurriculumConfig {
    /// Returns the schedule in which each sampler begins at a time of its own and ends the one before.
    pub fn stages(clock: Clock, starts: &[f64]) -> Self {
        let shares = |stage| (0..starts.len()).map(|sampler| f64::from(u8::from(sampler == stage))).collect();
        let knots = starts.iter().enumerate().map(|(stage, &at)| Knot { at, shares: shares(stage) });
        Self { clock, between: Between::Constant, knots: knots.collect() }
    }

    /// Returns the schedule of two samplers in which the share of the second rises in a straight line, from nothing at
    /// `from` to all batches at `to`.
    pub fn rising(clock: Clock, from: f64, to: f64) -> Self {
        let knots = vec![Knot { at: from, shares: vec![1.0, 0.0] }, Knot { at: to, shares: vec![0.0, 1.0] }];
        Self { clock, between: Between::Linear, knots }
    }

    /// Checks the schedule over so many samplers.
    ///
    /// # Errors
    /// [`SamplerError::NoSamplers`], [`SamplerError::NoKnots`], [`SamplerError::Knot`] if a knot has not one share a sampler,
    /// from 0 and not all 0, or does not follow the knot before.
    pub fn validate(&self, samplers: usize) -> Result<(), SamplerError> {
        match (samplers, self.knots.as_slice()) {
            (0, _) => return Err(SamplerError::NoSamplers),
            (_, []) => return Err(SamplerError::NoKnots),
            _ => (),
        }
        let follows = |index: usize, at: f64| match index {
            0 => at >= 0.0,
            _ => at > self.knots[index - 1].at,
        };
        let good = |index: usize, Knot { at, shares }: &Knot| {
            let total: f64 = shares.iter().sum();
            let are_shares = shares.len() == samplers && shares.iter().all(|share| *share >= 0.0);
            at.is_finite() && follows(index, *at) && are_shares && total > 0.0 && total.is_finite()
        };
        match self.knots.iter().enumerate().find(|(index, knot)| !good(*index, knot)) {
            Some((index, Knot { at, shares })) => {
                Err(SamplerError::Knot { index, at: *at, shares: shares.clone(), samplers })
            }
            None => Ok(()),
        }
    }

    /// Returns the sampler that draws the batches of others by this schedule.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds, [`SamplerError::OtherSampler`] if their batch sizes or numbers of pairs differ,
    /// [`SamplerError::NothingToDraw`] if one has no full batch.
    pub fn build<S: BatchSampler>(self, samplers: Vec<S>) -> Result<Curriculum<S>, SamplerError> {
        let Some(first) = samplers.first() else { return Err(SamplerError::NoSamplers) };
        let (batch_size, pairs) = (first.batch_size(), first.pairs());
        for (sampler, other) in samplers.iter().enumerate() {
            if (other.batch_size(), other.pairs()) != (batch_size, pairs) {
                return Err(SamplerError::OtherSampler {
                    sampler,
                    batch_size: other.batch_size(),
                    pairs: other.pairs(),
                });
            }
            if other.full_batches(0) == 0 {
                return Err(SamplerError::NothingToDraw { batch_size, largest: pairs });
            }
        }
        self.validate(samplers.len())?;
        let schedule = Schedule::new(self);
        let start = Cursor { owed: vec![0.0; samplers.len()], next: vec![Place::default(); samplers.len()] };
        Ok(Curriculum { schedule, samplers, starts: Mutex::new(vec![start]), drawn: LastEpoch::new() })
    }
}

/// Batches of several samplers by a schedule: uniform ones first, then those of coarse clusters, then of fine ones, or a share of
/// clustered ones that rises.
///
/// An epoch has `pairs / batch_size` batches, all of them full. The next batch is of the sampler that is owed most: what its shares
/// add up to, less what it has drawn. None gets ahead of its shares by a whole batch; one without a share draws nothing, and what it is still
/// owed goes to the others. Each goes through its own epochs
/// at its own pace, so that it has drawn all its batches before it draws a pair again, however small its share is. Samplers know
/// nothing of each other: within an epoch of the curriculum two of them may draw the same pair, which the report counts. A short last
/// batch of theirs is passed over.
///
/// The first batch asked for of an epoch goes through the schedule from the last known epoch on, some nanoseconds a batch; the
/// epoch is kept, 24 bytes a batch.
///
/// # Source
/// Merrick (2024), arXiv 2407.18887, §5.1: in the first few hundred steps strata gain almost nothing, which suggests to begin without.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Clock, CurriculumConfig, StratifiedConfig, UniformConfig};
///
/// let labels: Vec<u32> = (0..1000).map(|pair| pair % 10).collect();
/// let samplers: Vec<Box<dyn BatchSampler>> = vec![
///     Box::new(UniformConfig::new(20).build(labels.len())?),
///     Box::new(StratifiedConfig::new(20).build(&labels)?),
/// ];
/// let curriculum = CurriculumConfig::rising(Clock::Epochs, 0.0, 2.0).build(samplers)?;
///
/// let clustered = |epoch| (0..50).filter(|&index| curriculum.sampler(epoch, index) == 1).count();
/// assert_eq!((clustered(0), clustered(1), clustered(2)), (12, 38, 50));
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
pub struct Curriculum<S> {
    schedule: Schedule,
    samplers: Vec<S>,
    /// Where each epoch begins, up to one.
    starts: Mutex<Vec<Cursor>>,
    drawn: LastEpoch<Arc<[Drawn]>>,
}

/// The knots, with shares that add up to 1.
struct Schedule(CurriculumConfig);

/// Where the schedule stands.
#[derive(Clone)]
struct Cursor {
    /// What each sampler is owed: its shares so far, less the batches drawn.
    owed: Vec<f64>,
    /// Each sampler's next batch.
    next: Vec<Place>,
}

/// A batch of one sampler.
#[derive(Clone, Copy, Default)]
struct Place {
    epoch: u64,
    index: usize,
}

/// A batch of the curriculum.
#[derive(Clone, Copy)]
struct Drawn {
    sampler: u32,
    place: Place,
}

impl Schedule {
    fn new(mut config: CurriculumConfig) -> Self {
        for Knot { shares, .. } in &mut config.knots {
            let total: f64 = shares.iter().sum();
            shares.iter_mut().for_each(|share| *share /= total);
        }
        Self(config)
    }

    /// Returns the shares at a time.
    fn shares(&self, time: f64) -> impl Iterator<Item = f64> {
        let knots = &self.0.knots;
        let after = knots.partition_point(|knot| knot.at <= time);
        let before = &knots[after.saturating_sub(1)];
        let next = knots.get(after).unwrap_or(before);
        let part = match self.0.between {
            Between::Linear if after > 0 && after < knots.len() => (time - before.at) / (next.at - before.at),
            _ => 0.0,
        };
        before.shares.iter().zip(&next.shares).map(move |(from, to)| from + part * (to - from))
    }
}

impl<S: BatchSampler> Curriculum<S> {
    /// Returns which sampler draws a batch, from 0.
    ///
    /// # Panics
    /// If the epoch has no such batch.
    #[track_caller]
    pub fn sampler(&self, epoch: u64, index: usize) -> usize {
        self.epoch(epoch)[index].sampler as usize
    }

    fn batches(&self) -> usize {
        self.pairs() / self.batch_size()
    }

    fn epoch(&self, epoch: u64) -> Arc<[Drawn]> {
        self.drawn.get(epoch, || self.go_to(epoch).into())
    }

    /// Returns the batches of an epoch, and keeps where it and those before it begin.
    fn go_to(&self, epoch: u64) -> Vec<Drawn> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = epoch.min(starts.len() as u64 - 1);
        let mut cursor = starts[known as usize].clone();
        let mut drawn = Vec::new();
        for epoch in known..=epoch {
            if epoch as usize == starts.len() {
                starts.push(cursor.clone());
            }
            drawn.clear();
            self.go_through(epoch, &mut cursor, &mut drawn);
        }
        drawn
    }

    /// Moves the cursor on by an epoch, and appends its batches.
    fn go_through(&self, epoch: u64, cursor: &mut Cursor, drawn: &mut Vec<Drawn>) {
        let (batches, mut shares) = (self.batches(), Vec::new());
        let mut full: Vec<usize> =
            self.samplers.iter().zip(&cursor.next).map(|(s, next)| s.full_batches(next.epoch)).collect();
        for index in 0..batches {
            let time = match self.schedule.0.clock {
                Clock::Steps => epoch as f64 * batches as f64 + index as f64,
                Clock::Epochs => epoch as f64 + index as f64 / batches as f64,
            };
            let sampler = cursor.choose(self.schedule.shares(time), &mut shares);
            let next = &mut cursor.next[sampler];
            while next.index >= full[sampler] {
                *next = Place { epoch: next.epoch.wrapping_add(1), index: 0 };
                full[sampler] = self.samplers[sampler].full_batches(next.epoch);
            }
            drawn.push(Drawn { sampler: sampler as u32, place: *next });
            next.index += 1;
        }
    }
}

impl Cursor {
    /// Adds shares, and returns the sampler that is then owed most, of equals the first.
    fn choose(&mut self, now: impl Iterator<Item = f64>, shares: &mut Vec<f64>) -> usize {
        shares.clear();
        shares.extend(now);
        // What samplers without a share are owed goes to the others.
        let mut over = 1.0;
        for (owed, _) in self.owed.iter_mut().zip(&*shares).filter(|(_, share)| **share == 0.0) {
            over += std::mem::take(owed);
        }
        let with_share = self.owed.iter_mut().zip(&*shares).enumerate().filter(|(_, (_, share))| **share > 0.0);
        let mut most = (0, f64::NEG_INFINITY);
        for (sampler, (owed, share)) in with_share {
            *owed += share * over;
            if *owed > most.1 {
                most = (sampler, *owed);
            }
        }
        self.owed[most.0] -= 1.0;
        most.0
    }
}

impl<S: BatchSampler> BatchSampler for Curriculum<S> {
    fn len(&self, _epoch: u64) -> usize {
        self.batches()
    }

    fn full_batches(&self, _epoch: u64) -> usize {
        self.batches()
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        out.clear();
        check_index(index, self.batches())?;
        let Drawn { sampler, place } = self.epoch(epoch)[index];
        self.samplers[sampler as usize].batch(place.epoch, place.index, out)
    }

    fn batch_size(&self) -> usize {
        self.samplers[0].batch_size()
    }

    fn pairs(&self) -> usize {
        self.samplers[0].pairs()
    }

    fn plan_hash(&self) -> PlanHash {
        let CurriculumConfig { clock, between, knots } = &self.schedule.0;
        let mut hash = Hashed::new("curriculum");
        hash.words([*clock as u64, *between as u64, knots.len() as u64]);
        for Knot { at, shares } in knots {
            hash.words([at].into_iter().chain(shares).map(|number| number.to_bits()));
        }
        hash.words(self.samplers.iter().flat_map(|sampler| sampler.plan_hash().parts()));
        hash.finish()
    }

    fn stratum(&self, epoch: u64, index: usize) -> Option<u32> {
        let Drawn { sampler, place } = *self.epoch(epoch).get(index)?;
        self.samplers[sampler as usize].stratum(place.epoch, place.index)
    }
}

impl<S: fmt::Debug> fmt::Debug for Curriculum<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curriculum")
            .field("config", &self.schedule.0)
            .field("samplers", &self.samplers)
            .finish_non_exhaustive()
    }
}
