//! Folders in the layout of BEIR (Thakur et al. 2021, arXiv 2104.08663).

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use retrieval_eval::{BeirJudgement, Problem};
use serde::{Deserialize, Serialize};

use super::builder::Builder;
use super::digest::digest;
use super::ids::{Ids, Named};
use super::judgements::Split;
use super::lines::{Field, each_line, each_record};
use super::row_index::RowIndex;
use super::split::HashShare;
use super::validation::Unit;
use super::{Counts, DataError, Dataset};

/// A folder with `corpus.jsonl`, `queries.jsonl` and `qrels/{train,test}.tsv`, evaluated as BEIR does.
///
/// The corpus is every document, whatever its text, and the test is every query with a judgement above 0. Judgements above
/// 0 in `qrels/train.tsv` are the training pairs, of distinct texts that are not blank and not a relevant pair of the test; without that file there are
/// none.
/// Titles are the passages' topics where they are shared, by two passages each in the mean or more.
///
/// ```
/// use pretrain::data::Beir;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path();
/// std::fs::create_dir(path.join("qrels")).unwrap();
/// std::fs::write(path.join("corpus.jsonl"), r#"{"_id": "d", "title": "Rome", "text": "Rome has seven hills."}"#).unwrap();
/// std::fs::write(path.join("queries.jsonl"), r#"{"_id": "q", "text": "how many hills has Rome"}"#).unwrap();
/// std::fs::write(path.join("qrels/test.tsv"), "query-id\tcorpus-id\tscore\nq\td\t1\n").unwrap();
/// let dataset = Beir::new(path).load().unwrap();
/// assert_eq!(dataset.passages.text(0), "Rome Rome has seven hills.");
/// assert_eq!(dataset.test[0].relevant, [(0, 1)]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beir {
    /// The folder.
    pub path: PathBuf,
    /// Whether a passage is title and text, with a space between them, rather than the text alone.
    #[serde(default = "yes")]
    pub use_titles: bool,
    /// The qrels file of the test split without `.tsv`: `test` or `dev`; empty where there is to be no test.
    #[serde(default = "test")]
    pub test_split: String,
    /// Which queries settings are chosen by.
    #[serde(default)]
    pub validation: BeirValidation,
}

/// The validation split of a BEIR or MS MARCO folder.
///
/// ```
/// use pretrain::data::BeirValidation;
///
/// let validation: BeirValidation = serde_json::from_str(r#"{"by": "share", "share": 0.1}"#).unwrap();
/// assert_eq!(validation, BeirValidation::Share { share: 0.1 });
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BeirValidation {
    /// There is none.
    #[default]
    None,
    /// Training queries with a positive in a share of the titles, where those are topics, or else of the passages.
    ///
    /// Neither these queries nor their positives are in training.
    Share {
        /// In `[0, 1)`.
        share: f64,
    },
    /// A qrels file, kept as it is; its queries are not in training.
    Split {
        /// Its name without `.tsv`, such as `dev`.
        split: String,
    },
}

impl BeirValidation {
    /// The share of training, and the split of the data, that are the validation split.
    pub(super) fn of(&self, test_split: &str) -> Result<(HashShare, Option<&str>), DataError> {
        match self {
            Self::None => Ok((HashShare::validation(0.0)?, None)),
            Self::Share { share } => Ok((HashShare::validation(*share)?, None)),
            Self::Split { split } if split == test_split || split == "train" => {
                Err(DataError::ValidationSplit { split: split.clone() })
            }
            Self::Split { split } => Ok((HashShare::validation(0.0)?, Some(split))),
        }
    }
}

fn yes() -> bool {
    true
}

fn test() -> String {
    "test".into()
}

