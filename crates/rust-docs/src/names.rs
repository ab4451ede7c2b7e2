//! The paths at which rustdoc shows a package's items.
//!
//! An item of a public module is shown where it is defined, one of a private module where a public one exports it again.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::sources::Source;

/// What one file says about names. Paths begin below the crate's root.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// Modules, and whether they are public.
    pub(crate) modules: Vec<(Vec<String>, bool)>,
    /// Types and traits, public or not.
    pub(crate) types: Vec<Vec<String>>,
    pub(crate) exports: Vec<Export>,
    /// Modules whose file a `#[path]` names, relative to the folder of this file.
    pub(crate) moved: Vec<(Vec<String>, PathBuf)>,
}

/// A leaf of a `pub use`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Export {
    /// The module that exports.
    pub(crate) module: Vec<String>,
    /// What it exports, as written.
    pub(crate) path: Vec<String>,
    /// The name it gets; `None`: all that is in it, each with its own.
    pub(crate) name: Option<String>,
    /// Whether rustdoc shows the item here although it is shown where it is defined.
    pub(crate) inline: bool,
}

/// The names of one package.
pub(crate) struct Names {
    /// Every module, and whether it is public; one that is nowhere declared is not.
    modules: FxHashMap<Vec<String>, bool>,
    types: FxHashSet<Vec<String>>,
    /// The types' paths by their last name.
    by_name: FxHashMap<String, Vec<Vec<String>>>,
    /// What is exported again, by its path.
    exports: FxHashMap<Vec<String>, Vec<Export>>,
}

impl Names {
    /// The names that the package's files declare.
    pub(crate) fn new<'a>(files: impl Iterator<Item = (&'a Source, &'a Declared)> + Clone) -> Self {
        let mut names = Self {
            modules: files.clone().map(|(source, _)| (source.module.clone(), source.module.is_empty())).collect(),
            types: files.clone().flat_map(|(_, declared)| declared.types.iter().cloned()).collect(),
            by_name: FxHashMap::default(),
            exports: FxHashMap::default(),
        };
        for (module, public) in files.clone().flat_map(|(_, declared)| &declared.modules) {
            *names.modules.entry(module.clone()).or_default() |= public;
        }
        for path in &names.types {
            if let Some(name) = path.last() {
                names.by_name.entry(name.clone()).or_default().push(path.clone());
            }
        }
        let module_of: FxHashMap<&Path, &Vec<String>> =
            files.clone().map(|(source, _)| (source.path.as_path(), &source.module)).collect();
        for (source, declared) in files {
            for export in &declared.exports {
                if let Some(path) = names.resolve(export) {
                    names.exports.entry(path).or_default().push(export.clone());
                }
            }
            for (module, file) in &declared.moved {
                let file = source.path.parent().map(|folder| joined(folder, file));
                if let (Some(path), Some((name, module))) =
                    (file.and_then(|file| module_of.get(file.as_path())), module.split_last())
                {
                    let alias =
                        Export { module: module.into(), path: path.to_vec(), name: Some(name.clone()), inline: false };
                    names.exports.entry(path.to_vec()).or_default().push(alias);
                }
            }
        }
        names
    }

    /// The path at which rustdoc shows an item, the shortest of several; its own where it is not shown.
    pub(crate) fn shown(&self, path: &[String]) -> Vec<String> {
        // Modules that export each other give endless paths.
        const MOST: usize = 64;
        let path = self.with_defined_owner(path);
        let mut open = VecDeque::from([path.clone()]);
        let mut seen: FxHashSet<Vec<String>> = open.iter().cloned().collect();
        let mut shown: Option<Vec<String>> = None;
        while let Some(path) = open.pop_front() {
            let public = self.is_public(&path);
            for exported in self.exported(&path, public) {
                if seen.len() < MOST && seen.insert(exported.clone()) {
                    open.push_back(exported);
                }
            }
            if public && shown.as_ref().is_none_or(|shown| path.len() < shown.len()) {
                shown = Some(path);
            }
        }
        shown.unwrap_or(path)
    }

    /// A type's methods may be in another module than the type.
    fn with_defined_owner(&self, path: &[String]) -> Vec<String> {
        let Some((name, owner)) = path.split_last() else { return Vec::new() };
        let Some(owner_name) =
            owner.last().filter(|_| !self.modules.contains_key(owner) && !self.types.contains(owner))
        else {
            return path.to_vec();
        };
        match self.by_name.get(owner_name).map(Vec::as_slice) {
            Some([owner]) => [owner.as_slice(), std::slice::from_ref(name)].concat(),
            _ => path.to_vec(),
        }
    }

    fn is_public(&self, path: &[String]) -> bool {
        (1..path.len()).all(|len| self.modules.get(&path[..len]).is_none_or(|&public| public))
    }

    /// The paths that exports of the item, or of a module around it, give it.
    fn exported<'a>(&'a self, path: &'a [String], inline_only: bool) -> impl Iterator<Item = Vec<String>> + 'a {
        (1..=path.len()).flat_map(move |len| {
            let exports = self.exports.get(&path[..len]).into_iter().flatten();
            let whole = len == path.len();
            exports.filter(move |export| (export.inline || !inline_only) && !(whole && export.name.is_none())).map(
                move |export| {
                    let name = export.name.as_slice();
                    [&export.module, name, &path[len..]].concat()
                },
            )
        })
    }

    /// The path below the crate's root that an export names; `None` if it is in another crate.
    fn resolve(&self, export: &Export) -> Option<Vec<String>> {
        let mut base = export.module.as_slice();
        let mut rest = export.path.as_slice();
        let mut anchored = false;
        while let Some((first, more)) = rest.split_first() {
            base = match first.as_str() {
                "crate" => &[],
                "self" => base,
                "super" => base.split_last()?.1,
                _ => break,
            };
            (rest, anchored) = (more, true);
        }
        let whole = |base: &[String]| [base, rest].concat();
        let known = |base: &[String]| {
            let first = [base, &rest[..1.min(rest.len())]].concat();
            self.modules.contains_key(&first) || self.types.contains(&first)
        };
        // Before the edition of 2018 paths began at the root.
        match anchored {
            true => Some(whole(base)),
            false => [base, &[]].into_iter().find(|base| known(base)).map(whole),
        }
    }
}

