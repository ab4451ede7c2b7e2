//! What every reader returns and every later stage takes.

use serde::{Deserialize, Serialize};

use super::{Counts, Negatives, Pair, Positives, Sources, Texts};

/// All that the later stages need: texts, training pairs as two indices, test queries with their judgements.
///
/// A corpus of pairs or doc comments has each text once. That of a BEIR folder has every document, as it is searched
/// there, blank and repeated ones too; its training pairs are of distinct texts that are not blank, each by its first index.
///
/// ```
/// use pretrain::data::{Dataset, Pair};
///
/// let dataset = Dataset {
///     queries: [("q0", "capital of France")].into_iter().collect(),
///     passages: [("d0", "Paris is the capital of France.")].into_iter().collect(),
///     train: vec![Pair { query: 0, passage: 0 }],
///     ..Dataset::default()
/// };
/// assert_eq!(dataset.content_hash().len(), 64);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// The queries with a judgement: the distinct ones of training, then those of validation and test.
    pub queries: Texts,
    /// The whole search corpus, in the order of the data.
    pub passages: Texts,
    /// Distinct training pairs, in the order of the data.
    pub train: Vec<Pair>,
    /// Pairs of the training data that are not trained on, as they are held out or beyond a limit: their passages are no negatives of their queries, which others train.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Pair>,
    /// Hard negatives that the data gives of training pairs.
    #[serde(default, skip_serializing_if = "Negatives::is_empty")]
    pub negatives: Negatives,
    /// Queries to choose settings by, none of them in training.
    pub validation: Vec<TestQuery>,
    /// Test queries in the order of the data.
    pub test: Vec<TestQuery>,
    /// The passages' gold topics, where the data has them.
    pub topics: Option<Topics>,
    /// Which of several sources its training pairs and test queries are from, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Sources>,
    /// What was read, left out and kept.
    pub counts: Counts,
    /// What a reader of the results should know about how the data was found, one sentence each.
    pub notes: Vec<String>,
}

/// A query to search with and what it should find: one relevant passage or missing document at least.
///
/// ```
/// let test = pretrain::data::TestQuery { query: 3, relevant: vec![(7, 2), (9, 1)], ..Default::default() };
/// assert_eq!((test.relevant[0], test.missing.len(), test.own), ((7, 2), 0, None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestQuery {
    /// An index into [`Dataset::queries`].
    pub query: u32,
    /// Distinct indices into [`Dataset::passages`], ascending, each with its grade of 1 or more.
    pub relevant: Vec<(u32, i32)>,
    /// Grades of 1 or more of relevant documents that the corpus lacks: they are to be found, and never are.
    pub missing: Vec<i32>,
    /// The passage with the query's own id, which is no answer to it (ArguAna, Quora).
    pub own: Option<u32>,
}

/// Gold topics of the passages: an article's title, a crate's name or a given field.
///
/// ```
/// let topics = pretrain::data::Topics { names: vec!["Rome".into(), "Oxygen".into()], of_passage: vec![1, 0, 0] };
/// assert_eq!(topics.name(0), "Oxygen");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Topics {
    /// Distinct names, in the order of first occurrence; passages without a topic have the empty name.
    pub names: Vec<String>,
    /// For each passage an index into `names`. A training pair's topic is its passage's.
    pub of_passage: Vec<u32>,
}

impl Topics {
    /// The topic's name of one passage.
    ///
    /// # Panics
    /// If there is no such passage.
    #[track_caller]
    pub fn name(&self, passage: u32) -> &str {
        &self.names[self.of_passage[passage as usize] as usize]
    }
}

impl Dataset {
    /// The text of every passage.
    pub(crate) fn passage_texts(&self) -> Vec<&str> {
        self.passages.iter().map(|passage| passage.text).collect()
    }

    /// For each query its training passages, trained on or not, which are no negatives of it.
    pub fn positives(&self) -> Positives {
        Positives::new(self.queries.len(), self.train.iter().chain(&self.known).copied())
    }

    /// The BLAKE3 hash of texts, ids, pairs, judgements and topics, as 64 hexadecimal digits.
    ///
    /// Equal hashes mean equal input for every later stage; counts and notes are not in it.
    pub fn content_hash(&self) -> String {
        let mut hash = self.hash_with(&self.train);
        let topics = self.topics.as_ref();
        hash.number(topics.map_or(0, |topics| topics.names.len() + 1));
        if let Some(topics) = topics {
            topics.names.iter().for_each(|name| hash.text(name).end());
            topics.of_passage.iter().for_each(|&topic| hash.index(topic).end());
        }
        if !self.known.is_empty() {
            hash.number(self.known.len());
            self.known.iter().for_each(|pair| hash.index(pair.query).index(pair.passage).end());
        }
        if !self.negatives.is_empty() {
            hash.text("negatives");
            (0..self.train.len() as u32).map(|pair| self.negatives.of(pair)).for_each(|of_pair| {
                hash.number(of_pair.len());
                of_pair.iter().for_each(|&passage| hash.index(passage).end());
            });
        }
        if let Some(Sources { names, of_pair, of_test }) = &self.sources {
            hash.text("sources").number(names.len());
            names.iter().for_each(|name| hash.text(name).end());
            [of_pair, of_test].into_iter().flatten().for_each(|&source| hash.index(source).end());
        }
        hash.0.finalize().to_hex().to_string()
    }

