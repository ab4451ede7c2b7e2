//! Folders in the layout of BEIR (Thakur et al. 2021, arXiv 2104.08663).

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::builder::{Builder, digest};
use super::lines::{each_line, each_record};
use super::{DataError, Dataset};

/// A folder with `corpus.jsonl`, `queries.jsonl` and `qrels/{train,test}.tsv`.
///
/// Judgements above 0 in `qrels/train.tsv` are the training pairs; without that file there are none. Titles are the
/// passages' topics where they are shared, by two passages each in the mean or more.
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
/// assert_eq!(dataset.test[0].relevant, [(0, 1)]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beir {
    /// The folder.
    pub path: PathBuf,
    /// Whether a passage is `title text` rather than `text` alone.
    #[serde(default)]
    pub use_titles: bool,
    /// The qrels file of the test split without `.tsv`: `test` or `dev`.
    #[serde(default = "test")]
    pub test_split: String,
}

fn test() -> String {
    "test".into()
}

impl Beir {
    /// The folder `path`, without titles, tested on `qrels/test.tsv`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), use_titles: false, test_split: test() }
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

    /// The folder's data set.
    ///
    /// A document whose text came before under another id is merged into the first, with its judgements; blank
    /// documents and queries are left out, with theirs. The counts say how many.
    ///
    /// # Errors
    /// A [`DataError`] with the file, and the line and id where there is one: if a file is missing, a line is malformed,
    /// an object has no `_id` or `text`, an `_id` names two texts, or a judgement names an unknown id.
    pub fn load(&self) -> Result<Dataset, DataError> {
        let mut builder = Builder::default();
        let documents = self.read_corpus(&mut builder)?;
        let queries = self.read_queries(&mut builder)?;
        let ids = Ids { documents, queries };
        let train = self.path.join("qrels/train.tsv");
        if train.exists() {
            ids.each_judgement(&train, |query, document, grade| builder.train(query, document, grade))?;
        }
        let test = self.path.join("qrels").join(format!("{}.tsv", self.test_split));
        ids.each_judgement(&test, |query, document, grade| builder.test(query, document, grade))?;
        let titles = builder.topics();
        let shared = titles.names.len() > 1 && 2 * titles.names.len() <= titles.of_passage.len();
        Ok(builder.finish(shared))
    }

    fn read_corpus(&self, builder: &mut Builder) -> Result<Rows, DataError> {
        let path = self.path.join("corpus.jsonl");
        let mut rows = Rows::default();
        each_record(&path, &["_id", "text", "title"], |mut record| {
            let (id, text) = (record.require(0)?, record.require(1)?);
            let title = record.take(2).unwrap_or_default();
            let content = digest(&[&title, &text]);
            if repeats(&rows, &id, content, (&path, record.line))? {
                builder.counts.documents_read += 1;
                builder.counts.documents_repeated += 1;
                return Ok(());
            }
            let passage = match self.use_titles && !title.is_empty() {
                true => format!("{title} {text}"),
                false => text,
            };
            let row = builder.passage(id.clone(), passage, Some(&title))?;
            rows.insert(id, Named { row, content });
            Ok(())
        })?;
        Ok(rows)
    }

    fn read_queries(&self, builder: &mut Builder) -> Result<Rows, DataError> {
        let path = self.path.join("queries.jsonl");
        let mut rows = Rows::default();
        each_record(&path, &["_id", "text"], |mut record| {
            let (id, text) = (record.require(0)?, record.require(1)?);
            let content = digest(&[&text]);
            if repeats(&rows, &id, content, (&path, record.line))? {
                builder.counts.queries_read += 1;
                builder.counts.queries_repeated += 1;
                return Ok(());
            }
            let row = builder.query(id.clone(), text)?;
            rows.insert(id, Named { row, content });
            Ok(())
        })?;
        Ok(rows)
    }
}

/// What each id names.
type Rows = FxHashMap<String, Named>;

struct Named {
    /// `None` for a blank text.
    row: Option<u32>,
    content: [u8; 16],
}

/// Whether the id came before with the same content.
fn repeats(rows: &Rows, id: &str, content: [u8; 16], (path, line): (&Path, usize)) -> Result<bool, DataError> {
    match rows.get(id) {
        None => Ok(false),
        Some(before) if before.content == content => Ok(true),
        Some(_) => Err(DataError::DuplicateId { path: path.to_owned(), line, id: id.to_owned() }),
    }
}

struct Ids {
    documents: Rows,
    queries: Rows,
}

impl Ids {
    fn each_judgement(
        &self,
        path: &Path,
        mut each: impl FnMut(Option<u32>, Option<u32>, i32),
    ) -> Result<(), DataError> {
        each_line(path, |line, content| {
            let mut columns = content.split('\t');
            let (Some(query), Some(document), Some(score), None) =
                (columns.next(), columns.next(), columns.next(), columns.next())
            else {
                return Err(malformed(path, line, content));
            };
            if line == 1 && score.trim() == "score" {
                return Ok(());
            }
            let grade = score.trim().parse().map_err(|_| malformed(path, line, content))?;
            let query = self.queries.get(query).ok_or_else(|| DataError::UnknownQuery {
                path: path.to_owned(),
                line,
                id: query.to_owned(),
            })?;
            let document = self.documents.get(document).ok_or_else(|| DataError::UnknownDocument {
                path: path.to_owned(),
                line,
                id: document.to_owned(),
            })?;
            each(query.row, document.row, grade);
            Ok(())
        })
    }
}

