//! Packages' source files, parsed in parallel, as pairs.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::super::DataError;
use super::RustDocsCounts;
use super::id::{ItemId, rustdoc_path};
use super::items::{FileItems, items};
use super::names::{Declared, Names};
use super::packages::Package;
use super::pair::{TextPair, Unfit, pair};
use super::sources::{Source, sources};

/// The pairs of one package, by file and position.
#[derive(Debug, Clone, Default)]
pub(super) struct PackageDocs {
    pub(super) name: String,
    /// Each with its [`ItemId`].
    pub(super) pairs: Vec<(String, TextPair)>,
    pub(super) counts: RustDocsCounts,
}

/// Threads to parse with.
pub(super) struct Reader {
    pool: rayon::ThreadPool,
}

impl Reader {
    /// As many threads as the current pool has, with stacks that hold deeply nested expressions of generated code.
    pub(super) fn new() -> Result<Self, DataError> {
        const STACK_BYTES: usize = 64 << 20;
        let threads = rayon::current_num_threads();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK_BYTES).build()?;
        Ok(Self { pool })
    }

    /// The packages' pairs, in the order of the packages.
    pub(super) fn read(&self, packages: &[Package]) -> Vec<PackageDocs> {
        self.pool.install(|| {
            let files: Vec<(usize, Source)> = packages
                .par_iter()
                .enumerate()
                .flat_map_iter(|(index, package)| sources(package).into_iter().map(move |source| (index, source)))
                .collect();
            let read: Vec<FileDocs> = files
                .par_iter()
                .with_max_len(1)
                .map(|(index, source)| FileDocs::read(&packages[*index], source))
                .collect();
            merge(packages, files.into_iter().zip(read))
        })
    }
}

/// What one file gives.
#[derive(Default)]
struct FileDocs {
    pairs: Vec<FilePair>,
    hidden_modules: Vec<Vec<String>>,
    declared: Declared,
    counts: RustDocsCounts,
}

struct FilePair {
    /// Modules, type and name of the item.
    path: Vec<String>,
    pair: TextPair,
}

impl FileDocs {
    fn read(package: &Package, source: &Source) -> Self {
        let mut docs = Self::default();
        docs.counts.files = 1;
        let text = std::fs::read_to_string(&source.path);
        match text.ok().and_then(|text| parse(&text, &source.module)) {
            Some(found) => docs.add(package, found),
            None => docs.counts.files_unparsed = 1,
        }
        docs
    }

    fn add(&mut self, package: &Package, found: FileItems) {
        self.hidden_modules = found.hidden_modules;
        self.declared = found.declared;
        self.counts.items = found.items.len();
        for item in found.items {
            match pair(&package.name, &item) {
                Ok(pair) => self.pairs.push(FilePair { path: item.path, pair }),
                Err(Unfit::NoParagraph) => self.counts.without_paragraph += 1,
                Err(Unfit::Code) => self.counts.with_code += 1,
                Err(Unfit::Short) => self.counts.short += 1,
                Err(Unfit::Verbatim) => self.counts.verbatim += 1,
            }
        }
    }
}

/// Parsing takes nearly all the time, and generated bindings mostly have no documentation.
fn parse(text: &str, module: &[String]) -> Option<FileItems> {
    let may_matter = ["///", "//!", "/**", "/*!", "doc", "cfg(test)"].iter().any(|mark| text.contains(mark));
    if may_matter { items(text, module) } else { Some(FileItems::default()) }
}

/// The files' pairs by package, less those in modules that another file hides.
fn merge(packages: &[Package], files: impl Iterator<Item = ((usize, Source), FileDocs)>) -> Vec<PackageDocs> {
    let named = |package: &Package| PackageDocs { name: package.name.clone(), ..PackageDocs::default() };
    let mut merged: Vec<PackageDocs> = packages.iter().map(named).collect();
    let mut by_package: Vec<Vec<(Source, FileDocs)>> = packages.iter().map(|_| Vec::new()).collect();
    files.for_each(|((index, source), docs)| by_package[index].push((source, docs)));
    for ((merged, package), files) in merged.iter_mut().zip(packages).zip(by_package) {
        merged.counts.packages = 1;
        let hidden: Vec<Vec<String>> = files.iter().flat_map(|(_, file)| file.hidden_modules.clone()).collect();
        let mut ids = Ids::new(package, Names::new(files.iter().map(|(source, file)| (source, &file.declared))));
        for (_, file) in files {
            merged.counts.add(&file.counts);
            let shown =
                file.pairs.into_iter().filter(|pair| !hidden.iter().any(|module| pair.path.starts_with(module)));
            merged.pairs.extend(shown.map(|pair| (ids.next(&pair.path), pair.pair)));
        }
    }
    merged
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
        let docs = Reader::new().unwrap().read(&[package]).remove(0);
        let found: Vec<(&str, &str, &str)> =
            docs.pairs.iter().map(|(id, pair)| (id.as_str(), pair.query.as_str(), pair.passage.as_str())).collect();
        let expected = [
            ("my-net@1.2.0/net::a::close", "Closes the open connection.", "function my net a close."),
            ("my-net@1.2.0/net::a::open", "Opens a new connection.", "function my net a open."),
            ("my-net@1.2.0/net::send_all", "Sends all bytes at once.", "function my net send all: bytes u8."),
        ];
        assert_eq!(found, expected);
        let counts =
            RustDocsCounts { packages: 1, files: 4, files_unparsed: 1, items: 5, short: 1, ..Default::default() };
        assert_eq!(docs.counts, counts);
    }

    #[test]
    fn items_with_the_same_path_have_different_ids() {
        let (_root, package) = package(&[(
            "lib.rs",
            "#[cfg(unix)] /// Opens the file on Unix.\npub fn open() {}\n#[cfg(windows)] /// Opens the file on Windows.\npub fn open() {}",
        )]);
        let docs = Reader::new().unwrap().read(&[package]).remove(0);
        let ids: Vec<&str> = docs.pairs.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["my-net@1.2.0/net::open", "my-net@1.2.0/net::open#2"]);
    }

    #[test]
    fn deeply_nested_expressions_do_not_overflow_the_stack() {
        let nested =
            format!("/// Adds up very many numbers.\npub fn f() -> u8 {{ {}1{} }}", "(".repeat(3000), ")".repeat(3000));
        let (_root, package) = package(&[("lib.rs", &nested)]);
        let docs = Reader::new().unwrap().read(&[package]).remove(0);
        assert_eq!((docs.pairs.len(), docs.counts.files_unparsed), (1, 0));
    }
}
