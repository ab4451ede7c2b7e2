//! Files that appear whole or not at all: each is written beside its place and renamed into it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};
use walkdir::WalkDir;

const DRAFT: &str = ".tmp";

/// Writes `path` through `fill`: at every moment the old file or the new one is there, whole, and the new one is on disk when
/// this returns. Where that fails, the old one stays and nothing is left behind; a killed process may leave a draft, which
/// [`remove_drafts`] knows.
///
/// # Errors
/// What `fill` gives, or the system: the folder is not there, or full.
///
/// # Examples
/// ```
/// use std::io::{Error, Write};
///
/// let path = std::env::temp_dir().join("vectors-replace-file.txt");
/// vectors::replace_file(&path, |out| out.write_all(b"whole"))?;
/// let failed = vectors::replace_file(&path, |out| {
///     out.write_all(b"half")?;
///     Err(Error::other("no more"))
/// });
/// assert!(failed.is_err());
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # Ok::<(), Error>(())
/// ```
pub fn replace_file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = folder_of(path);
    let mut writer = BufWriter::with_capacity(1 << 18, draft(path)?);
    fill(&mut writer)?;
    let draft = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    draft.as_file().sync_all()?;
    // The file is open, and so locked, until it has its name.
    let _file = draft.persist(path)?;
    sync_folder(folder)
}

/// Removes what processes that ended left half-written in `folder` and below, and gives the paths that are gone.
///
/// Whoever writes a draft holds a lock on it, which ends with its process: no process id decides, as those are given
/// anew, and mean nothing on another host.
///
/// # Examples
/// ```
/// let folder = std::env::temp_dir().join("vectors-remove-drafts");
/// std::fs::create_dir_all(&folder)?;
/// let draft = folder.join(".rows.npy.4242-a1B2c3.tmp");
/// std::fs::write(&draft, "half")?;
/// assert_eq!(vectors::remove_drafts(&folder), [draft]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn remove_drafts(folder: &Path) -> Vec<PathBuf> {
    let files = WalkDir::new(folder).into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    let drafts = files.filter(|file| file.file_name().to_str().is_some_and(is_draft)).map(walkdir::DirEntry::into_path);
    let unlocked =
        |path: &PathBuf| OpenOptions::new().write(true).open(path).ok().filter(|file| file.try_lock().is_ok());
    drafts.filter(|path| unlocked(path).is_some_and(|_locked| std::fs::remove_file(path).is_ok())).collect()
}

/// Whether `name` is `….PID.tmp` or `….PID-LETTERS.tmp`.
fn is_draft(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let writer = name.strip_suffix(DRAFT).and_then(|name| name.rsplit_once('.')).map(|(_, writer)| writer);
    writer.is_some_and(|writer| match writer.split_once('-') {
        Some((process, random)) => number(process) && letters(random),
        None => number(writer),
    })
}

/// A new file beside `path`, locked.
fn draft(path: &Path) -> io::Result<NamedTempFile> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let prefix = format!(".{name}.{}-", std::process::id());
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(DRAFT);
    // As any other new file; tempfile's own would be for the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let draft = builder.tempfile_in(folder_of(path))?;
        // Where files cannot be locked, no one removes drafts either.
        let removed = match draft.as_file().try_lock() {
            Ok(()) | Err(TryLockError::Error(_)) => !draft.path().exists(),
            // Between creation and lock it looked like one that a dead process left.
            Err(TryLockError::WouldBlock) => true,
        };
        if !removed {
            return Ok(draft);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes renames in `folder` survive a loss of power; does nothing where folders cannot be opened as files.
///
/// # Errors
/// What the system gives.
///
/// # Examples
/// ```
/// vectors::sync_folder(&std::env::temp_dir())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
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
        replace_file(&path, |out| out.write_all(b"old")).unwrap();
        let failed = replace_file(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "full");
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
                        replace_file(path, |out| out.write_all(&[byte; 10_000])).unwrap();
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
        let dead = [".rows.npy.4242.tmp", ".rows.npy.4242-a7Zz09.tmp", "labels.npy.4242.tmp"];
        for dead in dead {
            std::fs::write(inner.join(dead), "half").unwrap();
        }
        std::fs::write(inner.join("notes.tmp"), "mine").unwrap();
        replace_file(&inner.join("x"), |_| {
            assert_eq!(remove_drafts(folder.path()).len(), dead.len());
            Ok(())
        })
        .unwrap();
        let mut left = names(&inner);
        left.sort();
        assert_eq!(left, ["notes.tmp", "x"]);
    }

    #[test]
    fn only_names_with_a_process_are_drafts() {
        for name in [".a.json.12.tmp", ".a.12-0.tmp", ".a.12-aZ09xy.tmp", "labels.npy.12.tmp"] {
            assert!(is_draft(name), "{name}");
        }
        for name in ["a.tmp", "a.x.tmp", "a..tmp", "12.tmp", "a.1-2-3.tmp", "a.x-2.tmp", "a.1-é.tmp", "a.12.tmp.json"]
        {
            assert!(!is_draft(name), "{name}");
        }
    }
}
