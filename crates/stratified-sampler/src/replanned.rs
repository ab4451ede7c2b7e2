use crate::{BatchSampler, PlanHash, SamplerError};

/// A sampler whose batches are another's from some batch on, such as one of new clusters: each goes through its own epochs from its first batch.
///
/// Epochs are as long as the first sampler's. Of the others full batches alone are drawn, so that none within an epoch is short.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Replanned, StratifiedConfig};
///
/// let config = StratifiedConfig::new(2);
/// let old = config.build(&[0, 0, 0, 0, 1, 1, 1, 1])?;
/// let new = config.with_seed(1).build(&[0, 1, 0, 1, 0, 1, 0, 1])?;
/// // Four batches an epoch: the new one's come from the second batch of the second epoch on.
/// let sampler = Replanned::new(old.clone()).followed_by(5, new.clone())?;
/// let batch = |sampler: &dyn BatchSampler, epoch, index| {
///     let mut batch = Vec::new();
///     sampler.batch(epoch, index, &mut batch).map(|()| batch)
/// };
/// assert_eq!(batch(&sampler, 1, 0)?, batch(&old, 1, 0)?);
/// assert_eq!(batch(&sampler, 1, 1)?, batch(&new, 0, 0)?);
/// assert_eq!(batch(&sampler, 2, 1)?, batch(&new, 1, 0)?);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replanned<S> {
    first: S,
    /// Each with the batch that it begins at, counted over all epochs; ascending.
    later: Vec<(usize, S)>,
}

impl<S: BatchSampler> Replanned<S> {
    /// Returns the sampler's own batches.
    pub fn new(first: S) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Returns these batches up to batch `start`, counted over all epochs, and those of `sampler` from there on.
    ///
    /// # Errors
    /// [`SamplerError::OtherSampler`] if its pairs or the size of its batches are not the first's, or it has no full batch in its first epoch;
    /// [`SamplerError::NotLater`] if `start` is not beyond the start of those before.
    pub fn followed_by(mut self, start: usize, sampler: S) -> Result<Self, SamplerError> {
        let (batch_size, pairs) = (sampler.batch_size(), sampler.pairs());
        if batch_size != self.first.batch_size() || pairs != self.first.pairs() || sampler.full_batches(0) == 0 {
            return Err(SamplerError::OtherSampler { sampler: self.later.len() + 1, batch_size, pairs });
        }
        let before = self.later.last().map(|&(start, _)| start);
        if before.is_some_and(|before| start <= before) {
            return Err(SamplerError::NotLater { start, before: before.unwrap_or_default() });
        }
        self.later.push((start, sampler));
        Ok(self)
    }

    /// Returns the sampler that a batch is drawn by, with epoch and index there.
    fn place(&self, epoch: u64, index: usize) -> (&S, u64, usize) {
        let before: usize = (0..epoch).map(|epoch| self.first.len(epoch)).sum();
        let batch = before + index;
        let Some((start, sampler)) = self.later.iter().rev().find(|&&(start, _)| start <= batch) else {
            return (&self.first, epoch, index);
        };
        let (mut epoch, mut index) = (0, batch - start);
        loop {
            let batches = sampler.full_batches(epoch);
            if index < batches {
                return (sampler, epoch, index);
            }
            (epoch, index) = (epoch + 1, index - batches);
        }
    }
}

impl<S: BatchSampler> BatchSampler for Replanned<S> {
    fn len(&self, epoch: u64) -> usize {
        self.first.len(epoch)
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        let len = self.len(epoch);
        if index >= len {
            out.clear();
            return Err(SamplerError::PastTheEnd { index, len });
        }
        let (sampler, epoch, index) = self.place(epoch, index);
        sampler.batch(epoch, index, out)
    }

    fn batch_size(&self) -> usize {
        self.first.batch_size()
    }

    fn pairs(&self) -> usize {
        self.first.pairs()
    }

    fn plan_hash(&self) -> PlanHash {
        let of_later = self.later.iter().flat_map(|(start, sampler)| {
            let [low, high] = sampler.plan_hash().parts();
            [*start as u64, low, high]
        });
        PlanHash::of("replanned", self.first.plan_hash().parts().into_iter().chain(of_later))
    }

    fn stratum(&self, epoch: u64, index: usize) -> Option<u32> {
        if index >= self.len(epoch) {
            return None;
        }
        let (sampler, epoch, index) = self.place(epoch, index);
        sampler.stratum(epoch, index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Leftovers, StratifiedConfig, UniformConfig};

    fn batches(sampler: &dyn BatchSampler, epochs: u64) -> Vec<Vec<u32>> {
        (0..epochs).flat_map(|epoch| sampler.plan(epoch).chunks(3).map(<[u32]>::to_vec).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn later_samplers_go_through_their_own_epochs_without_short_batches() {
        let uniform =
            |seed, drop_last| UniformConfig::new(3).with_seed(seed).with_drop_last(drop_last).build(10).unwrap();
        let sampler = Replanned::new(uniform(0, true)).followed_by(2, uniform(1, false)).unwrap();
        let sampler = sampler.followed_by(7, uniform(2, false)).unwrap();
        let drawn = batches(&sampler, 4);
        assert_eq!(drawn.len(), 12);
        let full = |seed: u64, epochs| batches(&uniform(seed, true), epochs);
        assert_eq!(drawn[..2], full(0, 1)[..2]);
        assert_eq!(drawn[2..7], full(1, 2)[..5]);
        assert_eq!(drawn[7..], full(2, 2)[..5]);
    }

    #[test]
    fn another_sampler_s_stratum_is_its_own() {
        let config = StratifiedConfig::new(2).with_leftovers(Leftovers::Drop);
        let sampler = Replanned::new(config.clone().build(&[0, 0, 0, 0]).unwrap());
        let sampler = sampler.followed_by(1, config.build(&[7, 7, 7, 7]).unwrap()).unwrap();
        assert_eq!(
            [(0, 0), (0, 1), (1, 0), (0, 2)].map(|(epoch, index)| sampler.stratum(epoch, index)),
            [Some(0), Some(7), Some(7), None]
        );
    }

    #[test]
    fn other_pairs_and_starts_that_do_not_ascend_are_refused() {
        let uniform = |batch_size, pairs| UniformConfig::new(batch_size).build(pairs).unwrap();
        let sampler = Replanned::new(uniform(3, 10)).followed_by(4, uniform(3, 10)).unwrap();
        let error = |start, other| sampler.clone().followed_by(start, other).unwrap_err();
        assert_eq!(error(4, uniform(3, 10)), SamplerError::NotLater { start: 4, before: 4 });
        assert_eq!(error(5, uniform(2, 10)), SamplerError::OtherSampler { sampler: 2, batch_size: 2, pairs: 10 });
        assert_eq!(error(5, uniform(3, 9)), SamplerError::OtherSampler { sampler: 2, batch_size: 3, pairs: 9 });
        let mut out = vec![1];
        assert_eq!(sampler.batch(0, 4, &mut out), Err(SamplerError::PastTheEnd { index: 4, len: 4 }));
        assert!(out.is_empty());
    }

    #[test]
    fn the_hash_is_of_all_samplers_and_their_starts() {
        let uniform = |seed| UniformConfig::new(3).with_seed(seed).build(10).unwrap();
        let hash = |start, seed| Replanned::new(uniform(0)).followed_by(start, uniform(seed)).unwrap().plan_hash();
        assert_eq!(hash(2, 1), hash(2, 1));
        assert_ne!(hash(2, 1), hash(3, 1));
        assert_ne!(hash(2, 1), hash(2, 2));
    }
}
