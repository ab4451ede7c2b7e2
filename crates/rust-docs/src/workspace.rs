use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lock::Lock;
use crate::metadata::{library, metadata, needed};
use crate::packages::highest;
use crate::{Package, Packages, RustDocsError};

/// A Cargo workspace, and which of its packages to take.
///
/// ```
/// use rust_docs::Workspace;
///
/// let found = Workspace::new(env!("CARGO_MANIFEST_DIR")).packages()?;
/// assert!(found.packages.iter().any(|package| package.name == "syn"));
/// # Ok::<(), rust_docs::RustDocsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`, or with that of a member.
    pub manifest_dir: PathBuf,
    /// Whether to take the members themselves, and other packages by path.
    #[serde(default)]
    pub local: bool,
}

impl Workspace {
    /// The workspace of the `Cargo.toml` in a folder, of which the registry and git packages are taken.
    pub fn new(manifest_dir: impl Into<PathBuf>) -> Self {
        Self { manifest_dir: manifest_dir.into(), local: false }
    }

    /// Takes the members themselves and other packages by path too.
    #[must_use]
    pub fn with_local(mut self, local: bool) -> Self {
        self.local = local;
        self
    }

    /// The packages with a library that the members need to be built on this machine, the highest version of each; not
    /// those that only their tests need.
    ///
    /// Nothing is downloaded. Where `cargo metadata --offline` finds sources missing, the packages of `Cargo.lock` are
    /// taken whose sources are there, and the note says so.
    ///
    /// # Errors
    /// [`RustDocsError::Read`] if there is no such folder, [`RustDocsError::Workspace`] if there is neither metadata nor a
    /// `Cargo.lock`.
    pub fn packages(&self) -> Result<Packages, RustDocsError> {
        let manifest_dir = || self.manifest_dir.clone();
        let read = |source| RustDocsError::Read { path: manifest_dir(), source };
        let dir = self.manifest_dir.canonicalize().map_err(read)?;
        let (packages, note) = match metadata(&dir, true) {
            Ok(metadata) => (needed(&metadata, self.local), None),
            Err(problem) => {
                let lock = Lock::above(&dir).map_err(|lock| RustDocsError::Workspace {
                    manifest_dir: manifest_dir(),
                    problem: format!("{problem}; {lock}"),
                })?;
                let (packages, note) = self.downloaded(&dir, &lock, &problem);
                (packages, Some(note))
            }
        };
        Ok(Packages { packages: highest(packages), note })
    }

    /// The packages of the lock file whose sources are there, and what to say of it.
    fn downloaded(&self, dir: &Path, lock: &Lock, problem: &str) -> (Vec<Package>, String) {
        let members = metadata(dir, false).ok();
        let mut packages = lock.sources(members.as_ref(), &cargo_home().unwrap_or_default());
        let note = format!(
            "cargo metadata --offline failed ({problem}): took the {} packages of Cargo.lock whose sources are \
             downloaded; `cargo fetch` makes the set complete",
            packages.len()
        );
        if self.local {
            packages.extend(members.iter().flat_map(|members| &members.packages).filter_map(library));
        }
        (packages, note)
    }
}

/// `$CARGO_HOME`, or `.cargo` in the home folder.
fn cargo_home() -> Option<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".cargo"));
    std::env::var_os("CARGO_HOME").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_manifest_or_lock_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let packages = |folder: &Path| Workspace::new(folder).packages();
        assert!(matches!(packages(folder.path()), Err(RustDocsError::Workspace { .. })));
        assert!(matches!(packages(&folder.path().join("none")), Err(RustDocsError::Read { .. })));
    }

    #[test]
    fn this_workspace_s_dependencies_are_found_without_its_members() {
        let found = Workspace::new(env!("CARGO_MANIFEST_DIR")).packages().unwrap();
        let names: Vec<&str> = found.packages.iter().map(|package| package.name.as_str()).collect();
        assert!(names.contains(&"syn") && names.contains(&"serde"), "{names:?}");
        assert!(!names.contains(&"rust-docs"));
        assert!(names.is_sorted() && found.packages.iter().all(|package| package.lib.is_file()));
    }
}
