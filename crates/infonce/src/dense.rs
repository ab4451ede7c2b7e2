use burn::backend::Autodiff;
use burn::tensor::{Bool, Tensor, TensorData, backend::Backend};

use crate::batch::Batch;
use crate::block::{Block, Blocks, Side};
use crate::similarities::{Histogram, Sums};
use crate::{ContrastiveLoss, Direction, InBatch, InfoNceConfig, LossAndGradients, Similarities};

/// The logit of what is no negative: finite, for backends whose kernels assume finite numbers.
const MASKED: f64 = -1.0e30;

/// InfoNCE over the whole matrix of logits, with gradients by automatic differentiation.
///
/// The plain reference: the formula as it is written, in `O(b n)` memory. [`Tiled`](crate::Tiled) returns
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
        let (batch, config) = (Batch::new(queries, passages, ids), self.config.of_batch(ids));
        let masks = Masks::new(&config, &batch, ids);
        let rows = [&batch.queries, &batch.passages]
            .map(|rows| Tensor::<Autodiff<B>, 2>::from_inner(rows.clone()).require_grad());
        // The logarithm of 1 / τ, as a parameter.
        let log_scale = Tensor::<Autodiff<B>, 2>::from_data(
            TensorData::from([[-f64::from(config.temperature).ln()]]),
            (&batch.queries.device(), batch.queries.dtype()),
        )
        .require_grad();

        let loss = self.loss(&rows, log_scale.clone().exp(), &masks);
        let value = scalar(loss.clone().inner());
        let mut gradients = loss.backward();
        let mut gradient = |tensor: &Tensor<Autodiff<B>, 2>| {
            tensor.grad_remove(&mut gradients).unwrap_or_else(|| tensor.clone().inner().zeros_like())
        };
        let [queries, passages] = rows.each_ref().map(&mut gradient);
        let (accuracy, similarities) = masks.similarities(&config, &batch);
        LossAndGradients {
            loss: value as f32,
            query_gradient: queries,
            passage_gradient: passages,
            scale_gradient: scalar(gradient(&log_scale).reshape([1])) as f32,
            masked: masks.masked,
            accuracy,
            similarities,
        }
    }
}

impl Dense {
    /// The mean loss, of every logit there is: `[1]`.
    fn loss<B: Backend>(
        &self,
        rows: &[Tensor<Autodiff<B>, 2>; 2],
        scale: Tensor<Autodiff<B>, 2>,
        masks: &Masks,
    ) -> Tensor<Autodiff<B>, 1> {
        let Blocks { blocks, groups } = &masks.blocks;
        let queries = masks.queries;
        let positive = (rows[0].clone() * rows[1].clone().slice(0..queries)).sum_dim(1) * scale.clone();
        let mut logits: Vec<Vec<Tensor<Autodiff<B>, 2>>> = vec![Vec::new(); groups.len()];
        for (block, masked) in blocks.iter().zip(&masks.left_out) {
            let anchors = rows[block.anchors as usize].clone().slice(0..queries);
            let candidates = match block.candidates {
                Side::Queries => rows[0].clone(),
                Side::Passages => rows[1].clone(),
            };
            let similarities = anchors.matmul(candidates.transpose());
            let mut negatives = similarities.clone() * scale.clone();
            if block.direction == Direction::QueryToPassage && self.config.hardness > 0.0 {
                negatives = negatives + similarities.detach().mul_scalar(f64::from(self.config.hardness));
            }
            let mask: Tensor<Autodiff<B>, 2, Bool> =
                Tensor::from_data(TensorData::new(masked.clone(), negatives.dims()), &negatives.device());
            logits[block.group].push(negatives.mask_fill(mask, MASKED));
        }
        let mut losses = positive.zeros_like();
        for (place, (group, mut logits)) in groups.iter().zip(logits).enumerate() {
            logits.extend((0..group.own).map(|_| positive.clone()));
            let empty: Vec<bool> = (0..queries).map(|row| group.own == 0 && masks.is_empty(place, row)).collect();
            let empty: Tensor<Autodiff<B>, 2, Bool> =
                Tensor::from_data(TensorData::new(empty, [queries, 1]), &positive.device());
            let loss = (log_sum_exp(Tensor::cat(logits, 1)) - positive.clone()).mask_fill(empty, 0.0);
            losses = losses + loss.mul_scalar(group.share);
        }
        losses.mean()
    }
}

/// Logarithm of the sum of the exponentials of each row: `[b, 1]`.
fn log_sum_exp<B: Backend>(logits: Tensor<Autodiff<B>, 2>) -> Tensor<Autodiff<B>, 2> {
    let largest = logits.clone().max_dim(1).detach();
    (logits - largest.clone()).exp().sum_dim(1).log() + largest
}

fn scalar<B: Backend>(value: Tensor<B, 1>) -> f64 {
    value.into_data().iter::<f64>().next().unwrap_or(f64::NAN)
}