impl Beir {
    /// The folder `path`, with titles, tested on `qrels/test.tsv`, without a validation split.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), use_titles: true, test_split: test(), validation: BeirValidation::None }
    }

    /// Puts each title before its text, or not.
    #[must_use]
    pub fn with_use_titles(mut self, use_titles: bool) -> Self {
        self.use_titles = use_titles;
        self
    }

    /// Tests on `qrels/{split}.tsv`.
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

    /// The folder's data set.
    ///
    /// A judgement of a document that the corpus lacks stays with its test query, which can never find it; in training it
    /// is left out. The counts, and the notes where there is more to say, tell what was left out.
    ///
    /// # Errors
    /// A [`DataError`] with the file, and the line and id where there is one: if a file is missing, a line is malformed,
    /// an object has no `_id` or `text`, an `_id` names two texts, or a judgement names an unknown query; or if the
    /// validation split is that of training or test, or its share not in `[0, 1)`.
    pub fn load(&self) -> Result<Dataset, DataError> {
        self.load_splits(self.qrels("train").exists())
    }

    /// The test split alone, whatever the others hold.
    ///
    /// # Errors
    /// As [`load`](Self::load), of what is read.
    pub fn load_test(&self) -> Result<Dataset, DataError> {
        self.load_splits(false)
    }

    /// The files that the test split is read from.
    pub(crate) fn test_files(&self) -> [PathBuf; 3] {
        [self.path.join("corpus.jsonl"), self.path.join("queries.jsonl"), self.qrels(&self.test_split)]
    }

    fn load_splits(&self, train: bool) -> Result<Dataset, DataError> {
        let (share, validation_split) = self.validation.of(&self.test_split)?;
        let mut builder = Builder::default();
        let documents = self.read_corpus(&mut builder)?;
        let queries = self.read_queries(&mut builder, &documents)?;
        let mut named = Named::new(documents, queries);
        let mut judge = |split, name: &str, builder: &mut Builder| judge(&mut named, split, &self.qrels(name), builder);
        if train {
            judge(Split::Train, "train", &mut builder)?;
        }
        if let Some(name) = validation_split {
            judge(Split::Validation, name, &mut builder)?;
        }
        if !self.test_split.is_empty() {
            judge(Split::Test, &self.test_split, &mut builder)?;
        }
        let titles = builder.topics();
        let shared = titles.names.len() > 1 && 2 * titles.names.len() <= titles.of_passage.len();
        builder.cut_validation(share, if shared { Unit::Topic(|name| name) } else { Unit::Passage });
        let mut dataset = builder.finish(shared);
        dataset.notes.extend(notes(&dataset.counts));
        Ok(dataset)
    }

    fn qrels(&self, split: &str) -> PathBuf {
        self.path.join("qrels").join(format!("{split}.tsv"))
    }

    fn read_corpus(&self, builder: &mut Builder) -> Result<RowIndex, DataError> {
        let path = self.path.join("corpus.jsonl");
        let mut ids = Ids::default();
        let surrogates = each_record(&path, &["_id", "text", "title"].map(Field::one), |mut record| {
            let (id, text) = (record.require(0)?, record.require(1)?);
            let title = record.take(2).unwrap_or_default();
            let content = digest(&[&title, &text]);
            if ids.repeats(&id, content, builder.passages(), (&path, record.line))? {
                builder.counts.documents_again += 1;
                return Ok(());
            }
            // As BEIR joins them: without a title nothing but the text is left.
            let passage: Cow<'_, str> = if self.use_titles { format!("{title} {text}").into() } else { text.into() };
            let row = builder.document(&id, passage.trim(), &title)?;
            ids.insert(row, content, builder.passages());
            Ok(())
        })?;
        builder.counts.lone_surrogates += surrogates;
        Ok(ids.rows)
    }

    fn read_queries(&self, builder: &mut Builder, documents: &RowIndex) -> Result<RowIndex, DataError> {
        let path = self.path.join("queries.jsonl");
        let mut ids = Ids::default();
        let surrogates = each_record(&path, &["_id", "text"].map(Field::one), |mut record| {
            let (id, text) = (record.require(0)?, record.require(1)?);
            let content = digest(&[&text]);
            if ids.repeats(&id, content, builder.queries(), (&path, record.line))? {
                builder.counts.queries_again += 1;
                return Ok(());
            }
            let row = builder.query(&id, &text)?;
            if let Some(document) = documents.get(&id, |row| builder.passages().id(row)) {
                builder.same_id(row, document);
            }
            ids.insert(row, content, builder.queries());
            Ok(())
        })?;
        builder.counts.lone_surrogates += surrogates;
        Ok(ids.rows)
    }
}

