//! (doc comment, item) pairs from the sources of the packages that a workspace depends on.

mod exports;
mod id;
mod items;
mod lock;
mod markdown;
mod names;
mod outline;
mod packages;
mod pair;
mod reader;
mod sample;
mod signature;
mod sources;
mod words;

use std::path::PathBuf;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::builder::{Builder, digest};
use super::split::{checked_share, unit_hash};
use super::{DataError, Dataset};
pub(crate) use id::ItemId;
use reader::{PackageDocs, Reader};

/// The documentation of the packages that a Cargo workspace depends on: real text that every machine with a build has.
///
/// A pair is the first paragraph of a public item's doc comment, as the query, and the item's path, signature and
/// further documentation, as the passage. Whole families of packages (names alike up to the first `-` or `_`) are held
/// out as the test split, by a hash of the family's name. A passage's topic is its package.
///
/// The packages are those that the workspace's members need to be built, the highest version of each. Sources are
/// never downloaded: where `cargo metadata --offline` finds some missing, the rest is taken, and the data set's notes
/// say so.
///
/// ```no_run
/// use pretrain::data::RustDocs;
///
/// let dataset = RustDocs::new(".").with_sample(Some(1000)).load()?;
/// let pair = dataset.train[0];
/// println!("{}\n  {}", dataset.queries[pair.query as usize].text, dataset.passages[pair.passage as usize].text);
/// # Ok::<(), pretrain::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RustDocs {
    /// The folder with the workspace's `Cargo.toml`.
    pub manifest_dir: PathBuf,
    /// The share of the families that is held out, in `[0, 1)`, met in expectation.
    #[serde(default = "test_share")]
    pub test_share: f64,
    /// How many pairs to keep, in whole packages up to the last one; `None` for all.
    #[serde(default)]
    pub sample: Option<usize>,
}

fn test_share() -> f64 {
    0.15
}

/// What the `rust-docs` reader met before there were pairs.
///
/// ```
/// let counts = pretrain::data::RustDocsCounts { files: 9, files_unparsed: 1, ..Default::default() };
/// assert_eq!(counts.files - counts.files_unparsed, 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RustDocsCounts {
    /// Packages whose sources were read.
    pub packages: usize,
    /// Packages with pairs in the test split.
    pub packages_tested: usize,
    /// Source files read.
    pub files: usize,
    /// Source files that are no Rust of this edition, left out.
    pub files_unparsed: usize,
    /// Documented public items.
    pub items: usize,
    /// Items whose documentation does not begin with a paragraph, left out.
    pub without_paragraph: usize,
    /// Items whose first paragraph makes no sense without its code, left out.
    pub with_code: usize,
    /// Items whose first paragraph has fewer than four words or only points elsewhere, left out.
    pub short: usize,
    /// Items whose passage repeats the query, left out.
    pub verbatim: usize,
    /// Pairs whose query came before, left out.
    pub queries_repeated: usize,
}

impl RustDocs {
    /// All packages that the workspace in `manifest_dir` depends on, with 15% of their families held out.
    pub fn new(manifest_dir: impl Into<PathBuf>) -> Self {
        Self { manifest_dir: manifest_dir.into(), test_share: test_share(), sample: None }
    }

    /// Holds out this share of the families.
    #[must_use]
    pub fn with_test_share(mut self, share: f64) -> Self {
        self.test_share = share;
        self
    }

    /// Keeps about this many pairs.
    #[must_use]
    pub fn with_sample(mut self, sample: Option<usize>) -> Self {
        self.sample = sample;
        self
    }

    /// The data set of the packages' documentation, by package name, file and position.
    ///
    /// Ids are `package@version/path`, the path at which rustdoc shows the item: `serde_json@1.0.140/serde_json::from_str`.
    /// Query and passage of an item have the same id.
    ///
    /// # Errors
    /// [`DataError::Workspace`] if there is neither metadata nor a `Cargo.lock`, [`DataError::NoDocs`] if no pair is
    /// found, [`DataError::TestShare`] if the share is not in `[0, 1)`.
    pub fn load(&self) -> Result<Dataset, DataError> {
        checked_share(self.test_share)?;
        let found = packages::find(&self.manifest_dir)?;
        if let Some(note) = &found.note {
            tracing::warn!("{note}");
        }
        let reader = Reader::new()?;
        let docs = match self.sample {
            None => reader.read(&found.packages),
            Some(pairs) => sample::read(&reader, &found.packages, pairs, |name| self.holds_out(name)),
        };
        let mut dataset = self.collect(docs)?;
        if dataset.passages.is_empty() {
            let packages = found.packages.len();
            return Err(DataError::NoDocs { manifest_dir: self.manifest_dir.clone(), packages });
        }
        dataset.notes.extend(found.note);
        Ok(dataset)
    }
}

impl RustDocs {
    /// Whether the package is in the test split.
    fn holds_out(&self, package: &str) -> bool {
        unit_hash(family(package)) < self.test_share
    }

