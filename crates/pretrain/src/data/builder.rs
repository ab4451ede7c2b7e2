//! Turns documents, queries and judgements, as a reader meets them, into a [`Dataset`].

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Counts, DataError, Dataset, Pair, TestQuery, Text, Topics};

/// Collects a data set: merges equal texts, leaves out blank ones, counts both.
#[derive(Default)]
pub(super) struct Builder {
    passages: Distinct,
    queries: Distinct,
    topics: TopicNames,
    train: Vec<Pair>,
    train_seen: FxHashSet<Pair>,
    test: FxHashMap<u32, usize>,
    test_queries: Vec<TestQuery>,
    pub(super) counts: Counts,
}

impl Builder {
    /// The row of a document's text; `None` if it is blank.
    pub(super) fn passage(&mut self, id: String, text: String, topic: Option<&str>) -> Result<Option<u32>, DataError> {
        self.counts.documents_read += 1;
        if text.trim().is_empty() {
            self.counts.documents_empty += 1;
            return Ok(None);
        }
        let (row, new) = self.passages.row(id, text)?;
        if new {
            self.topics.push(topic.unwrap_or_default());
        } else {
            self.counts.documents_repeated += 1;
        }
        Ok(Some(row))
    }

    /// The row of a query's text; `None` if it is blank.
    pub(super) fn query(&mut self, id: String, text: String) -> Result<Option<u32>, DataError> {
        self.counts.queries_read += 1;
        if text.trim().is_empty() {
            self.counts.queries_empty += 1;
            return Ok(None);
        }
        let (row, new) = self.queries.row(id, text)?;
        self.counts.queries_repeated += usize::from(!new);
        Ok(Some(row))
    }

    /// Adds a training judgement.
    pub(super) fn train(&mut self, query: Option<u32>, passage: Option<u32>, grade: i32) {
        self.counts.train_judgements_read += 1;
        let Some((query, passage)) = self.usable(query, passage, grade) else { return };
        let pair = Pair { query, passage };
        if self.train_seen.insert(pair) {
            self.train.push(pair);
        } else {
            self.counts.judgements_repeated += 1;
        }
    }

    /// Adds a test judgement; of two for the same texts the higher grade counts.
    pub(super) fn test(&mut self, query: Option<u32>, passage: Option<u32>, grade: i32) {
        self.counts.test_judgements_read += 1;
        let Some((query, passage)) = self.usable(query, passage, grade) else { return };
        let index = *self.test.entry(query).or_insert_with(|| {
            self.test_queries.push(TestQuery { query, relevant: Vec::new() });
            self.test_queries.len() - 1
        });
        let relevant = &mut self.test_queries[index].relevant;
        match relevant.binary_search_by_key(&passage, |&(passage, _)| passage) {
            Ok(at) => {
                self.counts.judgements_repeated += 1;
                relevant[at].1 = relevant[at].1.max(grade);
            }
            Err(at) => relevant.insert(at, (passage, grade)),
        }
    }

    fn usable(&mut self, query: Option<u32>, passage: Option<u32>, grade: i32) -> Option<(u32, u32)> {
        if grade <= 0 {
            self.counts.judgements_not_relevant += 1;
            return None;
        }
        let both = query.zip(passage);
        self.counts.judgements_of_empty += usize::from(both.is_none());
        both
    }

    /// The topics so far.
    pub(super) fn topics(&self) -> &Topics {
        &self.topics.topics
    }

    /// The distinct passages so far.
    pub(super) fn passage_texts(&self) -> impl Iterator<Item = &str> {
        self.passages.texts.iter().map(|passage| passage.text.as_str())
    }

    /// The data set; its topics only if `with_topics`.
    pub(super) fn finish(mut self, with_topics: bool) -> Dataset {
        let queries = self.take_used_queries();
        let counts = Counts {
            passages: self.passages.texts.len(),
            queries: queries.len(),
            train_pairs: self.train.len(),
            test_queries: self.test_queries.len(),
            test_judgements: self.test_queries.iter().map(|query| query.relevant.len()).sum(),
            ..self.counts
        };
        Dataset {
            validation: Vec::new(),
            queries,
            passages: self.passages.texts,
            train: self.train,
            test: self.test_queries,
            topics: with_topics.then_some(self.topics.topics),
            counts,
            notes: Vec::new(),
        }
    }

