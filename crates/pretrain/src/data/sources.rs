//! Which of several sources a data set's pairs are from.

use serde::{Deserialize, Serialize};

/// The sources of a data set that was joined of several, by [`Joined`](super::Joined).
///
/// ```
/// let sources = pretrain::data::Sources { names: vec!["squad".into(), "wordnet".into()], of_pair: vec![0, 1, 1], of_test: vec![1] };
/// assert_eq!(sources.pairs(), [1, 2]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// Their names, in the order of the configuration.
    pub names: Vec<String>,
    /// For each training pair an index into `names`: the first source that has it.
    pub of_pair: Vec<u32>,
    /// For each test query an index into `names`: the first source that asks it.
    pub of_test: Vec<u32>,
}

impl Sources {
    /// How many training pairs are of each.
    pub fn pairs(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        self.of_pair.iter().for_each(|&source| counts[source as usize] += 1);
        counts
    }
}
