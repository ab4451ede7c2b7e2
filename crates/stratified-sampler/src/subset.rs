use crate::plan_hash::Hashed;
use crate::{BatchSampler, PlanHash, PlanReport, SamplerError};

/// A sampler of some of the pairs, whose batches name them as the pairs of all.
///
/// The sampler inside numbers the kept pairs from 0; strata, keys and positions are theirs. A report is the inner sampler's:
/// pairs that are not kept are none that it leaves.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, StratifiedConfig, Subset};
///
/// let labels = [0, 1, 0, 1, 0, 1, 0];
/// let kept = vec![0, 1, 3, 4, 6];
/// let of_kept: Vec<u32> = kept.iter().map(|&pair: &u32| labels[pair as usize]).collect();
/// let sampler = Subset::new(StratifiedConfig::new(2).build(&of_kept)?, kept.clone(), labels.len())?;
///
/// let mut plan = sampler.plan(0);
/// plan.sort();
/// assert!(plan.iter().all(|pair| kept.contains(pair)));
/// assert_eq!(sampler.pairs(), 7);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subset<S> {
    sampler: S,
    kept: Vec<u32>,
    pairs: usize,
    kept_hash: PlanHash,
}

impl<S: BatchSampler> Subset<S> {
    /// Returns the sampler's batches, whose pair `i` is pair `kept[i]` of `pairs`.
    ///
    /// # Errors
    /// [`SamplerError::KeptOfOthers`] if the sampler has not as many pairs as are kept, [`SamplerError::NotKept`] if these do not ascend, each once, below
    /// `pairs`.
    pub fn new(sampler: S, kept: Vec<u32>, pairs: usize) -> Result<Self, SamplerError> {
        if kept.len() != sampler.pairs() {
            return Err(SamplerError::KeptOfOthers { kept: kept.len(), pairs: sampler.pairs() });
        }
        let next_below = |place: usize| kept.get(place + 1).map_or(pairs, |&next| next as usize);
        if let Some(place) = (0..kept.len()).find(|&place| kept[place] as usize >= next_below(place)) {
            return Err(SamplerError::NotKept { place, pair: kept[place], pairs });
        }
        let mut hash = Hashed::new("kept");
        hash.numbers(&kept);
        Ok(Self { sampler, kept, pairs, kept_hash: hash.finish() })
    }
}

impl<S: BatchSampler> BatchSampler for Subset<S> {
    fn len(&self, epoch: u64) -> usize {
        self.sampler.len(epoch)
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        self.sampler.batch(epoch, index, out)?;
        out.iter_mut().for_each(|pair| *pair = self.kept[*pair as usize]);
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.sampler.batch_size()
    }

    /// All pairs, not the kept ones alone.
    fn pairs(&self) -> usize {
        self.pairs
    }

    fn plan_hash(&self) -> PlanHash {
        let parts = [self.sampler.plan_hash().parts(), self.kept_hash.parts(), [self.pairs as u64, 0]];
        PlanHash::of("subset", parts.into_iter().flatten())
    }

    fn full_batches(&self, epoch: u64) -> usize {
        self.sampler.full_batches(epoch)
    }

    fn stratum(&self, epoch: u64, index: usize) -> Option<u32> {
        self.sampler.stratum(epoch, index)
    }

    fn report(&self, epoch: u64) -> PlanReport {
        self.sampler.report(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TopicAwareConfig, UniformConfig};

    #[test]
    fn batches_are_the_inner_sampler_s_in_the_numbers_of_all() {
        let kept: Vec<u32> = (0..100).filter(|pair| pair % 3 != 1).collect();
        let labels: Vec<u32> = (0..kept.len() as u32).map(|place| place % 5).collect();
        let inner = TopicAwareConfig::new(6, 3).with_seed(4).build(&labels).unwrap();
        let subset = Subset::new(&inner, kept.clone(), 100).unwrap();
        for epoch in 0..3 {
            let named: Vec<u32> = inner.plan(epoch).into_iter().map(|place| kept[place as usize]).collect();
            assert_eq!(subset.plan(epoch), named);
            assert_eq!((subset.len(epoch), subset.full_batches(epoch)), (inner.len(epoch), inner.full_batches(epoch)));
            assert_eq!(subset.report(epoch), inner.report(epoch));
        }
        let mut out = vec![7];
        assert!(subset.batch(0, subset.len(0), &mut out).is_err() && out.is_empty());
    }

    #[test]
    fn other_pairs_have_another_hash() {
        let inner = UniformConfig::new(2).build(3).unwrap();
        let hash = |kept: &[u32], pairs| Subset::new(&inner, kept.to_vec(), pairs).unwrap().plan_hash();
        assert_eq!(hash(&[0, 2, 4], 9), hash(&[0, 2, 4], 9));
        assert_ne!(hash(&[0, 2, 4], 9), hash(&[0, 2, 5], 9));
        assert_ne!(hash(&[0, 2, 4], 9), hash(&[0, 2, 4], 8));
        assert_ne!(hash(&[0, 1, 2], 3), inner.plan_hash());
    }

    #[test]
    fn pairs_that_do_not_ascend_or_are_others_are_refused() {
        let inner = UniformConfig::new(2).build(3).unwrap();
        let refused = |kept: &[u32]| Subset::new(&inner, kept.to_vec(), 5).unwrap_err().to_string();
        assert_eq!(refused(&[0, 1]), "2 pairs are kept, the sampler has 3");
        for (kept, place, pair) in [([0, 2, 2], 1, 2), ([3, 1, 2], 0, 3), ([0, 1, 5], 2, 5)] {
            assert_eq!(refused(&kept), format!("kept pair {place} is {pair}, expected ascending ones below 5"));
        }
    }
}
