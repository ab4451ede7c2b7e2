//! Turns documents, queries and judgements, as a reader meets them, into a [`Dataset`].

use rustc_hash::{FxHashMap, FxHashSet};

use super::judgements::{Document, Judgement, Judgements, Split, test_queries};
use super::known_texts::KnownTexts;
use super::split::HashShare;
use super::topics::TopicNames;
use super::used_queries::Uses;
use super::validation::{Cut, Unit};
use super::{Counts, DataError, Dataset, Negatives, Pair, Sources, TestQuery, Texts, Topics};

/// Pairs that a note names.
const NAMED: usize = 3;

/// Collects a data set, and counts what it leaves out.
///
/// A reader either keeps every text under its id ([`Builder::document`], [`Builder::query`]) or merges equal ones and
/// leaves out blank ones ([`Builder::merged_document`], [`Builder::merged_query`]). Training has each text once either way.
#[derive(Default)]
pub(super) struct Builder {
    passages: KnownTexts,
    queries: KnownTexts,
    topics: TopicNames,
    train: Judgements,
    validation: Judgements,
    test: Judgements,
    own: FxHashMap<u32, u32>,
    /// Passages that are given as no answers, each with the pair of training that it is given for.
    negatives: Vec<(Pair, u32)>,
    /// The sources so far, of which the last is being read.
    sources: Vec<String>,
    /// The source of each training pair.
    source_of_pair: Vec<u32>,
    pub(super) counts: Counts,
    /// Pairs of training that are not trained on.
    known: Vec<Pair>,
    /// The first of those that are left out as they are in the test, by their ids.
    named: Vec<String>,
}

impl Builder {
    /// The row of a document, a repeated or blank one too.
    pub(super) fn document(&mut self, id: &str, text: &str, topic: &str) -> Result<u32, DataError> {
        self.topics.push(topic);
        self.passages.push(id, text)
    }

    /// The row of a query, a repeated or blank one too.
    pub(super) fn query(&mut self, id: &str, text: &str) -> Result<u32, DataError> {
        self.queries.push(id, text)
    }

    /// The row of the first document with the text; `None` if it is blank.
    pub(super) fn merged_document(&mut self, id: &str, text: &str, topic: &str) -> Result<Option<u32>, DataError> {
        let before = self.passages.len();
        let row = self.passages.merge(id, text)?;
        match row {
            _ if self.passages.len() > before => self.topics.push(topic),
            Some(row) => self.topics.complete(row, topic),
            None => {}
        }
        Ok(row)
    }

    /// The row of the first query with the text; `None` if it is blank.
    pub(super) fn merged_query(&mut self, id: &str, text: &str) -> Result<Option<u32>, DataError> {
        self.queries.merge(id, text)
    }

    /// Says that a query and a passage have one id.
    pub(super) fn same_id(&mut self, query: u32, passage: u32) {
        self.own.insert(query, passage);
    }

    /// Adds a judgement.
    pub(super) fn judge(&mut self, split: Split, query: u32, document: Document, grade: i32) {
        *self.read(split) += 1;
        let judgements = match split {
            Split::Train => &mut self.train,
            Split::Validation => &mut self.validation,
            Split::Test => &mut self.test,
        };
        let source = self.sources.len().saturating_sub(1) as u32;
        let new = judgements.add(Judgement { query, document, grade, source });
        self.counts.judgements_repeated += usize::from(!new);
    }

    /// Adds a pair of merged texts; one with a blank text is left out.
    pub(super) fn judge_pair(&mut self, split: Split, query: Option<u32>, passage: Option<u32>) {
        match query.zip(passage) {
            Some((query, passage)) => self.judge(split, query, Document::Passage(passage), 1),
            None => {
                *self.read(split) += 1;
                self.counts.judgements_of_empty += 1;
            }
        }
    }

    /// Says that a passage does not answer the query of a pair.
    pub(super) fn negative(&mut self, query: u32, passage: u32, negative: u32) {
        self.negatives.push((Pair { query, passage }, negative));
    }

