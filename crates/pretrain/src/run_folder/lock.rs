//! One process at a time in a run folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{PretrainError, Result};
use crate::progress::duration;

const LOCK: &str = "run.lock";

/// A run folder held by this process, until this is dropped or the process ends in any way.
#[derive(Debug)]
pub(super) struct RunLock {
    file: File,
}

/// Who holds a run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    process: u32,
    host: String,
    command: String,
    /// Seconds since 1970.
    since: u64,
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
                return Err(PretrainError::RunInUse { dir: folder.to_owned(), holder: Holder::describe(&path) });
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!("{}: no locks on this file system; start no second process there", path.display());
            }
            Err(TryLockError::Error(error)) => return Err(at(error)),
        }
        let mut lock = Self { file };
        lock.write(&Holder::this_process()).map_err(at)?;
        Ok(lock)
    }

    fn write(&mut self, holder: &Holder) -> io::Result<()> {
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

impl Holder {
    fn this_process() -> Self {
        let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        Self {
            process: std::process::id(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            command: words.join(" "),
            since: SystemTime::now().duration_since(UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs),
        }
    }

    /// Who the file at `path` names, in words.
    fn describe(path: &Path) -> String {
        let holder = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string())
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { process, host, command, since } = self;
        let age = (UNIX_EPOCH + Duration::from_secs(*since)).elapsed().unwrap_or_default();
        write!(f, "process {process} on {host}, which began {} ago: {command}", duration(age.as_secs_f64()))
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
