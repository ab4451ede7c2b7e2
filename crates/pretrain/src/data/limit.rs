//! A data set with fewer training pairs.

use rustc_hash::FxHashSet;

use super::split::hash;
use super::used_queries::Uses;
use super::{Dataset, Negatives, Sources, TestQuery};

impl Dataset {
    /// The data set with so many of its training pairs at most, those whose texts have the smallest hashes, in the order that they have.
    ///
    /// The corpus stays whole, and so do validation and test. Passages of pairs that are left out are no negatives of the queries that stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use pretrain::data::{Dataset, Pair};
    ///
    /// let texts = |kind: char| (0..9).map(|n| (format!("{kind}{n}"), format!("{kind} of number {n}"))).collect();
    /// let train = (0..9).map(|n| Pair { query: n, passage: n }).collect();
    /// let all = Dataset { queries: texts('q'), passages: texts('d'), train, ..Dataset::default() };
    /// let some = all.clone().with_at_most(4);
    /// assert_eq!((some.train.len(), some.queries.len(), some.passages.len()), (4, 4, 9));
    /// assert_eq!(all.clone().with_at_most(9), all);
    /// ```
    #[must_use]
    pub fn with_at_most(mut self, pairs: usize) -> Self {
        let all = self.train.len();
        if all <= pairs {
            return self;
        }
        let texts = |&pair: &usize| {
            let pair = self.train[pair];
            hash(&format!("limit {} ", self.queries.text(pair.query)), self.passages.text(pair.passage))
        };
        let mut kept: Vec<usize> = (0..all).collect();
        kept.sort_by_cached_key(|pair| (texts(pair), *pair));
        let left_out = kept.split_off(pairs);
        kept.sort_unstable();
        let negatives = (0..)
            .zip(&kept)
            .flat_map(|(place, &pair)| self.negatives.of(pair as u32).iter().map(move |&passage| (place, passage)));
        self.negatives = Negatives::new(pairs, negatives);
        let before = self.sources.take();
        self.sources = before
            .map(|sources| Sources { of_pair: kept.iter().map(|&pair| sources.of_pair[pair]).collect(), ..sources });
        self.known.extend(left_out.iter().map(|&pair| self.train[pair]));
        self.train = kept.iter().map(|&pair| self.train[pair]).collect();
        let uses = Uses {
            train: &mut self.train,
            known: &mut self.known,
            validation: &mut self.validation,
            test: &mut self.test,
        };
        let queries = uses.renumber(&self.queries);
        let counts = &mut self.counts;
        counts.queries_unused += self.queries.len() - queries.len();
        counts.queries = queries.len();
        counts.judgements_over_limit += all - pairs;
        counts.train_pairs = pairs;
        counts.negatives = self.negatives.len();
        let trained: FxHashSet<&str> = self.train.iter().map(|pair| queries.text(pair.query).trim()).collect();
        let in_training = |query: &&TestQuery| trained.contains(queries.text(query.query).trim());
        counts.queries_in_both = self.test.iter().filter(in_training).count();
        self.queries = queries;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pair;
    use super::*;

    #[test]
    fn what_is_left_out_stays_known_and_what_belongs_to_a_pair_goes_with_it() {
        let texts = |kind: char| (0..6).map(|n| (format!("{kind}{n}"), format!("{kind} {n}"))).collect();
        // Each query has two passages.
        let train: Vec<Pair> = (0..6).map(|n| Pair { query: n / 2, passage: n }).collect();
        let all = Dataset {
            queries: texts('q'),
            passages: texts('d'),
            negatives: Negatives::new(6, (0..6).map(|pair| (pair, 5 - pair))),
            sources: Some(Sources { names: vec!["a".into()], of_pair: vec![0; 6], of_test: vec![0] }),
            test: vec![TestQuery { query: 5, relevant: vec![(0, 1)], ..TestQuery::default() }],
            train,
            ..Dataset::default()
        };
        let some = all.clone().with_at_most(3);
        assert_eq!((some.train.len(), some.counts.judgements_over_limit, some.negatives.len()), (3, 3, 3));
        assert_eq!(some.sources.as_ref().unwrap().of_pair, [0; 3]);
        for (place, pair) in (0..).zip(&some.train) {
            assert_eq!(some.negatives.of(place), [5 - pair.passage]);
            assert_eq!(some.queries.text(pair.query), format!("q {}", pair.passage / 2));
        }
        let answers: usize = (0..some.queries.len() as u32 - 1).map(|query| some.positives().of(query).len()).sum();
        assert_eq!(answers, 2 * (some.queries.len() - 1), "of a query that is trained on both answers are known");
        assert_eq!(some.queries.text(some.test[0].query), "q 5");
    }
}
