//! Files of pairs, a query and its passage a row.

use std::path::PathBuf;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::builder::Builder;
use super::judgements::Split;
use super::pair_rows::{Columns, each_row};
use super::split::HashShare;
use super::validation::Unit;
use super::{DataError, Dataset, PairSplit};

/// A file with a query and its passage in every row, perhaps with a topic (a text or a number) and with passages that do not answer it; or a
/// folder of such files.
///
/// The name says how it is laid out: JSON lines (and where it says nothing), TSV, CSV or Parquet, JSON lines and tables also as gzip or zstd. [`Columns`]
/// says what its columns are called. A table without a header has a query in its first column, the passage in the second, and negatives in
/// those after. A passage column that is a list makes a pair of each.
///
/// Every distinct passage is in the corpus, negatives too. No passage is in both splits: one that occurs under several topics is split
/// by its first.
///
/// ```
/// use pretrain::data::{PairSplit, Pairs};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("pairs.jsonl");
/// std::fs::write(&path, r#"{"query": "hills of Rome", "passage": "Rome has seven hills.", "topic": "Rome"}
/// {"query": "what is oxygen", "passage": "Oxygen is an element.", "topic": "chemistry"}"#).unwrap();
/// let dataset = Pairs::new(path).with_split(PairSplit::Topics { held_out: vec!["Rome".into()] }).load().unwrap();
/// assert_eq!((dataset.passages.len(), dataset.train.len(), dataset.test.len()), (2, 1, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairs {
    /// The file, or a folder of files.
    pub path: PathBuf,
    /// What the columns are called.
    #[serde(default)]
    pub columns: Columns,
    /// Which pairs are the test split.
    #[serde(default)]
    pub split: PairSplit,
    /// The share of the training part that is the validation split, in `[0, 1)`: of the topics where the split goes by
    /// topics, else of the passages.
    #[serde(default)]
    pub validation_share: f64,
}