    /// The queries that judgements name, in the order of those, with all indices made to point at them.
    fn take_used_queries(&mut self) -> Vec<Text> {
        let mut texts: Vec<Option<Text>> = std::mem::take(&mut self.queries.texts).into_iter().map(Some).collect();
        let mut row = vec![0; texts.len()];
        let mut used = Vec::new();
        let mut renumber = |query: &mut u32| {
            let old = *query as usize;
            let first = texts[old].take();
            if let Some(text) = first {
                row[old] = used.len() as u32;
                used.push(text);
            }
            *query = row[old];
        };
        self.train.iter_mut().for_each(|pair| renumber(&mut pair.query));
        let before_test = self.train.iter().map(|pair| pair.query + 1).max().unwrap_or(0);
        self.test_queries.iter_mut().for_each(|query| renumber(&mut query.query));
        self.counts.queries_in_both = self.test_queries.iter().filter(|query| query.query < before_test).count();
        self.counts.queries_unused = texts.iter().flatten().count();
        used
    }
}

/// Texts in the order of first occurrence, found by their hash.
#[derive(Default)]
struct Distinct {
    texts: Vec<Text>,
    row: FxHashMap<[u8; 16], u32>,
}

impl Distinct {
    /// The text's row, and whether it is new.
    fn row(&mut self, id: String, text: String) -> Result<(u32, bool), DataError> {
        let next = u32::try_from(self.texts.len()).map_err(|_| DataError::TooManyTexts)?;
        let row = *self.row.entry(digest(&[&text])).or_insert(next);
        if row == next {
            self.texts.push(Text { id, text });
        }
        Ok((row, row == next))
    }
}

/// 128 bits of the BLAKE3 hash of some texts: equal for equal texts only.
pub(super) fn digest(texts: &[&str]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

#[derive(Default)]
struct TopicNames {
    topics: Topics,
    index: FxHashMap<String, u32>,
}

impl TopicNames {
    fn push(&mut self, name: &str) {
        let index = self.index.get(name).copied().unwrap_or_else(|| {
            let next = self.topics.names.len() as u32;
            self.topics.names.push(name.to_owned());
            self.index.insert(name.to_owned(), next);
            next
        });
        self.topics.of_passage.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_in_the_order_of_their_first_use_training_first() {
        let mut builder = Builder::default();
        let d = builder.passage("d".into(), "doc".into(), None).unwrap();
        let [tested, unused, trained] =
            ["tested", "unused", "trained"].map(|text| builder.query(text.into(), text.into()).unwrap());
        assert!(unused.is_some());
        builder.test(tested, d, 1);
        builder.test(trained, d, 1);
        builder.train(trained, d, 1);
        let dataset = builder.finish(false);
        let texts: Vec<&str> = dataset.queries.iter().map(|query| query.text.as_str()).collect();
        assert_eq!(texts, ["trained", "tested"]);
        assert_eq!(dataset.train, [Pair { query: 0, passage: 0 }]);
        assert_eq!(dataset.test.iter().map(|query| query.query).collect::<Vec<_>>(), [1, 0]);
        assert_eq!((dataset.counts.queries_unused, dataset.counts.queries_in_both), (1, 1));
    }

    #[test]
    fn the_higher_grade_of_a_repeated_test_judgement_counts() {
        let mut builder = Builder::default();
        let d = builder.passage("d".into(), "doc".into(), None).unwrap();
        let q = builder.query("q".into(), "query".into()).unwrap();
        for grade in [1, 3, 2] {
            builder.test(q, d, grade);
        }
        let dataset = builder.finish(false);
        assert_eq!(dataset.test, [TestQuery { query: 0, relevant: vec![(0, 3)] }]);
        assert_eq!(dataset.counts.judgements_repeated, 2);
    }

    #[test]
    fn texts_that_join_to_the_same_string_have_different_digests() {
        assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
    }
}
