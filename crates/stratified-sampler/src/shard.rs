use crate::{BatchSampler, PlanHash, SamplerError};

/// One rank's share of every batch of a sampler.
///
/// All ranks have equally many batches of equal sizes: `world` divides the batch size, and of a short last batch the pairs
/// beyond a multiple of `world` are dropped ([`dropped`](Self::dropped)). Put side by side, rank 0 first, the shares are
/// the global batch, whatever `world` is, so that a [`Position`](crate::Position) saved by one number of ranks is good for another.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Shard, UniformConfig};
///
/// let sampler = UniformConfig::new(4).build(11)?;
/// let ranks = [Shard::new(&sampler, 0, 2)?, Shard::new(&sampler, 1, 2)?];
/// let (mut batch, mut share) = (Vec::new(), Vec::new());
/// for index in 0..ranks[0].len(0) {
///     sampler.batch(0, index, &mut batch)?;
///     let mut joined: Vec<u32> = Vec::new();
///     for rank in &ranks {
///         rank.batch(0, index, &mut share)?;
///         joined.extend(&share);
///     }
///     assert_eq!(joined, batch[..joined.len()]);
/// }
/// assert_eq!(ranks[0].dropped(0), 1);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shard<S> {
    sampler: S,
    rank: usize,
    world: usize,
}

impl<S: BatchSampler> Shard<S> {
    /// Returns the share of `rank` out of `world`.
    ///
    /// # Errors
    /// [`SamplerError::NoRanks`] if `world` is 0, [`SamplerError::NoSuchRank`] if `rank` is not below it,
    /// [`SamplerError::UnevenShares`] if it does not divide the batch size.
    pub fn new(sampler: S, rank: usize, world: usize) -> Result<Self, SamplerError> {
        let batch_size = sampler.batch_size();
        match world {
            0 => Err(SamplerError::NoRanks),
            _ if rank >= world => Err(SamplerError::NoSuchRank { rank, world }),
            _ if !batch_size.is_multiple_of(world) => Err(SamplerError::UnevenShares { batch_size, world }),
            _ => Ok(Self { sampler, rank, world }),
        }
    }

    /// Returns the pairs of an epoch's short last batch that no rank gets; fewer than `world`.
    pub fn dropped(&self, epoch: u64) -> usize {
        self.short(epoch) % self.world
    }

    /// Returns the pairs of the short batch of all ranks; 0 if there is none.
    fn short(&self, epoch: u64) -> usize {
        let full = self.sampler.full_batches(epoch);
        if self.sampler.len(epoch) == full {
            return 0;
        }
        let mut batch = Vec::new();
        self.sampler.batch(epoch, full, &mut batch).expect("the short batch follows the full ones");
        batch.len()
    }
}

impl<S: BatchSampler> BatchSampler for Shard<S> {
    fn len(&self, epoch: u64) -> usize {
        self.full_batches(epoch) + usize::from(self.short(epoch) >= self.world)
    }

    fn full_batches(&self, epoch: u64) -> usize {
        self.sampler.full_batches(epoch)
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        self.sampler.batch(epoch, index, out)?;
        let share = out.len() / self.world;
        if share == 0 {
            out.clear();
            return Err(SamplerError::PastTheEnd { index, len: self.len(epoch) });
        }
        out.truncate((self.rank + 1) * share);
        out.drain(..self.rank * share);
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.sampler.batch_size() / self.world
    }

    fn pairs(&self) -> usize {
        self.sampler.pairs()
    }

    fn stratum(&self, epoch: u64, index: usize) -> Option<u32> {
        self.sampler.stratum(epoch, index)
    }

    /// That of the sampler, so that the number of ranks may change.
    fn plan_hash(&self) -> PlanHash {
        self.sampler.plan_hash()
    }
}
