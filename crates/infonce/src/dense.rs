use burn::{
    backend::Autodiff,
    tensor::{Int, Tensor, TensorData, activation::log_softmax, backend::Backend},
};

use crate::{
    ContrastiveLoss, Direction, InBatch, InfoNceConfig, LossAndGradients, batch::Batch, scalars::to_host, tile::MASKED,
};

/// InfoNCE over the whole matrix of logits, with gradients by automatic differentiation.
///
/// The plain reference: the formula as it is written, in `O(b (b + m))` memory. [`Tiled`](crate::Tiled) returns
/// the same values sooner and in less memory.
///
/// # Examples
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use infonce::{ContrastiveLoss, InBatch, InfoNceConfig};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &Default::default());
/// let loss = InfoNceConfig::default().with_temperature(1.0).build_dense()?;
/// let output = loss.loss_and_gradients(rows.clone(), rows, &InBatch::default());
/// assert!((output.loss - (1.0 + (-1.0_f32).exp()).ln()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    config: InfoNceConfig,
}

impl Dense {
    pub(crate) fn new(config: InfoNceConfig) -> Self {
        Self { config }
    }

    /// The settings this loss was built from.
    pub fn config(&self) -> &InfoNceConfig {
        &self.config
    }
}

impl<B: Backend> ContrastiveLoss<B> for Dense {
    #[track_caller]
    fn loss_and_gradients(
        &self,
        queries: Tensor<B, 2>,
        passages: Tensor<B, 2>,
        ids: &InBatch<'_>,
    ) -> LossAndGradients<B> {
        let batch = Batch::new(queries, passages, self.config.direction);
        batch.check_ids(ids);
        let mask = if self.config.mask_duplicates { false_negatives(&batch, ids) } else { Vec::new() };
        let masked = mask.iter().filter(|&&is_masked| is_masked).count();

        let queries = Tensor::<Autodiff<B>, 2>::from_inner(batch.queries.clone()).require_grad();
        let passages = Tensor::<Autodiff<B>, 2>::from_inner(batch.passages.clone()).require_grad();
        // burn differentiates a division by a scalar in f32, whatever the type of the rows.
        let scale = f64::from(self.config.temperature).recip();
        let mut logits = queries.clone().matmul(passages.clone().transpose()).mul_scalar(scale);
        if masked > 0 {
            let mask = TensorData::new(mask, batch.logits_shape());
            logits = logits.clone().mask_fill(Tensor::from_data(mask, &logits.device()), MASKED);
        }

        let hits = hits(logits.clone().inner());
        let loss = match self.config.direction {
            Direction::QueryToPassage => cross_entropy(logits),
            Direction::Symmetric => (cross_entropy(logits.clone()) + cross_entropy(logits.transpose())).div_scalar(2.0),
        };
        let mut gradients = loss.backward();
        let mut gradient = |rows: &Tensor<Autodiff<B>, 2>| {
            rows.grad_remove(&mut gradients).unwrap_or_else(|| rows.clone().inner().zeros_like())
        };
        let (query_gradient, passage_gradient) = (gradient(&queries), gradient(&passages));
        let [loss, hits] = to_host([loss.inner(), hits]);
        LossAndGradients {
            loss,
            query_gradient,
            passage_gradient,
            masked,
            accuracy: hits / batch.logits_shape()[0] as f32,
        }
    }
}

/// Row by row, whether passage `j` is a false negative of query `i`: `[b, b + m]`, or empty without ids.
fn false_negatives<B: Backend>(batch: &Batch<B>, ids: &InBatch<'_>) -> Vec<bool> {
    // Known positives need passage ids.
    if ids.query_ids.is_empty() && ids.passage_ids.is_empty() {
        return Vec::new();
    }
    let [b, n] = batch.logits_shape();
    (0..b).flat_map(|i| (0..n).map(move |j| i != j && ids.is_false_negative(i, j))).collect()
}

/// Mean over rows of `-log softmax` at the diagonal: `[1]`.
fn cross_entropy<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 1> {
    let diagonal = diagonal(&logits);
    log_softmax(logits, 1).gather(1, diagonal).mean().neg()
}

/// How many rows are largest at the diagonal, and there only: `[1]`.
fn hits<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 1> {
    let positive = logits.clone().gather(1, diagonal(&logits));
    let [rows, _] = logits.dims();
    let at_least = logits.clone().greater_equal(positive).int().sum_dim(1);
    let dtype = logits.dtype();
    at_least.equal(Tensor::ones([rows, 1], &logits.device())).float().cast(dtype).sum()
}

/// The column of the positive of each row: `[b, 1]`.
fn diagonal<B: Backend>(logits: &Tensor<B, 2>) -> Tensor<B, 2, Int> {
    Tensor::<B, 1, Int>::arange(0..logits.dims()[0] as i64, &logits.device()).unsqueeze_dim(1)
}
