use std::sync::Arc;

use crate::last_epoch::LastEpoch;

/// How many full batches each source has: the strata in order, then the leftovers.
#[derive(Clone)]
pub(crate) struct Counts {
    ends: Arc<[u32]>,
}

impl Counts {
    pub(crate) fn new(counts: impl Iterator<Item = u32>) -> Self {
        let ends = counts.scan(0, |end, count| {
            *end += count;
            Some(*end)
        });
        Self { ends: ends.collect() }
    }

    /// Returns the number of batches of all sources.
    pub(crate) fn total(&self) -> u32 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Returns the source of the n-th of all batches, and which of the source's batches it is.
    pub(crate) fn source(&self, nth: u32) -> (usize, u32) {
        let source = self.ends.partition_point(|&end| end <= nth);
        let start = source.checked_sub(1).map_or(0, |before| self.ends[before]);
        (source, nth - start)
    }
}

/// The counts of each epoch.
pub(crate) enum Schedule {
    /// Every epoch has the same.
    Fixed(Counts),
    /// Epochs differ. The last one asked for is kept, so that seeking in it does not count all strata again.
    PerEpoch(LastEpoch<Counts>),
}

impl Schedule {
    /// Returns the counts of an epoch, which `count` knows for schedules that are not fixed.
    pub(crate) fn counts(&self, epoch: u64, count: impl FnOnce() -> Counts) -> Counts {
        match self {
            Self::Fixed(counts) => counts.clone(),
            Self::PerEpoch(last) => last.get(epoch, count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_found_past_sources_that_have_none() {
        let counts = Counts::new([0, 2, 0, 1, 0].into_iter());
        assert_eq!(counts.total(), 3);
        let found: Vec<_> = (0..3).map(|nth| counts.source(nth)).collect();
        assert_eq!(found, [(1, 0), (1, 1), (3, 0)]);
    }
}
