use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::last_epoch::LastEpoch;
use crate::placement::Placement;
use crate::plan_hash::Hashed;
use crate::sampler::draw;
use crate::{BatchSampler, Labeling, PlanHash, SamplerError};

/// The batches of another sampler, changed so that no two pairs of a batch share a key: not the same passage, not
/// the same query. In-batch negatives are then never positives.
///
/// A pair whose key the batch already has is deferred to the next batch of the same stratum with room that has none of
/// its keys. What the full batches of a stratum cannot hold goes to the mixed batches, if the epoch has any, and into a
/// short one at its end. The pairs that remain are [`unplaced`](Self::unplaced): a key of `m` pairs needs `m` batches.
///
/// The first batch asked for of an epoch compiles it, in time linear in its pairs; the epoch is kept, 4 bytes a pair, until another is
/// asked for. So ask for epochs one after another.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Batches, UniformConfig, UniqueBy};
///
/// // Each passage answers three queries.
/// let passages: Vec<u32> = (0..300).map(|pair| pair / 3).collect();
/// let uniform = UniformConfig::new(20).build(300)?;
/// let unique = UniqueBy::new(uniform, vec![passages.clone()])?;
/// for batch in Batches::new(&unique, 0) {
///     let mut of_batch: Vec<u32> = batch.iter().map(|&pair| passages[pair as usize]).collect();
///     of_batch.sort();
///     of_batch.dedup();
///     assert_eq!(of_batch.len(), batch.len());
/// }
/// assert_eq!(unique.report(0).seen + unique.unplaced(0).len(), 300);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
pub struct UniqueBy<S> {
    sampler: S,
    keys: Vec<Vec<u32>>,
    drop_last: bool,
    keys_hash: PlanHash,
    compiled: LastEpoch<Arc<Epoch>>,
}

/// A compiled epoch.
struct Epoch {
    /// `batch_size` places a batch, in the order in which they were filled.
    pairs: Vec<u32>,
    /// For each full batch, which one it is and its stratum.
    full: Vec<(u32, Option<u32>)>,
    short: Vec<u32>,
    unplaced: Vec<u32>,
}

impl<S: BatchSampler> UniqueBy<S> {
    /// Returns the sampler whose batches have each key of each column once at most; a column has one key a pair.
    ///
    /// # Errors
    /// [`SamplerError::NoKeys`] without a column, [`SamplerError::KeysOfOthers`] if one has not as many keys as the
    /// sampler has pairs.
    pub fn new(sampler: S, keys: Vec<Vec<u32>>) -> Result<Self, SamplerError> {
        let pairs = sampler.pairs();
        if keys.is_empty() {
            return Err(SamplerError::NoKeys);
        }
        if let Some(column) = keys.iter().position(|keys| keys.len() != pairs) {
            return Err(SamplerError::KeysOfOthers { column, length: keys[column].len(), pairs });
        }
        let mut hash = Hashed::new("keys");
        keys.iter().for_each(|keys| hash.numbers(keys));
        let keys = keys.into_iter().map(dense).collect();
        Ok(Self { sampler, keys, drop_last: false, keys_hash: hash.finish(), compiled: LastEpoch::new() })
    }

    /// Sets whether to leave out a last batch of fewer pairs; `false` by default.
    pub fn with_drop_last(mut self, drop_last: bool) -> Self {
        self.drop_last = drop_last;
        self.compiled = LastEpoch::new();
        self
    }

    /// Returns the pairs that the sampler draws in an epoch, but no batch could hold.
    pub fn unplaced(&self, epoch: u64) -> Vec<u32> {
        self.epoch(epoch).unplaced.clone()
    }

    fn epoch(&self, epoch: u64) -> Arc<Epoch> {
        self.compiled.get(epoch, || Arc::new(self.compile(epoch)))
    }