    /// Says that a passage answers a query, though neither trains the other.
    pub(super) fn known(&mut self, query: u32, passage: u32) {
        self.known.push(Pair { query, passage });
    }

    /// Says that what follows is from another source.
    pub(super) fn begin_source(&mut self, name: &str) {
        self.sources.push(name.to_owned());
    }

    fn read(&mut self, split: Split) -> &mut usize {
        match split {
            Split::Train => &mut self.counts.train_judgements_read,
            Split::Validation => &mut self.counts.validation_judgements_read,
            Split::Test => &mut self.counts.test_judgements_read,
        }
    }

    /// Makes a share of the training judgements so far the validation split.
    pub(super) fn cut_validation(&mut self, share: HashShare, unit: Unit) {
        if !share.is_empty() {
            let (passages, queries, topics) = (&self.passages, &self.queries, &self.topics.topics);
            let cut = Cut { share, unit, passages, queries, topics };
            let (validation, neither) = cut.validation(&mut self.train.list, &mut self.counts);
            self.validation.list = validation;
            self.known.extend(neither);
        }
    }

    /// The topics so far.
    pub(super) fn topics(&self) -> &Topics {
        &self.topics.topics
    }

    /// The passages so far.
    pub(super) fn passages(&self) -> &Texts {
        &self.passages.all
    }

    /// The queries so far.
    pub(super) fn queries(&self) -> &Texts {
        &self.queries.all
    }

    /// The data set; its topics only if `with_topics`.
    pub(super) fn finish(mut self, with_topics: bool) -> Dataset {
        let mut train = self.take_pairs();
        let mut validation = test_queries(&self.validation.list, &self.own, &mut self.counts);
        let mut test = test_queries(&self.test.list, &self.own, &mut self.counts);
        self.count(&train, &validation, &test);
        let mut known = std::mem::take(&mut self.known);
        let negatives = self.take_negatives(&train, &known);
        let sources = self.take_sources();
        let uses = Uses { train: &mut train, known: &mut known, validation: &mut validation, test: &mut test };
        let queries = uses.renumber(&self.queries.all);
        self.counts.queries_unused = self.queries.len() - queries.len();
        self.counts.queries = queries.len();
        let topics = with_topics.then_some(self.topics.topics);
        let (counts, passages) = (self.counts, self.passages.all);
        let mut notes = Vec::new();
        if counts.judgements_in_test > 0 {
            let more = if counts.judgements_in_test > NAMED { ", …" } else { "" };
            let (count, named) = (counts.judgements_in_test, self.named.join(", "));
            notes.push(format!("{count} training pairs that are in the test too, left out: {named}{more}"));
        }
        Dataset { queries, passages, train, known, negatives, validation, test, topics, sources, counts, notes }
    }

    /// The distinct pairs to train on, none of a validation query, none that the test judges relevant.
    fn take_pairs(&mut self) -> Vec<Pair> {
        let validated = self.validation.list.iter().map(|judgement| self.queries.first(judgement.query));
        let validated: FxHashSet<u32> = validated.collect();
        let tested: FxHashSet<Pair> = self.relevant_pairs(&self.test).collect();
        let (mut pairs, mut seen) = (Vec::new(), FxHashSet::default());
        let counts = &mut self.counts;
        for Judgement { query, document, grade, source } in std::mem::take(&mut self.train.list) {
            let Document::Passage(passage) = document else {
                counts.judgements_of_missing += 1;
                continue;
            };
            let pair = Pair { query: self.queries.first(query), passage: self.passages.first(passage) };
            if grade <= 0 {
                counts.judgements_not_relevant += 1;
            } else if self.queries.is_blank(query) || self.passages.is_blank(passage) {
                counts.judgements_of_empty += 1;
            } else if validated.contains(&pair.query) {
                counts.judgements_held_out += 1;
            } else if tested.contains(&pair) {
                counts.judgements_in_test += 1;
                if self.named.len() < NAMED {
                    let (query, passage) = (self.queries.all.id(query), self.passages.all.id(passage));
                    self.named.push(format!("{query} with {passage}"));
                }
                self.known.push(pair);
            } else if seen.insert(pair) {
                pairs.push(pair);
                self.source_of_pair.push(source);
            } else {
                counts.judgements_repeated += 1;
            }
        }
        pairs
    }

