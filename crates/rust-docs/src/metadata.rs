//! What cargo says of a workspace.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package as Described, PackageId, TargetKind};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::Package;

/// What `cargo metadata` says of the workspace, of its members alone or of all packages that they need on this machine;
/// an error in words.
pub(crate) fn metadata(dir: &Path, with_dependencies: bool) -> Result<Metadata, String> {
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

/// The packages that the members need to be built; not those that only their tests need, for these are not there where
/// nobody ran the tests. Packages without a source, as members are, only if `local`.
pub(crate) fn needed(metadata: &Metadata, local: bool) -> Vec<Package> {
    let packages: FxHashMap<&PackageId, &Described> = metadata.packages.iter().map(|p| (&p.id, p)).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: FxHashMap<&PackageId, _> = nodes.map(|node| (&node.id, node)).collect();
    let mut open: Vec<&PackageId> = metadata.workspace_members.iter().collect();
    let mut seen: FxHashSet<&PackageId> = open.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(id) = open.pop() {
        found.extend(packages.get(id).copied().filter(|package| local || package.source.is_some()).and_then(library));
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let built =
            dependencies.filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
        open.extend(built.map(|dep| &dep.pkg).filter(|id| seen.insert(id)));
    }
    found
}

/// The package, if it has a library.
pub(crate) fn library(package: &Described) -> Option<Package> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_s_error_is_one_line() {
        let stderr = "    Updating index\nerror: failed to download `a v1`\n\nCaused by:\n  offline";
        assert_eq!(first_error(stderr), "failed to download `a v1`");
        assert_eq!(first_error("no such file"), "no such file");
    }
}
