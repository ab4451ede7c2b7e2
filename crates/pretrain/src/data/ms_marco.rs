//! Folders in the layout of MS MARCO's passage ranking (Bajaj et al. 2016, arXiv 1611.09268).

use std::path::{Path, PathBuf};

use retrieval_eval::Problem;
use serde::{Deserialize, Serialize};

use super::beir::{BeirValidation, notes};
use super::builder::Builder;
use super::digest::digest;
use super::ids::{Ids, Named};
use super::judgements::Split;
use super::lines::each_line;
use super::validation::Unit;
use super::{DataError, Dataset};

/// A folder with `collection.tsv`, `queries.{split}.tsv` and `qrels.{split}.tsv`, each perhaps with `.gz` or `.zst` behind its name.
///
/// A line of texts is an id, a tab and the text; one of judgements a query's id, a column that says nothing, a passage's id and a grade. Judgements
/// above 0 in `qrels.train.tsv` are the training pairs, as of a [`Beir`](super::Beir) folder; without that file there are none.
///
/// ```
/// use pretrain::data::MsMarco;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path();
/// std::fs::write(path.join("collection.tsv"), "0\tRome has seven hills.\n1\tOxygen is an element.\n").unwrap();
/// std::fs::write(path.join("queries.train.tsv"), "7\thow many hills has Rome\n").unwrap();
/// std::fs::write(path.join("qrels.train.tsv"), "7\t0\t0\t1\n").unwrap();
/// std::fs::write(path.join("triples.tsv"), "7\t0\t1\n").unwrap();
/// let dataset = MsMarco::new(path).with_test_split("").with_triples("triples.tsv").load().unwrap();
/// assert_eq!((dataset.train.len(), dataset.negatives.of(0)), (1, &[1][..]));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MsMarco {
    /// The folder.
    pub path: PathBuf,
    /// The test split: `dev.small`; empty where there is to be no test.
    #[serde(default = "dev_small")]
    pub test_split: String,
    /// Which queries settings are chosen by.
    #[serde(default)]
    pub validation: BeirValidation,
    /// A file with the ids of a query, its passage and a passage that does not answer it, between tabs: hard negatives.
    #[serde(default)]
    pub triples: Option<String>,
}

fn dev_small() -> String {
    "dev.small".into()
}

impl MsMarco {
    /// The folder `path`, tested on the small development split, without a validation split.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), test_split: dev_small(), validation: BeirValidation::None, triples: None }
    }

    /// Tests on `qrels.{split}.tsv`, with the queries of that split.
    #[must_use]
    pub fn with_test_split(mut self, split: impl Into<String>) -> Self {
        self.test_split = split.into();
        self
    }

    /// Validates on these queries.
    #[must_use]
    pub fn with_validation(mut self, validation: BeirValidation) -> Self {
        self.validation = validation;
        self
    }

    /// Reads hard negatives from this file of the folder.
    #[must_use]
    pub fn with_triples(mut self, file: impl Into<String>) -> Self {
        self.triples = Some(file.into());
        self
    }

    /// The folder's data set.
    ///
    /// # Errors
    /// A [`DataError`] with the file, and the line and id where there is one: if a file is missing, a line is malformed, an id names two texts, a
    /// judgement or a triple names an unknown query; or if the validation split is that of training or test, or its share not in `[0, 1)`.
    pub fn load(&self) -> Result<Dataset, DataError> {
        let (share, validation) = self.validation.of(&self.test_split)?;
        let mut builder = Builder::default();
        let mut documents = Ids::default();
        self.each_text("collection.tsv", |id, text, place| {
            let content = digest(&[text]);
            if documents.repeats(id, content, builder.passages(), place)? {
                builder.counts.documents_again += 1;
                return Ok(());
            }
            let row = builder.document(id, text, "")?;
            documents.insert(row, content, builder.passages());
            Ok(())
        })?;
        let train = self.find("qrels.train.tsv").is_some().then_some("train");
        let test = Some(self.test_split.as_str()).filter(|split| !split.is_empty());
        let splits = [(Split::Train, train), (Split::Validation, validation), (Split::Test, test)];
        let splits: Vec<(Split, &str)> = splits.into_iter().filter_map(|(split, name)| Some((split, name?))).collect();
        let mut queries = Ids::default();
        for (_, name) in &splits {
            self.each_text(&format!("queries.{name}.tsv"), |id, text, place| {
                let content = digest(&[text]);
                if queries.repeats(id, content, builder.queries(), place)? {
                    builder.counts.queries_again += 1;
                    return Ok(());
                }
                let row = builder.query(id, text)?;
                queries.insert(row, content, builder.queries());
                Ok(())
            })?;
        }
        let mut named = Named::new(documents.rows, queries.rows);
        for &(split, name) in &splits {
            self.judge(&mut named, split, &format!("qrels.{name}.tsv"), &mut builder)?;
        }
        if let Some(file) = &self.triples {
            self.add_negatives(&named, file, &mut builder)?;
        }
        builder.cut_validation(share, Unit::Passage);
        let mut dataset = builder.finish(false);
        dataset.notes.extend(notes(&dataset.counts));
        Ok(dataset)
    }

    /// The file of this name, or compressed.
    fn find(&self, name: &str) -> Option<PathBuf> {
        ["", ".gz", ".zst"].iter().map(|ending| self.path.join(format!("{name}{ending}"))).find(|path| path.exists())
    }

    /// The file of this name, where there is none to be said so.
    fn file(&self, name: &str) -> PathBuf {
        self.find(name).unwrap_or_else(|| self.path.join(name))
    }

    fn each_text(
        &self,
        name: &str,
        mut each: impl FnMut(&str, &str, (&Path, usize)) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let path = self.file(name);
        each_line(&path, |line, content| match content.split_once('\t') {
            Some((id, text)) => each(id, text, (&path, line)),
            None => Err(DataError::missing_field(&path, line, "text")),
        })
    }

    fn judge(&self, named: &mut Named, split: Split, name: &str, builder: &mut Builder) -> Result<(), DataError> {
        let path = self.file(name);
        each_line(&path, |line, content| {
            let malformed = |problem| DataError::MalformedJudgement { path: path.clone(), line, problem };
            let [query, _, passage, grade] = columns(content, "query 0 passage grade").map_err(malformed)?;
            let grade = grade.parse().map_err(|_| malformed(Problem::Grade { text: grade.to_owned() }))?;
            named.judge(split, (query, passage, grade), (&path, line), builder)
        })
    }

    fn add_negatives(&self, named: &Named, name: &str, builder: &mut Builder) -> Result<(), DataError> {
        let path = self.file(name);
        each_line(&path, |line, content| {
            let malformed = |problem| DataError::MalformedJudgement { path: path.clone(), line, problem };
            let [query, passage, negative] = columns(content, "query passage negative").map_err(malformed)?;
            let query = named.query(query, (&path, line), builder)?;
            if let (Some(passage), Some(negative)) = (named.passage(passage, builder), named.passage(negative, builder))
            {
                builder.negative(query, passage, negative);
            }
            Ok(())
        })
    }
}

