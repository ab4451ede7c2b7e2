//! A data set with fewer training pairs.

use super::split::hash;
use super::used_queries::Uses;
use super::{Dataset, Negatives, Sources};

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
        self.queries = queries;
        self
    }
}
