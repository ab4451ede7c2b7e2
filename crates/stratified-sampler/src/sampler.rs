use std::ops::Range;

use crate::{PlanReport, SamplerError};

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

    /// Returns what an epoch draws, counted by drawing all of it.
    fn report(&self, epoch: u64) -> PlanReport;

    /// Returns the pair indices of an epoch, batch after batch: `plan.chunks(batch_size)` are its batches.
    ///
    /// # Panics
    /// If an implementation breaks the contract above and fails below `len(epoch)`.
    fn plan(&self, epoch: u64) -> Vec<u32> {
        let batches = self.len(epoch);
        let mut plan = Vec::new();
        let mut batch = Vec::new();
        for index in 0..batches {
            self.batch(epoch, index, &mut batch).expect("an index below the length has a batch");
            plan.extend_from_slice(&batch);
        }
        plan
    }
}

/// The batches of one epoch, in order. `nth` and `last` seek: they draw nothing in between.
///
/// # Examples
/// ```
/// use stratified_sampler::{Batches, UniformConfig};
///
/// let sampler = UniformConfig::new(4).with_seed(7).build(10)?;
/// let sizes: Vec<usize> = Batches::new(&sampler, 0).map(|batch| batch.len()).collect();
/// assert_eq!(sizes, [4, 4, 2]);
///
/// // Resuming after two batches.
/// assert_eq!(Batches::new(&sampler, 0).nth(2), Batches::new(&sampler, 0).last());
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Debug)]
pub struct Batches<'a, S: ?Sized> {
    sampler: &'a S,
    epoch: u64,
    left: Range<usize>,
}

impl<'a, S: BatchSampler + ?Sized> Batches<'a, S> {
    /// Returns the batches of an epoch of a sampler.
    pub fn new(sampler: &'a S, epoch: u64) -> Self {
        Self { sampler, epoch, left: 0..sampler.len(epoch) }
    }

    fn draw(&self, index: usize) -> Vec<u32> {
        let mut batch = Vec::new();
        self.sampler.batch(self.epoch, index, &mut batch).expect("an index below the length has a batch");
        batch
    }
}

impl<S: ?Sized> Clone for Batches<'_, S> {
    fn clone(&self) -> Self {
        Self { left: self.left.clone(), ..*self }
    }
}

impl<S: BatchSampler + ?Sized> Iterator for Batches<'_, S> {
    type Item = Vec<u32>;

    fn next(&mut self) -> Option<Vec<u32>> {
        self.nth(0)
    }

    fn nth(&mut self, skipped: usize) -> Option<Vec<u32>> {
        self.left.nth(skipped).map(|index| self.draw(index))
    }

    fn last(mut self) -> Option<Vec<u32>> {
        self.next_back()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl<S: BatchSampler + ?Sized> DoubleEndedIterator for Batches<'_, S> {
    fn next_back(&mut self) -> Option<Vec<u32>> {
        self.left.next_back().map(|index| self.draw(index))
    }
}

impl<S: BatchSampler + ?Sized> ExactSizeIterator for Batches<'_, S> {}
