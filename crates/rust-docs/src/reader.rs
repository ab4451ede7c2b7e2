use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::id::{ItemId, rustdoc_path};
use crate::items::{FileItems, items};
use crate::names::{Declared, Names};
use crate::sources::{Source, sources};
use crate::{Counts, DocItem, Package, RustDocsError, TextPair, Unfit, Version};

/// What was asked for of one package: its [`DocItem`]s, or the [`TextPair`]s of them.
///
/// ```
/// use rust_docs::{Counts, PackageDocs, TextPair};
///
/// let docs: PackageDocs<TextPair> = PackageDocs {
///     name: "my-net".into(),
///     version: "1.0.0".parse().unwrap(),
///     items: Vec::new(),
///     counts: Counts { packages: 1, files: 1, ..Counts::default() },
/// };
/// assert_eq!(docs.items.len(), docs.counts.items);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageDocs<T> {
    /// The package's name.
    pub name: String,
    /// The package's version.
    pub version: Version,
    /// By file and position, each with its id as [`ItemId`](crate::ItemId) writes it.
    pub items: Vec<(String, T)>,
    /// What was read and left out.
    pub counts: Counts,
}

/// Reads packages' source files in parallel.
///
/// ```
/// use rust_docs::{Reader, Workspace};
///
/// let mut found = Workspace::new(env!("CARGO_MANIFEST_DIR")).packages()?;
/// found.packages.retain(|package| package.name == "quote");
/// for package in Reader::new()?.pairs(&found.packages) {
///     println!("{} {}: {} pairs", package.name, package.version, package.items.len());
///     assert!(package.items.iter().any(|(id, _)| id.ends_with("/quote::ToTokens")));
/// }
/// # Ok::<(), rust_docs::RustDocsError>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    pool: rayon::ThreadPool,
}

impl Reader {
    /// A reader with as many threads as the current pool has, and stacks that hold deeply nested expressions of generated
    /// code.
    ///
    /// # Errors
    /// [`RustDocsError::Threads`] if they cannot be started.
    pub fn new() -> Result<Self, RustDocsError> {
        const STACK_BYTES: usize = 64 << 20;
        let threads = rayon::current_num_threads();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK_BYTES).build()?;
        Ok(Self { pool })
    }

    /// The documented public items of the packages, in the order of the packages.
    ///
    /// A file that is missing or no Rust has none; [`Counts::files_unparsed`] says how many there were.
    pub fn items(&self, packages: &[Package]) -> Vec<PackageDocs<DocItem>> {
        self.read(packages, |_, item| Ok((item.path.clone(), item)))
    }

    /// The pairs of those items that give one, in the order of the packages.
    ///
    /// Of several items with one path the ids count those that give a pair.
    pub fn pairs(&self, packages: &[Package]) -> Vec<PackageDocs<TextPair>> {
        self.read(packages, |package, item| TextPair::of(&package.name, &item).map(|pair| (item.path, pair)))
    }

    fn read<T: Send>(&self, packages: &[Package], take: impl Take<T>) -> Vec<PackageDocs<T>> {
        self.pool.install(|| {
            let files: Vec<(usize, Source)> = packages
                .par_iter()
                .enumerate()
                .flat_map_iter(|(index, package)| sources(package).into_iter().map(move |source| (index, source)))
                .collect();
            let read: Vec<FileDocs<T>> = files
                .par_iter()
                .with_max_len(1)
                .map(|(index, source)| FileDocs::read(&packages[*index], source, &take))
                .collect();
            merge(packages, files.into_iter().zip(read))
        })
    }
}

/// What is taken of an item, with the item's path.
trait Take<T>: Fn(&Package, DocItem) -> Result<(Vec<String>, T), Unfit> + Sync {}

impl<T, F: Fn(&Package, DocItem) -> Result<(Vec<String>, T), Unfit> + Sync> Take<T> for F {}

/// What one file gives.
struct FileDocs<T> {
    /// Each with its path: modules, type and name.
    items: Vec<(Vec<String>, T)>,
    hidden_modules: Vec<Vec<String>>,
    declared: Declared,
    counts: Counts,
}

impl<T> FileDocs<T> {
    fn read(package: &Package, source: &Source, take: &impl Take<T>) -> Self {
        let text = std::fs::read_to_string(&source.path);
        let found = text.ok().and_then(|text| parse(&text, &source.module));
        let mut counts = Counts { files: 1, files_unparsed: usize::from(found.is_none()), ..Counts::default() };
        let found = found.unwrap_or_default();
        counts.items = found.items.len();
        let mut items = Vec::new();
        for item in found.items {
            match take(package, item) {
                Ok(taken) => items.push(taken),
                Err(unfit) => counts.leave_out(unfit),
            }
        }
        Self { items, hidden_modules: found.hidden_modules, declared: found.declared, counts }
    }
}

/// Parsing takes nearly all the time, and generated bindings mostly have no documentation.
fn parse(text: &str, module: &[String]) -> Option<FileItems> {
    let may_matter = ["///", "//!", "/**", "/*!", "doc", "cfg(test)"].iter().any(|mark| text.contains(mark));
    if may_matter { items(text, module) } else { Some(FileItems::default()) }
}

