//! Files that appear whole or not at all: each is written beside its place and renamed into it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, IntoInnerError, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use walkdir::WalkDir;

use crate::error::{PretrainError, Result};

const DRAFT: &str = ".tmp";

/// Writes `path` through `fill`, on disk when this returns; where that fails, nothing is left behind.
pub(crate) fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let at = |source| PretrainError::io(path, source);
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(at)?;
    let (beside, file) = draft(path).map_err(at)?;
    let mut writer = BufWriter::new(file);
    let written = fill(&mut writer)
        .and_then(|()| writer.into_inner().map_err(IntoInnerError::into_error))
        .and_then(|file| file.sync_all().map(|()| file))
        // The file is open, and so locked, until it has its name.
        .and_then(|_file| std::fs::rename(&beside, path))
        .and_then(|()| sync_folder(folder));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&beside);
        at(source)
    })
}

/// Removes what processes that ended left half-written in `folder` and below.
///
/// Whoever writes a draft holds a lock on it, which ends with its process: no process id decides, as those are given
/// anew, and mean nothing on another host.
pub(crate) fn remove_drafts(folder: &Path) {
    let drafts = WalkDir::new(folder)
        .into_iter()
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.file_type().is_file() && entry.file_name().to_str().is_some_and(is_draft));
    for draft in drafts {
        let Ok(file) = OpenOptions::new().write(true).open(draft.path()) else { continue };
        if file.try_lock().is_ok() && std::fs::remove_file(draft.path()).is_ok() {
            tracing::info!("{}: removed, half-written by a process that ended", draft.path().display());
        }
    }
}

/// Whether `name` is `….PID.tmp` or `….PID-N.tmp`.
fn is_draft(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_suffix(DRAFT)
        .and_then(|name| name.rsplit_once('.'))
        .is_some_and(|(_, writer)| writer.split('-').count() <= 2 && writer.split('-').all(number))
}

/// A new file beside `path`, locked.
fn draft(path: &Path) -> io::Result<(PathBuf, File)> {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}-{}{DRAFT}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
        let beside = path.with_file_name(name);
        let file = match File::create_new(&beside) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        // Where files cannot be locked, no one removes drafts either.
        let removed = match file.try_lock() {
            Ok(()) | Err(TryLockError::Error(_)) => !beside.exists(),
            // Between creation and lock it looked like one that a dead process left.
            Err(TryLockError::WouldBlock) => true,
        };
        if !removed {
            return Ok((beside, file));
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a rename in `folder` survive a loss of power.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be opened as files here.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        std::fs::read_dir(folder).unwrap().map(name).collect()
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        write_whole(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write_whole(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("full"))
        });
        assert!(failed.unwrap_err().to_string().contains("x.json"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["x.json"]);
    }

    #[test]
    fn threads_that_write_one_file_at_once_leave_one_of_their_files_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::thread::scope(|scope| {
            for byte in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        write_whole(path, |out| out.write_all(&[byte; 10_000])).unwrap();
                    }
                });
            }
        });
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.len() == 10_000 && bytes.iter().all(|&byte| byte == bytes[0]));
        assert_eq!(names(folder.path()), ["x"]);
    }

    #[test]
    fn drafts_of_dead_processes_are_removed_and_of_live_ones_kept() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("clusters");
        std::fs::create_dir(&inner).unwrap();
        for dead in [".rows.npy.4242.tmp", ".rows.npy.4242-7.tmp", "labels.npy.4242.tmp"] {
            std::fs::write(inner.join(dead), "half").unwrap();
        }
        std::fs::write(inner.join("notes.tmp"), "mine").unwrap();
        write_whole(&inner.join("x"), |_| {
            remove_drafts(folder.path());
            Ok(())
        })
        .unwrap();
        let mut left = names(&inner);
        left.sort();
        assert_eq!(left, ["notes.tmp", "x"]);
    }

    #[test]
    fn only_names_with_a_process_are_drafts() {
        for name in [".a.json.12.tmp", ".a.12-0.tmp", "labels.npy.12.tmp"] {
            assert!(is_draft(name), "{name}");
        }
        for name in ["a.tmp", "a.x.tmp", "a..tmp", "12.tmp", "a.1-2-3.tmp", "a.12.tmp.json"] {
            assert!(!is_draft(name), "{name}");
        }
    }
}