    /// Of each training pair the negatives that are given for it, answer its query nowhere in the data, and are held out for no other.
    fn take_negatives(&mut self, train: &[Pair], known: &[Pair]) -> Negatives {
        let mut given = std::mem::take(&mut self.negatives);
        self.counts.negatives_left_out += given.len();
        let place: FxHashMap<Pair, u32> = train.iter().copied().zip(0..).collect();
        let trained: FxHashSet<u32> = train.iter().map(|pair| pair.passage).collect();
        let judged: Vec<Pair> = self.relevant_pairs(&self.validation).chain(self.relevant_pairs(&self.test)).collect();
        let positives: FxHashSet<Pair> = train.iter().chain(known).chain(&judged).copied().collect();
        let held_out: FxHashSet<u32> = judged.iter().map(|pair| pair.passage).collect();
        let (queries, passages) = (&self.queries, &self.passages);
        // In place, as there may be hundreds of millions.
        given.retain_mut(|(pair, negative)| {
            *pair = Pair { query: queries.first(pair.query), passage: passages.first(pair.passage) };
            *negative = passages.first(*negative);
            let is_positive = positives.contains(&Pair { passage: *negative, ..*pair });
            let is_held_out = held_out.contains(negative) && !trained.contains(negative);
            place.contains_key(pair) && !is_positive && !is_held_out && !passages.is_blank(*negative)
        });
        given.sort_by_key(|(pair, _)| place[pair]);
        let mut kept = Vec::with_capacity(given.len());
        for of_pair in given.chunk_by(|(a, _), (b, _)| a == b) {
            let mut seen = FxHashSet::default();
            let new = of_pair.iter().filter(|(_, negative)| seen.insert(*negative));
            kept.extend(new.map(|(pair, negative)| (place[pair], *negative)));
        }
        self.counts.negatives_left_out -= kept.len();
        self.counts.negatives = kept.len();
        Negatives::new(train.len(), kept)
    }

    /// Where there are several sources, which training pairs and test queries are of which.
    fn take_sources(&mut self) -> Option<Sources> {
        let mut seen = FxHashSet::default();
        let relevant = self.test.list.iter().filter(|judgement| judgement.grade > 0);
        let of_test =
            relevant.filter(|judgement| seen.insert(judgement.query)).map(|judgement| judgement.source).collect();
        let (names, of_pair) = (std::mem::take(&mut self.sources), std::mem::take(&mut self.source_of_pair));
        (!names.is_empty()).then_some(Sources { names, of_pair, of_test })
    }

    /// The texts of the relevant judgements of documents that are there.
    fn relevant_pairs<'a>(&'a self, judgements: &'a Judgements) -> impl Iterator<Item = Pair> + 'a {
        judgements.list.iter().filter_map(|judgement| self.relevant_pair(judgement))
    }

    /// The texts of a relevant judgement of a document that is there.
    fn relevant_pair(&self, &Judgement { query, document, grade, .. }: &Judgement) -> Option<Pair> {
        match document {
            Document::Passage(passage) if grade > 0 => {
                Some(Pair { query: self.queries.first(query), passage: self.passages.first(passage) })
            }
            _ => None,
        }
    }

