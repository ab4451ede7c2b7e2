use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

use crate::{
    ContrastiveLoss, Direction, InBatch, InfoNceConfig, LossAndGradients,
    batch::Batch,
    known::Known,
    repeats::Repeats,
    scalars::to_host,
    tile::{Tile, sigmoid, softplus},
};

/// InfoNCE by tiles of rows, with closed-form gradients and never a `b × b` matrix.
///
/// With logits `s_ij = q_i · p_j / τ` and `S` the softmax of each row, the gradient of the mean loss with respect
/// to the logits is `D = (S − I) / b`, hence `D P / τ` for the queries and `Dᵀ Q / τ` for the passages. One tile of
/// complete rows gives its part of each, so a matrix product is never repeated. [`Direction::Symmetric`] first
/// goes through the columns for their sums, which costs one more product. Memory is `O(b (d + tile))`, and the
/// host waits for the device once, for the loss.
///
/// # Source
/// van den Oord et al. (2018), equation 4; Gao et al. (2021), section 3.2, for gradients at the embeddings.
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
}

impl Tiled {
    pub(crate) fn new(config: InfoNceConfig) -> Self {
        Self { config }
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
        let batch = Batch::new(queries, passages, self.config.direction);
        batch.check_ids(ids);
        let shape = batch.logits_shape();
        let (repeats, known) = match self.config.mask_duplicates {
            true => (Repeats::new(ids, shape, &batch.queries.device()), Known::new(ids)),
            false => (None, Known::default()),
        };
        let pass = Pass { config: self.config, batch, repeats, known };
        let columns = match self.config.direction {
            Direction::QueryToPassage => None,
            Direction::Symmetric => Some(pass.columns()),
        };
        pass.gradients(columns)
    }
}

/// One call: the batch, and what is to be masked in it.
struct Pass<B: Backend> {
    config: InfoNceConfig,
    batch: Batch<B>,
    repeats: Option<Repeats<B>>,
    known: Known,
}

/// What the direction from passage to query adds, as sums over whole columns.
struct Columns<B: Backend> {
    /// Log of the sum of exponentials of each column, its positive included: `[1, b]`
    log_sums: Tensor<B, 2>,
    /// Weight of each positive, the column's softmax over negatives in total: `[b, 1]`
    pulls: Tensor<B, 2>,
    /// Sum of the losses: `[1]`
    loss: Tensor<B, 1>,
}

/// What a tile of `t` rows adds to the output.
struct Part<B: Backend> {
    /// `[t, 1]`
    losses: Tensor<B, 2>,
    /// `[t, 1]`
    hits: Tensor<B, 2>,
    /// Weight of each positive in the gradients, to be subtracted: `[t, 1]`
    pull: Tensor<B, 2>,
    /// `[t, d]`
    query_gradient: Tensor<B, 2>,
    /// The passages' gradient but for the positives' pull, summed over these rows: `[b + m, d]`
    from_negatives: Tensor<B, 2>,
}

impl<B: Backend> Pass<B> {
    /// Weight of one direction of one query in the gradient of the mean loss at the scores `q · p`.
    fn scale(&self) -> f64 {
        self.share() / (self.queries() as f64 * f64::from(self.config.temperature))
    }

    /// Weight of one direction in the loss.
    fn share(&self) -> f64 {
        match self.config.direction {
            Direction::QueryToPassage => 1.0,
            Direction::Symmetric => 0.5,
        }
    }

    fn queries(&self) -> usize {
        self.batch.logits_shape()[0]
    }

    fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<B> {
        let (b, tile) = (self.queries(), self.config.tile);
        (0..b).step_by(tile).map(move |start| start..b.min(start.saturating_add(tile)))
    }

    /// Rows of the logits, of the anchors among the candidates.
    fn tile(&self, [anchors, candidates]: [&Tensor<B, 2>; 2], rows: Range<usize>, known: &Known) -> Tile<B> {
        let anchors = anchors.clone().slice(rows.clone()).div_scalar(self.config.temperature);
        Tile::new(anchors.matmul(candidates.clone().transpose()), rows, self.repeats.as_ref(), known)
    }

    /// The columns of the logits, as rows of their transpose.
    fn columns(&self) -> Columns<B> {
        let Batch { queries, passages } = &self.batch;
        let (mut log_sums, mut pulls, mut losses) = (Vec::new(), Vec::new(), Vec::new());
        let known = self.known.transposed();
        for rows in self.tiles() {
            let tile = self.tile([passages, queries], rows, &known);
            let margin = tile.margin();
            let loss = softplus(margin.clone());
            log_sums.push(tile.positive + loss.clone());
            pulls.push(sigmoid(margin).mul_scalar(self.scale()));
            losses.push(loss);
        }
        Columns {
            log_sums: Tensor::cat(log_sums, 0).transpose(),
            pulls: Tensor::cat(pulls, 0),
            loss: Tensor::cat(losses, 0).sum(),
        }
    }

    /// What one tile of the logits gives.
    fn part(&self, rows: Range<usize>, columns: Option<&Columns<B>>) -> Part<B> {
        let Batch { queries, passages } = &self.batch;
        let tile = self.tile([queries, passages], rows.clone(), &self.known);
        let (margin, hits) = (tile.margin(), tile.hits());
        let mut pull = sigmoid(margin.clone()).mul_scalar(self.scale());
        let mut weights = tile.softmax * pull.clone();
        if let Some(columns) = columns {
            let log_sums = columns.log_sums.clone().sub_scalar(self.scale().ln());
            weights = weights + (tile.logits - log_sums).exp();
            pull = pull + columns.pulls.clone().slice(rows.clone());
        }
        let positives = passages.clone().slice(rows.clone()) * pull.clone();
        Part {
            losses: softplus(margin),
            hits,
            query_gradient: weights.clone().matmul(passages.clone()) - positives,
            from_negatives: weights.transpose().matmul(queries.clone().slice(rows)),
            pull,
        }
    }

    fn gradients(self, columns: Option<Columns<B>>) -> LossAndGradients<B> {
        let (mut losses, mut hits, mut pulls, mut query_gradients) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut from_negatives = self.batch.passages.zeros_like();
        for rows in self.tiles() {
            let part = self.part(rows, columns.as_ref());
            losses.push(part.losses);
            hits.push(part.hits);
            pulls.push(part.pull);
            query_gradients.push(part.query_gradient);
            from_negatives = from_negatives + part.from_negatives;
        }
        let from_positives = self.batch.queries.clone() * Tensor::cat(pulls, 0);

        let mut loss = Tensor::cat(losses, 0).sum();
        if let Some(columns) = columns {
            loss = loss + columns.loss;
        }
        let [loss, hits] = to_host([loss, Tensor::cat(hits, 0).sum()]);
        let b = self.queries() as f32;
        LossAndGradients {
            loss: loss * self.share() as f32 / b,
            query_gradient: Tensor::cat(query_gradients, 0),
            passage_gradient: subtract_from_first_rows(from_negatives, from_positives),
            masked: self.repeats.map_or(0, |repeats| repeats.masked) + self.known.len(),
            accuracy: hits / b,
        }
    }
}

/// `rows` less `first` in as many first rows as that has.
fn subtract_from_first_rows<B: Backend>(rows: Tensor<B, 2>, first: Tensor<B, 2>) -> Tensor<B, 2> {
    let ([n, _], [b, _]) = (rows.dims(), first.dims());
    if n == b {
        return rows - first;
    }
    let difference = rows.clone().slice(0..b) - first;
    Tensor::cat(vec![difference, rows.slice(b..n)], 0)
}