    fn compile(&self, epoch: u64) -> Epoch {
        let mut groups: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
        for index in 0..self.sampler.len(epoch) {
            groups.entry(self.sampler.stratum(epoch, index)).or_default().push(index);
        }
        let mixed = groups.remove(&None);
        let (mut placement, mut batch, mut rest) =
            (Placement::new(&self.keys, self.batch_size()), Vec::new(), Vec::new());
        // Where each full batch comes in the epoch, which one it is, and its stratum.
        let mut full: Vec<(usize, u32, Option<u32>)> = Vec::new();
        for (stratum, indices) in groups {
            let first = placement.len();
            placement.open(indices.len());
            for &index in &indices {
                draw(&self.sampler, epoch, index, &mut batch);
                placement.place_all(&batch, first, |_, pair| rest.push(pair));
            }
            let mut places = indices.into_iter();
            for filled in first..placement.len() {
                match placement.is_full(filled) {
                    true => full.extend(places.next().map(|place| (place, filled as u32, stratum))),
                    false => rest.extend(placement.batch(filled)),
                }
            }
        }
        let Some(indices) = mixed else { return Epoch::new(full, Vec::new(), rest, placement) };

        let first = placement.len();
        let in_another = |placement: &mut Placement<'_>, pair| {
            placement.open(1);
            placement.place(pair, first);
        };
        for &index in &indices {
            draw(&self.sampler, epoch, index, &mut batch);
            placement.place_all(&batch, first, in_another);
        }
        placement.place_all(&rest, first, in_another);
        let mut places = indices.into_iter().chain(self.sampler.len(epoch)..);
        let mut partial = Vec::new();
        for filled in first..placement.len() {
            match placement.is_full(filled) {
                true => full.extend(places.next().map(|place| (place, filled as u32, None))),
                false => partial.push(filled),
            }
        }
        let longest = partial.iter().copied().rev().max_by_key(|&filled| placement.batch(filled).len());
        let short = longest.filter(|_| !self.drop_last);
        let unplaced = partial.into_iter().filter(|&filled| Some(filled) != short);
        let unplaced = unplaced.flat_map(|filled| placement.batch(filled)).copied().collect();
        let short = short.map_or_else(Vec::new, |filled| placement.batch(filled).to_vec());
        Epoch::new(full, short, unplaced, placement)
    }
}

impl Epoch {
    fn new(
        mut full: Vec<(usize, u32, Option<u32>)>,
        short: Vec<u32>,
        unplaced: Vec<u32>,
        placement: Placement<'_>,
    ) -> Self {
        full.sort_unstable();
        let full = full.into_iter().map(|(_, filled, stratum)| (filled, stratum)).collect();
        Self { pairs: placement.into_pairs(), full, short, unplaced }
    }

    fn len(&self) -> usize {
        self.full.len() + usize::from(!self.short.is_empty())
    }
}

impl<S: BatchSampler> BatchSampler for UniqueBy<S> {
    fn len(&self, epoch: u64) -> usize {
        self.epoch(epoch).len()
    }

    fn full_batches(&self, epoch: u64) -> usize {
        self.epoch(epoch).full.len()
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        out.clear();
        let (epoch, size) = (self.epoch(epoch), self.batch_size());
        match epoch.full.get(index) {
            Some(&(filled, _)) => out.extend_from_slice(&epoch.pairs[filled as usize * size..][..size]),
            None if index < epoch.len() => out.extend_from_slice(&epoch.short),
            None => return Err(SamplerError::PastTheEnd { index, len: epoch.len() }),
        }
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.sampler.batch_size()
    }

    fn pairs(&self) -> usize {
        self.sampler.pairs()
    }

    fn plan_hash(&self) -> PlanHash {
        let parts = [self.sampler.plan_hash().parts(), self.keys_hash.parts(), [self.drop_last.into(), 0]];
        PlanHash::of("unique by", parts.into_iter().flatten())
    }

    fn stratum(&self, epoch: u64, index: usize) -> Option<u32> {
        self.epoch(epoch).full.get(index).and_then(|&(_, stratum)| stratum)
    }
}

impl<S: fmt::Debug> fmt::Debug for UniqueBy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueBy")
            .field("sampler", &self.sampler)
            .field("columns", &self.keys.len())
            .field("drop_last", &self.drop_last)
            .finish_non_exhaustive()
    }
}

/// The same keys, numbered without large gaps, because [`Placement`] has 4 bytes for every number up to the largest key.
fn dense(keys: Vec<u32>) -> Vec<u32> {
    match keys.iter().max() {
        Some(&largest) if largest as usize > 2 * keys.len() => Labeling::by(keys).labels,
        _ => keys,
    }
}
