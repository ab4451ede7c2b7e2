/// Which texts the rows of a batch are and which of them belong together, so that false negatives can be masked.
///
/// Passage `j` is no negative of query `i` if it is the same text as passage `i`, if the queries `i` and `j` are the
/// same text (then passage `j` answers query `i` too), or if it is among the known positives of query `i`. Nor is query
/// `i` a negative of passage `j` then. Ids are hashes or indices; only their equality counts. An empty slice says that
/// nothing repeats on that side, or that no query has a positive beside its own passage.
///
/// # Shapes
/// - `query_ids`: `[b]` or empty
/// - `passage_ids`: `[b + m]` or empty
/// - `known_positives`: `[b]` or empty, each of any length, in any order
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
/// let ids = InBatch { query_ids: &[1, 2, 3], passage_ids: &[7, 7, 8], known_positives: &[&[7], &[7], &[7, 8]] };
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
}

impl InBatch<'_> {
    /// Whether passage `j` is a false negative of query `i` for a text that repeats, for `i != j`.
    pub(crate) fn is_duplicate(&self, i: usize, j: usize) -> bool {
        let same = |ids: &[u64]| ids.get(i).is_some_and(|id| ids.get(j) == Some(id));
        same(self.query_ids) || same(self.passage_ids)
    }

    /// Whether passage `j` is a false negative of query `i`, for `i != j`.
    pub(crate) fn is_false_negative(&self, i: usize, j: usize) -> bool {
        let known = || self.known_positives.get(i).is_some_and(|known| known.contains(&self.passage_ids[j]));
        self.is_duplicate(i, j) || known()
    }
}
