use std::sync::{Mutex, PoisonError};

/// What was worked out for the last epoch asked for, kept until another one is: training goes through one epoch after
/// another, and batch after batch of each.
pub(crate) struct LastEpoch<T>(Mutex<Option<(u64, T)>>);

impl<T: Clone> LastEpoch<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns what `work_out` gives for the epoch. Whoever else asks meanwhile waits for it, instead of working it out too.
    pub(crate) fn get(&self, epoch: u64, work_out: impl FnOnce() -> T) -> T {
        // A panic while it was locked has left the epoch before, which is as good as ever.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, kept)) if *known == epoch => kept.clone(),
            _ => last.insert((epoch, work_out())).1.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_worked_out_once_until_another_is_asked_for() {
        let last = LastEpoch::new();
        assert_eq!(last.get(3, || "three"), "three");
        assert_eq!(last.get(3, || unreachable!("worked out twice")), "three");
        assert_eq!(last.get(4, || "four"), "four");
        assert_eq!(last.get(3, || "again"), "again");
    }
}