    fn collect(&self, packages: Vec<PackageDocs>) -> Result<Dataset, DataError> {
        let mut builder = Builder::default();
        let mut counts = RustDocsCounts::default();
        let mut seen = FxHashSet::default();
        for package in packages {
            counts.add(&package.counts);
            let held_out = self.holds_out(&package.name);
            counts.packages_tested += usize::from(held_out && !package.pairs.is_empty());
            for (id, pair) in package.pairs {
                if !seen.insert(digest(&[&pair.query])) {
                    counts.queries_repeated += 1;
                    continue;
                }
                let query = builder.query(id.clone(), pair.query)?;
                let passage = builder.passage(id, pair.passage, Some(&package.name))?;
                match held_out {
                    true => builder.test(query, passage, 1),
                    false => builder.train(query, passage, 1),
                }
            }
        }
        builder.counts.rust_docs = Some(counts);
        Ok(builder.finish(true))
    }
}

impl RustDocsCounts {
    fn add(&mut self, other: &Self) {
        self.packages += other.packages;
        self.packages_tested += other.packages_tested;
        self.files += other.files;
        self.files_unparsed += other.files_unparsed;
        self.items += other.items;
        self.without_paragraph += other.without_paragraph;
        self.with_code += other.with_code;
        self.short += other.short;
        self.verbatim += other.verbatim;
        self.queries_repeated += other.queries_repeated;
    }
}

/// The name up to the first `-` or `_`.
fn family(package: &str) -> &str {
    package.split(['-', '_']).next().unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::pair::TextPair;
    use super::*;

    fn docs(name: &str, pairs: &[(&str, &str)]) -> PackageDocs {
        let pair = |&(query, passage): &(&str, &str)| {
            (format!("{name}#{query}"), TextPair { query: query.into(), passage: passage.into() })
        };
        PackageDocs { name: name.into(), pairs: pairs.iter().map(pair).collect(), ..PackageDocs::default() }
    }

    #[test]
    fn families_are_names_up_to_the_first_mark() {
        assert_eq!(["burn", "burn-core", "burn_nn", "tokio"].map(family), ["burn", "burn", "burn", "tokio"]);
    }

    #[test]
    fn a_family_is_on_one_side_and_the_sides_are_stable() {
        let rust_docs = RustDocs::new(".");
        let held_out = |name: &&str| rust_docs.holds_out(name);
        assert_eq!(held_out(&"regex-syntax"), held_out(&"regex"));
        let names = ["burn", "image", "ndarray", "petgraph", "regex", "serde", "syn", "time", "tokio", "wgpu"];
        let test: Vec<&str> = names.into_iter().filter(held_out).collect();
        assert_eq!(test, ["image", "petgraph", "regex", "time"]);
    }

    #[test]
    fn a_repeated_query_is_kept_once_and_a_repeated_passage_is_one_row() {
        let packages =
            vec![docs("serde", &[("a", "x"), ("b", "x"), ("a", "y")]), docs("regex", &[("b", "z"), ("c", "z")])];
        let dataset = RustDocs::new(".").collect(packages).unwrap();
        let texts = |texts: &[super::super::Text]| texts.iter().map(|text| text.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&dataset.queries), ["a", "b", "c"]);
        assert_eq!(texts(&dataset.passages), ["x", "z"]);
        assert_eq!((dataset.train.len(), dataset.test[0].relevant[0]), (2, (1, 1)));
        assert_eq!(dataset.topics.unwrap().names, ["serde", "regex"]);
        let counts = dataset.counts.rust_docs.unwrap();
        assert_eq!((counts.queries_repeated, counts.packages_tested), (2, 1));
    }

    #[test]
    fn a_share_of_one_is_an_error() {
        let error = RustDocs::new(".").with_test_share(1.0).load().unwrap_err();
        assert!(matches!(error, DataError::TestShare { .. }));
    }

    #[test]
    fn a_workspace_without_dependencies_has_no_docs() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(folder.path().join("src/lib.rs"), "/// The only item here.\npub fn f() {}").unwrap();
        let package = "name = \"alone\"\nversion = \"0.1.0\"\n";
        std::fs::write(folder.path().join("Cargo.toml"), format!("[package]\n{package}edition = \"2024\"\n")).unwrap();
        std::fs::write(folder.path().join("Cargo.lock"), format!("version = 4\n[[package]]\n{package}")).unwrap();
        let error = RustDocs::new(folder.path()).load().unwrap_err();
        assert!(matches!(error, DataError::NoDocs { packages: 0, .. }), "{error}");
    }

    #[test]
    fn a_sample_of_this_workspace_s_dependencies_is_the_same_each_time() {
        let rust_docs = RustDocs::new(env!("CARGO_MANIFEST_DIR")).with_sample(Some(400));
        let dataset = rust_docs.load().unwrap();
        let pairs = dataset.train.len() + dataset.test.len();
        assert!((200..=400).contains(&pairs), "{pairs}");
        assert_eq!(dataset.content_hash(), rust_docs.load().unwrap().content_hash());
        let topics = dataset.topics.as_ref().unwrap();
        assert!(topics.names.len() > 16, "{:?}", topics.names);
        let is_test = |passage: u32| rust_docs.holds_out(topics.name(passage));
        assert!(dataset.train.iter().all(|pair| !is_test(pair.passage)));
        assert!(dataset.test.iter().all(|query| is_test(query.relevant[0].0)));
        for pair in &dataset.train {
            let (query, passage) = (&dataset.queries[pair.query as usize], &dataset.passages[pair.passage as usize]);
            assert!(!passage.text.contains(&query.text), "{}", query.id);
        }
    }
}
