//! The packages of a `Cargo.lock` whose sources are downloaded, for when `cargo metadata` refuses to name any.
//!
//! A machine that only built one binary has downloaded neither what other members' tests need nor, maybe, other
//! features' packages, and then `cargo metadata --offline` fails altogether.

use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;

use crate::Package;

/// The packages that a `Cargo.lock` names.
#[derive(Deserialize)]
pub(crate) struct Lock {
    #[serde(default)]
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Lock {
    /// The `Cargo.lock` in `dir` or the nearest folder above it; an error in words.
    pub(crate) fn above(dir: &Path) -> Result<Self, String> {
        let path = dir.ancestors().map(|dir| dir.join("Cargo.lock")).find(|path| path.is_file());
        let path = path.ok_or("no Cargo.lock in the folder or above")?;
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.message()))
    }

    /// The registry packages that the members need to be built, as far as `cargo_home` has their sources.
    ///
    /// Without `members`, what only tests need cannot be told apart and is taken too.
    pub(crate) fn sources(&self, members: Option<&Metadata>, cargo_home: &Path) -> Vec<Package> {
        let registries = folders(&cargo_home.join("registry/src"));
        self.needed(members)
            .into_iter()
            .filter(|package| package.source.as_deref().is_some_and(|source| !source.starts_with("git+")))
            .filter_map(|package| {
                let folder = format!("{}-{}", package.name, package.version);
                registries.iter().find_map(|registry| library(&registry.join(&folder)))
            })
            .collect()
    }

    fn needed(&self, members: Option<&Metadata>) -> Vec<&Locked> {
        let mut by_name: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
        for (i, package) in self.package.iter().enumerate() {
            by_name.entry(&package.name).or_default().push(i);
        }
        let is_member = |i: &usize| self.package[*i].source.is_none();
        let mut open: Vec<usize> = (0..self.package.len()).filter(is_member).collect();
        let mut seen: FxHashSet<usize> = open.iter().copied().collect();
        let mut needed = Vec::new();
        while let Some(i) = open.pop() {
            let package = &self.package[i];
            needed.push(package);
            let built = members.filter(|_| is_member(&i)).and_then(|members| built_with(members, &package.name));
            for dependency in &package.dependencies {
                let mut words = dependency.split(' ');
                let (name, version) = (words.next().unwrap_or_default(), words.next());
                if built.as_ref().is_some_and(|built| !built.contains(name)) {
                    continue;
                }
                let versions = by_name.get(name).into_iter().flatten();
                let matching = versions.filter(|&&i| version.is_none_or(|version| self.package[i].version == version));
                open.extend(matching.copied().filter(|&i| seen.insert(i)));
            }
        }
        needed
    }
}

/// The names of the packages that a member itself is built with, its tests apart.
fn built_with<'a>(members: &'a Metadata, name: &str) -> Option<FxHashSet<&'a str>> {
    let member = members.packages.iter().find(|package| package.name.as_str() == name)?;
    let built = member.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
    Some(built.map(|dependency| dependency.name.as_str()).collect())
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[derive(Deserialize)]
struct Manifest {
    package: ManifestPackage,
    lib: Option<ManifestLib>,
}

#[derive(Deserialize)]
struct ManifestPackage {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct ManifestLib {
    name: Option<String>,
    path: Option<PathBuf>,
}

/// The package in a folder of the registry, if it is there and has a library.
fn library(root: &Path) -> Option<Package> {
    let text = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    let manifest: Manifest = toml::from_str(&text).ok()?;
    let (library, path) = manifest.lib.map(|lib| (lib.name, lib.path)).unwrap_or_default();
    let lib = root.join(path.unwrap_or_else(|| "src/lib.rs".into()));
    let name = manifest.package.name;
    let library = library.unwrap_or_else(|| name.clone()).replace('-', "_");
    let version = manifest.package.version.parse().ok()?;
    lib.is_file().then(|| Package { name, library, version, root: root.to_owned(), lib })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4
[[package]]
name = "app"
version = "0.1.0"
dependencies = ["one 1.0.0", "for-tests"]
[[package]]
name = "one"
version = "1.0.0"
source = "registry+https://example.com/index"
dependencies = ["deep"]
[[package]]
name = "one"
version = "2.0.0"
source = "registry+https://example.com/index"
[[package]]
name = "deep"
version = "0.3.0"
source = "registry+https://example.com/index"
dependencies = ["absent", "from-git"]
[[package]]
name = "absent"
version = "1.0.0"
source = "registry+https://example.com/index"
[[package]]
name = "from-git"
version = "1.0.0"
source = "git+https://example.com/from-git"
[[package]]
name = "for-tests"
version = "1.0.0"
source = "registry+https://example.com/index"
"#;

    fn home(packages: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (name, version) in packages {
            let root = home.path().join("registry/src/index-1").join(format!("{name}-{version}"));
            std::fs::create_dir_all(root.join("src")).unwrap();
            std::fs::write(root.join("src/lib.rs"), "").unwrap();
            let manifest =
                format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\n[lib]\nname = \"lib{name}\"\n");
            std::fs::write(root.join("Cargo.toml"), manifest).unwrap();
        }
        home
    }

    #[test]
    fn downloaded_packages_that_a_member_needs_are_found() {
        let lock: Lock = toml::from_str(LOCK).unwrap();
        let home =
            home(&[("one", "1.0.0"), ("one", "2.0.0"), ("deep", "0.3.0"), ("from-git", "1.0.0"), ("other", "1.0.0")]);
        let mut names: Vec<String> = lock
            .sources(None, home.path())
            .into_iter()
            .map(|p| format!("{} {}: {}", p.name, p.version, p.library))
            .collect();
        names.sort();
        assert_eq!(names, ["deep 0.3.0: libdeep", "one 1.0.0: libone"]);
    }

    #[test]
    fn what_only_tests_need_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [dependencies]\none = \"1\"\n[dev-dependencies]\nfor-tests = \"1\"\n";
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(folder.path().join("src/lib.rs"), "").unwrap();
        std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        std::fs::write(folder.path().join("Cargo.lock"), LOCK).unwrap();
        let home = home(&[("one", "1.0.0"), ("for-tests", "1.0.0")]);
        let mut command = cargo_metadata::MetadataCommand::new();
        let members = command.manifest_path(folder.path().join("Cargo.toml")).no_deps().exec().unwrap();
        let lock = Lock::above(&folder.path().join("src")).unwrap();
        let names = |members| -> Vec<String> {
            let mut names: Vec<String> = lock.sources(members, home.path()).into_iter().map(|p| p.name).collect();
            names.sort();
            names
        };
        assert_eq!(names(Some(&members)), ["one"]);
        assert_eq!(names(None), ["for-tests", "one"]);
    }
}