/// What is no negative in each block, by the definitions, entry by entry.
struct Masks {
    blocks: Blocks,
    queries: usize,
    /// `[b, candidates]` of each block: the pair itself, its own hard negatives, false negatives.
    left_out: Vec<Vec<bool>>,
    /// False negatives of all blocks.
    masked: usize,
}

impl Masks {
    fn new<B: Backend>(config: &InfoNceConfig, batch: &Batch<B>, ids: &InBatch<'_>) -> Self {
        let (queries, passages) = (batch.queries.dims()[0], batch.passages.dims()[0]);
        let mut masks = Self { blocks: Blocks::new(config), queries, left_out: Vec::new(), masked: 0 };
        for block in masks.blocks.blocks.clone() {
            let candidates = match block.candidates {
                Side::Queries => queries,
                Side::Passages => passages,
            };
            let mut left_out = Vec::with_capacity(queries * candidates);
            for row in 0..queries {
                for column in 0..candidates {
                    let own = row == column || is_own_hard_negative(&block, queries, ids.hard_negatives, row, column);
                    let known = config.mask_duplicates && is_false_negative(&block, queries, ids, row, column);
                    let masked = !own && (known || is_guided(config, &block, ids, row, column));
                    masks.masked += usize::from(masked);
                    left_out.push(own || masked);
                }
            }
            masks.left_out.push(left_out);
        }
        masks
    }

    /// Whether a pair has no negative in a group.
    fn is_empty(&self, group: usize, row: usize) -> bool {
        let mut blocks = self.blocks.blocks.iter().zip(&self.left_out).filter(|(block, _)| block.group == group);
        blocks.all(|(_, left_out)| {
            let columns = left_out.len() / self.queries;
            left_out[row * columns..(row + 1) * columns].iter().all(|&out| out)
        })
    }

    /// Accuracy, and what there is to say of the similarities.
    fn similarities<B: Backend>(&self, config: &InfoNceConfig, batch: &Batch<B>) -> (f32, Similarities) {
        let passages = batch.passages.dims()[0];
        let all = batch.queries.clone().matmul(batch.passages.clone().transpose());
        let all: Vec<f32> = all.into_data().iter::<f32>().collect();
        let longest = |rows: &Tensor<B, 2>| scalar(rows.clone().square().sum_dim(1).sqrt().max()) as f32;
        let bound = if config.percentile { longest(&batch.queries) * longest(&batch.passages) } else { 0.0 };
        let (mut sums, mut histogram, mut hits) = (Sums::default(), Histogram::new(bound), 0);
        for (row, (similarities, left_out)) in
            all.chunks_exact(passages).zip(self.left_out[0].chunks_exact(passages)).enumerate()
        {
            let own = similarities[row];
            sums.positive(own);
            let negatives = || similarities.iter().zip(left_out).filter(|&(_, &out)| !out).map(|(&value, _)| value);
            for value in negatives() {
                sums.negatives(1, value, u32::from(value > own));
                histogram.add(value);
            }
            hits += usize::from(negatives().all(|value| own > value));
        }
        let accuracy = hits as f32 / self.queries as f32;
        (accuracy, sums.finish(self.queries, passages, Some(&histogram)))
    }
}

/// Whether the column is a hard negative of the row's own query where passages are told from passages.
fn is_own_hard_negative(block: &Block, queries: usize, each: usize, row: usize, column: usize) -> bool {
    let own = queries + row * each..queries + (row + 1) * each;
    block.direction == Direction::PassageToPassage && own.contains(&column)
}

/// Whether a candidate is a false negative by ids and known positives ([`InBatch`]).
fn is_false_negative(block: &Block, queries: usize, ids: &InBatch<'_>, row: usize, column: usize) -> bool {
    let same = |ids: &[u64]| ids.get(row).is_some_and(|id| ids.get(column) == Some(id));
    let answers = |query: usize, passage: usize| {
        let known = ids.known_positives.get(query);
        known.is_some_and(|known| known.contains(&ids.passage_ids[passage]))
    };
    let there = || answers(row, column);
    let back = || column < queries && answers(column, row);
    let known = match block.direction {
        Direction::QueryToPassage => there(),
        Direction::PassageToQuery => back(),
        Direction::QueryToQuery | Direction::PassageToPassage => there() || back(),
    };
    same(ids.query_ids) || same(ids.passage_ids) || known
}

/// Whether the guide finds a candidate about as near as the pair's own passage.
fn is_guided(config: &InfoNceConfig, block: &Block, ids: &InBatch<'_>, row: usize, column: usize) -> bool {
    let Some((guide, rows)) = config.guide.zip(ids.guide) else { return false };
    let of = |side: Side, row: usize| {
        let values = match side {
            Side::Queries => rows.queries,
            Side::Passages => rows.passages,
        };
        &values[row * rows.width..(row + 1) * rows.width]
    };
    let score = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() as f32;
    let own = score(of(Side::Queries, row), of(Side::Passages, row));
    score(of(block.anchors, row), of(block.candidates, column)) >= guide.threshold(own)
}
