use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use burn::backend::Autodiff;
use burn::tensor::{Bool, Tensor, TensorData, backend::Backend};

use crate::batch::Batch;
use crate::block::{Block, Blocks, Side};
use crate::histogram::Histogram;
use crate::prefix::prefixes;
use crate::tally::{Diagnosis, Strata, Tally, diagnose};
use crate::view::View;
use crate::{ContrastiveLoss, Direction, InBatch, InfoNceConfig, KnownPositives, LossAndGradients, Prefix};

/// The logit of what is no negative: finite, for backends whose kernels assume finite numbers.
const MASKED: f64 = -1.0e30;

/// Held while a loss is recorded and gone back through: in burn 0.21 the end of one backward pass frees steps that another thread is still
/// recording, whose gradients are then wrong without a word (tracel-ai/burn#5573).
static TAPE: Mutex<()> = Mutex::new(());

/// InfoNCE over the whole matrix of logits, with gradients by automatic differentiation.
///
/// The plain reference: the formula as it is written, in `O(b n)` memory. [`Tiled`](crate::Tiled) returns
/// the same values sooner and in less memory. Of several threads one at a time computes a `Dense` loss, and not from within rayon's: a worker
/// that waits for its products may begin the next loss, and wait for itself. A thread that runs a backward pass of its own meanwhile may still
/// take gradients from it (a defect of burn 0.21's automatic differentiation, tracel-ai/burn#5573), which `Tiled` does not use.
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
        let alone = TAPE.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = [&batch.queries, &batch.passages]
            .map(|rows| Tensor::<Autodiff<B>, 2>::from_inner(rows.clone()).require_grad());
        // The logarithm of 1 / τ, as a parameter.
        let log_scale = Tensor::<Autodiff<B>, 2>::from_data(
            TensorData::from([[-f64::from(config.temperature).ln()]]),
            (&batch.queries.device(), batch.queries.dtype()),
        )
        .require_grad();

        let (all, widest) = prefixes(&config, batch.queries.dims()[1]);
        let of_prefix = |Prefix { width, weight }: Prefix| {
            let views = rows.each_ref().map(|rows| View::new(rows, width, config.similarity).rows);
            self.loss(&views, log_scale.clone().exp(), &masks).mul_scalar(weight)
        };
        let zero = Tensor::zeros([1], (&batch.queries.device(), batch.queries.dtype()));
        let loss = all.into_iter().fold(zero, |sum, prefix| sum + of_prefix(prefix));
        let value = scalar(loss.clone().inner());
        let mut gradients = loss.backward();
        drop(alone);
        let mut gradient = |tensor: &Tensor<Autodiff<B>, 2>| {
            tensor.grad_remove(&mut gradients).unwrap_or_else(|| tensor.clone().inner().zeros_like())
        };
        let [query_gradient, passage_gradient] = rows.each_ref().map(&mut gradient);
        let views = [&batch.queries, &batch.passages].map(|rows| View::new(rows, widest, config.similarity).rows);
        let Diagnosis { accuracy, similarities, by_stratum } = masks.diagnose(&config, &views, ids);
        LossAndGradients {
            loss: value as f32,
            query_gradient,
            passage_gradient,
            scale_gradient: scalar(gradient(&log_scale).reshape([1])) as f32,
            masked: masks.masked,
            accuracy,
            similarities,
            by_stratum,
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
        let pairs = || masks.rows.clone();
        let positive = (rows[0].clone().slice(pairs()) * rows[1].clone().slice(pairs())).sum_dim(1) * scale.clone();
        let mut logits: Vec<Vec<Tensor<Autodiff<B>, 2>>> = vec![Vec::new(); groups.len()];
        let mut positives: Vec<Vec<[Tensor<Autodiff<B>, 2>; 2]>> = vec![Vec::new(); groups.len()];
        for (block, masked) in blocks.iter().zip(&masks.left_out) {
            let anchors = rows[block.anchors as usize].clone().slice(pairs());
            let candidates = rows[block.candidates as usize].clone();
            let similarities = anchors.matmul(candidates.transpose());
            let plain = similarities.clone() * scale.clone();
            if let Some(shares) = masks.shares(block, plain.dims()) {
                let shares = Tensor::from_data(TensorData::new(shares, plain.dims()), (&plain.device(), plain.dtype()));
                positives[block.group].push([plain.clone(), shares]);
            }
            let mut negatives = plain;
            if block.direction == Direction::QueryToPassage && self.config.hardness > 0.0 {
                negatives = negatives + similarities.detach().mul_scalar(f64::from(self.config.hardness));
            }
            let mask: Tensor<Autodiff<B>, 2, Bool> =
                Tensor::from_data(TensorData::new(masked.clone(), negatives.dims()), &negatives.device());
            logits[block.group].push(negatives.mask_fill(mask, MASKED));
        }
        let mut losses = positive.zeros_like();
        for (place, ((group, mut logits), positives)) in groups.iter().zip(logits).zip(positives).enumerate() {
            let loss = if positives.is_empty() {
                logits.extend((0..group.own).map(|_| positive.clone()));
                let empty: Vec<bool> = pairs().map(|row| group.own == 0 && masks.is_empty(place, row)).collect();
                let shape = [empty.len(), 1];
                let empty: Tensor<Autodiff<B>, 2, Bool> =
                    Tensor::from_data(TensorData::new(empty, shape), &positive.device());
                (log_sum_exp(Tensor::cat(logits, 1)) - positive.clone()).mask_fill(empty, 0.0)
            } else {
                let negatives = log_sum_exp(Tensor::cat(logits, 1));
                let own = f64::from(group.own).ln();
                let mean = |[logits, shares]: [Tensor<Autodiff<B>, 2>; 2]| {
                    ((log_add_exp(logits.clone().add_scalar(own), negatives.clone()) - logits) * shares).sum_dim(1)
                };
                positives.into_iter().map(mean).fold(positive.zeros_like(), Tensor::add)
            };
            losses = losses + loss.mul_scalar(group.share);
        }
        losses.sum().mul_scalar(1.0 / masks.queries as f64)
    }
}

