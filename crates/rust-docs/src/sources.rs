//! The source files of a package's library.

use std::path::{Path, PathBuf};

use crate::Package;

/// A source file and the module it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The modules from the crate's root down to this file.
    pub(crate) module: Vec<String>,
}

/// The files below the folder of the library's root file, by path; binaries, tests, benches and examples are left out.
pub(crate) fn sources(package: &Package) -> Vec<Source> {
    let Some(folder) = package.lib.parent() else { return Vec::new() };
    let mut files = Vec::new();
    walk(folder, &mut files);
    files.sort();
    files.into_iter().filter_map(|path| source(package, folder, path)).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    const OTHER: [&str; 8] = ["tests", "test", "benches", "bench", "examples", "bin", "target", "fixtures"];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str() else { continue };
        let kind = entry.file_type();
        if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
            if !OTHER.contains(&name) && !name.starts_with('.') {
                walk(&path, files);
            }
        } else if kind.is_ok_and(|kind| kind.is_file()) && name.ends_with(".rs") {
            files.push(path);
        }
    }
}

fn source(package: &Package, folder: &Path, path: PathBuf) -> Option<Source> {
    let inside = path.strip_prefix(folder).ok()?.with_extension("");
    let mut module: Vec<String> = inside.iter().filter_map(|part| part.to_str()).map(str::to_owned).collect();
    let file = module.last()?.as_str();
    if path == package.lib {
        module.clear();
    } else if module.len() == 1 && ["main", "build"].contains(&file) || ["tests", "test"].contains(&file) {
        return None;
    } else if file == "mod" {
        module.pop();
    }
    Some(Source { path, module })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_library_have_their_module_path() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            "src/lib.rs",
            "src/main.rs",
            "src/a.rs",
            "src/a/deep.rs",
            "src/b/mod.rs",
            "src/b/tests.rs",
            "src/bin/tool.rs",
            "src/notes.txt",
            "examples/e.rs",
            "build.rs",
        ];
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let package = Package {
            name: "p".into(),
            library: "p".into(),
            version: "1.0.0".parse().unwrap(),
            root: root.path().into(),
            lib: root.path().join("src/lib.rs"),
        };
        let relative = |source: &Source| {
            let parts = source.path.strip_prefix(root.path()).unwrap().iter().map(|part| part.to_str().unwrap());
            parts.collect::<Vec<_>>().join("/")
        };
        let found: Vec<(String, String)> =
            sources(&package).iter().map(|source| (relative(source), source.module.join("::"))).collect();
        let expected = [("src/a/deep.rs", "a::deep"), ("src/a.rs", "a"), ("src/b/mod.rs", "b"), ("src/lib.rs", "")];
        assert_eq!(found, expected.map(|(file, module)| (file.to_owned(), module.to_owned())));
        let at_root = Package { lib: root.path().join("build.rs"), ..package };
        let found: Vec<String> = sources(&at_root).iter().map(relative).collect();
        assert_eq!(found, ["build.rs", "src/a/deep.rs", "src/a.rs", "src/b/mod.rs", "src/lib.rs", "src/main.rs"]);
    }
}
