//! Softmaxes of a tile's rows.

use burn::tensor::{Bool, Int, Tensor, backend::Backend};

use crate::block::Group;
use crate::left_out::NO_SIMILARITY;

/// Sums over the negatives of some rows in one group: `[t, 1]` each.
#[derive(Clone)]
pub(super) struct Softmax<B: Backend> {
    largest: Tensor<B, 2>,
    sum: Tensor<B, 2>,
    /// Each exponential times its similarity.
    similarity: Tensor<B, 2>,
}

impl<B: Backend> Softmax<B> {
    /// Of no negatives, in rows like these.
    pub(super) fn empty(rows: &Tensor<B, 2>, temperature: f32) -> Self {
        let none = rows.zeros_like();
        Self { largest: none.full_like(NO_SIMILARITY / temperature), sum: none.clone(), similarity: none }
    }

    /// Those of these rows.
    pub(super) fn select(&self, rows: &Tensor<B, 1, Int>) -> Self {
        let of = |values: &Tensor<B, 2>| values.clone().select(0, rows.clone());
        Self { largest: of(&self.largest), sum: of(&self.sum), similarity: of(&self.similarity) }
    }

    /// These sums and those over more similarities.
    pub(super) fn with(self, similarities: Tensor<B, 2>, sharpness: f64) -> Self {
        let here = similarities.clone().max_dim(1).mul_scalar(sharpness);
        let largest = self.largest.clone().max_pair(here);
        let before = (self.largest - largest.clone()).exp();
        let added = Self { largest: largest.clone(), sum: before.clone(), similarity: before.clone() };
        let exponentials = added.exponentials(similarities.clone(), sharpness);
        Self {
            largest,
            sum: self.sum * before.clone() + exponentials.clone().sum_dim(1),
            similarity: self.similarity * before + (exponentials * similarities).sum_dim(1),
        }
    }

    /// `exp(logit − largest)`, 0 for what is no negative.
    pub(super) fn exponentials(&self, similarities: Tensor<B, 2>, sharpness: f64) -> Tensor<B, 2> {
        (similarities.mul_scalar(sharpness) - self.largest.clone()).exp()
    }

    /// 1 for rows without a negative, so that what is 0 stays it.
    pub(super) fn sum_or_one(&self) -> Tensor<B, 2> {
        self.sum.clone().mask_fill(self.is_empty(), 1.0)
    }

    fn is_empty(&self) -> Tensor<B, 2, Bool> {
        self.sum.clone().lower_equal_elem(0.0)
    }

    /// As [`Pick::new`](crate::softmax::Pick::new), a row each.
    pub(super) fn pick(&self, group: Group, positive: &Tensor<B, 2>, temperature: f32) -> Picks<B> {
        let odds = self.largest.clone() + self.sum_or_one().log() - positive.clone();
        let (loss, pull) = match group.own {
            0 => (odds.clone(), odds.ones_like()),
            own => {
                let own = f64::from(own).ln();
                let odds = odds.sub_scalar(own);
                let tail = odds.clone().abs().neg().exp();
                let loss = odds.clone().clamp_min(0.0) + tail.clone().log1p();
                (loss.add_scalar(own), odds.clamp_max(0.0).exp() / tail.add_scalar(1.0))
            }
        };
        let nothing = f64::from(group.own.max(1)).ln();
        let similarity = self.similarity.clone() / self.sum_or_one();
        let pull = pull.mask_fill(self.is_empty(), 0.0);
        Picks {
            loss: loss.mask_fill(self.is_empty(), nothing),
            slope: (similarity.div_scalar(temperature) - positive.clone()) * pull.clone(),
            pull,
        }
    }
}

/// `[t, 1]` each.
pub(super) struct Picks<B: Backend> {
    pub(super) loss: Tensor<B, 2>,
    pub(super) pull: Tensor<B, 2>,
    pub(super) slope: Tensor<B, 2>,
}