/// `log (exp a + exp b)` of each value of `a` and the row's of `b`: `[b, c]`, `[b, 1]`.
fn log_add_exp<B: Backend>(a: Tensor<Autodiff<B>, 2>, b: Tensor<Autodiff<B>, 2>) -> Tensor<Autodiff<B>, 2> {
    let b = b.expand(a.dims());
    let largest = a.clone().max_pair(b.clone()).detach();
    ((a - largest.clone()).exp() + (b - largest.clone()).exp()).log() + largest
}

/// Logarithm of the sum of the exponentials of each row: `[b, 1]`.
fn log_sum_exp<B: Backend>(logits: Tensor<Autodiff<B>, 2>) -> Tensor<Autodiff<B>, 2> {
    let largest = logits.clone().max_dim(1).detach();
    (logits - largest.clone()).exp().sum_dim(1).log() + largest
}

fn scalar<B: Backend>(value: Tensor<B, 1>) -> f64 {
    value.into_data().iter::<f64>().next().unwrap_or(f64::NAN)
}

/// What is no negative in each block, and what is a positive, by the definitions, entry by entry.
struct Masks {
    blocks: Blocks,
    queries: usize,
    /// The pairs whose loss is asked for.
    rows: Range<usize>,
    /// `[rows, candidates]` of each block: the pair itself, its own hard negatives, false negatives.
    left_out: Vec<Vec<bool>>,
    /// False negatives of all blocks.
    masked: usize,
    /// `[rows, candidates]` of each block: the pair itself and further positives; empty where there are none of these.
    positives: Vec<Vec<bool>>,
}

impl Masks {
    fn new<B: Backend>(config: &InfoNceConfig, batch: &Batch<B>, ids: &InBatch<'_>) -> Self {
        let (queries, passages) = (batch.queries.dims()[0], batch.passages.dims()[0]);
        let further = config.known_positives == KnownPositives::Positives;
        let mut masks = Self {
            blocks: Blocks::new(config),
            queries,
            rows: ids.rows(queries),
            left_out: Vec::new(),
            masked: 0,
            positives: Vec::new(),
        };
        for block in masks.blocks.blocks.clone() {
            let candidates = [queries, passages][block.candidates as usize];
            let (mut left_out, mut positives) = (Vec::new(), Vec::new());
            for row in masks.rows.clone() {
                for column in 0..candidates {
                    let own = row == column || is_own_hard_negative(&block, queries, ids.hard_negatives, row, column);
                    let known = is_known_positive(&block, queries, ids, row, column);
                    let by_text =
                        config.mask_duplicates && (is_same_text(ids, row, column) || known) || further && known;
                    let masked = !own && (by_text || is_guided(config, &block, ids, row, column));
                    masks.masked += usize::from(masked);
                    left_out.push(own || masked);
                    positives.push(row == column || known && !is_copy(&block, ids, row, column));
                }
            }
            masks.left_out.push(left_out);
            masks.positives.push(if further { positives } else { Vec::new() });
        }
        masks
    }