/// The path of `file` in `folder`, with `.` and `..` carried out.
fn joined(folder: &Path, file: &Path) -> PathBuf {
    let mut path = folder.to_owned();
    for part in file.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::items;

    fn path(path: &str) -> Vec<String> {
        path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Where the item is shown, of a package with files of these modules.
    fn shown(files: &[(&str, &str)], item: &str) -> String {
        let files: Vec<(Source, Declared)> = files
            .iter()
            .map(|(module, source)| {
                let file = if module.is_empty() { "lib".into() } else { module.replace("::", "/") };
                let module = path(module);
                let declared = items(source, &module).unwrap().declared;
                (Source { path: PathBuf::from(format!("src/{file}.rs")), module }, declared)
            })
            .collect();
        Names::new(files.iter().map(|(source, declared)| (source, declared))).shown(&path(item)).join("::")
    }

    #[test]
    fn an_item_of_a_public_module_is_shown_there() {
        let files = [("", "pub mod de; pub use de::from_str;"), ("de", "pub fn from_str() {}")];
        assert_eq!(shown(&files, "de::from_str"), "de::from_str");
        assert_eq!(shown(&files, ""), "");
    }

    #[test]
    fn an_inlined_export_shows_it_too_and_the_shorter_path_counts() {
        let files = [("", "pub mod de; #[doc(inline)] pub use de::from_str;"), ("de", "pub fn from_str() {}")];
        assert_eq!(shown(&files, "de::from_str"), "from_str");
    }

    #[test]
    fn an_item_of_a_private_module_is_shown_where_it_is_exported() {
        let files = [
            ("", "pub mod sync;"),
            ("sync", "cfg_sync! { mod mutex; pub use mutex::{Mutex, Guard as MutexGuard}; }"),
            ("sync::mutex", "pub struct Mutex; impl Mutex { pub fn lock() {} } pub struct Guard; pub struct Hidden;"),
        ];
        assert_eq!(shown(&files, "sync::mutex::Mutex"), "sync::Mutex");
        assert_eq!(shown(&files, "sync::mutex::Mutex::lock"), "sync::Mutex::lock");
        assert_eq!(shown(&files, "sync::mutex::Guard"), "sync::MutexGuard");
        assert_eq!(shown(&files, "sync::mutex::Hidden"), "sync::mutex::Hidden");
    }

    #[test]
    fn exports_of_all_and_of_exports_are_followed() {
        let files = [
            ("", "mod a; pub use crate::a::*; pub mod c { pub use super::a::b as d; }"),
            ("a", "pub mod b; mod e; pub use self::e::*;"),
            ("a::b", "pub struct S;"),
            ("a::e", "pub struct T;"),
        ];
        assert_eq!(shown(&files, "a::b::S"), "b::S");
        assert_eq!(shown(&files, "a::e::T"), "T");
    }

    #[test]
    fn exports_of_other_crates_and_those_not_to_be_shown_are_none() {
        let files = [
            (
                "",
                "mod a; pub use ::a::S; pub use other::a::S; #[doc(hidden)] pub use a::S; pub use a::S as _; pub(crate) use a::S;",
            ),
            ("a", "pub struct S;"),
        ];
        assert_eq!(shown(&files, "a::S"), "a::S");
    }

    #[test]
    fn modules_that_export_each_other_end() {
        let files = [("", "mod a;"), ("a", "mod b; pub use b::*;"), ("a::b", "pub use super::*; pub struct S;")];
        assert_eq!(shown(&files, "a::b::S"), "a::b::S");
    }

    #[test]
    fn methods_belong_to_their_type_where_it_is_defined() {
        let files = [
            ("", "mod table; pub use table::Table;"),
            ("table", "mod print; pub struct Table;"),
            ("table::print", "impl super::Table { pub fn print() {} }"),
        ];
        assert_eq!(shown(&files, "table::print::Table::print"), "Table::print");
    }

    #[test]
    fn a_module_s_file_may_be_named() {
        let files = [
            ("", "pub mod sys;"),
            ("sys", "#[path = \"./sys/../unix.rs\"] pub mod imp;"),
            ("unix", "pub struct Fd;"),
            ("unix::deep", "pub struct Fd;"),
        ];
        assert_eq!(shown(&files, "unix::Fd"), "sys::imp::Fd");
    }

    #[test]
    fn paths_of_the_edition_of_2015_begin_at_the_root() {
        let files = [("", "mod a; pub mod b;"), ("a", "pub struct S;"), ("b", "pub use a::S;")];
        assert_eq!(shown(&files, "a::S"), "b::S");
    }
}