/// Hands the judgements of a qrels file, with or without a header, to `builder`.
fn judge(named: &mut Named, split: Split, path: &Path, builder: &mut Builder) -> Result<(), DataError> {
    each_line(path, |line, content| {
        let judgement = match BeirJudgement::parse(content) {
            Ok(judgement) => judgement,
            Err(Problem::Grade { text }) if line == 1 && text == "score" => return Ok(()),
            Err(problem) => return Err(DataError::MalformedJudgement { path: path.to_owned(), line, problem }),
        };
        let judged = (&*judgement.query, &*judgement.document, judgement.grade);
        named.judge(split, judged, (path, line), builder)
    })
}

/// What the counts say that bears on the results.
pub(super) fn notes(counts: &Counts) -> Vec<String> {
    let lacking = "of documents that the corpus lacks";
    [
        (counts.test_missing, format!("test judgements {lacking}: they count as relevant and are never found")),
        (
            counts.validation_missing,
            format!("validation judgements {lacking}: they count as relevant and are never found"),
        ),
        (counts.judgements_of_missing, format!("training judgements {lacking}, left out")),
        (counts.lone_surrogates, "lone surrogates in JSON, read as U+FFFD".to_owned()),
    ]
    .into_iter()
    .filter(|&(count, _)| count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Pair, TestQuery, Texts};
    use super::*;

    fn relevant(query: u32, relevant: &[(u32, i32)]) -> TestQuery {
        TestQuery { query, relevant: relevant.to_vec(), ..TestQuery::default() }
    }

    fn texts(texts: &Texts) -> Vec<&str> {
        texts.iter().map(|text| text.text).collect()
    }

    const CORPUS: &str = r#"{"_id": "d0", "title": "Rome", "text": "Seven hills.", "metadata": {"x": [1]}}
{"_id": "d1", "title": "Rome", "text": "The Tiber."}
{"_id": "d2", "text": "Oxygen is an element."}
"#;
    const QUERIES: &str = r#"{"_id": "q0", "text": "hills of Rome"}
{"_id": "q1", "text": "river of Rome"}
{"_id": "q2", "text": "what is oxygen"}
"#;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir(folder.0.path().join("qrels")).unwrap();
            folder
                .with("corpus.jsonl", CORPUS)
                .with("queries.jsonl", QUERIES)
                .with("qrels/train.tsv", "query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td1\t1\n")
                .with("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq2\td2\t2\n")
        }

        fn with(self, name: &str, content: &str) -> Self {
            std::fs::write(self.0.path().join(name), content).unwrap();
            self
        }

        fn without(self, name: &str) -> Self {
            std::fs::remove_file(self.0.path().join(name)).unwrap();
            self
        }

        fn beir(&self) -> Beir {
            Beir::new(self.0.path())
        }

        /// The error's text with the folder's path taken out.
        fn error(&self) -> String {
            let error = self.beir().load().unwrap_err().to_string();
            error.replace(&format!("{}/", self.0.path().display()), "")
        }
    }

    #[test]
    fn a_folder_becomes_pairs_corpus_and_test_queries() {
        let dataset = Folder::new().beir().load().unwrap();
        assert_eq!(dataset.train, [Pair { query: 0, passage: 0 }, Pair { query: 1, passage: 1 }]);
        assert_eq!(dataset.test, [relevant(2, &[(2, 2)])]);
        assert_eq!((dataset.passages.id(1), dataset.passages.text(1)), ("d1", "Rome The Tiber."));
        assert_eq!(dataset.topics, None);
    }

    #[test]
    fn titles_go_before_texts_unless_they_are_not_wanted() {
        let corpus = format!(
            "{CORPUS}{}\n{}",
            r#"{"_id": "d3", "title": "", "text": " x "}"#, r#"{"_id": "d4", "title": "t", "text": ""}"#
        );
        let folder = Folder::new().with("corpus.jsonl", &corpus);
        let dataset = folder.beir().load().unwrap();
        assert_eq!(
            texts(&dataset.passages),
            ["Rome Seven hills.", "Rome The Tiber.", "Oxygen is an element.", "x", "t"]
        );
        let dataset = folder.beir().with_use_titles(false).load().unwrap();
        assert_eq!(texts(&dataset.passages), ["Seven hills.", "The Tiber.", "Oxygen is an element.", "x", ""]);
    }

    #[test]
    fn titles_shared_by_two_passages_in_the_mean_are_topics() {
        let corpus = format!("{CORPUS}{}", r#"{"_id": "d3", "title": "Rome", "text": "Aqueducts."}"#);
        let topics = Folder::new().with("corpus.jsonl", &corpus).beir().load().unwrap().topics.unwrap();
        assert_eq!(topics.names, ["Rome", ""]);
        assert_eq!(topics.of_passage, [0, 0, 1, 0]);
    }

    #[test]
    fn the_test_split_may_be_dev() {
        let folder = Folder::new().without("qrels/test.tsv").with("qrels/dev.tsv", "q1\td1\t1\n");
        assert_eq!(folder.beir().with_test_split("dev").load().unwrap().test.len(), 1);
        assert_eq!(folder.error(), "qrels/test.tsv cannot be read");
    }

    #[test]
    fn without_train_qrels_there_are_no_pairs() {
        let dataset = Folder::new().without("qrels/train.tsv").beir().load().unwrap();
        assert!(dataset.train.is_empty());
        assert_eq!((dataset.queries.len(), dataset.counts.queries_unused), (1, 2));
    }

    #[test]
    fn a_missing_file_is_named() {
        assert_eq!(Folder::new().without("corpus.jsonl").error(), "corpus.jsonl cannot be read");
        assert_eq!(Folder::new().without("queries.jsonl").error(), "queries.jsonl cannot be read");
    }

    #[test]
    fn malformed_json_is_named_with_its_line() {
        let folder = Folder::new().with("corpus.jsonl", "{\"_id\": \"d0\", \"text\": \"x\"}\n{\"_id\"");
        assert_eq!(folder.error(), "corpus.jsonl:2: malformed JSON");
    }

    #[test]
    fn a_missing_field_is_named_with_its_line() {
        assert_eq!(Folder::new().with("corpus.jsonl", r#"{"text": "x"}"#).error(), "corpus.jsonl:1: no field `_id`");
        assert_eq!(Folder::new().with("corpus.jsonl", r#"{"_id": "d"}"#).error(), "corpus.jsonl:1: no field `text`");
        assert_eq!(Folder::new().with("queries.jsonl", r#"{"_id": "q"}"#).error(), "queries.jsonl:1: no field `text`");
    }

    #[test]
    fn an_id_with_two_texts_is_an_error() {
        let corpus = format!("{CORPUS}{}", r#"{"_id": "d1", "text": "The Po."}"#);
        let folder = Folder::new().with("corpus.jsonl", &corpus);
        assert_eq!(folder.error(), "corpus.jsonl:4: id `d1` names another text in an earlier line");
        let queries = format!("{QUERIES}{}", r#"{"_id": "q0", "text": "hills"}"#);
        let folder = Folder::new().with("queries.jsonl", &queries);
        assert_eq!(folder.error(), "queries.jsonl:4: id `q0` names another text in an earlier line");
    }

    #[test]
    fn an_id_with_the_same_text_again_is_counted_and_left_out() {
        let again = |content: &str| format!("{content}{}", content.lines().next().unwrap());
        let folder = Folder::new().with("corpus.jsonl", &again(CORPUS)).with("queries.jsonl", &again(QUERIES));
        let dataset = folder.beir().load().unwrap();
        assert_eq!((dataset.passages.len(), dataset.queries.len()), (3, 3));
        let counts = &dataset.counts;
        assert_eq!((counts.documents_read, counts.documents_again, counts.documents_repeated), (4, 1, 0));
        assert_eq!((counts.queries_read, counts.queries_again, counts.queries_repeated), (4, 1, 0));
    }

    #[test]
    fn a_pair_that_is_in_the_test_is_not_trained_on_and_named() {
        // The same texts under other ids, and a pair that the test judges irrelevant.
        let again = r#"{"_id": "q9", "text": "hills of Rome"}
"#;
        let folder = Folder::new()
            .with("queries.jsonl", &format!("{QUERIES}{again}"))
            .with("qrels/train.tsv", "q0\td0\t1\nq9\td0\t1\nq1\td1\t1\nq1\td2\t1\n")
            .with("qrels/test.tsv", "q0\td0\t2\nq1\td1\t0\nq2\td2\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!(dataset.train, [Pair { query: 0, passage: 1 }, Pair { query: 0, passage: 2 }]);
        assert_eq!(dataset.counts.judgements_in_test, 2);
        // No query of them is trained on.
        assert!(dataset.known.is_empty());
        assert_eq!(dataset.notes, ["2 training pairs that are in the test too, left out: q0 with d0, q9 with d0"]);
    }

    #[test]
    fn a_pair_of_the_test_is_no_negative_where_its_query_is_trained_on() {
        let folder = Folder::new()
            .with("qrels/train.tsv", "q2\td1\t1\nq0\td0\t1\nq0\td1\t1\n")
            .with("qrels/test.tsv", "q0\td0\t2\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!(dataset.train, [Pair { query: 0, passage: 1 }, Pair { query: 1, passage: 1 }]);
        assert_eq!(dataset.known, [Pair { query: 1, passage: 0 }]);
        assert_eq!(dataset.positives().of(1), [0, 1]);
    }

    #[test]
    fn a_repeated_document_is_searched_and_judged_itself_and_trained_on_as_the_first() {
        let corpus = format!("{CORPUS}{}", r#"{"_id": "d3", "text": "Oxygen is an element."}"#);
        let folder = Folder::new()
            .with("corpus.jsonl", &corpus)
            .with("qrels/train.tsv", "q0\td3\t1\nq0\td2\t1\n")
            .with("qrels/test.tsv", "q2\td3\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!((dataset.passages.len(), dataset.passages.id(3)), (4, "d3"));
        assert_eq!(dataset.test, [relevant(1, &[(3, 1)])]);
        assert_eq!(dataset.train, [Pair { query: 0, passage: 2 }]);
        assert_eq!((dataset.counts.documents_repeated, dataset.counts.judgements_repeated), (1, 1));
    }

    #[test]
    fn repeated_queries_are_each_tested_and_one_in_training() {
        let queries = format!(
            "{QUERIES}{}\n{}",
            r#"{"_id": "q3", "text": "hills of Rome"}"#, r#"{"_id": "q4", "text": "hills of Rome"}"#
        );
        let folder = Folder::new()
            .with("queries.jsonl", &queries)
            .with("qrels/train.tsv", "q3\td2\t1\nq0\td1\t1\n")
            .with("qrels/test.tsv", "q4\td0\t1\nq3\td0\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!(dataset.train, [Pair { query: 0, passage: 2 }, Pair { query: 0, passage: 1 }]);
        assert_eq!(dataset.test, [relevant(1, &[(0, 1)]), relevant(2, &[(0, 1)])]);
        let ids: Vec<&str> = dataset.queries.iter().map(|query| query.id).collect();
        assert_eq!(ids, ["q0", "q4", "q3"]);
        assert_eq!((dataset.counts.queries_in_both, dataset.counts.queries_unused), (2, 2));
        assert_eq!(dataset.counts.queries_repeated, 2);
    }

    #[test]
    fn blank_documents_and_queries_are_in_the_test_and_not_in_training() {
        let corpus = format!("{CORPUS}{}\n{}", r#"{"_id": "d3", "text": " "}"#, r#"{"_id": "d4", "text": ""}"#);
        let queries = format!("{QUERIES}{}", r#"{"_id": "q3", "text": ""}"#);
        let folder = Folder::new()
            .with("corpus.jsonl", &corpus)
            .with("queries.jsonl", &queries)
            .with("qrels/train.tsv", "q0\td3\t1\nq3\td0\t1\nq0\td0\t1\n")
            .with("qrels/test.tsv", "q3\td4\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!((texts(&dataset.passages)[3], texts(&dataset.passages)[4]), ("", ""));
        assert_eq!(dataset.train, [Pair { query: 0, passage: 0 }]);
        assert_eq!(dataset.test, [relevant(1, &[(4, 1)])]);
        let counts = &dataset.counts;
        assert_eq!((counts.documents_empty, counts.queries_empty, counts.judgements_of_empty), (2, 1, 2));
    }

    #[test]
    fn a_query_s_own_document_is_known() {
        let queries = format!("{QUERIES}{}", r#"{"_id": "d1", "text": "The Tiber, again"}"#);
        let folder = Folder::new().with("queries.jsonl", &queries).with("qrels/test.tsv", "d1\td0\t1\nq2\td0\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!(dataset.test.iter().map(|query| query.own).collect::<Vec<_>>(), [Some(1), None]);
    }

    #[test]
    fn judgements_of_documents_that_are_not_in_the_corpus_are_kept_counted_and_noted() {
        let folder = Folder::new()
            .with("qrels/train.tsv", "q0\td0\t1\nq0\td9\t1\n")
            .with("qrels/test.tsv", "q2\td9\t3\nq2\td2\t1\nq2\td9\t2\nq2\td8\t0\nq1\td7\t1\n");
        let dataset = folder.beir().load().unwrap();
        let q1 = TestQuery { query: 2, missing: vec![1], ..TestQuery::default() };
        assert_eq!(dataset.test, [TestQuery { missing: vec![2], ..relevant(1, &[(2, 1)]) }, q1]);
        assert_eq!(dataset.train, [Pair { query: 0, passage: 0 }]);
        let counts = &dataset.counts;
        assert_eq!((counts.test_judgements, counts.test_missing, counts.judgements_of_missing), (3, 2, 1));
        let notes = [
            "2 test judgements of documents that the corpus lacks: they count as relevant and are never found",
            "1 training judgements of documents that the corpus lacks, left out",
        ];
        assert_eq!(dataset.notes, notes);
    }

    #[test]
    fn byte_order_marks_and_lines_that_only_python_reads_are_read() {
        let corpus = "\u{feff}{\"_id\": \"d\\ud800\", \"text\": \"x\", \"metadata\": NaN}\n";
        let folder = Folder::new()
            .with("corpus.jsonl", corpus)
            .with("queries.jsonl", &format!("\u{feff}{QUERIES}"))
            .with("qrels/train.tsv", "\u{feff}q0\td\u{fffd}\t1\n")
            .with("qrels/test.tsv", "\u{feff}query-id\tcorpus-id\tscore\n\"q2\"\td\u{fffd}\t1.0\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!((dataset.train.len(), &dataset.test[..]), (1, &[relevant(1, &[(0, 1)])][..]));
        assert_eq!(dataset.counts.lone_surrogates, 1);
        assert_eq!(dataset.notes, ["1 lone surrogates in JSON, read as U+FFFD"]);
    }

    #[test]
    fn the_validation_split_may_be_a_file() {
        let folder = Folder::new().with("qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq1\td2\t2\nq1\td9\t1\n");
        let split = |split: &str| folder.beir().with_validation(BeirValidation::Split { split: split.into() }).load();
        let dataset = split("dev").unwrap();
        assert_eq!(dataset.validation, [TestQuery { missing: vec![1], ..relevant(1, &[(2, 2)]) }]);
        assert_eq!(dataset.train, [Pair { query: 0, passage: 0 }]);
        let counts = &dataset.counts;
        assert_eq!(
            (counts.validation_judgements_read, counts.validation_judgements, counts.validation_missing),
            (2, 2, 1)
        );
        assert_eq!(counts.judgements_held_out, 1);
        for wrong in ["train", "test"] {
            assert!(matches!(split(wrong), Err(DataError::ValidationSplit { .. })));
        }
        assert!(matches!(split("absent"), Err(DataError::Read { .. })));
    }

    /// Query and document i for each i, with the title that `title` gives, all in training.
    fn large(title: impl Fn(usize) -> usize) -> Folder {
        let lines = |line: &dyn Fn(usize) -> String| (0..300).map(|i| line(i) + "\n").collect::<String>();
        Folder::new()
            .with(
                "corpus.jsonl",
                &lines(&|i| format!(r#"{{"_id": "d{i}", "title": "t{}", "text": "text {i}"}}"#, title(i))),
            )
            .with("queries.jsonl", &lines(&|i| format!(r#"{{"_id": "q{i}", "text": "query {i}"}}"#)))
            .with("qrels/train.tsv", &lines(&|i| format!("q{i}\td{i}\t1")))
            .with("qrels/test.tsv", "q0\td1\t1\n")
    }

    #[test]
    fn the_validation_split_is_a_share_of_shared_titles_or_of_passages() {
        let share = BeirValidation::Share { share: 0.2 };
        let by_title = large(|i| i / 10).beir().with_validation(share.clone()).load().unwrap();
        let topics = by_title.topics.as_ref().unwrap();
        let name = |query: &TestQuery| topics.name(query.relevant[0].0).to_owned();
        let held_out: std::collections::BTreeSet<String> = by_title.validation.iter().map(name).collect();
        assert_eq!((held_out.len(), by_title.validation.len(), by_title.train.len()), (6, 60, 240));

        let by_passage = large(|i| i).beir().with_validation(share).load().unwrap();
        assert_eq!((by_passage.topics, by_passage.validation.len() + by_passage.train.len()), (None, 300));
        assert!((35..85).contains(&by_passage.validation.len()), "{}", by_passage.validation.len());
        assert_eq!((by_passage.passages.len(), by_passage.test.len()), (300, 1));
    }

    #[test]
    fn judgements_of_zero_or_less_are_no_pairs() {
        let folder = Folder::new().with("qrels/train.tsv", "q0\td0\t0\nq1\td1\t-1\nq1\td0\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!(dataset.train, [Pair { query: 0, passage: 0 }]);
        assert_eq!(dataset.counts.judgements_not_relevant, 2);
    }

    #[test]
    fn a_repeated_pair_is_counted_and_kept_once() {
        let folder = Folder::new().with("qrels/train.tsv", "q0\td0\t1\nq0\td0\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!((dataset.train.len(), dataset.counts.judgements_repeated), (1, 1));
    }

    #[test]
    fn judgements_of_unknown_queries_are_errors() {
        let folder = Folder::new().with("qrels/train.tsv", "query-id\tcorpus-id\tscore\nq9\td0\t1\n");
        assert_eq!(folder.error(), "qrels/train.tsv:2: unknown query id `q9`");
    }

    #[test]
    fn malformed_judgements_are_errors() {
        for (content, line) in [("q0\td0\n", 1), ("q0\td0\t1\nq1 d1 1\n", 2), ("q0\td0\tone\n", 1), ("q0\t0\td0\t1", 1)]
        {
            let error = Folder::new().with("qrels/test.tsv", content).beir().load().unwrap_err();
            assert!(matches!(error, DataError::MalformedJudgement { line: at, .. } if at == line), "{error}");
        }
        let folder = Folder::new().with("qrels/test.tsv", "q0\td0\t1\nq0\td1\t1.5\n");
        assert_eq!(folder.error(), r#"qrels/test.tsv:2: the grade "1.5" is not a whole number"#);
    }
}
