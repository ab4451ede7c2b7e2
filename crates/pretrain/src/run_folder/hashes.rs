//! Content hashes of files, remembered for as long as a file looks untouched.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{PretrainError, Result};
use crate::files::{read_json, write_json};

const FILE: &str = "hashes.json";

/// A file hashed so soon after it was written could change once more without a new time: clocks of file systems tick in
/// up to two seconds.
const TICK: Duration = Duration::from_secs(2);

/// BLAKE3 hashes of files, so that gigabytes which did not change are not read again.
///
/// `hashes.json` is a cache: nothing is lost with it.
#[derive(Debug)]
pub(super) struct FileHashes {
    root: PathBuf,
    known: RefCell<BTreeMap<String, Known>>,
    unsaved: Cell<bool>,
}

/// A file's hash and how the file looked then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    /// Nanoseconds since 1970 when hashing began.
    hashed: u64,
    hash: String,
}

/// What changes with a file's content, as far as the file system tells; times in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified: u64,
    /// When content or attributes changed, which no program can set.
    changed: u64,
    inode: u64,
}

impl FileHashes {
    /// What is known of the files of the run in `root`.
    pub(super) fn of_run(root: &Path) -> Self {
        let known = read_json(&root.join(FILE)).unwrap_or_default();
        Self { root: root.to_owned(), known: RefCell::new(known), unsaved: Cell::new(false) }
    }

    /// The BLAKE3 hash of a file's content, in hexadecimal digits.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn of(&self, path: &Path) -> Result<String> {
        let at = |source| PretrainError::io(path, source);
        let stamp = || path.metadata().map(|metadata| Stamp::of(&metadata)).map_err(at);
        let name = self.name(path).map_err(at)?;
        let before = stamp()?;
        if let Some(known) = self.known.borrow().get(&name).filter(|known| known.holds(before)) {
            return Ok(known.hash.clone());
        }
        let hashed = nanoseconds(SystemTime::now());
        let hash = blake3::Hasher::new().update_mmap_rayon(path).map_err(at)?.finalize().to_hex().to_string();
        if stamp()? == before {
            self.known.borrow_mut().insert(name, Known { stamp: before, hashed, hash: hash.clone() });
            self.unsaved.set(true);
        }
        Ok(hash)
    }

    /// Keeps for the next process what is known of the files that are still there.
    pub(super) fn save(&self) {
        // A folder that cannot be written can still be read: the next process hashes again.
        if self.unsaved.take() && self.root.is_dir() {
            self.known.borrow_mut().retain(|name, _| self.root.join(name).exists());
            let _ = write_json(&self.root.join(FILE), &*self.known.borrow());
        }
    }

    /// A file's path below the run folder, or where it is outside its absolute one.
    fn name(&self, path: &Path) -> std::io::Result<String> {
        let name = match path.strip_prefix(&self.root) {
            Ok(inside) => inside.to_owned(),
            Err(_) => std::path::absolute(path)?,
        };
        Ok(name.to_string_lossy().into_owned())
    }
}

impl Known {
    fn holds(&self, now: Stamp) -> bool {
        self.stamp == now && self.hashed > now.modified.max(now.changed) + TICK.as_nanos() as u64
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let (changed, inode) = status(metadata);
        let modified = nanoseconds(metadata.modified().unwrap_or(UNIX_EPOCH));
        Self { bytes: metadata.len(), modified, changed, inode }
    }
}

#[cfg(unix)]
fn status(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let seconds = metadata.ctime().max(0).unsigned_abs();
    (seconds * 1_000_000_000 + metadata.ctime_nsec().max(0).unsigned_abs(), metadata.ino())
}

/// Size and time of modification alone.
#[cfg(not(unix))]
fn status(_metadata: &Metadata) -> (u64, u64) {
    (0, 0)
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes what is known of `name` look as if it was found out long after the file was written.
    fn settle(hashes: &FileHashes, name: &str) {
        hashes.known.borrow_mut().get_mut(name).unwrap().hashed += 10 * TICK.as_nanos() as u64;
    }

    #[test]
    fn a_file_that_looks_untouched_is_not_read_again_and_any_other_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.npy");
        std::fs::write(&path, "one").unwrap();
        let hashes = FileHashes::of_run(folder.path());
        let one = hashes.of(&path).unwrap();
        assert_eq!(one, blake3::hash(b"one").to_hex().as_str());

        settle(&hashes, "rows.npy");
        hashes.known.borrow_mut().get_mut("rows.npy").unwrap().hash = "remembered".into();
        assert_eq!(hashes.of(&path).unwrap(), "remembered");

        let modified = path.metadata().unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(&path, "two").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        if cfg!(unix) {
            assert_eq!(hashes.of(&path).unwrap(), blake3::hash(b"two").to_hex().as_str(), "same size, time set back");
        }
    }

    #[test]
    fn a_file_hashed_as_soon_as_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "one").unwrap();
        let hashes = FileHashes::of_run(folder.path());
        let one = hashes.of(&path).unwrap();
        hashes.known.borrow_mut().get_mut("x").unwrap().hash = "stale".into();
        assert_eq!(hashes.of(&path).unwrap(), one);
    }

    #[test]
    fn what_is_known_survives_the_process_and_a_damaged_cache_costs_only_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "one").unwrap();
        let hashes = FileHashes::of_run(folder.path());
        let one = hashes.of(&path).unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        hashes.of(outside.path()).unwrap();
        hashes.save();
        assert_eq!(hashes.known.borrow().len(), 2);
        assert_eq!(*FileHashes::of_run(folder.path()).known.borrow(), *hashes.known.borrow());
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(FileHashes::of_run(folder.path()).of(&path).unwrap(), one);
        assert!(hashes.of(&folder.path().join("absent")).unwrap_err().to_string().contains("absent"));
    }
}
