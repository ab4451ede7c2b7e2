//! One row of a softmax over negatives, and what becomes of it.

use crate::block::Group;

/// Sums over some negatives of a row, at a reference that keeps their exponentials in range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowSum {
    /// The largest logit; −∞ if there is no negative.
    pub(crate) largest: f64,
    /// Sum of `exp(logit − largest)`.
    pub(crate) sum: f64,
    /// Sum of `exp(logit − largest)` times the similarity.
    pub(crate) similarity: f64,
}

impl RowSum {
    pub(crate) const EMPTY: Self = Self { largest: f64::NEG_INFINITY, sum: 0.0, similarity: 0.0 };

    /// The sums over these negatives and others.
    pub(crate) fn with(self, other: Self) -> Self {
        let largest = self.largest.max(other.largest);
        if largest == f64::NEG_INFINITY {
            return Self::EMPTY;
        }
        let [a, b] = [self, other].map(|part| (part.largest - largest).exp());
        Self { largest, sum: self.sum * a + other.sum * b, similarity: self.similarity * a + other.similarity * b }
    }
}

/// What a pair's softmax over one group gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pick {
    /// `log (own · exp(positive) + Σ exp(negatives)) − positive`, in nats.
    pub(crate) loss: f64,
    /// Probability of the negatives together: minus the derivative of the loss with respect to the positive's logit.
    pub(crate) pull: f64,
    /// Derivative of the loss with respect to the logarithm of `1 / τ`, for a positive logit and negatives of similarity over `τ`.
    pub(crate) scale_slope: f64,
}

impl Pick {
    /// Of a pair with this positive logit. A group in which the pair itself is no candidate, and that has no negative, gives 0.
    ///
    /// Through the log-odds of the negatives, of which neither `softplus` nor `sigmoid` cancels where a positive is far ahead.
    pub(crate) fn new(group: Group, negatives: RowSum, positive: f64, temperature: f64) -> Self {
        if negatives.sum == 0.0 {
            let loss = if group.own == 0 { 0.0 } else { f64::from(group.own).ln() };
            // A pair that is not a number has a loss that is none.
            return Self { loss: loss + 0.0 * positive, pull: 0.0, scale_slope: 0.0 };
        }
        let odds = negatives.largest + negatives.sum.ln() - positive;
        let (loss, pull) = match group.own {
            0 => (odds, 1.0),
            own => {
                let own = f64::from(own).ln();
                let odds = odds - own;
                (own + odds.max(0.0) + (-odds.abs()).exp().ln_1p(), odds.min(0.0).exp() / (1.0 + (-odds.abs()).exp()))
            }
        };
        let mean_similarity = negatives.similarity / negatives.sum;
        Self { loss, pull, scale_slope: pull * (mean_similarity / temperature - positive) }
    }

    fn times(self, factor: f64) -> Self {
        Self { loss: self.loss * factor, pull: self.pull * factor, scale_slope: self.scale_slope * factor }
    }

    fn with(self, other: Self) -> Self {
        Self {
            loss: self.loss + other.loss,
            pull: self.pull + other.pull,
            scale_slope: self.scale_slope + other.scale_slope,
        }
    }
}

/// What a pair's softmax over one group gives with its further positives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picks {
    /// The mean over the positives, the pair itself as often as it is a candidate.
    pub(crate) mean: Pick,
    /// What the pair itself has of the mean pull.
    pub(crate) own: f64,
    /// What each further positive has of it.
    pub(crate) further: Vec<f64>,
}

impl Picks {
    /// Of a pair with this positive logit, and those of further positives, each against the same negatives.
    pub(crate) fn new(group: Group, negatives: RowSum, own: f64, further: &[f64], temperature: f64) -> Self {
        let pick = |logit: f64| Pick::new(group, negatives, logit, temperature);
        let times = group.times();
        let part = 1.0 / (times + further.len() as f64);
        let own = pick(own).times(times * part);
        let further: Vec<Pick> = further.iter().map(|&logit| pick(logit).times(part)).collect();
        Self {
            mean: further.iter().fold(own, |sum, &pick| sum.with(pick)),
            own: own.pull,
            further: further.iter().map(|pick| pick.pull).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(logits: &[f64]) -> RowSum {
        let one = |&logit: &f64| RowSum { largest: logit, sum: 1.0, similarity: logit };
        logits.iter().map(one).fold(RowSum::EMPTY, RowSum::with)
    }

    #[test]
    fn sums_are_those_of_all_exponentials_in_any_order() {
        let logits = [3.0, -2.0, 700.0, 699.0];
        let (there, back) = (sum(&logits), sum(&[699.0, 700.0, -2.0, 3.0]));
        assert_eq!(there.largest, 700.0);
        assert!((there.sum - (1.0 + (-1f64).exp())).abs() < 1e-15 && (there.sum - back.sum).abs() < 1e-15);
        assert_eq!(sum(&[]), RowSum::EMPTY);
    }

    #[test]
    fn a_pick_is_a_cross_entropy_with_the_pair_as_often_as_it_is_a_candidate() {
        let (negatives, positive) = (sum(&[0.5, -0.25]), 0.75);
        for own in [0, 1, 2] {
            let all = f64::from(own) * 0.75f64.exp() + 0.5f64.exp() + (-0.25f64).exp();
            let pick = Pick::new(Group { own, share: 1.0, prefix: 0 }, negatives, positive, 1.0);
            assert!((pick.loss - (all.ln() - positive)).abs() < 1e-12, "{own}");
            assert!((pick.pull - (0.5f64.exp() + (-0.25f64).exp()) / all).abs() < 1e-12, "{own}");
        }
    }

    #[test]
    fn further_positives_are_picked_each_against_the_same_negatives() {
        let (group, negatives) = (Group { own: 2, share: 1.0, prefix: 0 }, sum(&[0.5, -0.25]));
        let picks = Picks::new(group, negatives, 0.75, &[0.1, 0.2], 1.0);
        let [own, first, second] = [0.75, 0.1, 0.2].map(|logit| Pick::new(group, negatives, logit, 1.0));
        assert!((picks.mean.loss - (2.0 * own.loss + first.loss + second.loss) / 4.0).abs() < 1e-12);
        assert!((picks.own - own.pull / 2.0).abs() < 1e-12 && (picks.further[1] - second.pull / 4.0).abs() < 1e-12);
        let alone = Picks::new(group, negatives, 0.75, &[], 1.0);
        assert_eq!((alone.mean, alone.own), (own, own.pull));
    }

    #[test]
    fn sums_that_are_no_numbers_make_losses_that_are_none() {
        let broken = RowSum::EMPTY.with(RowSum { largest: 0.0, sum: f64::NAN, similarity: f64::NAN });
        for own in [0, 1, 2] {
            let picks = Picks::new(Group { own, share: 1.0, prefix: 0 }, broken, 0.3, &[], 1.0);
            assert!(picks.mean.loss.is_nan() && picks.mean.scale_slope.is_nan(), "{own} {picks:?}");
        }
    }

    #[test]
    fn without_negatives_there_is_nothing_to_learn() {
        for (own, loss) in [(0, 0.0), (1, 0.0), (2, 2f64.ln())] {
            let pick = Pick::new(Group { own, share: 1.0, prefix: 0 }, RowSum::EMPTY, 0.3, 1.0);
            assert_eq!(pick, Pick { loss, pull: 0.0, scale_slope: 0.0 });
        }
    }
}
