//! Names of folders in a store, and how a folder gets its name.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use vectors::sync_folder;
use walkdir::WalkDir;

/// The folder of a checkpoint that is not whole: one being written, or on its way out.
const PARTIAL: &str = "partial";
/// A checkpoint renamed out of the way of a new one of its step.
const REPLACED: &str = "replaced";

pub(super) fn name_of(step: u64) -> String {
    format!("step-{step}")
}

/// The step of which `name` is the folder. `step-007` and `step-+7` are no names, though 7 is a number.
pub(super) fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (name == name_of(step)).then_some(step)
}

/// Where the checkpoint is written that will be in `folder`, and where it goes before it is removed.
pub(super) fn partial(folder: &Path) -> PathBuf {
    folder.with_added_extension(PARTIAL)
}

/// Whether `name` is of something that a killed process left behind: of a checkpoint, or of a model that was written beside one.
pub(super) fn is_leftover(name: &str) -> bool {
    let Some((name, suffix)) = name.split_once('.') else { return false };
    let suffix = suffix.split('.').next().unwrap_or_default();
    step_of(name).is_some() && [PARTIAL, REPLACED].contains(&suffix)
}

/// The names of the folders in `store`; none if it is not there.
pub(super) fn names(store: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(store) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// Makes the folder `store`, unless it is there.
pub(super) fn make_store(store: &Path) -> io::Result<()> {
    if store.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(store)?;
    sync_folder(store.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Makes sure that `folder` and all in it is on disk.
pub(super) fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in WalkDir::new(folder).contents_first(true) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            sync_folder(entry.path())?;
        } else if entry.file_type().is_file() {
            // Windows flushes only what may be written.
            File::options().read(true).write(cfg!(windows)).open(entry.path())?.sync_all()?;
        }
    }
    Ok(())
}

/// Gives `draft` the name of `folder`. A folder of that name is a leftover afterwards.
pub(super) fn rename_over(draft: &Path, folder: &Path) -> io::Result<()> {
    rename_by(draft, folder, exchange)
}

/// As [`rename_over`], with a way to exchange two folders that may fail.
fn rename_by(draft: &Path, folder: &Path, exchange: fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    if !folder.is_dir() {
        return fs::rename(draft, folder);
    }
    exchange(draft, folder).or_else(|_| {
        // A process killed between the two renames leaves no checkpoint of this step, only those of others.
        let aside = folder.with_added_extension(REPLACED);
        fs::rename(folder, &aside)?;
        fs::rename(draft, folder).inspect_err(|_| {
            let _ = fs::rename(&aside, folder);
        })
    })
}

#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_decimals_are_steps() {
        for step in [0, 7, 10, u64::MAX] {
            assert_eq!(step_of(&name_of(step)), Some(step));
        }
        for name in ["step-", "step-007", "step-+7", "step--7", "step- 7", "step-7 ", "step-7.partial", "Step-7", "7"] {
            assert_eq!(step_of(name), None, "{name}");
        }
        assert_eq!(step_of("step-18446744073709551616"), None, "one more than a u64 holds");
    }

    #[test]
    fn only_what_this_program_leaves_is_a_leftover() {
        assert!(["step-7.partial", "step-0.replaced", "step-7.partial.partial-123"].into_iter().all(is_leftover));
        for name in ["step-7", "step-07.partial", "step-7.old", ".partial", "best.partial"] {
            assert!(!is_leftover(name), "{name}");
        }
    }

    #[test]
    fn a_folder_is_replaced_with_and_without_exchange() {
        let refuse = |_: &Path, _: &Path| Err(ErrorKind::Unsupported.into());
        for exchange in [exchange, refuse] {
            let store = tempfile::tempdir().unwrap();
            let folder = store.path().join("step-7");
            for version in ["old", "new"] {
                let draft = partial(&folder);
                fs::create_dir(&draft).unwrap();
                fs::write(draft.join(version), "").unwrap();
                rename_by(&draft, &folder, exchange).unwrap();
                assert!(folder.join(version).exists());
            }
            assert!(!folder.join("old").exists());
            assert!(names(store.path()).unwrap().iter().all(|name| name == "step-7" || is_leftover(name)));
        }
    }

    #[test]
    fn a_folder_stays_where_the_draft_cannot_take_its_place() {
        let store = tempfile::tempdir().unwrap();
        let folder = store.path().join("step-7");
        fs::create_dir(&folder).unwrap();
        assert!(rename_over(&partial(&folder), &folder).is_err());
        assert_eq!(names(store.path()).unwrap(), ["step-7"]);
    }
}
