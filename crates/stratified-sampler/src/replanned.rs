use crate::{BatchSampler, PlanHash, SamplerError};

/// A sampler whose batches are another's from some batch on, such as one of new clusters.
///
/// The clock goes on: a batch is that of the same epoch and index in the other's plan, so that a curriculum within does not begin again. Epochs are as
/// long as the first sampler's; where another's are shorter, its full batches come again from the first.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Replanned, StratifiedConfig};
///
/// let config = StratifiedConfig::new(2);
/// let old = config.clone().build(&[0, 0, 0, 0, 1, 1, 1, 1])?;
/// let new = config.with_seed(1).build(&[0, 1, 0, 1, 0, 1, 0, 1])?;
/// let sampler = Replanned::new(&old).followed_by((1, 2), &new)?;
/// let batch = |sampler: &dyn BatchSampler, epoch, index| {
///     let mut batch = Vec::new();
///     sampler.batch(epoch, index, &mut batch).map(|()| batch)
/// };
/// assert_eq!(batch(&sampler, 1, 1)?, batch(&old, 1, 1)?);
/// assert_eq!(batch(&sampler, 1, 2)?, batch(&new, 1, 2)?);
/// assert_eq!(batch(&sampler, 2, 0)?, batch(&new, 2, 0)?);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replanned<S> {
    first: S,
    /// Each with the epoch and the index of the batch that it begins at; ascending.
    later: Vec<((u64, usize), S)>,
}

impl<S: BatchSampler> Replanned<S> {
    /// Returns the sampler's own batches.
    pub fn new(first: S) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Returns these batches up to that of an epoch and index, and those of `sampler` from there on.
    ///
    /// # Errors
    /// [`SamplerError::OtherSampler`] if its pairs or the size of its batches are not the first's, or it has no full batch in its first epoch;
    /// [`SamplerError::NotLater`] if `start` is not beyond the start of those before.
    pub fn followed_by(mut self, start: (u64, usize), sampler: S) -> Result<Self, SamplerError> {
        let (batch_size, pairs) = (sampler.batch_size(), sampler.pairs());
        if batch_size != self.first.batch_size() || pairs != self.first.pairs() || sampler.full_batches(0) == 0 {
            return Err(SamplerError::OtherSampler { sampler: self.later.len() + 1, batch_size, pairs });
        }
        match self.later.last() {
            Some(&(before, _)) if start <= before => Err(SamplerError::NotLater { start, before }),
            _ => {
                self.later.push((start, sampler));
                Ok(self)
            }
        }
    }

    /// Returns the sampler that a batch is drawn by, and its index there.
    fn place(&self, epoch: u64, index: usize) -> (&S, usize) {
        let Some((_, sampler)) = self.later.iter().rev().find(|&&(start, _)| start <= (epoch, index)) else {
            return (&self.first, index);
        };
        // Its last batch may be short, and this may not be the last one here.
        let whole = if index + 1 < sampler.len(epoch) { index + 1 } else { sampler.full_batches(epoch) };
        (sampler, if whole > 0 { index % whole } else { index })
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
        let (sampler, index) = self.place(epoch, index);
        sampler.batch(epoch, index, out)
    }

    fn batch_size(&self) -> usize {
        self.first.batch_size()
    }

    fn pairs(&self) -> usize {
        self.first.pairs()
    }

    fn plan_hash(&self) -> PlanHash {
        let of_later = self.later.iter().flat_map(|&((epoch, index), ref sampler)| {
            let [low, high] = sampler.plan_hash().parts();
            [epoch, index as u64, low, high]
        });
        PlanHash::of("replanned", self.first.plan_hash().parts().into_iter().chain(of_later))
    }