    /// Of a block that holds the pairs the weight of each entry in a pair's mean over its positives, if there are further ones.
    fn shares(&self, block: &Block, [rows, candidates]: [usize; 2]) -> Option<Vec<f64>> {
        let all = || self.blocks.blocks.iter().zip(&self.positives);
        let across = || all().filter(|(other, _)| other.group == block.group && other.anchors != other.candidates);
        let (_, own) = across().find(|(other, positives)| *other == block && !positives.is_empty())?;
        let mut counts = vec![0.0; rows];
        for (_, positives) in across() {
            for (count, positives) in counts.iter_mut().zip(positives.chunks_exact(positives.len() / rows)) {
                *count += positives.iter().filter(|&&positive| positive).count() as f64;
            }
        }
        let share = |(place, &positive): (usize, &bool)| f64::from(u8::from(positive)) / counts[place / candidates];
        Some(own.iter().enumerate().map(share).collect())
    }

    /// Whether a pair has no negative in a group.
    fn is_empty(&self, group: usize, pair: usize) -> bool {
        let row = pair - self.rows.start;
        let mut blocks = self.blocks.blocks.iter().zip(&self.left_out).filter(|(block, _)| block.group == group);
        blocks.all(|(_, left_out)| {
            let columns = left_out.len() / self.rows.len();
            left_out[row * columns..(row + 1) * columns].iter().all(|&out| out)
        })
    }

    /// What there is to say of the similarities of these rows.
    fn diagnose<B: Backend>(&self, config: &InfoNceConfig, rows: &[Tensor<B, 2>; 2], ids: &InBatch<'_>) -> Diagnosis {
        let [queries, passages] = rows;
        let columns = passages.dims()[0];
        let all = queries.clone().slice(self.rows.clone()).matmul(passages.clone().transpose());
        let all: Vec<f32> = all.into_data().iter::<f32>().collect();
        let longest = |rows: &Tensor<B, 2>| scalar(rows.clone().square().sum_dim(1).sqrt().max()) as f32;
        let strata = Strata::new(ids.strata);
        let mut tallies = vec![Tally::default(); strata.count()];
        let mut histograms =
            config.percentile.then(|| vec![Histogram::new(longest(queries) * longest(passages)); strata.count()]);
        for ((row, similarities), left_out) in
            self.rows.clone().zip(all.chunks_exact(columns)).zip(self.left_out[0].chunks_exact(columns))
        {
            let (own, place) = (similarities[row], strata.place(row));
            let negatives = || similarities.iter().zip(left_out).filter(|&(_, &out)| !out).map(|(&value, _)| value);
            tallies[place].pair(own, negatives().all(|value| own > value));
            for value in negatives() {
                tallies[place].negatives(1, value, u32::from(value > own));
                if let Some(histograms) = &mut histograms {
                    histograms[place].count(&[value]);
                }
            }
        }
        diagnose(&strata, &tallies, histograms.as_deref(), columns)
    }
}

/// Whether the column is a hard negative of the row's own query where passages are told from passages.
fn is_own_hard_negative(block: &Block, queries: usize, each: usize, row: usize, column: usize) -> bool {
    let own = queries + row * each..queries + (row + 1) * each;
    block.direction == Direction::PassageToPassage && own.contains(&column)
}

/// Whether two pairs share a query or a passage.
fn is_same_text(ids: &InBatch<'_>, row: usize, column: usize) -> bool {
    let same = |ids: &[u64]| ids.get(row).is_some_and(|id| ids.get(column) == Some(id));
    same(ids.query_ids) || same(ids.passage_ids)
}

/// Whether a candidate has the text that the anchor's own partner has.
fn is_copy(block: &Block, ids: &InBatch<'_>, row: usize, column: usize) -> bool {
    let texts = match block.candidates {
        Side::Queries => ids.query_ids,
        Side::Passages => ids.passage_ids,
    };
    !texts.is_empty() && texts[row] == texts[column]
}

/// Whether a candidate is known to belong to the anchor ([`InBatch`]).
fn is_known_positive(block: &Block, queries: usize, ids: &InBatch<'_>, row: usize, column: usize) -> bool {
    let answers = |query: usize, passage: usize| {
        let known = ids.known_positives.get(query);
        known.is_some_and(|known| known.contains(&ids.passage_ids[passage]))
    };
    let there = || answers(row, column);
    let back = || column < queries && answers(column, row);
    match block.direction {
        Direction::QueryToPassage => there(),
        Direction::PassageToQuery => back(),
        Direction::QueryToQuery | Direction::PassageToPassage => there() || back(),
    }
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
