use std::sync::Arc;

use crate::{PlanHash, PlanReport, SamplerError, tally};

/// Batches of pair indices, each a pure function of the epoch and the batch's index.
///
/// A sampler holds no state that drawing changes: batches may be asked for in any order, by any thread, any number of
/// times, and are the same on every platform. To resume is to go on at an index.
///
/// # Contract
/// - `batch(epoch, index, _)` succeeds for every `index` below `len(epoch)`, and for no other.
/// - A batch has [`batch_size`](Self::batch_size) pairs, no pair twice; only the last batch of an epoch may have fewer.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, StratifiedConfig, UniformConfig};
///
/// let labels = [0, 1, 0, 1, 0, 1, 0, 1];
/// let samplers: [Box<dyn BatchSampler>; 2] = [
///     Box::new(StratifiedConfig::new(2).build(&labels)?),
///     Box::new(UniformConfig::new(2).build(labels.len())?),
/// ];
/// let mut batch = Vec::new();
/// for sampler in &samplers {
///     assert_eq!(sampler.len(0), 4);
///     sampler.batch(0, 3, &mut batch)?;
///     assert_eq!(batch.len(), 2);
/// }
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
pub trait BatchSampler: Send + Sync {
    /// Returns the number of batches of an epoch.
    fn len(&self, epoch: u64) -> usize;

    /// Replaces the content of `out` by the pair indices of a batch.
    ///
    /// # Errors
    /// [`SamplerError::PastTheEnd`] if `index` is not below `len(epoch)`, and nothing else; `out` is then empty.
    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError>;

    /// Returns the number of pairs of a full batch.
    fn batch_size(&self) -> usize;

    /// Returns the number of pairs there are: every index in a batch is below it.
    fn pairs(&self) -> usize;

    /// Returns a hash of all that the batches follow from: of two samplers with equal hashes, all batches are equal.
    fn plan_hash(&self) -> PlanHash;

    /// Returns the number of batches of an epoch that have [`batch_size`](Self::batch_size) pairs. Unless implemented
    /// otherwise, it draws the last one.
    fn full_batches(&self, epoch: u64) -> usize {
        let mut last = Vec::new();
        let len = self.len(epoch);
        match len.checked_sub(1).map(|index| self.batch(epoch, index, &mut last)) {
            Some(_) if last.len() < self.batch_size() => len - 1,
            _ => len,
        }
    }

    /// Returns the label of the stratum that a batch is drawn from; `None` if it is not drawn from one alone.
    fn stratum(&self, _epoch: u64, _index: usize) -> Option<u32> {
        None
    }

    /// Returns what an epoch draws, counted by drawing all of it. Unless implemented otherwise, it knows no strata;
    /// [`PlanReport::measure`] is told them.
    fn report(&self, epoch: u64) -> PlanReport {
        let draw = |index: usize, out: &mut Vec<u32>| self.batch(epoch, index, out);
        tally::of_pairs(self.pairs()).over(self.len(epoch), self.batch_size(), draw)
    }

    /// Returns the pair indices of an epoch, batch after batch: `plan.chunks(batch_size)` are its batches.
    ///
    /// # Panics
    /// If an implementation breaks the contract above and fails below `len(epoch)`.
    fn plan(&self, epoch: u64) -> Vec<u32> {
        let batches = self.len(epoch);
        let mut plan = Vec::new();
        let mut batch = Vec::new();
        for index in 0..batches {
            draw(self, epoch, index, &mut batch);
            plan.extend_from_slice(&batch);
        }
        plan
    }
}

/// Draws a batch that the epoch has.
///
/// # Panics
/// If an implementation breaks the contract of [`BatchSampler`].
pub(crate) fn draw<S: BatchSampler + ?Sized>(sampler: &S, epoch: u64, index: usize, out: &mut Vec<u32>) {
    sampler.batch(epoch, index, out).expect("an index below the length has a batch");
}

impl PlanReport {
    /// Returns what an epoch of any sampler draws, seen by the strata `labels`, one a pair: also of a
    /// sampler that knows no strata, or others.
    ///
    /// # Panics
    /// If the sampler draws a pair that has no label, or breaks the contract of [`BatchSampler`].
    #[track_caller]
    pub fn measure<S: BatchSampler + ?Sized>(sampler: &S, epoch: u64, labels: &[u32]) -> Self {
        let draw = |index: usize, out: &mut Vec<u32>| sampler.batch(epoch, index, out);
        tally::of_labels(labels).over(sampler.len(epoch), sampler.batch_size(), draw)
    }
}

macro_rules! through {
    ($pointer:ty) => {
        impl<S: BatchSampler + ?Sized> BatchSampler for $pointer {
            fn len(&self, epoch: u64) -> usize {
                (**self).len(epoch)
            }

            fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
                (**self).batch(epoch, index, out)
            }

            fn batch_size(&self) -> usize {
                (**self).batch_size()
            }

            fn pairs(&self) -> usize {
                (**self).pairs()
            }

            fn plan_hash(&self) -> PlanHash {
                (**self).plan_hash()
            }

            fn full_batches(&self, epoch: u64) -> usize {
                (**self).full_batches(epoch)
            }

            fn stratum(&self, epoch: u64, index: usize) -> Option<u32> {
                (**self).stratum(epoch, index)
            }

            fn report(&self, epoch: u64) -> PlanReport {
                (**self).report(epoch)
            }

            fn plan(&self, epoch: u64) -> Vec<u32> {
                (**self).plan(epoch)
            }
        }
    };
}

through!(&S);
through!(Box<S>);
through!(Arc<S>);