    /// The hash of what models are judged on: of texts, ids, and validation and test queries with their judgements.
    pub(crate) fn judged_hash(&self) -> String {
        // That of the data without pairs and topics.
        self.hash_with(&[]).number(0).0.finalize().to_hex().to_string()
    }

    /// What is hashed of texts, of pairs, and of queries that are judged.
    fn hash_with(&self, train: &[Pair]) -> ContentHash {
        let mut hash = ContentHash(blake3::Hasher::new());
        for texts in [&self.queries, &self.passages] {
            hash.number(texts.len());
            texts.iter().for_each(|text| hash.text(text.id).text(text.text).end());
        }
        hash.number(train.len());
        train.iter().for_each(|pair| hash.index(pair.query).index(pair.passage).end());
        for queries in [&self.validation, &self.test] {
            hash.number(queries.len());
            queries.iter().for_each(|query| hash.query(query));
        }
        hash
    }
}

/// Lengths go before contents, so that no two data sets feed the same bytes.
struct ContentHash(blake3::Hasher);

impl ContentHash {
    fn number(&mut self, number: usize) -> &mut Self {
        self.0.update(&(number as u64).to_le_bytes());
        self
    }

    fn index(&mut self, index: u32) -> &mut Self {
        self.0.update(&index.to_le_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len()).0.update(text.as_bytes());
        self
    }

    fn query(&mut self, query: &TestQuery) {
        self.index(query.query).number(query.relevant.len());
        query.relevant.iter().for_each(|&(passage, grade)| self.index(passage).index(grade.cast_unsigned()).end());
        self.number(query.missing.len());
        query.missing.iter().for_each(|&grade| self.index(grade.cast_unsigned()).end());
        self.number(query.own.map_or(0, |own| own as usize + 1)).end();
    }

    fn end(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<const N: usize>(all: [(&str, &str); N]) -> Texts {
        all.into_iter().collect()
    }

    fn small() -> Dataset {
        Dataset {
            queries: texts([("q0", "one"), ("q1", "two")]),
            passages: texts([("d0", "first"), ("d1", "second")]),
            train: vec![Pair { query: 0, passage: 0 }],
            test: vec![TestQuery { query: 1, relevant: vec![(1, 1)], missing: vec![1], own: None }],
            topics: Some(Topics { names: vec!["a".into(), "b".into()], of_passage: vec![0, 1] }),
            ..Dataset::default()
        }
    }

    #[test]
    fn the_hash_is_stable_and_ignores_counts_and_notes() {
        let mut dataset = small();
        let hash = dataset.content_hash();
        dataset.counts.documents_read = 9;
        dataset.notes.push("found by hand".into());
        assert_eq!(dataset.content_hash(), hash);
        assert_eq!(hash, "1458b931024e9cc3cd7a7b02bf386da5e364d0a3427f3a704462590222064247");
    }

    fn hash_of(change: impl FnOnce(&mut Dataset)) -> String {
        let mut dataset = small();
        change(&mut dataset);
        dataset.content_hash()
    }

    #[test]
    fn what_is_judged_is_all_but_pairs_and_topics() {
        let dataset = small();
        let judged = Dataset { train: Vec::new(), topics: None, ..small() };
        assert_eq!(dataset.judged_hash(), judged.content_hash());
        let mut other = small();
        other.test[0].missing[0] = 2;
        assert_ne!(other.judged_hash(), dataset.judged_hash());
    }

    #[test]
    fn the_hash_moves_with_every_part() {
        let base = small().content_hash();
        let sources = |of_pair: u32| Sources { names: vec!["a".into()], of_pair: vec![of_pair], of_test: vec![0] };
        assert_ne!(hash_of(|d| d.sources = Some(sources(0))), hash_of(|d| d.sources = Some(sources(1))));
        let changes: [fn(&mut Dataset); 13] = [
            |d| d.negatives = Negatives::new(1, [(0, 1)]),
            |d| d.known.push(Pair { query: 0, passage: 1 }),
            |d| d.queries = texts([("q0", "onex"), ("q1", "two")]),
            |d| d.passages = texts([("d0", "first"), ("d1x", "second")]),
            |d| d.train[0].passage = 1,
            |d| d.test[0].relevant[0].1 = 2,
            |d| d.test[0].missing[0] = 2,
            |d| (d.test[0].relevant, d.test[0].missing) = (vec![], vec![1, 1]),
            |d| d.test[0].own = Some(0),
            |d| d.validation = std::mem::take(&mut d.test),
            |d| d.topics = None,
            |d| d.topics.as_mut().unwrap().of_passage[1] = 0,
            |d| d.queries = texts([("q", "0one"), ("q1", "two")]),
        ];
        for (i, change) in changes.iter().enumerate() {
            assert_ne!(hash_of(change), base, "change {i}");
        }
    }
}
