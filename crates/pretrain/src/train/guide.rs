use ndarray::ArrayView2;

use crate::data::Pair;

/// Embeddings of the pairs' texts by another model, those that were clustered: what the loss finds false negatives by, where
/// [`InfoNceConfig::guide`](infonce::InfoNceConfig::guide) says so.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use pretrain::PairGuide;
/// use pretrain::data::Pair;
///
/// let (queries, passages) = (array![[1.0, 0.0], [0.0, 1.0]], array![[0.6, 0.8]]);
/// let pairs = [Pair { query: 1, passage: 0 }, Pair { query: 0, passage: 0 }];
/// let guide = PairGuide { queries: queries.view(), passages: passages.view(), pairs: &pairs };
/// assert_eq!(guide.rows(&[1]), [vec![1.0, 0.0], vec![0.6, 0.8]]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PairGuide<'a> {
    /// One row for each query of the data set: `[queries, g]`.
    pub queries: ArrayView2<'a, f32>,
    /// One row for each passage of the data set: `[passages, g]`.
    pub passages: ArrayView2<'a, f32>,
    /// The training pairs.
    pub pairs: &'a [Pair],
}

impl PairGuide<'_> {
    /// The rows of a batch's queries and of its passages, `[b, g]` each.
    ///
    /// # Panics
    /// If an index is past the last pair, or a pair has no row.
    pub fn rows(&self, batch: &[u32]) -> [Vec<f32>; 2] {
        let picked = |side: &ArrayView2<'_, f32>, row_of: fn(&Pair) -> u32| {
            let mut rows = Vec::with_capacity(batch.len() * side.ncols());
            for &pair in batch {
                rows.extend(side.row(row_of(&self.pairs[pair as usize]) as usize));
            }
            rows
        };
        [picked(&self.queries, |pair| pair.query), picked(&self.passages, |pair| pair.passage)]
    }
}
