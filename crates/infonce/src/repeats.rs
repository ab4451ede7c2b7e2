use std::{collections::hash_map::Entry, hash::Hash, ops::Range};

use burn::tensor::{Bool, DType, Tensor, TensorData, backend::Backend};
use rustc_hash::FxHashMap;

use crate::InBatch;

/// The ids of a batch in which a query or a passage repeats, on the device.
#[derive(Debug, Clone)]
pub(crate) struct Repeats<B: Backend> {
    queries: Option<Tensor<B, 1>>,
    passages: Option<Tensor<B, 1>>,
    /// Pairs (query `i`, passage `j`), `i != j`, that are false negatives; at least 1.
    pub(crate) masked: usize,
}

impl<B: Backend> Repeats<B> {
    /// The repeats among `ids` for logits of shape `[b, n]`, or `None` if nothing has to be masked.
    pub(crate) fn new(ids: &InBatch<'_>, [b, n]: [usize; 2], device: &B::Device) -> Option<Self> {
        let masked = count_masked(ids, b);
        (masked > 0).then(|| Self {
            queries: repeated(ids.query_ids, n, device),
            passages: repeated(ids.passage_ids, n, device),
            masked,
        })
    }

    /// Whether each candidate is a false negative *or the positive* of each of the rows: `[rows, n]`.
    pub(crate) fn same(&self, rows: Range<usize>) -> Option<Tensor<B, 2, Bool>> {
        let same = |ids: &Tensor<B, 1>| {
            ids.clone().slice(rows.clone()).unsqueeze_dim::<2>(1).equal(ids.clone().unsqueeze_dim(0))
        };
        match (&self.queries, &self.passages) {
            (Some(queries), Some(passages)) => Some(same(queries).bool_or(same(passages))),
            (Some(ids), None) | (None, Some(ids)) => Some(same(ids)),
            (None, None) => None,
        }
    }
}

/// Ids as small whole numbers, `-1` beyond their end: `[n]`, or `None` if they are all different.
///
/// As `f32`, which tells 16 million ids apart: some devices have no 64-bit integers, and flex compares floats
/// several times as fast as integers.
fn repeated<B: Backend>(ids: &[u64], n: usize, device: &B::Device) -> Option<Tensor<B, 1>> {
    let mut firsts = FxHashMap::default();
    let mut dense: Vec<f32> = Vec::with_capacity(n);
    for id in ids {
        let next = firsts.len() as f32;
        dense.push(*firsts.entry(id).or_insert(next));
    }
    if firsts.len() == ids.len() {
        return None;
    }
    dense.resize(n, -1.0);
    Some(Tensor::from_data(TensorData::new(dense, [n]), (device, DType::F32)))
}

/// Pairs with the same passage, plus those with the same query, less those counted twice.
fn count_masked(ids: &InBatch<'_>, b: usize) -> usize {
    let queries = equal_pairs(ids.query_ids.iter(), b);
    let passages = equal_pairs(ids.passage_ids.iter(), b);
    if queries == 0 || passages == 0 {
        return queries + passages;
    }
    queries + passages - equal_pairs(ids.query_ids.iter().zip(ids.passage_ids), b)
}

/// Ordered pairs of different rows with equal keys, the first of them among the first `b` rows.
fn equal_pairs<K: Hash + Eq>(keys: impl Iterator<Item = K>, b: usize) -> usize {
    let mut pairs = 0;
    let mut seen: FxHashMap<K, usize> = FxHashMap::default();
    for (row, key) in keys.enumerate() {
        match seen.entry(key) {
            // A row below `b` pairs with each earlier one both ways, a later row only as the second.
            Entry::Occupied(mut count) => {
                pairs += if row < b { 2 * count.get() } else { *count.get() };
                *count.get_mut() += usize::from(row < b);
            }
            Entry::Vacant(slot) => {
                slot.insert(usize::from(row < b));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_shares_both_texts_is_counted_once() {
        let ids = InBatch { query_ids: &[1, 1, 2], passage_ids: &[5, 5, 5], ..InBatch::default() };
        // All six ordered pairs share passage 5; two of them share the query too.
        assert_eq!(count_masked(&ids, 3), 6);
    }

    #[test]
    fn repeats_among_extra_negatives_alone_mask_nothing() {
        let ids = InBatch { query_ids: &[1, 2], passage_ids: &[5, 6, 7, 7], ..InBatch::default() };
        assert_eq!(count_masked(&ids, 2), 0);
        assert!(Repeats::<burn_flex::Flex>::new(&ids, [2, 4], &Default::default()).is_none());
    }

    #[test]
    fn an_extra_negative_equal_to_a_positive_is_masked_for_that_query_only() {
        let ids = InBatch { query_ids: &[], passage_ids: &[5, 6, 6], ..InBatch::default() };
        assert_eq!(count_masked(&ids, 2), 1);
    }
}
