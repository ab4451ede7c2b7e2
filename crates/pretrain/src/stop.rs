//! How a training is asked to end before its last step.

use std::sync::atomic::{AtomicBool, Ordering};

/// A wish that a training end after the step at hand, with a checkpoint.
///
/// # Examples
/// ```
/// use pretrain::Stop;
///
/// // No training is under way.
/// assert!(!Stop::default().wish());
/// ```
#[derive(Debug, Default)]
pub struct Stop {
    wished: AtomicBool,
    heeded: AtomicBool,
}

impl Stop {
    /// Asks for it; whether a training is under way that will end so, and was not asked before.
    pub fn wish(&self) -> bool {
        self.heeded.load(Ordering::SeqCst) && !self.wished.swap(true, Ordering::SeqCst)
    }

    /// Whether a training is to end: yes once for each wish.
    pub(crate) fn grant(&self) -> bool {
        self.wished.swap(false, Ordering::SeqCst)
    }

    /// While this is held, a training heeds the wish.
    pub(crate) fn heed(&self) -> Heeding<'_> {
        self.heeded.store(true, Ordering::SeqCst);
        Heeding(self)
    }
}

pub(crate) struct Heeding<'a>(&'a Stop);

impl Drop for Heeding<'_> {
    fn drop(&mut self) {
        self.0.heeded.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_granted_once_and_only_while_it_is_heeded() {
        let stop = Stop::default();
        assert!(!stop.wish() && !stop.grant());
        let heeding = stop.heed();
        assert!(stop.wish() && !stop.wish());
        assert!(stop.grant() && !stop.grant());
        drop(heeding);
        assert!(!stop.wish());
    }
}
