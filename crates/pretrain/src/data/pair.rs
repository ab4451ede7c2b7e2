use serde::{Deserialize, Serialize};

/// A query and a passage that answers it.
///
/// ```
/// let pair = pretrain::data::Pair { query: 0, passage: 7 };
/// assert_eq!(pair.passage, 7);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// An index into [`Dataset::queries`](super::Dataset::queries).
    pub query: u32,
    /// An index into [`Dataset::passages`](super::Dataset::passages).
    pub passage: u32,
}
