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

/// A share of names or texts that their hashes choose: for each split another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct HashShare {
    share: f64,
    /// Goes before what is hashed.
    salt: &'static str,
}

impl HashShare {
    /// The share that is the test split.
    pub(super) fn test(share: f64) -> Result<Self, DataError> {
        Self::checked("test", share, "")
    }

    /// The share of the training split that is the validation split.
    pub(super) fn validation(share: f64) -> Result<Self, DataError> {
        Self::checked("validation", share, "validation ")
    }

    fn checked(split: &'static str, share: f64, salt: &'static str) -> Result<Self, DataError> {
        if (0.0..1.0).contains(&share) { Ok(Self { share, salt }) } else { Err(DataError::Share { split, share }) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.share == 0.0
    }

    /// Whether the text is in the share, which is met in expectation.
    pub(super) fn takes(&self, text: &str) -> bool {
        let unit = (hash(self.salt, text) >> 11) as f64 / (1u64 << 53) as f64;
        unit < self.share
    }

    /// For each of some distinct names, whether it is among the share of them with the smallest hashes.
    ///
    /// Of a share above 0 it takes one at least, where there are two or more.
    pub(super) fn takes_of(&self, names: &[&str]) -> Vec<bool> {
        let least = usize::from(!self.is_empty() && names.len() > 1);
        let count = ((self.share * names.len() as f64).round() as usize).max(least);
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_cached_key(|&i| (hash(self.salt, names[i]), names[i]));
        let mut taken = vec![false; names.len()];
        order.into_iter().take(count).for_each(|i| taken[i] = true);
        taken
    }
}

/// The first eight bytes of the BLAKE3 hash of `salt` and `text`.
pub(super) fn hash(salt: &str, text: &str) -> u64 {
    let digest = blake3::Hasher::new().update(salt.as_bytes()).update(text.as_bytes()).finalize();
    digest.as_bytes().iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(share: f64) -> HashShare {
        HashShare::test(share).unwrap()
    }

    #[test]
    fn the_hash_of_a_text_is_stable() {
        // The first bytes of BLAKE3's published test vector for the empty input are af1349b9f5f9a1a6.
        assert_eq!(hash("", ""), 0xaf13_49b9_f5f9_a1a6);
        assert!(test(0.683_889).takes("") && !test(0.683_887).takes(""));
        assert_eq!(hash("a", "bc"), hash("", "abc"));
    }

    #[test]
    fn the_share_of_texts_that_is_taken_is_about_the_share_and_another_for_each_split() {
        let texts: Vec<String> = (0..10_000).map(|i| format!("text {i}")).collect();
        let validation = HashShare::validation(0.15).unwrap();
        for share in [test(0.15), validation] {
            let taken = texts.iter().filter(|text| share.takes(text)).count();
            assert!((1400..1600).contains(&taken), "{taken}");
        }
        let both = texts.iter().filter(|text| test(0.15).takes(text) && validation.takes(text)).count();
        assert!((180..270).contains(&both), "{both}");
    }

    #[test]
    fn a_share_outside_zero_to_one_is_an_error_that_names_the_split() {
        for share in [-0.1, 1.0, f64::NAN] {
            assert!(matches!(HashShare::test(share), Err(DataError::Share { split: "test", .. })), "{share}");
        }
        let error = HashShare::validation(1.0).unwrap_err();
        assert_eq!(error.to_string(), "validation share 1 is not at least 0 and below 1");
        assert!(test(0.0).is_empty());
    }

    #[test]
    fn a_small_share_of_few_names_takes_one_whatever_their_order() {
        let count = |share: f64| test(share).takes_of(&["a", "b", "c"]).into_iter().filter(|&taken| taken).count();
        assert_eq!((count(0.01), count(0.67), count(0.0)), (1, 2, 0));
        assert_eq!(test(0.1).takes_of(&["a"]), [false]);
        let mut reversed = test(0.34).takes_of(&["c", "b", "a"]);
        reversed.reverse();
        assert_eq!(reversed, test(0.34).takes_of(&["a", "b", "c"]));
    }
}