    fn count(&mut self, train: &[Pair], validation: &[TestQuery], test: &[TestQuery]) {
        let judged =
            |queries: &[TestQuery]| queries.iter().map(|query| query.relevant.len() + query.missing.len()).sum();
        let missing = |queries: &[TestQuery]| queries.iter().map(|query| query.missing.len()).sum();
        let trained: FxHashSet<u32> = train.iter().map(|pair| pair.query).collect();
        let in_training = |query: &&TestQuery| trained.contains(&self.queries.first(query.query));
        self.counts = Counts {
            documents_read: self.passages.read + self.counts.documents_again,
            documents_empty: self.passages.blank,
            documents_repeated: self.passages.repeated,
            queries_read: self.queries.read + self.counts.queries_again,
            queries_empty: self.queries.blank,
            queries_repeated: self.queries.repeated,
            passages: self.passages.len(),
            train_pairs: train.len(),
            validation_queries: validation.len(),
            validation_judgements: judged(validation),
            validation_missing: missing(validation),
            test_queries: test.len(),
            test_judgements: judged(test),
            test_missing: missing(test),
            queries_in_both: test.iter().filter(in_training).count(),
            ..std::mem::take(&mut self.counts)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(passage: u32) -> Document {
        Document::Passage(passage)
    }

    /// So many distinct queries and documents, every three documents of one topic.
    fn texts(count: u32) -> Builder {
        let mut builder = Builder::default();
        for i in 0..count {
            assert_eq!(builder.query(&format!("q{i}"), &format!("query {i}")).unwrap(), i);
            assert_eq!(builder.document(&format!("d{i}"), &format!("doc {i}"), &format!("t{}", i / 3)).unwrap(), i);
        }
        builder
    }

    #[test]
    fn queries_are_in_the_order_of_their_first_use_training_first() {
        let mut builder = texts(4);
        builder.judge(Split::Test, 0, document(0), 1);
        builder.judge(Split::Test, 2, document(0), 1);
        builder.judge(Split::Validation, 3, document(0), 1);
        builder.judge(Split::Train, 2, document(1), 1);
        let dataset = builder.finish(false);
        let ids: Vec<&str> = dataset.queries.iter().map(|query| query.id).collect();
        assert_eq!(ids, ["q2", "q3", "q0"]);
        assert_eq!(dataset.train, [Pair { query: 0, passage: 1 }]);
        assert_eq!(dataset.test.iter().map(|query| query.query).collect::<Vec<_>>(), [2, 0]);
        assert_eq!((dataset.counts.queries_unused, dataset.counts.queries_in_both), (1, 1));
    }

    #[test]
    fn of_a_repeated_judgement_the_last_grade_counts() {
        let mut builder = texts(2);
        for grade in [1, 3, 2] {
            builder.judge(Split::Test, 0, document(0), grade);
        }
        for grade in [1, 0] {
            builder.judge(Split::Test, 1, document(1), grade);
        }
        let dataset = builder.finish(false);
        assert_eq!(dataset.test, [TestQuery { relevant: vec![(0, 2)], ..TestQuery::default() }]);
        assert_eq!((dataset.counts.judgements_repeated, dataset.counts.judgements_not_relevant), (3, 1));
    }

    #[test]
    fn a_missing_document_counts_in_the_test_and_not_in_training() {
        let mut builder = texts(1);
        for split in [Split::Train, Split::Test] {
            builder.judge(split, 0, Document::Missing(0), 2);
        }
        let dataset = builder.finish(false);
        assert_eq!(dataset.test, [TestQuery { missing: vec![2], ..TestQuery::default() }]);
        assert!(dataset.train.is_empty());
        let counts = &dataset.counts;
        assert_eq!((counts.judgements_of_missing, counts.test_judgements, counts.test_missing), (1, 1, 1));
    }

    #[test]
    fn a_query_of_the_validation_split_is_not_in_training_under_any_id() {
        let mut builder = texts(2);
        let again = builder.query("again", "query 0").unwrap();
        builder.judge(Split::Validation, again, document(0), 1);
        builder.judge(Split::Train, 0, document(1), 1);
        builder.judge(Split::Train, 1, document(1), 1);
        let dataset = builder.finish(false);
        assert_eq!((dataset.train.len(), dataset.validation.len()), (1, 1));
        assert_eq!(dataset.queries.id(dataset.validation[0].query), "again");
        assert_eq!(dataset.counts.judgements_held_out, 1);
    }
}