/// What the files give by package, less what is in modules that another file hides.
fn merge<T>(packages: &[Package], files: impl Iterator<Item = ((usize, Source), FileDocs<T>)>) -> Vec<PackageDocs<T>> {
    let mut by_package: Vec<Vec<(Source, FileDocs<T>)>> = packages.iter().map(|_| Vec::new()).collect();
    files.for_each(|((index, source), docs)| by_package[index].push((source, docs)));
    packages.iter().zip(by_package).map(|(package, files)| merge_package(package, files)).collect()
}

fn merge_package<T>(package: &Package, files: Vec<(Source, FileDocs<T>)>) -> PackageDocs<T> {
    let hidden: Vec<Vec<String>> = files.iter().flat_map(|(_, file)| file.hidden_modules.clone()).collect();
    let mut ids = Ids::new(package, Names::new(files.iter().map(|(source, file)| (source, &file.declared))));
    let mut counts = Counts { packages: 1, ..Counts::default() };
    let mut items = Vec::new();
    for (_, file) in files {
        counts += file.counts;
        let shown = file.items.into_iter().filter(|(path, _)| !hidden.iter().any(|module| path.starts_with(module)));
        items.extend(shown.map(|(path, item)| (ids.next(&path), item)));
    }
    PackageDocs { name: package.name.clone(), version: package.version.clone(), items, counts }
}

/// Gives the items of a package their ids.
struct Ids<'a> {
    package: &'a Package,
    version: String,
    names: Names,
    occurrences: FxHashMap<String, usize>,
}

impl<'a> Ids<'a> {
    fn new(package: &'a Package, names: Names) -> Self {
        Self { package, version: package.version.to_string(), names, occurrences: FxHashMap::default() }
    }

    fn next(&mut self, path: &[String]) -> String {
        let path = rustdoc_path(&self.package.library, &self.names.shown(path));
        let occurrence = self.occurrences.get(&path).map_or(1, |before| before + 1);
        let id = ItemId { package: &self.package.name, version: &self.version, path: &path, occurrence }.to_string();
        self.occurrences.insert(path, occurrence);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &str)]) -> (tempfile::TempDir, Package) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("src")).unwrap();
        for (file, content) in files {
            std::fs::write(root.path().join("src").join(file), content).unwrap();
        }
        let lib = root.path().join("src/lib.rs");
        let package = Package {
            name: "my-net".into(),
            library: "net".into(),
            version: "1.2.0".parse().unwrap(),
            root: root.path().into(),
            lib,
        };
        (root, package)
    }

    #[test]
    fn pairs_are_by_file_and_position_and_hidden_modules_are_left_out() {
        let (_root, package) = package(&[
            (
                "lib.rs",
                "#[doc(hidden)] pub mod private;\n/// Sends all bytes at once.\npub fn send_all(bytes: &[u8]) {}",
            ),
            (
                "a.rs",
                "/// Closes the open connection.\npub fn close() {}\n/// Short.\npub fn x() {}\n/// Opens a new connection.\npub fn open() {}",
            ),
            ("private.rs", "/// Nobody should see this one.\npub fn hidden() {}"),
            ("broken.rs", "/// Not Rust.\npub fn ("),
        ]);
        let docs = Reader::new().unwrap().pairs(&[package]).remove(0);
        let found: Vec<(&str, &str, &str)> =
            docs.items.iter().map(|(id, pair)| (id.as_str(), pair.query.as_str(), pair.passage.as_str())).collect();
        let expected = [
            ("my-net@1.2.0/net::a::close", "Closes the open connection.", "function my net a close."),
            ("my-net@1.2.0/net::a::open", "Opens a new connection.", "function my net a open."),
            ("my-net@1.2.0/net::send_all", "Sends all bytes at once.", "function my net send all: bytes u8."),
        ];
        assert_eq!(found, expected);
        let counts = Counts { packages: 1, files: 4, files_unparsed: 1, items: 5, short: 1, ..Default::default() };
        assert_eq!(docs.counts, counts);
    }

    #[test]
    fn items_with_the_same_path_have_different_ids() {
        let (_root, package) = package(&[(
            "lib.rs",
            "#[cfg(unix)] /// Opens the file on Unix.\npub fn open() {}\n#[cfg(windows)] /// Opens the file on Windows.\npub fn open() {}",
        )]);
        let docs = Reader::new().unwrap().pairs(&[package]).remove(0);
        let ids: Vec<&str> = docs.items.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["my-net@1.2.0/net::open", "my-net@1.2.0/net::open#2"]);
    }

    #[test]
    fn deeply_nested_expressions_do_not_overflow_the_stack() {
        let nested =
            format!("/// Adds up very many numbers.\npub fn f() -> u8 {{ {}1{} }}", "(".repeat(3000), ")".repeat(3000));
        let (_root, package) = package(&[("lib.rs", &nested)]);
        let docs = Reader::new().unwrap().pairs(&[package]).remove(0);
        assert_eq!((docs.items.len(), docs.counts.files_unparsed), (1, 0));
    }
}
