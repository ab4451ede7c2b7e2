use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::checks::{check_index, number_of_pairs};
use crate::key::{Key, Purpose};
use crate::last_epoch::LastEpoch;
use crate::permutation::Permutation;
use crate::placement::Placement;
use crate::plan_hash::Hashed;
use crate::schedule::Counts;
use crate::strata::Strata;
use crate::tally;
use crate::{BatchSampler, PlanHash, PlanReport, SamplerError};

/// Settings of [`TopicAware`].
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, TopicAwareConfig};
///
/// let labels: Vec<u32> = (0..100).map(|pair| pair % 5).collect();
/// let sampler = TopicAwareConfig::new(8, 2).with_seed(1).build(&labels)?;
/// assert_eq!(sampler.len(0), 12);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicAwareConfig {
    /// Pairs of a batch, at least 1.
    pub batch_size: usize,
    /// Strata of a batch, each with the same number of pairs; divides `batch_size`.
    pub strata_per_batch: usize,
    /// Seed of all orders; 0 by default.
    #[serde(default)]
    pub seed: u64,
}

impl TopicAwareConfig {
    /// Returns the settings for a batch size and a number of strata in a batch, else the defaults.
    pub fn new(batch_size: usize, strata_per_batch: usize) -> Self {
        Self { batch_size, strata_per_batch, seed: 0 }
    }

    /// Sets the seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks what can be checked without labels.
    ///
    /// # Errors
    /// [`SamplerError::NoBatchSize`], [`SamplerError::UnevenPieces`] if `strata_per_batch` does not divide the batch size.
    pub fn validate(&self) -> Result<(), SamplerError> {
        match *self {
            Self { batch_size: 0, .. } => Err(SamplerError::NoBatchSize),
            Self { batch_size, strata_per_batch, .. }
                if strata_per_batch == 0 || !batch_size.is_multiple_of(strata_per_batch) =>
            {
                Err(SamplerError::UnevenPieces { batch_size, strata_per_batch })
            }
            _ => Ok(()),
        }
    }

    /// Returns the sampler of pairs whose strata are `labels`: any numbers, one a pair.
    ///
    /// # Errors
    /// - What [`validate`](Self::validate) finds
    /// - [`SamplerError::NoPairs`], [`SamplerError::TooManyPairs`] beyond 65,535² pairs
    /// - [`SamplerError::TooFewStrata`] if fewer strata have the pairs that a batch takes of one
    pub fn build(self, labels: &[u32]) -> Result<TopicAware, SamplerError> {
        TopicAware::new(self, labels)
    }
}

/// Batches of a few strata each, with equally many pairs of each: a middle between batches of one stratum and uniform ones.
///
/// In each epoch every stratum is permuted and cut into pieces of `batch_size / strata_per_batch` pairs, the pieces of
/// all strata are shuffled, and each goes to the first batch with room that has none of its stratum. Where a stratum has
/// more pieces than there are batches, some batches have several of them. What fills no piece, or no batch in the end, is not
/// drawn in this epoch: fewer pairs than a piece of each stratum, and than a batch.
///
/// The first batch asked for of an epoch compiles it, in time linear in its pieces; the epoch is kept, 4 bytes a piece.
///
/// # Source
/// Hofstätter et al. (2021), *Efficiently teaching an effective dense retriever with balanced topic aware sampling*, SIGIR, §3.1;
/// there strata are drawn anew for each batch, here without replacement.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, TopicAwareConfig};
///
/// let labels: Vec<u32> = (0..100).map(|pair| pair % 5).collect();
/// let sampler = TopicAwareConfig::new(8, 2).build(&labels)?;
/// let mut batch = Vec::new();
/// sampler.batch(0, 3, &mut batch)?;
/// let strata: Vec<u32> = batch.iter().map(|&pair| labels[pair as usize]).collect();
/// assert!(strata[..4].iter().all(|&stratum| stratum == strata[0]));
/// assert!(strata[4..].iter().all(|&stratum| stratum == strata[4]));
/// assert_ne!(strata[0], strata[4]);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
pub struct TopicAware {
    config: TopicAwareConfig,
    /// Pairs of a piece.
    piece: u32,
    key: Key,
    strata: Strata,
    /// The pieces of each stratum.
    pieces: Counts,
    plan_hash: PlanHash,
    compiled: LastEpoch<Arc<[u32]>>,
}

