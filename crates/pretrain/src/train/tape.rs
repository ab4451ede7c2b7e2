//! One tape at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

static TAPE: Mutex<()> = Mutex::new(());

/// Held from a tape's first operation to the end of its backward pass. In burn 0.21 the end of a backward pass frees steps of a tape that
/// another thread is still writing, and of that one a gradient is missing or wrong without a word (tracel-ai/burn#5573).
pub(super) fn alone() -> MutexGuard<'static, ()> {
    // A panic leaves nothing half done: there is nothing under the lock.
    TAPE.lock().unwrap_or_else(PoisonError::into_inner)
}
