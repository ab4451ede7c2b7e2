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
            let pick = Pick::new(Group { own, share: 1.0 }, negatives, positive, 1.0);
            assert!((pick.loss - (all.ln() - positive)).abs() < 1e-12, "{own}");
            assert!((pick.pull - (0.5f64.exp() + (-0.25f64).exp()) / all).abs() < 1e-12, "{own}");
        }
    }

    #[test]
    fn without_negatives_there_is_nothing_to_learn() {
        for (own, loss) in [(0, 0.0), (1, 0.0), (2, 2f64.ln())] {
            let pick = Pick::new(Group { own, share: 1.0 }, RowSum::EMPTY, 0.3, 1.0);
            assert_eq!(pick, Pick { loss, pull: 0.0, scale_slope: 0.0 });
        }
    }
}