impl TopicAware {
    fn new(config: TopicAwareConfig, labels: &[u32]) -> Result<Self, SamplerError> {
        config.validate()?;
        let TopicAwareConfig { batch_size, strata_per_batch, seed } = config;
        number_of_pairs(labels.len())?;
        let strata = Strata::group(labels, batch_size / strata_per_batch, 0);
        if strata.homes < strata_per_batch {
            let (strata, piece) = (strata.homes, batch_size / strata_per_batch);
            return Err(SamplerError::TooFewStrata { strata, strata_per_batch, piece });
        }
        // A stratum of so many pairs is there, so the piece fits.
        let piece = (batch_size / strata_per_batch) as u32;
        let pieces = Counts::new((0..strata.homes).map(|stratum| strata.size(stratum) / piece));
        let mut hash = Hashed::new("topic aware");
        hash.words([batch_size as u64, strata_per_batch as u64, seed]);
        strata.hash(&mut hash);
        let (key, plan_hash) = (Key::from_seed(seed).purpose(Purpose::Topics), hash.finish());
        Ok(Self { config, piece, key, strata, pieces, plan_hash, compiled: LastEpoch::new() })
    }

    /// Returns the pieces of the epoch's batches, `strata_per_batch` each.
    fn epoch(&self, epoch: u64) -> Arc<[u32]> {
        self.compiled.get(epoch, || self.compile(self.key.child(epoch)).into())
    }

    fn compile(&self, key: Key) -> Vec<u32> {
        let (total, together) = (self.pieces.total(), self.config.strata_per_batch);
        let batches = total as usize / together;
        let strata = vec![(0..total).map(|piece| self.pieces.source(piece).0 as u32).collect()];
        let mut placement = Placement::new(&strata, together);
        placement.open(batches);
        let mut shuffled = Vec::new();
        Permutation::new(total, key.child(0)).fill(0..total, &mut shuffled);
        let mut rest = Vec::new();
        placement.place_all(&shuffled, 0, |_, piece| rest.push(piece));
        let (full, partial): (Vec<usize>, Vec<usize>) = (0..batches).partition(|&batch| placement.is_full(batch));
        rest.extend(partial.into_iter().flat_map(|batch| placement.batch(batch)));
        // Those of crowded strata next to others, as far as there are any.
        let order = Permutation::new(rest.len() as u32, key.child(1));
        let mut places = Vec::new();
        order.fill(0..rest.len() as u32, &mut places);
        let rest: Vec<u32> = places.into_iter().map(|place| rest[place as usize]).collect();
        let all: Vec<&[u32]> =
            full.iter().map(|&batch| placement.batch(batch)).chain(rest.chunks_exact(together)).collect();
        let order = Permutation::new(all.len() as u32, key.child(2));
        (0..all.len() as u32).flat_map(|batch| all[order.at(batch) as usize]).copied().collect()
    }

    fn draw_slots(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        out.clear();
        check_index(index, self.len(epoch))?;
        let together = self.config.strata_per_batch;
        for &piece in &self.epoch(epoch)[index * together..][..together] {
            let (stratum, nth) = self.pieces.source(piece);
            // The children before are those of `compile`.
            let key = self.key.child(epoch).child(3).child(u64::from(self.strata.labels[stratum]));
            let order = Permutation::new(self.strata.size(stratum), key);
            let start = nth * self.piece;
            self.strata.draw(&order, self.strata.slots(stratum).start, start..start + self.piece, out);
        }
        Ok(())
    }
}

impl BatchSampler for TopicAware {
    fn len(&self, _epoch: u64) -> usize {
        self.pieces.total() as usize / self.config.strata_per_batch
    }

    fn full_batches(&self, epoch: u64) -> usize {
        self.len(epoch)
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

    fn report(&self, epoch: u64) -> PlanReport {
        let draw = |index: usize, out: &mut Vec<u32>| self.draw_slots(epoch, index, out);
        tally::of_slots(&self.strata).over(self.len(epoch), self.config.batch_size, draw)
    }
}

impl fmt::Debug for TopicAware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicAware").field("config", &self.config).field("pairs", &self.pairs()).finish_non_exhaustive()
    }
}
