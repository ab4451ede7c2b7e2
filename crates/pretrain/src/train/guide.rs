use ndarray::ArrayView2;

use super::HardNegatives;
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
/// assert_eq!(guide.rows(&[1], None), [vec![1.0, 0.0], vec![0.6, 0.8]]);
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
    /// The rows of a batch's queries, `[b, g]`, and of its passages, `[b (1 + h), g]` with `h` hard negatives behind the positives.
    ///
    /// # Panics
    /// If an index is past the last pair, or a text has no row.
    pub fn rows(&self, batch: &[u32], hard_negatives: Option<&HardNegatives>) -> [Vec<f32>; 2] {
        let queries: Vec<u32> = batch.iter().map(|&pair| self.pairs[pair as usize].query).collect();
        let passages = match hard_negatives {
            Some(negatives) => negatives.passages_of(self.pairs, batch),
            None => batch.iter().map(|&pair| self.pairs[pair as usize].passage).collect(),
        };
        let picked = |side: &ArrayView2<'_, f32>, texts: &[u32]| {
            let mut rows = Vec::with_capacity(texts.len() * side.ncols());
            texts.iter().for_each(|&text| rows.extend(side.row(text as usize)));
            rows
        };
        [picked(&self.queries, &queries), picked(&self.passages, &passages)]
    }
}
