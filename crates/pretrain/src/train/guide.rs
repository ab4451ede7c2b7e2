use super::HardNegatives;
use crate::data::Pair;
use crate::text_vectors::TextVectors;

/// Embeddings of the pairs' texts by another model, those that were clustered: what the loss finds false negatives by, where
/// [`InfoNceConfig::guide`](infonce::InfoNceConfig::guide) says so.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use pretrain::{PairGuide, TextVectors};
/// use pretrain::data::Pair;
///
/// let (queries, passages) = (array![[1.0, 0.0], [0.0, 1.0]], array![[0.6, 0.8]]);
/// let pairs = [Pair { query: 1, passage: 0 }, Pair { query: 0, passage: 0 }];
/// let [queries, passages] = [&queries, &passages].map(|rows| TextVectors::all(rows.view()));
/// let guide = PairGuide { queries, passages, pairs: &pairs };
/// assert_eq!(guide.rows(&[1], None), [vec![1.0, 0.0], vec![0.6, 0.8]]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PairGuide<'a> {
    /// Of the queries of the pairs, each `[g]`.
    pub queries: TextVectors<'a>,
    /// Of their passages and hard negatives, each `[g]`.
    pub passages: TextVectors<'a>,
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
        let picked = |side: &TextVectors<'_>, texts: &[u32]| {
            let mut rows = Vec::with_capacity(texts.len() * side.dim());
            texts.iter().for_each(|&text| rows.extend(side.row(text).expect("a vector of each text of a pair")));
            rows
        };
        [picked(&self.queries, &queries), picked(&self.passages, &passages)]
    }
}
