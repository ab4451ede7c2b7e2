//! A validation split cut from the training judgements.

use rustc_hash::FxHashSet;

use super::judgements::{Document, Judgement};
use super::known_texts::KnownTexts;
use super::split::HashShare;
use super::{Counts, Pair, Topics};

/// What is held out as a whole.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// Passages.
    Passage,
    /// Topics, or what of their names groups them; a passage without a topic goes by itself.
    Topic(fn(&str) -> &str),
}

/// What the cut looks at.
pub(super) struct Cut<'a> {
    pub(super) share: HashShare,
    pub(super) unit: Unit,
    pub(super) passages: &'a KnownTexts,
    pub(super) queries: &'a KnownTexts,
    pub(super) topics: &'a Topics,
}

impl Cut<'_> {
    /// Takes from `train` the judgements of every query that has a positive among the passages held out; these, and the pairs that are in neither split.
    ///
    /// No passage that they find relevant stays in training: judgements of it by other queries are counted and dropped.
    pub(super) fn validation(&self, train: &mut Vec<Judgement>, counts: &mut Counts) -> (Vec<Judgement>, Vec<Pair>) {
        let first = |passage| self.passages.first(passage) as usize;
        let mut passage_out = self.held_out(train);
        let mut query_out = vec![false; self.queries.len()];
        for (query, passage) in self.positives(train) {
            query_out[query as usize] |= passage_out[first(passage)];
        }
        for (query, passage) in self.positives(train) {
            passage_out[first(passage)] |= query_out[query as usize];
        }
        let (validation, rest): (Vec<_>, Vec<_>) =
            train.drain(..).partition(|judgement| query_out[judgement.query as usize]);
        let stays =
            |judgement: &Judgement| self.positive(judgement).is_none_or(|(_, passage)| !passage_out[first(passage)]);
        let (kept, dropped): (Vec<_>, Vec<_>) = rest.into_iter().partition(stays);
        train.extend(kept);
        counts.judgements_held_out += dropped.len();
        let pair = |(query, passage)| Pair { query: self.queries.first(query), passage: self.passages.first(passage) };
        let dropped = self.positives(&dropped).map(pair).collect();
        (validation, dropped)
    }

    fn positives(&self, train: &[Judgement]) -> impl Iterator<Item = (u32, u32)> {
        train.iter().filter_map(|judgement| self.positive(judgement))
    }

    /// Query and passage of a judgement that can be a training pair.
    fn positive(&self, judgement: &Judgement) -> Option<(u32, u32)> {
        match judgement.document {
            Document::Passage(passage) => {
                let blank = self.queries.is_blank(judgement.query) || self.passages.is_blank(passage);
                (judgement.grade > 0 && !blank).then_some((judgement.query, passage))
            }
            Document::Missing(_) => None,
        }
    }

    /// For each passage, whether it is in the share; of equal texts the first decides.
    fn held_out(&self, train: &[Judgement]) -> Vec<bool> {
        let topic = self.topics_held_out(train);
        let row_held_out = |row: u32| {
            let name = self.topic(row);
            match topic.as_ref().filter(|_| !name.is_empty()) {
                Some(topics) => topics.contains(name),
                None => self.share.takes(self.passages.all.text(row)),
            }
        };
        (0..self.passages.len() as u32).map(row_held_out).collect()
    }

    /// The topics of training passages that are in the share.
    fn topics_held_out(&self, train: &[Judgement]) -> Option<FxHashSet<&str>> {
        if matches!(self.unit, Unit::Passage) {
            return None;
        }
        let names = self.positives(train).map(|(_, passage)| self.topic(self.passages.first(passage)));
        let names: FxHashSet<&str> = names.filter(|name| !name.is_empty()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let taken = self.share.takes_of(&names);
        Some(names.into_iter().zip(taken).filter_map(|(name, taken)| taken.then_some(name)).collect())
    }

    fn topic(&self, passage: u32) -> &str {
        match self.unit {
            Unit::Passage => "",
            Unit::Topic(group) => group(self.topics.name(passage)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::builder::Builder;
    use super::super::judgements::Split;
    use super::super::{Dataset, TestQuery};
    use super::*;

    const QUERIES: u32 = 600;

    /// Query i is answered by documents i and i + 1, the topic of document i is i / 6.
    fn dataset(share: f64, unit: Unit) -> Dataset {
        let mut builder = Builder::default();
        for i in 0..=QUERIES {
            builder.query(&format!("q{i}"), &format!("query {i}")).unwrap();
            builder.document(&format!("d{i}"), &format!("document {i}"), &format!("topic {}", i / 6)).unwrap();
        }
        for query in 0..QUERIES {
            builder.judge(Split::Train, query, Document::Passage(query), 1);
            builder.judge(Split::Train, query, Document::Passage(query + 1), 2);
        }
        builder.cut_validation(HashShare::validation(share).unwrap(), unit);
        builder.finish(true)
    }

    fn answers(queries: &[TestQuery]) -> FxHashSet<u32> {
        queries.iter().flat_map(|query| query.relevant.iter().map(|&(passage, _)| passage)).collect()
    }

    #[test]
    fn no_query_and_no_passage_of_the_validation_split_is_in_training() {
        for unit in [Unit::Passage, Unit::Topic(|name| name)] {
            let dataset = dataset(0.1, unit);
            assert!((40..200).contains(&dataset.validation.len()), "{}", dataset.validation.len());
            let (queries, passages): (FxHashSet<u32>, _) =
                (dataset.validation.iter().map(|query| query.query).collect(), answers(&dataset.validation));
            assert!(dataset.train.iter().all(|pair| !queries.contains(&pair.query)));
            assert!(dataset.train.iter().all(|pair| !passages.contains(&pair.passage)));
            // What is held out of a query that stays is known to answer it.
            let trained: FxHashSet<u32> = dataset.train.iter().map(|pair| pair.query).collect();
            assert!(!dataset.known.is_empty());
            assert!(dataset.known.iter().all(|pair| trained.contains(&pair.query) && passages.contains(&pair.passage)));
            assert!(trained.iter().all(|&query| dataset.positives().of(query).len() == 2));
            let counts = &dataset.counts;
            let kept = counts.train_pairs + counts.validation_judgements + counts.judgements_held_out;
            assert_eq!((counts.train_judgements_read, kept), (2 * QUERIES as usize, 2 * QUERIES as usize));
            assert!(counts.judgements_held_out > 0 && dataset.train.len() > QUERIES as usize);
            assert!(dataset.validation.iter().all(|query| query.relevant.len() == 2 && query.relevant[1].1 == 2));
        }
    }

    #[test]
    fn a_share_of_topics_is_cut_whole() {
        let dataset = dataset(0.1, Unit::Topic(|name| name));
        let held_out = |topic: u32| (6 * topic..6 * topic + 6).all(|i| answers(&dataset.validation).contains(&i));
        assert_eq!((0..QUERIES / 6).filter(|&topic| held_out(topic)).count(), 10);
    }

    #[test]
    fn a_share_of_zero_cuts_nothing() {
        let dataset = dataset(0.0, Unit::Passage);
        assert_eq!((dataset.validation.len(), dataset.train.len()), (0, 2 * QUERIES as usize));
    }

    #[test]
    fn a_query_of_a_validation_query_s_text_is_in_neither_split() {
        let mut builder = Builder::default();
        for i in 0..40 {
            builder.query(&format!("q{i}"), "what is it").unwrap();
            let row = builder.document(&format!("d{i}"), &format!("document {i}"), "").unwrap();
            builder.judge(Split::Train, i, Document::Passage(row), 1);
        }
        builder.cut_validation(HashShare::validation(0.2).unwrap(), Unit::Passage);
        let dataset = builder.finish(false);
        assert!((1..20).contains(&dataset.validation.len()), "{}", dataset.validation.len());
        assert_eq!((dataset.train.len(), dataset.counts.judgements_held_out), (0, 40 - dataset.validation.len()));
    }

    #[test]
    fn equal_texts_are_held_out_together() {
        let mut builder = Builder::default();
        for i in 0..400 {
            builder.query(&format!("q{i}"), &format!("query {i}")).unwrap();
            let row =
                builder.document(&format!("d{i}"), &format!("document {}", i / 2), &format!("topic {i}")).unwrap();
            builder.judge(Split::Train, i, Document::Passage(row), 1);
        }
        builder.cut_validation(HashShare::validation(0.2).unwrap(), Unit::Topic(|name| name));
        let dataset = builder.finish(true);
        assert!((20..200).contains(&dataset.validation.len()));
        let text = |passage: u32| dataset.passages.text(passage);
        let validated: FxHashSet<&str> = answers(&dataset.validation).into_iter().map(text).collect();
        assert!(dataset.train.iter().all(|pair| !validated.contains(text(pair.passage))));
    }
}
