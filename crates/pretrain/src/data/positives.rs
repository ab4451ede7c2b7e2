//! Which passages are known to answer a training query.

use super::Pair;

/// For each query the passages that training pairs it with: the known positives, which are no negatives of it.
///
/// A judgement of validation or test is not among them.
///
/// ```
/// use pretrain::data::{Dataset, Pair};
///
/// let dataset = Dataset {
///     queries: ["q0", "q1", "q2"].map(|id| (id, "text")).into_iter().collect(),
///     train: [(1, 5), (0, 3), (1, 2)].map(|(query, passage)| Pair { query, passage }).to_vec(),
///     ..Dataset::default()
/// };
/// let positives = dataset.positives();
/// assert_eq!((positives.of(0), positives.of(1)), (&[3][..], &[2, 5][..]));
/// assert!(positives.of(2).is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positives {
    /// Where the passages of each query start, and behind the last their number.
    offsets: Vec<usize>,
    passages: Vec<u32>,
}

impl Positives {
    pub(crate) fn new(queries: usize, pairs: impl Iterator<Item = Pair> + Clone) -> Self {
        let mut offsets = vec![0; queries + 1];
        pairs.clone().for_each(|pair| offsets[pair.query as usize + 1] += 1);
        (0..queries).for_each(|query| offsets[query + 1] += offsets[query]);
        let mut next = offsets.clone();
        let mut passages = vec![0; offsets[queries]];
        for pair in pairs {
            let place = &mut next[pair.query as usize];
            passages[*place] = pair.passage;
            *place += 1;
        }
        offsets.windows(2).for_each(|range| passages[range[0]..range[1]].sort_unstable());
        Self { offsets, passages }
    }

    /// The passages of one query, as ascending indices into [`Dataset::passages`](super::Dataset::passages).
    ///
    /// # Panics
    /// If there is no such query.
    #[track_caller]
    pub fn of(&self, query: u32) -> &[u32] {
        let query = query as usize;
        &self.passages[self.offsets[query]..self.offsets[query + 1]]
    }
}
