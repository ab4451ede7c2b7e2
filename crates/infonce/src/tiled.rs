use burn::tensor::{Tensor, backend::Backend};

use crate::batch::Batch;
use crate::prefix::prefixes;
use crate::view::View;
use crate::{ContrastiveLoss, InBatch, InfoNceConfig, LossAndGradients, Prefix, Similarity, tensors};

/// InfoNCE by tiles, with closed-form gradients and never a `b × n` matrix.
///
/// With logits `s_ij = q_i · p_j / τ` and `S` the softmax of each row, the gradient of the mean loss with respect
/// to the logits is `D = (S − I) / b`, hence `D P / τ` for the queries and `Dᵀ Q / τ` for the passages; the other directions likewise
/// (`docs/infonce.md`). On burn's flex backend, for `f32`, one fused kernel goes through strips of rows and takes each product once for all
/// prefixes, on all processors. Elsewhere, and for cosines of rows with norms below 1e-12, but not 0, or above 1e12, tiles of tensors are gone
/// through twice, for the sums and for the gradients, and the host waits for the device once, for each prefix.
/// Memory beside inputs and outputs grows with `b + n`, not with their product. On flex a loss keeps it for the next batch, until it is
/// dropped; a clone has its own.
///
/// # Source
/// van den Oord et al. (2018), equation 4; Gao et al. (2021), section 3.2, for gradients at the embeddings; Milakov and Gimelshein (2018),
/// arXiv 1805.02867, for sums of exponentials in one pass.
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
/// let loss = InfoNceConfig::default().with_temperature(1.0).with_tile(1).build()?;
/// let output = loss.loss_and_gradients(rows.clone(), rows, &InBatch::default());
/// assert!((output.loss - (1.0 + (-1.0_f32).exp()).ln()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tiled {
    config: InfoNceConfig,
    #[cfg(feature = "flex")]
    kept: crate::fused::Kept,
}

impl Tiled {
    pub(crate) fn new(config: InfoNceConfig) -> Self {
        Self {
            config,
            #[cfg(feature = "flex")]
            kept: Default::default(),
        }
    }

    /// The settings this loss was built from.
    pub fn config(&self) -> &InfoNceConfig {
        &self.config
    }
}

impl<B: Backend> ContrastiveLoss<B> for Tiled {
    #[track_caller]
    fn loss_and_gradients(
        &self,
        queries: Tensor<B, 2>,
        passages: Tensor<B, 2>,
        ids: &InBatch<'_>,
    ) -> LossAndGradients<B> {
        let (batch, config) = (Batch::new(queries, passages, ids), self.config.of_batch(ids));
        #[cfg(feature = "flex")]
        if let Some(output) = crate::fused::loss_and_gradients(&config, &batch, ids, &self.kept) {
            return output;
        }
        match config.similarity {
            Similarity::Dot if config.matryoshka.is_empty() => tensors::loss_and_gradients(&config, batch, ids),
            _ => of_prefixes(&config, &batch, ids),
        }
    }
}

/// The weighted sum over prefixes, with what the widest says of the similarities.
#[track_caller]
fn of_prefixes<B: Backend>(config: &InfoNceConfig, batch: &Batch<B>, ids: &InBatch<'_>) -> LossAndGradients<B> {
    let sides = [&batch.queries, &batch.passages];
    let (all, widest) = prefixes(config, sides[0].dims()[1]);
    let mut gradients = sides.map(|rows| rows.zeros_like());
    let (mut loss, mut scale_gradient, mut of_widest) = (0.0, 0.0, None);
    for Prefix { width, weight } in all {
        let views = sides.map(|rows| View::new(rows, width, config.similarity));
        let [queries, passages] = views.each_ref().map(|view| view.rows.clone());
        let config = InfoNceConfig { percentile: config.percentile && width == widest, ..config.clone() };
        let output = tensors::loss_and_gradients(&config, Batch { queries, passages }, ids);
        loss += weight * output.loss;
        scale_gradient += weight * output.scale_gradient;
        let of_prefix = [&output.query_gradient, &output.passage_gradient];
        for ((sum, view), gradient) in gradients.iter_mut().zip(&views).zip(of_prefix) {
            let columns = [0..sum.dims()[0], 0..width];
            let added = view.gradient(gradient.clone()).mul_scalar(weight) + sum.clone().slice(columns.clone());
            *sum = sum.clone().slice_assign(columns, added);
        }
        if width == widest {
            of_widest = Some(output);
        }
    }
    let Some(output) = of_widest else { unreachable!("the widest is one of them") };
    let [query_gradient, passage_gradient] = gradients;
    LossAndGradients { loss, query_gradient, passage_gradient, scale_gradient, ..output }
}