fn malformed(path: &Path, line: usize, content: &str) -> DataError {
    DataError::MalformedJudgement { path: path.to_owned(), line, content: content.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::{Pair, TestQuery};
    use super::*;

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
        assert_eq!(dataset.test, [TestQuery { query: 2, relevant: vec![(2, 2)] }]);
        assert_eq!((dataset.passages[1].id.as_str(), dataset.passages[1].text.as_str()), ("d1", "The Tiber."));
        assert_eq!(dataset.topics, None);
    }

    #[test]
    fn titles_go_before_texts_if_asked() {
        let dataset = Folder::new().beir().with_use_titles(true).load().unwrap();
        let texts: Vec<&str> = dataset.passages.iter().map(|passage| passage.text.as_str()).collect();
        assert_eq!(texts, ["Rome Seven hills.", "Rome The Tiber.", "Oxygen is an element."]);
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
    fn an_id_with_the_same_text_again_is_a_counted_repeat() {
        let again = |content: &str| format!("{content}{}", content.lines().next().unwrap());
        let folder = Folder::new().with("corpus.jsonl", &again(CORPUS)).with("queries.jsonl", &again(QUERIES));
        let dataset = folder.beir().load().unwrap();
        assert_eq!((dataset.passages.len(), dataset.queries.len()), (3, 3));
        assert_eq!((dataset.counts.documents_read, dataset.counts.documents_repeated), (4, 1));
        assert_eq!((dataset.counts.queries_read, dataset.counts.queries_repeated), (4, 1));
    }

    #[test]
    fn a_repeated_text_is_merged_into_the_first_and_judgements_follow() {
        let corpus = format!("{CORPUS}{}", r#"{"_id": "d3", "text": "Oxygen is an element."}"#);
        let folder = Folder::new().with("corpus.jsonl", &corpus).with("qrels/test.tsv", "q2\td3\t1\nq2\td2\t3\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!(dataset.test, [TestQuery { query: 2, relevant: vec![(2, 3)] }]);
        assert_eq!(dataset.passages[2].id, "d2");
        assert_eq!((dataset.counts.documents_repeated, dataset.counts.judgements_repeated), (1, 1));
    }

    #[test]
    fn queries_of_one_text_in_both_splits_are_one_row() {
        let queries = format!("{QUERIES}{}", r#"{"_id": "q3", "text": "hills of Rome"}"#);
        let folder = Folder::new().with("queries.jsonl", &queries).with("qrels/test.tsv", "q3\td0\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!(dataset.test, [TestQuery { query: 0, relevant: vec![(0, 1)] }]);
        assert_eq!((dataset.counts.queries_in_both, dataset.counts.queries_unused), (1, 1));
    }

    #[test]
    fn blank_documents_and_queries_are_left_out_with_their_judgements() {
        let corpus = format!("{CORPUS}{}", r#"{"_id": "d3", "title": "Blank", "text": " "}"#);
        let queries = format!("{QUERIES}{}", r#"{"_id": "q3", "text": ""}"#);
        let folder = Folder::new()
            .with("corpus.jsonl", &corpus)
            .with("queries.jsonl", &queries)
            .with("qrels/train.tsv", "q0\td3\t1\nq3\td0\t1\nq0\td0\t1\n");
        let dataset = folder.beir().load().unwrap();
        assert_eq!((dataset.passages.len(), dataset.train.len()), (3, 1));
        let counts = &dataset.counts;
        assert_eq!((counts.documents_empty, counts.queries_empty, counts.judgements_of_empty), (1, 1, 2));
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
    fn judgements_of_unknown_ids_are_errors() {
        let folder = Folder::new().with("qrels/train.tsv", "query-id\tcorpus-id\tscore\nq9\td0\t1\n");
        assert_eq!(folder.error(), "qrels/train.tsv:2: unknown query id `q9`");
        let folder = Folder::new().with("qrels/test.tsv", "q0\td9\t1\n");
        assert_eq!(folder.error(), "qrels/test.tsv:1: unknown document id `d9`");
    }

    #[test]
    fn malformed_judgements_are_errors() {
        for (content, line) in [("q0\td0\n", 1), ("q0\td0\t1\nq1 d1 1\n", 2), ("q0\td0\tone\n", 1), ("q0\t0\td0\t1", 1)]
        {
            let error = Folder::new().with("qrels/test.tsv", content).beir().load().unwrap_err();
            assert!(matches!(error, DataError::MalformedJudgement { line: at, .. } if at == line), "{error}");
        }
    }
}
