use std::sync::{Arc, Mutex, PoisonError};

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
#[derive(Clone)]
pub(crate) enum Schedule {
    /// Every epoch has the same.
    Fixed(Counts),
    /// Epochs differ. The last one asked for is kept, so that seeking in it does not count all strata again.
    PerEpoch(Arc<Mutex<Option<(u64, Counts)>>>),
}

impl Schedule {
    /// Returns the counts of an epoch, which `count` knows for schedules that are not fixed.
    pub(crate) fn counts(&self, epoch: u64, count: impl FnOnce() -> Counts) -> Counts {
        match self {
            Self::Fixed(counts) => counts.clone(),
            Self::PerEpoch(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                match &*last {
                    Some((known, counts)) if *known == epoch => counts.clone(),
                    _ => last.insert((epoch, count())).1.clone(),
                }
            }
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

    #[test]
    fn an_epoch_is_counted_once_until_another_is_asked_for() {
        let schedule = Schedule::PerEpoch(Arc::default());
        let of = |epoch: u32| move || Counts::new([epoch].into_iter());
        assert_eq!(schedule.counts(3, of(3)).total(), 3);
        let again = schedule.counts(3, || unreachable!("counted twice"));
        assert_eq!(again.total(), 3);
        assert_eq!(schedule.counts(4, of(4)).total(), 4);
    }
}