impl Pairs {
    /// The file or folder `path`, with 15% of its passages held out.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), columns: Columns::default(), split: PairSplit::default(), validation_share: 0.0 }
    }

    /// Reads columns of these names.
    #[must_use]
    pub fn with_columns(mut self, columns: Columns) -> Self {
        self.columns = columns;
        self
    }

    /// Splits as `split` says.
    #[must_use]
    pub fn with_split(mut self, split: PairSplit) -> Self {
        self.split = split;
        self
    }

    /// Makes this share of the training part the validation split.
    #[must_use]
    pub fn with_validation_share(mut self, share: f64) -> Self {
        self.validation_share = share;
        self
    }

    /// The file's data set. Ids are `q`, `d` or, of negatives, `n` and the line, with the file's number before it where there are several; test judgements
    /// have grade 1.
    ///
    /// # Errors
    /// A [`DataError`] if the file is missing, a row is malformed or lacks a query or passage, the split goes by
    /// topics and a row has none, a topic to hold out does not occur, or a share is not in `[0, 1)`.
    pub fn load(&self) -> Result<Dataset, DataError> {
        let test = self.test_split()?;
        let validation = HashShare::validation(self.validation_share)?;
        let mut builder = Builder::default();
        let mut pairs = Vec::new();
        let mut with_topics = false;
        let read = each_row(&self.path, &self.columns, |file, row| {
            if row.topic.is_none() && !matches!(self.split, PairSplit::PassageShare { .. }) {
                return Err(DataError::missing_field(file, row.place.line, &self.columns.topic));
            }
            with_topics |= row.topic.is_some();
            let topic = row.topic.unwrap_or_default();
            let query = builder.merged_query(&row.place.id('q', 0), &row.query)?;
            let mut of_row = Vec::with_capacity(row.passages.len());
            for (number, passage) in row.passages.iter().enumerate() {
                of_row.push(builder.merged_document(&row.place.id('d', number), passage, &topic)?);
            }
            for (number, negative) in row.negatives.iter().enumerate() {
                let negative = builder.merged_document(&row.place.id('n', number), negative, "")?;
                for &passage in &of_row {
                    match (query, passage, negative) {
                        (Some(query), Some(passage), Some(negative)) => builder.negative(query, passage, negative),
                        _ => builder.counts.negatives_left_out += 1,
                    }
                }
            }
            pairs.extend(of_row.into_iter().map(|passage| (query, passage)));
            Ok(())
        })?;
        builder.counts.lone_surrogates = read.surrogates;
        let held_out = self.held_out(&builder, test)?;
        for (query, passage) in pairs {
            let tested = passage.is_some_and(|passage| held_out[passage as usize]);
            builder.judge_pair(if tested { Split::Test } else { Split::Train }, query, passage);
        }
        builder.cut_validation(validation, self.unit());
        Ok(builder.finish(with_topics))
    }

    /// The share by hash that is the test split; none where its topics are named.
    fn test_split(&self) -> Result<HashShare, DataError> {
        match self.split {
            PairSplit::TopicShare { share } | PairSplit::PassageShare { share } => HashShare::test(share),
            PairSplit::Topics { .. } => HashShare::test(0.0),
        }
    }

    fn unit(&self) -> Unit {
        match self.split {
            PairSplit::Topics { .. } | PairSplit::TopicShare { .. } => Unit::Topic(|name| name),
            PairSplit::PassageShare { .. } => Unit::Passage,
        }
    }

    /// For each passage, whether it is in the test split.
    fn held_out(&self, builder: &Builder, share: HashShare) -> Result<Vec<bool>, DataError> {
        let topics = builder.topics();
        let by_topic = |out: Vec<bool>| topics.of_passage.iter().map(|&topic| out[topic as usize]).collect();
        match &self.split {
            PairSplit::Topics { held_out } => self.named(&topics.names, held_out).map(by_topic),
            PairSplit::TopicShare { .. } => {
                // Negatives have no topic.
                let named = || (0..topics.names.len()).filter(|&topic| !topics.names[topic].is_empty());
                let names: Vec<&str> = named().map(|topic| topics.names[topic].as_str()).collect();
                let mut out = vec![false; topics.names.len()];
                named().zip(share.takes_of(&names)).for_each(|(topic, taken)| out[topic] = taken);
                Ok(by_topic(out))
            }
            PairSplit::PassageShare { .. } => {
                Ok(builder.passages().iter().map(|passage| share.takes(passage.text)).collect())
            }
        }
    }

    fn named(&self, names: &[String], held_out: &[String]) -> Result<Vec<bool>, DataError> {
        let index: FxHashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let mut out = vec![false; names.len()];
        for topic in held_out {
            let unknown = || DataError::UnknownTopic { path: self.path.clone(), topic: topic.clone() };
            out[*index.get(topic.as_str()).ok_or_else(unknown)?] = true;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pair, TestQuery};
    use super::*;

    const PAIRS: &str = r#"{"query": "hills", "passage": "Seven hills.", "topic": "Rome", "more": [1]}
{"query": "river", "passage": "The Tiber.", "topic": "Rome"}
{"query": "oxygen", "passage": "An element.", "topic": 8}
{"query": "element", "passage": "An element.", "topic": "Rome"}
"#;

    fn load(content: &str, split: PairSplit) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        std::fs::write(&path, content).unwrap();
        let loaded = Pairs::new(&path).with_split(split).load();
        loaded.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    fn topics(held_out: &[&str]) -> PairSplit {
        PairSplit::Topics { held_out: held_out.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn named_topics_are_held_out_and_a_passage_goes_by_its_first_topic() {
        let dataset = load(PAIRS, topics(&["8"])).unwrap();
        assert_eq!(dataset.train, [Pair { query: 0, passage: 0 }, Pair { query: 1, passage: 1 }]);
        let test = |query| TestQuery { query, relevant: vec![(2, 1)], ..TestQuery::default() };
        assert_eq!(dataset.test, [test(2), test(3)]);
        assert_eq!(dataset.passages.len(), 3);
        assert_eq!(dataset.topics.unwrap().names, ["Rome", "8"]);
        assert_eq!(dataset.counts.documents_repeated, 1);
    }

    #[test]
    fn a_share_of_topics_is_held_out_whole() {
        let content: String = (0..100)
            .map(|i| format!("{{\"query\": \"q {i}\", \"passage\": \"p {i}\", \"topic\": {}}}\n", i % 10))
            .collect();
        let dataset = load(&content, PairSplit::TopicShare { share: 0.3 }).unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (70, 30));
        let topics = dataset.topics.as_ref().unwrap();
        let mut held_out: Vec<&str> = dataset.test.iter().map(|test| topics.name(test.relevant[0].0)).collect();
        held_out.sort_unstable();
        held_out.dedup();
        assert_eq!(held_out.len(), 3);
        assert!(dataset.train.iter().all(|pair| !held_out.contains(&topics.name(pair.passage))));
    }

    #[test]
    fn a_share_of_passages_is_held_out_and_none_is_in_both_splits() {
        let content: String = (0..2000)
            .map(|i| format!("{{\"query\": \"query {i}\", \"passage\": \"passage {}\"}}\n", i % 1000))
            .collect();
        let dataset = load(&content, PairSplit::PassageShare { share: 0.2 }).unwrap();
        assert!((300..500).contains(&dataset.test.len()), "{}", dataset.test.len());
        assert_eq!(dataset.train.len() + dataset.test.len(), 2000);
        let tested: Vec<u32> = dataset.test.iter().map(|test| test.relevant[0].0).collect();
        assert!(dataset.train.iter().all(|pair| !tested.contains(&pair.passage)));
        assert_eq!((dataset.passages.len(), dataset.topics), (1000, None));
    }

    fn validated(content: &str, split: PairSplit) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        std::fs::write(&path, content).unwrap();
        Pairs::new(path).with_split(split).with_validation_share(0.2).load().unwrap()
    }

    #[test]
    fn a_validation_split_is_a_share_of_the_training_passages() {
        let content: String = (0..2000)
            .map(|i| format!("{{\"query\": \"query {i}\", \"passage\": \"passage {}\"}}\n", i % 1000))
            .collect();
        let split = PairSplit::PassageShare { share: 0.2 };
        let (with, without) = (validated(&content, split.clone()), load(&content, split).unwrap());
        let judged = |test: &TestQuery| with.queries.id(test.query).to_owned();
        let judged_without = |test: &TestQuery| without.queries.id(test.query).to_owned();
        assert!(with.test.iter().map(judged).eq(without.test.iter().map(judged_without)));
        assert!((220..420).contains(&with.validation.len()), "{}", with.validation.len());
        assert_eq!(with.train.len() + with.validation.len(), without.train.len());
        let held_out: Vec<u32> = with.validation.iter().map(|query| query.relevant[0].0).collect();
        assert!(with.train.iter().all(|pair| !held_out.contains(&pair.passage)));
        assert_eq!(with.passages, without.passages);
    }

    #[test]
    fn a_validation_split_goes_by_topics_where_the_test_does() {
        let content: String = (0..100)
            .map(|i| format!("{{\"query\": \"q {i}\", \"passage\": \"p {i}\", \"topic\": {}}}\n", i % 10))
            .collect();
        let dataset = validated(&content, topics(&["3", "4"]));
        let topic = |test: &TestQuery| dataset.topics.as_ref().unwrap().name(test.relevant[0].0).to_owned();
        let mut validated: Vec<String> = dataset.validation.iter().map(topic).collect();
        validated.sort_unstable();
        validated.dedup();
        assert_eq!((dataset.train.len(), dataset.validation.len(), validated.len()), (60, 20, 2));
        assert!(!validated.iter().any(|topic| topic == "3" || topic == "4"));
    }

    #[test]
    fn nothing_is_held_out_with_a_share_of_zero() {
        assert!(load(PAIRS, PairSplit::PassageShare { share: 0.0 }).unwrap().test.is_empty());
    }

    #[test]
    fn blank_texts_are_left_out_and_counted() {
        let content = "{\"query\": \" \", \"passage\": \"x\"}\n{\"query\": \"y\", \"passage\": \"\"}\n";
        let dataset = load(content, PairSplit::PassageShare { share: 0.0 }).unwrap();
        assert_eq!((dataset.train.len(), dataset.passages.len(), dataset.queries.len()), (0, 1, 0));
        let counts = &dataset.counts;
        assert_eq!((counts.queries_empty, counts.documents_empty, counts.judgements_of_empty), (1, 1, 2));
    }

    #[test]
    fn what_is_held_out_for_other_queries_and_what_answers_is_no_negative() {
        let content = r#"{"query": "hills", "passage": "Seven hills.", "topic": "Rome", "negatives": ["The Tiber.", "Oxygen.", "Iron.", "Iron.", " "]}
{"query": "hills", "passage": ["Mountains.", "The Tiber."], "topic": "Rome"}
{"query": "gas", "passage": "Oxygen.", "topic": "chemistry", "negatives": "Iron."}
"#;
        let dataset = load(content, topics(&["chemistry"])).unwrap();
        let of = |pair| -> Vec<&str> {
            dataset.negatives.of(pair).iter().map(|&passage| dataset.passages.text(passage)).collect()
        };
        assert_eq!((dataset.train.len(), of(0), of(1)), (3, vec!["Iron."], vec![]));
        // "The Tiber." answers, "Oxygen." is the test's, "Iron." comes twice, a blank, and the test's own.
        assert_eq!((dataset.counts.negatives, dataset.counts.negatives_left_out), (1, 5));
    }

    #[test]
    fn missing_fields_and_malformed_lines_are_errors() {
        let load = |content: &str| load(content, PairSplit::default()).unwrap_err();
        assert_eq!(load(r#"{"passage": "x"}"#), "pairs.jsonl:1: no field `query`");
        assert_eq!(load("\n{\"query\": \"x\"}"), "pairs.jsonl:2: no field `passage`");
        assert_eq!(load(&format!("{PAIRS}[]")), "pairs.jsonl:5: malformed JSON");
    }

    #[test]
    fn a_split_by_topics_needs_topics_that_occur() {
        let unknown = load(PAIRS, topics(&["Rome", "Paris"])).unwrap_err();
        assert_eq!(unknown, "pairs.jsonl: no pair has the topic `Paris`");
        let missing = load(r#"{"query": "x", "passage": "y"}"#, PairSplit::TopicShare { share: 0.1 }).unwrap_err();
        assert_eq!(missing, "pairs.jsonl:1: no field `topic`");
    }

    #[test]
    fn a_missing_file_and_a_share_of_one_are_errors() {
        assert!(matches!(Pairs::new("no/such/file").load(), Err(DataError::Read { .. })));
        let error = load(PAIRS, PairSplit::PassageShare { share: 1.0 }).unwrap_err();
        assert_eq!(error, "test share 1 is not at least 0 and below 1");
        let error = Pairs::new("no/such/file").with_validation_share(-1.0).load().unwrap_err();
        assert_eq!(error.to_string(), "validation share -1 is not at least 0 and below 1");
    }
}
