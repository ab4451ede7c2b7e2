//! Which passages the data says do not answer a training query.

use serde::{Deserialize, Serialize};

/// For each training pair the passages that the data gives as hard negatives of its query, in the order of the data.
///
/// ```
/// use pretrain::data::Negatives;
///
/// let negatives = Negatives::new(3, [(0, 7), (0, 4), (2, 5)]);
/// assert_eq!((negatives.of(0), negatives.of(1), negatives.of(2)), (&[7, 4][..], &[][..], &[5][..]));
/// assert_eq!(negatives.len(), 3);
/// assert!(Negatives::default().of(9).is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Negatives {
    /// Where the passages of each pair start, and behind the last their number; empty where no pair has any.
    offsets: Vec<usize>,
    passages: Vec<u32>,
}

impl Negatives {
    /// The negatives of so many pairs, each with its pair, pairs ascending.
    ///
    /// # Panics
    /// If the pairs do not ascend, or one is not below `pairs`.
    #[track_caller]
    pub fn new(pairs: usize, of_pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let (mut offsets, mut passages) = (vec![0], Vec::new());
        for (pair, passage) in of_pairs {
            let pair = pair as usize;
            assert!(
                pair < pairs && pair + 1 >= offsets.len(),
                "pair {pair} of {pairs} behind pair {}",
                offsets.len() - 1
            );
            offsets.resize(pair + 1, passages.len());
            passages.push(passage);
        }
        if passages.is_empty() {
            return Self::default();
        }
        offsets.resize(pairs + 1, passages.len());
        Self { offsets, passages }
    }

    /// How many there are of all pairs.
    pub fn len(&self) -> usize {
        self.passages.len()
    }

    /// Whether no pair has any.
    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// Those of one pair, as indices into [`Dataset::passages`](super::Dataset::passages).
    pub fn of(&self, pair: u32) -> &[u32] {
        let at = |pair: usize| self.offsets.get(pair).copied().unwrap_or(self.passages.len());
        &self.passages[at(pair as usize)..at(pair as usize + 1)]
    }
}