    fn stratum(&self, epoch: u64, index: usize) -> Option<u32> {
        if index >= self.len(epoch) {
            return None;
        }
        let (sampler, index) = self.place(epoch, index);
        sampler.stratum(epoch, index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Leftovers, StratifiedConfig, UniformConfig};

    fn batch(sampler: &dyn BatchSampler, epoch: u64, index: usize) -> Vec<u32> {
        let mut batch = Vec::new();
        sampler.batch(epoch, index, &mut batch).unwrap();
        batch
    }

    fn uniform(batch_size: usize, pairs: usize, seed: u64) -> crate::Uniform {
        UniformConfig::new(batch_size).with_seed(seed).with_drop_last(false).build(pairs).unwrap()
    }

    #[test]
    fn the_clock_goes_on_and_a_shorter_epoch_comes_again_without_its_short_batch() {
        let drop = StratifiedConfig::new(3).with_leftovers(Leftovers::Drop);
        // Three batches an epoch, and one.
        let [long, short] =
            [[0; 10], [0, 0, 0, 0, 0, 1, 1, 2, 2, 3]].map(|labels| drop.clone().build(&labels).unwrap());
        let sampler = Replanned::new(&long).followed_by((1, 1), &short).unwrap();
        assert_eq!(batch(&sampler, 1, 0), batch(&long, 1, 0));
        assert_eq!([1, 2].map(|index| batch(&sampler, 1, index)), [batch(&short, 1, 0), batch(&short, 1, 0)]);
        assert_eq!(batch(&sampler, 3, 2), batch(&short, 3, 0));
        // Of four batches the last has one pair; here it is not the last.
        let sampler = Replanned::new(uniform(3, 10, 0)).followed_by((0, 1), uniform(3, 10, 1)).unwrap();
        let sizes = |epoch| [0, 1, 2, 3].map(|index| batch(&sampler, epoch, index).len());
        assert_eq!((sampler.len(0), sizes(0), sizes(1)), (4, [3; 4], [3; 4]));
    }

    #[test]
    fn another_sampler_s_stratum_is_its_own() {
        let config = StratifiedConfig::new(2).with_leftovers(Leftovers::Drop);
        let sampler = Replanned::new(config.clone().build(&[0, 0, 0, 0]).unwrap());
        let sampler = sampler.followed_by((0, 1), config.build(&[7, 7, 7, 7]).unwrap()).unwrap();
        let strata = [(0, 0), (0, 1), (1, 0), (0, 2)].map(|(epoch, index)| sampler.stratum(epoch, index));
        assert_eq!(strata, [Some(0), Some(7), Some(7), None]);
    }

    #[test]
    fn other_pairs_and_starts_that_do_not_ascend_are_refused() {
        let sampler = Replanned::new(uniform(3, 10, 0)).followed_by((1, 2), uniform(3, 10, 0)).unwrap();
        let error = |start, other| sampler.clone().followed_by(start, other).unwrap_err();
        assert_eq!(error((1, 2), uniform(3, 10, 0)), SamplerError::NotLater { start: (1, 2), before: (1, 2) });
        assert_eq!(
            error((2, 0), uniform(2, 10, 0)),
            SamplerError::OtherSampler { sampler: 2, batch_size: 2, pairs: 10 }
        );
        assert_eq!(error((2, 0), uniform(3, 9, 0)), SamplerError::OtherSampler { sampler: 2, batch_size: 3, pairs: 9 });
        let mut out = vec![1];
        assert_eq!(sampler.batch(0, 4, &mut out), Err(SamplerError::PastTheEnd { index: 4, len: 4 }));
        assert!(out.is_empty());
    }

    #[test]
    fn the_hash_is_of_all_samplers_and_their_starts() {
        let hash = |start, seed| {
            Replanned::new(uniform(3, 10, 0)).followed_by(start, uniform(3, 10, seed)).unwrap().plan_hash()
        };
        assert_eq!(hash((0, 2), 1), hash((0, 2), 1));
        assert_ne!(hash((0, 2), 1), hash((1, 2), 1));
        assert_ne!(hash((0, 2), 1), hash((0, 2), 2));
    }
}
