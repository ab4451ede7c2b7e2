//! How hard each stratum was, over the last epoch of every training.

use std::collections::BTreeMap;

use infonce::OfStratum;

use crate::report::StratumHardness;

/// The strata of the last epoch that was seen of this training, beside those of the trainings before.
#[derive(Default)]
pub(super) struct LastEpoch {
    epoch: u64,
    current: BTreeMap<u32, Sums>,
    done: BTreeMap<u32, Sums>,
}

/// Sums over pairs, and over negatives.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    pairs: f64,
    accuracy: f64,
    positive: f64,
    negatives: f64,
    negative: f64,
    harder: f64,
}

impl LastEpoch {
    /// Adds a step's strata; a new epoch begins anew.
    pub(super) fn add(&mut self, epoch: u64, strata: &[OfStratum]) {
        if epoch != self.epoch {
            self.current.clear();
            self.epoch = epoch;
        }
        for one in strata {
            self.current.entry(one.stratum).or_default().add(&Sums::of(one));
        }
    }

    /// Keeps what the training ended with.
    pub(super) fn end_of_run(&mut self) {
        for (stratum, sums) in std::mem::take(&mut self.current) {
            self.done.entry(stratum).or_default().add(&sums);
        }
    }

    /// The means over all trainings, ascending by label.
    pub(super) fn hardness(&self) -> Vec<StratumHardness> {
        self.done.iter().filter(|(_, sums)| sums.pairs > 0.0).map(|(&stratum, sums)| sums.mean(stratum)).collect()
    }
}

impl Sums {
    fn of(one: &OfStratum) -> Self {
        let similarities = &one.similarities;
        let (pairs, negatives) = (similarities.pairs as f64, similarities.negatives as f64);
        let of_negatives = |mean: Option<f32>| negatives * mean.map_or(0.0, f64::from);
        Self {
            pairs,
            accuracy: pairs * f64::from(one.accuracy),
            positive: pairs * f64::from(similarities.positive),
            negatives,
            negative: of_negatives(similarities.negative),
            harder: of_negatives(similarities.harder),
        }
    }

    fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.accuracy += other.accuracy;
        self.positive += other.positive;
        self.negatives += other.negatives;
        self.negative += other.negative;
        self.harder += other.harder;
    }

    fn mean(&self, stratum: u32) -> StratumHardness {
        let of_negatives = |sum: f64| (self.negatives > 0.0).then(|| sum / self.negatives);
        StratumHardness {
            stratum,
            pairs: self.pairs as usize,
            accuracy: self.accuracy / self.pairs,
            positive: self.positive / self.pairs,
            negative: of_negatives(self.negative),
            harder: of_negatives(self.harder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infonce::Similarities;

    fn one(pairs: usize, accuracy: f32) -> OfStratum {
        let similarities = Similarities { pairs, negatives: 10, negative: Some(accuracy), ..Similarities::default() };
        OfStratum { stratum: 3, accuracy, similarities }
    }

    #[test]
    fn only_the_last_epoch_of_each_training_counts() {
        let mut strata = LastEpoch::default();
        strata.add(0, &[one(9, 0.0)]);
        strata.add(1, &[one(1, 1.0)]);
        strata.end_of_run();
        strata.add(0, &[one(9, 0.0)]);
        strata.add(1, &[one(3, 0.5)]);
        strata.end_of_run();
        let hardness = strata.hardness();
        assert_eq!((hardness[0].pairs, hardness[0].accuracy, hardness[0].negative), (4, 0.625, Some(0.75)));
    }
}
