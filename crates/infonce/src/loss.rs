use burn::tensor::{Tensor, backend::Backend};

use crate::similarities::mean;
use crate::{InBatch, OfStratum, Similarities};

/// A contrastive loss over one batch that returns its own gradients.
///
/// Returning the gradients with respect to the embeddings, rather than a node of an autodiff graph, is what
/// lets a trainer encode a batch in chunks: encode without a tape, call this, then encode each chunk again
/// and backpropagate its rows of the gradient (GradCache, Gao et al. 2021).
///
/// # Shapes
/// - `queries`: `[b, d]`, rows of L2 norm 1 for cosines
/// - `passages`: `[n, d]`, likewise; row `i` is the positive of query `i`; behind these come `h` hard negatives of each query
///   ([`InBatch::hard_negatives`]), and then any further passages: all are negatives of every query
///
/// # Examples
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use infonce::{ContrastiveLoss, InBatch, InfoNceConfig};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let device = Default::default();
/// let queries = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let passages = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
///
/// let loss: Box<dyn ContrastiveLoss<Flex>> =
///     Box::new(InfoNceConfig::default().with_temperature(1.0).build()?);
/// let output = loss.loss_and_gradients(queries, passages, &InBatch::default());
/// assert!((output.loss - (1.0 + (-1.0_f32).exp()).ln()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
pub trait ContrastiveLoss<B: Backend> {
    /// The loss of a batch, and its gradients with respect to the rows as given.
    ///
    /// Half-precision rows are promoted to `f32` first; the gradients then are `f32` too.
    ///
    /// # Panics
    /// If there are no queries, the widths differ or are less than that of a prefix, there are fewer passages than queries and their hard
    /// negatives, ids or strata are neither absent nor one a row, known positives come without passage ids, a guide has not a row for each, a
    /// part has no pairs or some that the batch has not, or the batch's temperature is too low or not finite.
    #[track_caller]
    fn loss_and_gradients(
        &self,
        queries: Tensor<B, 2>,
        passages: Tensor<B, 2>,
        ids: &InBatch<'_>,
    ) -> LossAndGradients<B>;
}

/// What a [`ContrastiveLoss`] says about one batch.
///
/// # Examples
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use infonce::{ContrastiveLoss, InBatch, InfoNceConfig, LossAndGradients};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &Default::default());
/// let loss = InfoNceConfig::default().build()?;
/// let output: LossAndGradients<Flex> = loss.loss_and_gradients(rows.clone(), rows, &InBatch::default());
/// assert_eq!((output.accuracy, output.masked), (1.0, 0));
/// assert_eq!(output.query_gradient.dims(), [2, 2]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LossAndGradients<B: Backend> {
    /// Mean loss of a pair, in nats; of a [`Part`](crate::Part) the sum over its pairs divided by the number of all. At least 0, but with [`Partition::Separate`](crate::Partition::Separate) and directions within one side,
    /// where the pair itself is no candidate.
    pub loss: f32,
    /// Gradient of `loss` with respect to the queries, `[b, d]`.
    pub query_gradient: Tensor<B, 2>,
    /// Gradient of `loss` with respect to the passages, `[n, d]`.
    pub passage_gradient: Tensor<B, 2>,
    /// Derivative of `loss` with respect to the logarithm of `1 / τ`, by which a temperature is learned (CLIP).
    pub scale_gradient: f32,
    /// Candidates of all directions that were left out as false negatives; known positives that count as positives are among them.
    pub masked: usize,
    /// Share of queries that score their own passage above every other unmasked one, in `[0, 1]`; a tie is a miss.
    pub accuracy: f32,
    /// How hard the negatives were.
    pub similarities: Similarities,
    /// The same of each stratum that has pairs here, ascending; empty if the batch says nothing of strata ([`InBatch::strata`]).
    pub by_stratum: Vec<OfStratum>,
}

impl<B: Backend> LossAndGradients<B> {
    /// That of these pairs and of others of the same batch: losses, gradients and masked candidates add up, shares and means are over both.
    ///
    /// # Panics
    /// If the gradients differ in shape.
    #[must_use]
    #[track_caller]
    pub fn merge(self, other: Self) -> Self {
        let shapes = [&self, &other].map(|one| [one.query_gradient.dims(), one.passage_gradient.dims()]);
        assert!(shapes[0] == shapes[1], "gradients of {:?} and of {:?}", shapes[0], shapes[1]);
        let pairs = [&self, &other].map(|one| (one.accuracy, one.similarities.pairs as f64));
        Self {
            loss: self.loss + other.loss,
            query_gradient: self.query_gradient + other.query_gradient,
            passage_gradient: self.passage_gradient + other.passage_gradient,
            scale_gradient: self.scale_gradient + other.scale_gradient,
            masked: self.masked + other.masked,
            accuracy: mean(pairs),
            similarities: self.similarities.merge(other.similarities),
            by_stratum: merged(self.by_stratum, other.by_stratum),
        }
    }
}

/// Both, ascending, with those of one stratum in one.
fn merged(mut some: Vec<OfStratum>, others: Vec<OfStratum>) -> Vec<OfStratum> {
    for other in others {
        match some.binary_search_by_key(&other.stratum, |one| one.stratum) {
            Ok(place) => some[place] = some[place].merge(other),
            Err(place) => some.insert(place, other),
        }
    }
    some
}
