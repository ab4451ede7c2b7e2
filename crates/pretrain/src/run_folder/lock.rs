//! One process at a time in a run folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::error::{PretrainError, Result};
use crate::holder::RunHolder;

const LOCK: &str = "run.lock";

/// A run folder held by this process, until this is dropped or the process ends in any way.
#[derive(Debug)]
pub(super) struct RunLock {
    file: File,
}

impl RunLock {
    /// The lock on the run in `folder`, which must be there.
    ///
    /// # Errors
    /// [`PretrainError::RunInUse`] if another holds it.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let at = |source| PretrainError::io(&path, source);
        // It is never removed: who waits for a removed file and who makes a new one would both hold the folder.
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(at)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(PretrainError::RunInUse { dir: folder.to_owned(), holder: RunHolder::read(&path) });
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!("{}: no locks on this file system; start no second process there", path.display());
            }
            Err(TryLockError::Error(error)) => return Err(at(error)),
        }
        let mut lock = Self { file };
        lock.write(&RunHolder::this_process()).map_err(at)?;
        Ok(lock)
    }

    fn write(&mut self, holder: &RunHolder) -> io::Result<()> {
        self.file.set_len(0)?;
        serde_json::to_writer(&mut self.file, holder)?;
        self.file.flush()
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // What it says is over; the lock itself ends with the file.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_the_folder_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path()).unwrap();
        let message = RunLock::take(folder.path()).unwrap_err().to_string();
        let this = format!("process {} on ", std::process::id());
        assert!(message.contains(&this) && message.contains(" ago: "), "{message}");
        drop(first);
        RunLock::take(folder.path()).unwrap();
    }

    #[test]
    fn a_holder_that_has_not_signed_yet_is_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = RunLock::take(folder.path()).unwrap();
        first.file.set_len(0).unwrap();
        first.file.flush().unwrap();
        assert!(RunLock::take(folder.path()).unwrap_err().to_string().contains("another process"));
    }
}