/// The columns of a line, between white space.
fn columns<'l, const N: usize>(line: &'l str, names: &'static str) -> Result<[&'l str; N], Problem> {
    let all: Vec<&str> = line.split_ascii_whitespace().collect();
    let found = all.len();
    all.try_into().map_err(|_| Problem::Columns { found, expected: N, names })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Pair, TestQuery};
    use super::*;

    /// A folder with three passages, a training and a test query.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("collection.tsv", "0\tSeven hills.\n1\tThe Tiber.\n2\tOxygen \"is\ta gas\n"),
            ("queries.train.tsv", "7\thills of Rome\n8\tgases\n"),
            ("queries.dev.small.tsv", "9\tthe river of Rome\n"),
            ("qrels.train.tsv", "7\t0\t0\t1\n8\t0\t2\t1\n"),
            ("qrels.dev.small.tsv", "9\t0\t1\t1\n"),
            ("triples.tsv", "7\t0\t1\n7\t0\t2\n7\t0\t1\n7\t0\t0\n8\t2\t5\n"),
        ] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    fn error(folder: &tempfile::TempDir, source: &MsMarco) -> String {
        source.load().unwrap_err().to_string().replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn a_folder_becomes_pairs_negatives_and_test_queries() {
        let folder = folder();
        let dataset = MsMarco::new(folder.path()).with_triples("triples.tsv").load().unwrap();
        assert_eq!(dataset.train, [Pair { query: 0, passage: 0 }, Pair { query: 1, passage: 2 }]);
        assert_eq!(dataset.test, [TestQuery { query: 2, relevant: vec![(1, 1)], ..TestQuery::default() }]);
        assert_eq!(dataset.passages.text(2), "Oxygen \"is\ta gas");
        // Passage 1 is the test's answer.
        assert_eq!((dataset.negatives.of(0), dataset.negatives.of(1)), (&[2][..], &[][..]));
        assert_eq!((dataset.counts.negatives, dataset.counts.negatives_left_out), (1, 3));
    }

    #[test]
    fn files_may_be_compressed() {
        let folder = folder();
        let path = folder.path().join("collection.tsv");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::write(folder.path().join("collection.tsv.gz"), gzip.finish().unwrap()).unwrap();
        let plain = MsMarco::new(folder.path()).load().unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(MsMarco::new(folder.path()).load().unwrap(), plain);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let folder = folder();
        let source = MsMarco::new(folder.path());
        let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
        write("qrels.train.tsv", "7\t0\t0\n");
        assert_eq!(
            error(&folder, &source),
            "qrels.train.tsv:1: 3 columns where 4 are expected (query 0 passage grade)"
        );
        write("qrels.train.tsv", "6\t0\t0\t1\n");
        assert_eq!(error(&folder, &source), "qrels.train.tsv:1: unknown query id `6`");
        write("collection.tsv", "0\ta\n0\tb\n");
        assert_eq!(error(&folder, &source), "collection.tsv:2: id `0` names another text in an earlier line");
        write("collection.tsv", "0\ta\n\n1 b\n");
        assert_eq!(error(&folder, &source), "collection.tsv:3: no field `text`");
        let dev = source.with_validation(BeirValidation::Split { split: "dev.small".into() });
        let expected = "validation split `dev.small`: expected another than the training and the test split";
        assert_eq!(error(&folder, &dev), expected);
    }
}
