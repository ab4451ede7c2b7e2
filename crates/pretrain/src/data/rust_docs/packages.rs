//! Which packages a workspace depends on, and where their sources lie.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::semver::Version;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package as Described, PackageId, TargetKind};
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::DataError;
use super::lock;

/// A package with a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// The library's name, as code and rustdoc write it.
    pub(super) library: String,
    pub(super) version: Version,
    /// The folder of the package's manifest.
    pub(super) root: PathBuf,
    /// The library's root file.
    pub(super) lib: PathBuf,
}

/// The packages by name, the highest version of each, and how they were found if not by `cargo metadata`.
pub(super) struct Found {
    pub(super) packages: Vec<Package>,
    pub(super) note: Option<String>,
}

/// The registry and git packages that the workspace's members need to be built on this machine; not those that only
/// their tests need, for these are not there where nobody ran the tests.
pub(super) fn find(manifest_dir: &Path) -> Result<Found, DataError> {
    let fail = |problem: String| DataError::Workspace { manifest_dir: manifest_dir.to_owned(), problem };
    let dir = manifest_dir.canonicalize().map_err(|source| DataError::read(manifest_dir, source))?;
    let (packages, note) = match metadata(&dir, true) {
        Ok(metadata) => (needed(&metadata), None),
        Err(problem) => {
            let members = metadata(&dir, false).ok();
            let packages = lock::Lock::above(&dir)
                .map_err(|lock| fail(format!("{problem}; {lock}")))?
                .sources(members.as_ref(), &cargo_home().unwrap_or_default());
            let note = format!(
                "cargo metadata --offline failed ({problem}): took the {} packages of Cargo.lock whose sources are \
                 downloaded; `cargo fetch` makes the set complete",
                packages.len()
            );
            (packages, Some(note))
        }
    };
    Ok(Found { packages: highest(packages), note })
}

fn metadata(dir: &Path, with_dependencies: bool) -> Result<Metadata, String> {
    let mut options = vec!["--offline".to_owned(), "--locked".to_owned()];
    let mut command = MetadataCommand::new();
    command.manifest_path(dir.join("Cargo.toml")).current_dir(dir);
    if with_dependencies {
        options.extend(["--filter-platform".to_owned(), host()?]);
    } else {
        command.no_deps();
    }
    command.other_options(options).exec().map_err(|error| match error {
        cargo_metadata::Error::CargoMetadata { stderr } => first_error(&stderr).to_owned(),
        error => error.to_string(),
    })
}

/// The host's target triple, as the compiler names it.
fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(&rustc).arg("-vV").output().map_err(|error| format!("{}: {error}", rustc.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(|host| host.trim().to_owned()).ok_or_else(|| format!("{} -vV names no host", rustc.display()))
}

/// The line of cargo's output that says what is wrong.
fn first_error(stderr: &str) -> &str {
    let error = stderr.lines().find_map(|line| line.strip_prefix("error: "));
    error.or(stderr.lines().next()).unwrap_or_default().trim()
}

fn needed(metadata: &Metadata) -> Vec<Package> {
    let packages: FxHashMap<&PackageId, &Described> = metadata.packages.iter().map(|p| (&p.id, p)).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: FxHashMap<&PackageId, _> = nodes.map(|node| (&node.id, node)).collect();
    let mut open: Vec<&PackageId> = metadata.workspace_members.iter().collect();
    let mut seen: FxHashSet<&PackageId> = open.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(id) = open.pop() {
        found.extend(packages.get(id).copied().filter(|package| package.source.is_some()).and_then(library));
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let built =
            dependencies.filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
        open.extend(built.map(|dep| &dep.pkg).filter(|id| seen.insert(id)));
    }
    found
}

fn library(package: &Described) -> Option<Package> {
    let kinds = [TargetKind::Lib, TargetKind::RLib, TargetKind::DyLib, TargetKind::ProcMacro];
    let target = package.targets.iter().find(|target| target.kind.iter().any(|kind| kinds.contains(kind)))?;
    Some(Package {
        name: package.name.to_string(),
        library: target.name.replace('-', "_"),
        version: package.version.clone(),
        root: package.manifest_path.parent()?.into(),
        lib: target.src_path.clone().into(),
    })
}

/// The highest version of each package, by name.
fn highest(mut packages: Vec<Package>) -> Vec<Package> {
    packages.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
    packages.dedup_by(|later, first| later.name == first.name);
    packages
}

/// `$CARGO_HOME`, or `.cargo` in the home folder.
fn cargo_home() -> Option<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".cargo"));
    std::env::var_os("CARGO_HOME").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        let root = PathBuf::from(format!("{name}-{version}"));
        let lib = root.join("src/lib.rs");
        Package { name: name.into(), library: name.into(), version: version.parse().unwrap(), root, lib }
    }

    #[test]
    fn the_highest_version_of_each_package_is_kept() {
        let packages = ["2.0.9", "2.0.10", "1.9.0"].map(|version| package("syn", version));
        let kept = highest([vec![package("toml", "1.0.0")], packages.to_vec()].concat());
        assert_eq!(kept, [package("syn", "2.0.10"), package("toml", "1.0.0")]);
    }

    #[test]
    fn cargo_s_error_is_one_line() {
        let stderr = "    Updating index\nerror: failed to download `a v1`\n\nCaused by:\n  offline";
        assert_eq!(first_error(stderr), "failed to download `a v1`");
        assert_eq!(first_error("no such file"), "no such file");
    }

    #[test]
    fn a_folder_without_manifest_or_lock_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(find(folder.path()), Err(DataError::Workspace { .. })));
        assert!(matches!(find(&folder.path().join("none")), Err(DataError::Read { .. })));
    }

    #[test]
    fn this_workspace_s_dependencies_are_found_without_its_members() {
        let found = find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let names: Vec<&str> = found.packages.iter().map(|package| package.name.as_str()).collect();
        assert!(names.contains(&"syn") && names.contains(&"serde"), "{names:?}");
        assert!(!names.contains(&"pretrain"));
        assert!(names.is_sorted() && found.packages.iter().all(|package| package.lib.is_file()));
    }
}
