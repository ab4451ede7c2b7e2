use std::path::PathBuf;

use crate::Version;

/// A package with a library, and where its sources lie.
///
/// [`Workspace::packages`](crate::Workspace::packages) finds them; one can also be named by hand:
///
/// ```
/// use rust_docs::{Package, Reader};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let root = folder.path().to_owned();
/// std::fs::write(root.join("lib.rs"), "/// Sends all bytes at once.\npub fn send(bytes: &[u8]) {}").unwrap();
/// let package = Package {
///     name: "my-net".into(),
///     library: "my_net".into(),
///     version: "1.0.0".parse().unwrap(),
///     lib: root.join("lib.rs"),
///     root,
/// };
/// let docs = &Reader::new()?.items(&[package])[0];
/// assert_eq!(docs.items[0].0, "my-net@1.0.0/my_net::send");
/// # Ok::<(), rust_docs::RustDocsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The name in its manifest.
    pub name: String,
    /// The library's name, as code and rustdoc write it.
    pub library: String,
    /// The version in its manifest.
    pub version: Version,
    /// The folder of the package's manifest.
    pub root: PathBuf,
    /// The library's root file.
    pub lib: PathBuf,
}

/// The packages that a workspace needs.
///
/// ```
/// let packages = rust_docs::Packages::default();
/// assert!(packages.packages.is_empty() && packages.note.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packages {
    /// By name, the highest version of each.
    pub packages: Vec<Package>,
    /// How they were found if not by `cargo metadata`, and what may be missing, in one sentence.
    pub note: Option<String>,
}

/// The highest version of each package, by name.
pub(crate) fn highest(mut packages: Vec<Package>) -> Vec<Package> {
    packages.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
    packages.dedup_by(|later, first| later.name == first.name);
    packages
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
}
