//! A folder replaced as a whole: at every moment the old one or the new one is there, or can be put back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use vectors::sync_folder;

use crate::EmbedError;

/// The new folder before, and where folders are exchanged the old one after, the replacement.
const PARTIAL: &str = "partial";
/// The old folder, where it is renamed out of the way.
const REPLACED: &str = "replaced";

/// One replacement at a time in this process, so that a leftover with its number is one of a dead namesake.
static ONE: Mutex<()> = Mutex::new(());

/// Lets `write` fill a new folder, makes sure that it is on disk, and puts it in `folder`'s place.
pub(super) fn replace_folder(
    folder: &Path,
    write: impl FnOnce(&Path) -> Result<(), EmbedError>,
) -> Result<(), EmbedError> {
    replace_by(folder, write, exchange)
}

/// As [`replace_folder`], with a way to exchange two folders that may fail.
fn replace_by(
    folder: &Path,
    write: impl FnOnce(&Path) -> Result<(), EmbedError>,
    exchange: fn(&Path, &Path) -> io::Result<()>,
) -> Result<(), EmbedError> {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // A path such as `.` has no name to write another beside.
    let named = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => fs::canonicalize(folder).map_err(failed(folder))?,
    };
    let folder = named.as_path();
    put_back(folder)?;
    for leftover in leftovers(folder, PARTIAL).chain(leftovers(folder, REPLACED)) {
        remove(&leftover)?;
    }
    let draft = beside(folder, PARTIAL);
    fs::create_dir_all(&draft).map_err(failed(&draft))?;
    write(&draft)?;
    sync_tree(&draft).map_err(failed(&draft))?;
    let old = swap(&draft, folder, exchange)?;
    sync_parent(folder)?;
    // The new folder is in place; the next replacement removes what is left of the old one.
    if let Err(error) = remove(&old) {
        tracing::warn!("{error}");
    }
    Ok(())
}

/// Puts back a folder that a killed process had renamed out of the way and not replaced.
pub(super) fn recover(folder: &Path) -> Result<(), EmbedError> {
    if folder.exists() {
        return Ok(());
    }
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    put_back(folder)
}

fn put_back(folder: &Path) -> Result<(), EmbedError> {
    match leftovers(folder, REPLACED).next() {
        Some(old) if !folder.exists() => {
            fs::rename(old, folder).map_err(failed(folder))?;
            sync_parent(folder)
        }
        _ => Ok(()),
    }
}

/// Where the old folder is, after `draft` has taken its place.
fn swap(draft: &Path, folder: &Path, exchange: fn(&Path, &Path) -> io::Result<()>) -> Result<PathBuf, EmbedError> {
    if folder.exists() {
        if exchange(draft, folder).is_ok() {
            return Ok(draft.into());
        }
        let old = beside(folder, REPLACED);
        fs::rename(folder, &old).map_err(failed(folder))?;
        fs::rename(draft, folder).map_err(failed(folder))?;
        return Ok(old);
    }
    fs::rename(draft, folder).map_err(failed(folder))?;
    Ok(draft.into())
}

#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `folder` with a suffix that no other process uses.
fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{suffix}-{}", process::id()));
    folder.with_file_name(name)
}

/// Folders beside `folder` that bear `suffix` and the number of no other living process.
fn leftovers(folder: &Path, suffix: &str) -> impl Iterator<Item = PathBuf> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{name}.{suffix}-");
    let entries = fs::read_dir(parent(folder)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(move |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_prefix(&prefix).and_then(|number| number.parse().ok());
        number.is_some_and(|number: u32| number == process::id() || !is_alive(number))
    })
}

#[cfg(unix)]
fn is_alive(number: u32) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// Without a way to know, nobody's folder is touched.
#[cfg(not(unix))]
fn is_alive(_: u32) -> bool {
    true
}

fn parent(folder: &Path) -> &Path {
    folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A rename keeps its promise only of files that are on disk before it.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => sync_tree(&path)?,
            false => fs::File::open(&path)?.sync_all()?,
        }
    }
    sync_folder(folder)
}

fn sync_parent(folder: &Path) -> Result<(), EmbedError> {
    sync_folder(parent(folder)).map_err(failed(parent(folder)))
}

