use std::ops::Range;

/// What is known of the rows of a batch: how they are laid out, which texts they are, which of them belong together.
///
/// # False negatives
/// Passage `j` is no negative of query `i` if it is the same text as passage `i`, if the queries `i` and `j` are the
/// same text (then passage `j` answers query `i` too), or if it is among the known positives of query `i`. Nor is query
/// `i` a negative of passage `j` then. Two queries are none of each other where one's own passage is known to answer the other, two passages
/// likewise. Ids are hashes or indices; only their equality counts. An empty slice says that nothing repeats on that side, or that no query has
/// a positive beside its own passage.
///
/// With [`KnownPositives::Positives`](crate::KnownPositives::Positives) a known one is a positive of the pair too, unless it is the text of the
/// pair's own passage, or of its own query, again.
///
/// # Shapes
/// For `b` queries and `n` passages:
/// - `query_ids`: `[b]` or empty
/// - `passage_ids`: `[n]` or empty
/// - `known_positives`: `[b]` or empty, each of any length, in any order
/// - `strata`: `[b]` or empty
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
/// let queries = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], &device);
/// let passages = Tensor::from_floats([[0.8, 0.6], [0.8, 0.6], [0.0, 1.0]], &device);
/// // The first two pairs have the same passage, whose id is 7, and the last query was judged to be answered by it too.
/// let ids = InBatch {
///     query_ids: &[1, 2, 3],
///     passage_ids: &[7, 7, 8],
///     known_positives: &[&[7], &[7], &[7, 8]],
///     ..InBatch::default()
/// };
///
/// let output = InfoNceConfig::default().build()?.loss_and_gradients(queries, passages, &ids);
/// assert_eq!(output.masked, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct InBatch<'a> {
    /// One id for each query, or none.
    pub query_ids: &'a [u64],
    /// One id for each passage, or none.
    pub passage_ids: &'a [u64],
    /// For each query the ids of all passages that are known to answer it, with its own or without; or none. They need
    /// not be in the batch.
    pub known_positives: &'a [&'a [u64]],
    /// Hard negatives of each query, `h`: passage `b + i h + k` is the `k`-th of query `i`. They are negatives of every query, but in the
    /// direction from passage to passage no negatives of their own query's passage, as in sentence-transformers.
    pub hard_negatives: usize,
    /// The temperature of this batch, at least [`InfoNceConfig::MIN_TEMPERATURE`](crate::InfoNceConfig::MIN_TEMPERATURE), where it is learned; the
    /// configuration's if there is none.
    pub temperature: Option<f32>,
    /// One stratum for each pair, or none: what is said of the similarities is then said of each of them too
    /// ([`LossAndGradients::by_stratum`](crate::LossAndGradients::by_stratum)).
    pub strata: &'a [u32],
    /// The pairs whose loss is asked for, where each of several ranks takes some ([`Ranks`](crate::Ranks)); all if there are none.
    pub part: Option<Part>,
    /// Other embeddings of the same texts, to find false negatives by ([`InfoNceConfig::guide`](crate::InfoNceConfig::guide)).
    pub guide: Option<GuideRows<'a>>,
}

/// Some neighbouring pairs of a batch.
///
/// The loss of a part is the sum of its pairs' losses over the number of *all* pairs, so that the losses and gradients of parts that make up
/// the batch add up to those of the batch ([`LossAndGradients::merge`](crate::LossAndGradients::merge)).
///
/// # Examples
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use infonce::{ContrastiveLoss, InBatch, InfoNceConfig, Part};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], &Default::default());
/// let loss = InfoNceConfig::default().with_temperature(1.0).build()?;
/// let of = |part| loss.loss_and_gradients(rows.clone(), rows.clone(), &InBatch { part, ..InBatch::default() });
/// let parts = of(Some(Part { first: 0, pairs: 2 })).merge(of(Some(Part { first: 2, pairs: 1 })));
/// assert!((parts.loss - of(None).loss).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first of them.
    pub first: usize,
    /// How many they are, at least 1.
    pub pairs: usize,
}

impl InBatch<'_> {
    /// The pairs whose loss is asked for, of so many.
    pub(crate) fn rows(&self, pairs: usize) -> Range<usize> {
        self.part.map_or(0..pairs, |part| part.first..part.first + part.pairs)
    }
}

/// Embeddings of a batch's texts by another model, such as those that were clustered: no second model runs in training.
///
/// # Shapes
/// Row by row, of any one width:
/// - `queries`: `[b, g]`
/// - `passages`: `[n, g]`
///
/// # Examples
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use infonce::{ContrastiveLoss, Guide, GuideRows, InBatch, InfoNceConfig};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &Default::default());
/// // For the guide, the second passage answers the first query better than its own does.
/// let guide = GuideRows { queries: &[1.0, 0.0, 0.0, 1.0], passages: &[0.6, 0.8, 0.8, 0.6], width: 2 };
/// let loss = InfoNceConfig::default().with_guide(Guide::default()).build()?;
/// let output = loss.loss_and_gradients(rows.clone(), rows, &InBatch { guide: Some(guide), ..InBatch::default() });
/// assert_eq!(output.masked, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct GuideRows<'a> {
    /// Rows of the queries.
    pub queries: &'a [f32],
    /// Rows of the passages.
    pub passages: &'a [f32],
    /// Columns of a row.
    pub width: usize,
}
