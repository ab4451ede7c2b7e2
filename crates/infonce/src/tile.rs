use std::ops::Range;

use burn::tensor::{IndexingUpdateOp, Int, Tensor, activation::softmax, backend::Backend};

use crate::known::Known;
use crate::repeats::Repeats;

/// The logit of a pair that is left out: its exponential is 0 beside any other, and, unlike an infinity, it
/// survives subtraction and shaders that assume finite numbers.
pub(crate) const MASKED: f32 = -1.0e30;

/// Some rows of the logits, the positive of each kept apart from its negatives.
///
/// Apart, because then a row's loss is `softplus(margin)` and its pull `sigmoid(margin)`: neither cancels when a
/// positive is far ahead, and both are exactly 0 when every negative is masked.
#[derive(Debug)]
pub(crate) struct Tile<B: Backend> {
    /// Logits, positives and false negatives [`MASKED`]: `[t, n]`
    pub(crate) logits: Tensor<B, 2>,
    /// Softmax of those, so over the negatives alone: `[t, n]`
    pub(crate) softmax: Tensor<B, 2>,
    /// Logit of the positive: `[t, 1]`
    pub(crate) positive: Tensor<B, 2>,
    /// Largest logit of a negative: `[t, 1]`
    pub(crate) hardest: Tensor<B, 2>,
    /// Its softmax: `[t, 1]`
    hardest_softmax: Tensor<B, 2>,
}

impl<B: Backend> Tile<B> {
    /// The tile of `logits`, `[t, n]`, which are `rows` of the whole matrix.
    pub(crate) fn new(logits: Tensor<B, 2>, rows: Range<usize>, repeats: Option<&Repeats<B>>, known: &Known) -> Self {
        let diagonal =
            Tensor::<B, 1, Int>::arange(rows.start as i64..rows.end as i64, &logits.device()).unsqueeze_dim(1);
        let positive = logits.clone().gather(1, diagonal.clone());
        let logits = match repeats.and_then(|repeats| repeats.same(rows.clone())) {
            Some(same) => logits.mask_fill(same, MASKED),
            // Adding -1e30 rounds to -1e30.
            None => logits.scatter(1, diagonal, positive.full_like(MASKED), IndexingUpdateOp::Add),
        };
        let logits = leave_out(logits, rows.start, known.of_rows(rows));
        let (hardest, column) = logits.clone().max_dim_with_indices(1);
        let softmax = softmax(logits.clone(), 1);
        let hardest_softmax = softmax.clone().gather(1, column);
        Self { logits, softmax, positive, hardest, hardest_softmax }
    }

    /// Log-odds of picking a negative, `log Σ exp(negatives) − positive`: `[t, 1]`.
    pub(crate) fn margin(&self) -> Tensor<B, 2> {
        // The softmax of the hardest is 1 / Σ exp(logit − hardest).
        let negatives = self.hardest.clone() - self.hardest_softmax.clone().log();
        negatives - self.positive.clone()
    }

    /// 1 where the positive is above every negative, else 0: `[t, 1]`.
    pub(crate) fn hits(&self) -> Tensor<B, 2> {
        let hits = self.positive.clone().greater(self.hardest.clone());
        hits.float().cast(self.positive.dtype())
    }
}

/// The logits of a tile, whose first row is `first`, with those at (row, column) [`MASKED`].
fn leave_out<B: Backend>(logits: Tensor<B, 2>, first: usize, at: &[(usize, usize)]) -> Tensor<B, 2> {
    if at.is_empty() {
        return logits;
    }
    let ([rows, columns], device) = (logits.dims(), logits.device());
    let flat: Vec<i64> = at.iter().map(|&(row, column)| ((row - first) * columns + column) as i64).collect();
    let values = Tensor::<B, 1>::full([flat.len()], MASKED, (&device, logits.dtype()));
    let flat = Tensor::<B, 1, Int>::from_data(flat.as_slice(), &device);
    // Adding -1e30 rounds to -1e30, and no place comes twice.
    logits.reshape([-1]).select_assign(0, flat, values, IndexingUpdateOp::Add).reshape([rows, columns])
}

/// `log(1 + exp(x))`, without overflow and exact for small values.
pub(crate) fn softplus<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    x.clone().clamp_min(0.0) + x.abs().neg().exp().log1p()
}

/// `1 / (1 + exp(−x))`, without overflow and exact for small values.
pub(crate) fn sigmoid<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    x.clone().clamp_max(0.0).exp() / x.abs().neg().exp().add_scalar(1.0)
}
