//! (doc comment, item) pairs from the sources of the packages that a workspace depends on.

mod sample;

use std::path::PathBuf;

use rust_docs::{PackageDocs, Reader, TextPair, Workspace};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::builder::Builder;
use super::digest::digest;
use super::judgements::Split;
use super::split::HashShare;
use super::validation::Unit;
use super::{DataError, Dataset, RustDocsCounts};

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
/// println!("{}\n  {}", dataset.queries.text(pair.query), dataset.passages.text(pair.passage));
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
    /// The share of the other families that is the validation split, in `[0, 1)`.
    #[serde(default)]
    pub validation_share: f64,
}

fn test_share() -> f64 {
    0.15
}

impl RustDocs {
    /// All packages that the workspace in `manifest_dir` depends on, with 15% of their families held out.
    pub fn new(manifest_dir: impl Into<PathBuf>) -> Self {
        Self { manifest_dir: manifest_dir.into(), test_share: test_share(), sample: None, validation_share: 0.0 }
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

    /// Makes this share of the families that are not held out the validation split.
    #[must_use]
    pub fn with_validation_share(mut self, share: f64) -> Self {
        self.validation_share = share;
        self
    }

    /// The data set of the packages' documentation, by package name, file and position.
    ///
    /// Ids are `package@version/path`, the path at which rustdoc shows the item: `serde_json@1.0.140/serde_json::from_str`.
    /// Query and passage of an item have the same id.
    ///
    /// # Errors
    /// [`DataError::RustDocs`] if there is neither metadata nor a `Cargo.lock`, [`DataError::NoDocs`] if no pair is
    /// found, [`DataError::Share`] if a share is not in `[0, 1)`.
    pub fn load(&self) -> Result<Dataset, DataError> {
        let (test, validation) = (HashShare::test(self.test_share)?, HashShare::validation(self.validation_share)?);
        let found = Workspace::new(&self.manifest_dir).packages()?;
        if let Some(note) = &found.note {
            tracing::warn!("{note}");
        }
        let reader = Reader::new()?;
        let docs = match self.sample {
            None => reader.pairs(&found.packages),
            Some(pairs) => sample::read(&reader, &found.packages, pairs, |name| test.takes(family(name))),
        };
        let mut dataset = collect(docs, test, validation)?;
        if dataset.passages.is_empty() {
            let packages = found.packages.len();
            return Err(DataError::NoDocs { manifest_dir: self.manifest_dir.clone(), packages });
        }
        dataset.notes.extend(found.note);
        Ok(dataset)
    }
}

fn collect(packages: Vec<PackageDocs<TextPair>>, test: HashShare, validation: HashShare) -> Result<Dataset, DataError> {
    let mut builder = Builder::default();
    let mut counts = RustDocsCounts::default();
    let mut seen = FxHashSet::default();
    for package in packages {
        counts.add(package.counts);
        let split = if test.takes(family(&package.name)) { Split::Test } else { Split::Train };
        counts.packages_tested += usize::from(split == Split::Test && !package.items.is_empty());
        for (id, pair) in package.items {
            if !seen.insert(digest(&[&pair.query])) {
                counts.queries_repeated += 1;
                continue;
            }
            let query = builder.merged_query(&id, &pair.query)?;
            let passage = builder.merged_document(&id, &pair.passage, &package.name)?;
            builder.judge_pair(split, query, passage);
        }
    }
    builder.counts.rust_docs = Some(counts);
    builder.cut_validation(validation, Unit::Topic(family));
    Ok(builder.finish(true))
}

impl RustDocsCounts {
    fn add(&mut self, read: rust_docs::Counts) {
        self.packages += read.packages;
        self.files += read.files;
        self.files_unparsed += read.files_unparsed;
        self.items += read.items;
        self.without_paragraph += read.without_paragraph;
        self.with_code += read.with_code;
        self.short += read.short;
        self.verbatim += read.verbatim;
    }
}

/// The name up to the first `-` or `_`.
fn family(package: &str) -> &str {
    package.split(['-', '_']).next().unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::super::Texts;
    use super::*;

    fn docs(name: &str, pairs: &[(&str, &str)]) -> PackageDocs<TextPair> {
        let pair = |&(query, passage): &(&str, &str)| {
            (format!("{name}#{query}"), TextPair { query: query.into(), passage: passage.into() })
        };
        let items = pairs.iter().map(pair).collect();
        PackageDocs {
            name: name.into(),
            version: "1.0.0".parse().unwrap(),
            items,
            counts: rust_docs::Counts::default(),
        }
    }

    fn test() -> HashShare {
        HashShare::test(test_share()).unwrap()
    }

    #[test]
    fn families_are_names_up_to_the_first_mark() {
        assert_eq!(["burn", "burn-core", "burn_nn", "tokio"].map(family), ["burn", "burn", "burn", "tokio"]);
    }

    #[test]
    fn a_family_is_on_one_side_and_the_sides_are_stable() {
        let held_out = |name: &&str| test().takes(family(name));
        assert_eq!(held_out(&"regex-syntax"), held_out(&"regex"));
        let names = ["burn", "image", "ndarray", "petgraph", "regex", "serde", "syn", "time", "tokio", "wgpu"];
        let test: Vec<&str> = names.into_iter().filter(held_out).collect();
        assert_eq!(test, ["image", "petgraph", "regex", "time"]);
    }

    #[test]
    fn a_repeated_query_is_kept_once_and_a_repeated_passage_is_one_row() {
        let packages =
            vec![docs("serde", &[("a", "x"), ("b", "x"), ("a", "y")]), docs("regex", &[("b", "z"), ("c", "z")])];
        let dataset = collect(packages, test(), HashShare::validation(0.0).unwrap()).unwrap();
        let texts = |texts: &Texts| texts.iter().map(|text| text.text.to_owned()).collect::<Vec<_>>();
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
        assert!(matches!(error, DataError::Share { split: "test", .. }));
        let error = RustDocs::new(".").with_validation_share(1.0).load().unwrap_err();
        assert!(matches!(error, DataError::Share { split: "validation", .. }));
    }

    #[test]
    fn whole_families_of_the_training_packages_are_the_validation_split() {
        let name = |i: usize| format!("f{}-{}", i / 2, i % 2);
        let packages = (0..200).map(|i| docs(&name(i), &[(&format!("q {i}"), &format!("d {i}"))])).collect();
        let dataset = collect(packages, test(), HashShare::validation(0.2).unwrap()).unwrap();
        let topics = dataset.topics.as_ref().unwrap();
        let families = |passages: &mut dyn Iterator<Item = u32>| -> FxHashSet<String> {
            passages.map(|passage| family(topics.name(passage)).to_owned()).collect()
        };
        let of = |queries: &[super::super::TestQuery]| families(&mut queries.iter().map(|query| query.relevant[0].0));
        let train = families(&mut dataset.train.iter().map(|pair| pair.passage));
        let (validation, test) = (of(&dataset.validation), of(&dataset.test));
        assert!((10..30).contains(&validation.len()), "{validation:?}");
        assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
        assert_eq!(train.len() + validation.len() + test.len(), 100);
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
        let is_test = |passage: u32| test().takes(family(topics.name(passage)));
        assert!(dataset.train.iter().all(|pair| !is_test(pair.passage)));
        assert!(dataset.test.iter().all(|query| is_test(query.relevant[0].0)));
        for pair in &dataset.train {
            let (query, passage) = (dataset.queries.get(pair.query), dataset.passages.get(pair.passage));
            assert!(!passage.text.contains(query.text), "{}", query.id);
        }
    }
}
