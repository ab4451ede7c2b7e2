use std::ops::Range;

use crate::sampler::draw;
use crate::{BatchSampler, Position, SamplerError};

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

    /// Returns where the next batch stands.
    pub fn position(&self) -> Position {
        Position { plan: self.sampler.plan_hash(), epoch: self.epoch, index: self.left.start }
    }

    fn draw(&self, index: usize) -> Vec<u32> {
        let mut batch = Vec::new();
        draw(self.sampler, self.epoch, index, &mut batch);
        batch
    }
}

impl Position {
    /// Returns the rest of the epoch.
    ///
    /// # Errors
    /// [`SamplerError::OtherPlan`] if the sampler is not the one that this is a position of,
    /// [`SamplerError::PastTheEnd`] if the epoch has fewer batches.
    pub fn resume<S: BatchSampler + ?Sized>(self, sampler: &S) -> Result<Batches<'_, S>, SamplerError> {
        let here = sampler.plan_hash();
        if here != self.plan {
            return Err(SamplerError::OtherPlan { saved: self.plan, here });
        }
        let (index, len) = (self.index, sampler.len(self.epoch));
        match index <= len {
            true => Ok(Batches { sampler, epoch: self.epoch, left: index..len }),
            false => Err(SamplerError::PastTheEnd { index, len }),
        }
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

/// Epoch after epoch, without end.
///
/// # Examples
/// ```
/// use stratified_sampler::{Epochs, UniformConfig};
///
/// let sampler = UniformConfig::new(4).build(10)?;
/// let steps = Epochs::from(&sampler, 1).flatten().take(5);
/// assert_eq!(steps.map(|batch| batch.len()).collect::<Vec<_>>(), [4, 4, 2, 4, 4]);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Debug)]
pub struct Epochs<'a, S: ?Sized> {
    sampler: &'a S,
    next: u64,
}

impl<'a, S: BatchSampler + ?Sized> Epochs<'a, S> {
    /// Returns the batches of each epoch from `epoch` on.
    pub fn from(sampler: &'a S, epoch: u64) -> Self {
        Self { sampler, next: epoch }
    }
}

impl<'a, S: BatchSampler + ?Sized> Iterator for Epochs<'a, S> {
    type Item = Batches<'a, S>;

    fn next(&mut self) -> Option<Batches<'a, S>> {
        self.nth(0)
    }

    fn nth(&mut self, skipped: usize) -> Option<Batches<'a, S>> {
        let epoch = self.next.checked_add(skipped as u64)?;
        self.next = epoch.checked_add(1)?;
        Some(Batches::new(self.sampler, epoch))
    }
}
