//! What is counted of each stratum's pairs, and what it comes to.

use crate::histogram::Histogram;
use crate::{OfStratum, Similarities};

/// The strata of a batch: one that has no name where none are given.
#[derive(Debug)]
pub(crate) struct Strata {
    /// Ascending.
    labels: Vec<u32>,
    /// Of each pair the place of its label; empty if there are none.
    places: Vec<u32>,
}

impl Strata {
    /// Those of these labels, one for each pair, or none.
    pub(crate) fn new(given: &[u32]) -> Self {
        let mut labels = given.to_vec();
        labels.sort_unstable();
        labels.dedup();
        let place = |label: &u32| labels.partition_point(|known| known < label) as u32;
        Self { places: given.iter().map(place).collect(), labels }
    }

    pub(crate) fn count(&self) -> usize {
        self.labels.len().max(1)
    }

    /// Where a pair's stratum is among them.
    pub(crate) fn place(&self, pair: usize) -> usize {
        self.places.get(pair).map_or(0, |&place| place as usize)
    }
}

/// Sums over the pairs of one stratum.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pairs: usize,
    hits: usize,
    positive: f64,
    negative: f64,
    negatives: u64,
    harder: u64,
}

/// What they say of a batch.
pub(crate) struct Diagnosis {
    pub(crate) accuracy: f32,
    pub(crate) similarities: Similarities,
    pub(crate) by_stratum: Vec<OfStratum>,
}

impl Tally {
    /// A pair, and whether it is above all of its negatives.
    pub(crate) fn pair(&mut self, similarity: f32, is_hit: bool) {
        self.pairs += 1;
        self.hits += usize::from(is_hit);
        self.positive += f64::from(similarity);
    }

    /// So many negatives with this sum of similarities, some of them harder than their pair.
    pub(crate) fn negatives(&mut self, negatives: u32, similarities: f32, harder: u32) {
        self.negative += f64::from(similarities);
        self.negatives += u64::from(negatives);
        self.harder += u64::from(harder);
    }

    fn with(self, other: Self) -> Self {
        Self {
            pairs: self.pairs + other.pairs,
            hits: self.hits + other.hits,
            positive: self.positive + other.positive,
            negative: self.negative + other.negative,
            negatives: self.negatives + other.negatives,
            harder: self.harder + other.harder,
        }
    }

    fn accuracy(&self) -> f32 {
        (self.hits as f64 / self.pairs as f64) as f32
    }

    fn similarities(&self, passages: usize, histogram: Option<&Histogram>) -> Similarities {
        let share = |sum: f64| (self.negatives > 0).then(|| (sum / self.negatives as f64) as f32);
        let candidates = self.pairs as f64 * (passages - 1) as f64;
        Similarities {
            pairs: self.pairs,
            negatives: self.negatives,
            positive: (self.positive / self.pairs as f64) as f32,
            negative: share(self.negative),
            negative_p95: histogram.and_then(|histogram| histogram.quantile(0.95)),
            harder: share(self.harder as f64),
            masked: if candidates > 0.0 { (1.0 - self.negatives as f64 / candidates) as f32 } else { 0.0 },
        }
    }
}

/// What the tallies of all strata come to, among so many passages; a histogram for each of them, or none at all.
pub(crate) fn diagnose(
    strata: &Strata,
    tallies: &[Tally],
    histograms: Option<&[Histogram]>,
    passages: usize,
) -> Diagnosis {
    let all = tallies.iter().copied().fold(Tally::default(), Tally::with);
    let whole = histograms.and_then(|histograms| {
        let (first, others) = histograms.split_first()?;
        let mut whole = first.clone();
        others.iter().for_each(|other| whole.add_all(other));
        Some(whole)
    });
    // Of a part of a batch some strata may have no pair.
    let places = (0..strata.labels.len()).filter(|&place| tallies[place].pairs > 0);
    let of_stratum = |place: usize| OfStratum {
        stratum: strata.labels[place],
        accuracy: tallies[place].accuracy(),
        similarities: tallies[place].similarities(passages, histograms.map(|histograms| &histograms[place])),
    };
    Diagnosis {
        accuracy: all.accuracy(),
        similarities: all.similarities(passages, whole.as_ref()),
        by_stratum: places.map(of_stratum).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strata_are_in_the_order_of_their_labels_and_those_without_pairs_are_left_out() {
        let strata = Strata::new(&[9, 2, 9, 5]);
        assert_eq!((0..4).map(|pair| strata.place(pair)).collect::<Vec<_>>(), [2, 0, 2, 1]);
        let mut tallies = [Tally::default(); 3];
        for (pair, is_hit) in [(0, true), (1, true), (2, false)] {
            tallies[strata.place(pair)].pair(0.5, is_hit);
        }
        let found = diagnose(&strata, &tallies, None, 4);
        assert_eq!(
            found.by_stratum.iter().map(|one| (one.stratum, one.accuracy)).collect::<Vec<_>>(),
            [(2, 1.0), (9, 0.5)]
        );
        assert!((found.accuracy - 2.0 / 3.0).abs() < 1e-7 && found.similarities.pairs == 3);
    }

    #[test]
    fn pairs_without_strata_are_in_one_that_is_not_named() {
        let strata = Strata::new(&[]);
        assert_eq!((strata.count(), strata.place(17)), (1, 0));
        let mut tally = Tally::default();
        tally.pair(1.0, true);
        assert!(diagnose(&strata, &[tally], None, 1).by_stratum.is_empty());
    }
}
