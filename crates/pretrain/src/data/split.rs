//! Which part of the data is held out: a function of a name's or a text's hash alone.

use serde::{Deserialize, Serialize};

use super::DataError;

/// How a file of pairs is split: by whole topics, or passage by passage.
///
/// ```
/// use pretrain::data::PairSplit;
///
/// let split: PairSplit = serde_json::from_str(r#"{"by": "topic-share", "share": 0.2}"#).unwrap();
/// assert_eq!(split, PairSplit::TopicShare { share: 0.2 });
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PairSplit {
    /// The pairs of these topics are the test split.
    Topics {
        /// Topics to hold out; each must occur in the data.
        held_out: Vec<String>,
    },
    /// The pairs of a share of the topics, chosen by the names' hashes, are the test split.
    TopicShare {
        /// In `[0, 1)`, of the topics; of a share above 0 at least one topic is held out where there are two or more.
        share: f64,
    },
    /// The pairs of a share of the passages, chosen by the texts' hashes, are the test split.
    PassageShare {
        /// In `[0, 1)`, of the passages, met in expectation.
        share: f64,
    },
}

impl Default for PairSplit {
    fn default() -> Self {
        Self::PassageShare { share: 0.15 }
    }
}

/// A number in `[0, 1)` that depends on the text alone.
pub(super) fn unit_hash(text: &str) -> f64 {
    (hash(text) >> 11) as f64 / (1u64 << 53) as f64
}

/// The first eight bytes of the BLAKE3 hash.
pub(super) fn hash(text: &str) -> u64 {
    let digest = blake3::hash(text.as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The share back, if it is one.
pub(super) fn checked_share(share: f64) -> Result<f64, DataError> {
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err(DataError::TestShare { share }) }
}

/// For each of the distinct `names`, whether it is among the `share` of them with the smallest hashes.
pub(super) fn held_out_share(names: &[String], share: f64) -> Vec<bool> {
    let least = usize::from(share > 0.0 && names.len() > 1);
    let count = ((share * names.len() as f64).round() as usize).max(least);
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_cached_key(|&i| (hash(&names[i]), i));
    let mut held_out = vec![false; names.len()];
    order.into_iter().take(count).for_each(|i| held_out[i] = true);
    held_out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_text_is_stable() {
        // The first bytes of BLAKE3's published test vector for the empty input are af1349b9f5f9a1a6.
        assert_eq!(hash(""), 0xaf13_49b9_f5f9_a1a6);
        assert!((unit_hash("") - 0.683_888_060).abs() < 1e-6, "{}", unit_hash(""));
    }

    #[test]
    fn the_share_of_texts_below_it_is_about_the_share() {
        let below = (0..10_000).filter(|i| unit_hash(&format!("text {i}")) < 0.15).count();
        assert!((1400..1600).contains(&below), "{below}");
    }

    #[test]
    fn a_share_outside_zero_to_one_is_an_error() {
        for share in [-0.1, 1.0, f64::NAN] {
            assert!(matches!(checked_share(share), Err(DataError::TestShare { .. })), "{share}");
        }
        assert_eq!(checked_share(0.0).unwrap(), 0.0);
    }

    #[test]
    fn a_small_share_of_few_topics_holds_out_one() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).into();
        assert_eq!(held_out_share(&names, 0.01).iter().filter(|&&out| out).count(), 1);
        assert_eq!(held_out_share(&names, 0.0), [false; 3]);
        assert_eq!(held_out_share(&names[..1], 0.1), [false]);
        assert_eq!(held_out_share(&names, 0.67).iter().filter(|&&out| out).count(), 2);
    }
}
