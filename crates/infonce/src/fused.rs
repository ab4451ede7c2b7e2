//! The loss on burn's flex backend, straight on its memory: a strip of rows at a time, all processors on its columns.
//!
//! A strip's exponentials are kept until their sums are known, so that each of the three matrix products is taken once; what a strip
//! holds is bounded ([`STRIP`]), so that memory grows with the rows of a batch and never with their square. Sums are taken in an order
//! that does not depend on the number of threads.

mod columns;
mod compared;
mod guide;
mod memory;
mod panels;
mod product;
mod pull;
mod strip;
mod workspace;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use vectors::Matrix;

use compared::Compared;
pub(crate) use workspace::Kept;

use crate::batch::Batch;
use crate::prefix::prefixes;
use crate::{InBatch, InfoNceConfig, LossAndGradients};

/// The loss, or `None` where `B` is not flex, the rows are not f32, or cosines are compared of rows with norms out of range.
pub(crate) fn loss_and_gradients<B: Backend>(
    config: &InfoNceConfig,
    batch: &Batch<B>,
    known: &InBatch<'_>,
    kept: &Kept,
) -> Option<LossAndGradients<B>> {
    let [queries, passages] = [&batch.queries, &batch.passages].map(memory::flex_rows);
    let (queries, passages) = (queries?, passages?);
    let [_, width] = batch.queries.dims();
    let sides = [&queries, &passages].map(|rows| Matrix::rows(memory::values(rows), width));
    let (prefixes, _) = prefixes(config, width);
    let compared = Compared::new(config, prefixes, sides)?;
    let mut workspace = kept.take();
    let output = strip::run(config, compared, known, &mut workspace);
    kept.keep(workspace);
    let gradient = |values: Vec<f32>| -> Option<Tensor<B, 2>> { memory::tensor(values, width) };
    let [query_gradient, passage_gradient] = output.gradients;
    Some(LossAndGradients {
        loss: output.loss,
        query_gradient: gradient(query_gradient)?,
        passage_gradient: gradient(passage_gradient)?,
        scale_gradient: output.scale_gradient,
        masked: output.masked,
        accuracy: output.diagnosis.accuracy,
        similarities: output.diagnosis.similarities,
        by_stratum: output.diagnosis.by_stratum,
    })
}
