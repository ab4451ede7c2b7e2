use crate::data::Pair;

/// Passages that training pairs are to be told from, of each pair the same number: those that another model finds nearest to its query, but that do
/// not answer it.
///
/// # Examples
///
/// ```
/// use pretrain::HardNegatives;
/// use pretrain::data::Pair;
///
/// let pairs = [Pair { query: 0, passage: 4 }, Pair { query: 1, passage: 5 }];
/// let negatives = HardNegatives { each: 2, passages: vec![5, 6, 4, 7] };
/// assert_eq!(negatives.of(1), [4, 7]);
/// assert_eq!(negatives.passages_of(&pairs, &[1, 0]), [5, 4, 4, 7, 5, 6]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HardNegatives {
    /// How many a pair has, at least 1.
    pub each: usize,
    /// Passages of the data set: `[pairs, each]`.
    pub passages: Vec<u32>,
}

impl HardNegatives {
    /// Those of one pair.
    ///
    /// # Panics
    /// If there is no such pair.
    pub fn of(&self, pair: u32) -> &[u32] {
        let first = pair as usize * self.each;
        &self.passages[first..first + self.each]
    }

    /// The passages of a batch as a loss takes them: first those of the pairs, then the hard negatives of each.
    ///
    /// # Panics
    /// If an index is past the last pair.
    pub fn passages_of(&self, pairs: &[Pair], batch: &[u32]) -> Vec<u32> {
        let own = batch.iter().map(|&pair| pairs[pair as usize].passage);
        own.chain(batch.iter().flat_map(|&pair| self.of(pair)).copied()).collect()
    }
}