fn remove(folder: &Path) -> Result<(), EmbedError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(folder)(source)),
        _ => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> EmbedError {
    let path = path.to_path_buf();
    move |source| EmbedError::Write { path, source }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The folder that a child process is to replace until it is killed, and whether without exchange.
    const FOLDER: &str = "EMBED_TEST_REPLACE";
    const RENAMES: &str = "EMBED_TEST_RENAMES";
    const KILLS: usize = 40;

    fn refuse(_: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Two files that agree in a whole folder.
    fn write_pair(draft: &Path, version: u32) -> Result<(), EmbedError> {
        for file in ["first", "inner/second"] {
            let path = draft.join(file);
            fs::create_dir_all(parent(&path))
                .and_then(|()| fs::write(&path, version.to_string()))
                .map_err(failed(&path))?;
        }
        Ok(())
    }

    fn read_pair(folder: &Path) -> u32 {
        recover(folder).unwrap();
        let [first, second] = ["first", "inner/second"].map(|file| fs::read_to_string(folder.join(file)).unwrap());
        assert_eq!(first, second, "one version");
        first.parse().unwrap()
    }

    fn beside_it(folder: &Path) -> usize {
        fs::read_dir(parent(folder)).unwrap().count() - 1
    }

    #[test]
    #[ignore = "the child of the tests below"]
    fn child_replaces_until_it_is_killed() {
        let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
        let renames = std::env::var_os(RENAMES).is_some();
        let exchange: fn(&Path, &Path) -> io::Result<()> = if renames { refuse } else { exchange };
        for version in read_pair(&folder) + 1.. {
            replace_by(&folder, |draft| write_pair(draft, version), exchange).unwrap();
        }
    }

    fn survives_kills(renames: bool) {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("model");
        replace_folder(&folder, |draft| write_pair(draft, 0)).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut last = 0;
        for _ in 0..KILLS {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "folder::replace::tests::child_replaces_until_it_is_killed", "--ignored"]);
            command.env(FOLDER, &folder).stdout(Stdio::null()).stderr(Stdio::null());
            if renames {
                command.env(RENAMES, "1");
            }
            let mut child = command.spawn().unwrap();
            std::thread::sleep(Duration::from_micros(random.random_range(10_000..60_000)));
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success(), "the child runs until it is killed");
            let version = read_pair(&folder);
            assert!(version >= last, "{version} after {last}");
            last = version;
        }
        assert!(last > 0, "children replaced it");
        replace_folder(&folder, |draft| write_pair(draft, 7)).unwrap();
        assert_eq!((read_pair(&folder), beside_it(&folder)), (7, 0), "leftovers are gone");
    }

    #[test]
    fn a_folder_is_whole_after_every_kill() {
        survives_kills(false);
    }

    #[test]
    fn a_folder_is_whole_after_every_kill_where_folders_cannot_be_exchanged() {
        survives_kills(true);
    }

    /// Number of a process that has ended.
    fn dead() -> u32 {
        let mut child =
            Command::new(std::env::current_exe().unwrap()).arg("--list").stdout(Stdio::null()).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    fn a_folder_renamed_out_of_the_way_is_put_back() {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("model");
        // Killed between the two renames.
        write_pair(&out.path().join(format!("model.replaced-{}", dead())), 4).unwrap();
        write_pair(&out.path().join(format!("model.partial-{}", dead())), 5).unwrap();
        assert_eq!(read_pair(&folder), 4);
        replace_folder(&folder, |draft| write_pair(draft, 6)).unwrap();
        assert_eq!((read_pair(&folder), beside_it(&folder)), (6, 0));
    }

    #[test]
    fn folders_of_living_processes_and_other_names_are_left_alone() {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("model");
        let mut living = Command::new("sleep").arg("60").spawn().unwrap();
        let kept =
            [format!("model.partial-{}", living.id()), format!("models.partial-{}", dead()), "model.partial-x".into()];
        for name in &kept {
            write_pair(&out.path().join(name), 1).unwrap();
        }
        replace_folder(&folder, |draft| write_pair(draft, 2)).unwrap();
        living.kill().unwrap();
        living.wait().unwrap();
        assert!(kept.iter().all(|name| out.path().join(name).is_dir()));
    }

    #[test]
    fn a_failed_write_leaves_the_old_folder() {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("model");
        replace_folder(&folder, |draft| write_pair(draft, 1)).unwrap();
        let error = replace_folder(&folder, |draft| {
            write_pair(draft, 2)?;
            Err(failed(draft)(io::ErrorKind::StorageFull.into()))
        });
        assert!(error.is_err());
        assert_eq!(read_pair(&folder), 1);
        replace_folder(&folder, |draft| write_pair(draft, 3)).unwrap();
        assert_eq!((read_pair(&folder), beside_it(&folder)), (3, 0));
    }
}
