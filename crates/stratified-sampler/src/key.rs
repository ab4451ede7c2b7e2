use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a key is for: two purposes never share one.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// The order of an epoch's batches.
    Order = 1,
    /// The order of a stratum's pairs.
    Stratum = 2,
    /// The order of what is left over.
    Leftovers = 3,
    /// The order of all pairs, without strata.
    Uniform = 4,
    /// The pieces of strata that share batches.
    Topics = 5,
}

/// A key of the permutations: 64 bits that lead to any number of other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

/// 2^64 divided by the golden ratio, the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Key {
    /// Returns the key of a seed.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed).next_u64())
    }

    /// Returns the key of one purpose.
    pub(crate) fn purpose(self, purpose: Purpose) -> Self {
        self.child(purpose as u64)
    }

    /// Returns the key of one stratum, epoch or other part.
    pub(crate) fn child(self, part: u64) -> Self {
        Self(self.word(part))
    }

    /// Returns the word of that number: the SplitMix64 sequence from this key, at any place of it.
    ///
    /// # Source
    /// Steele, Lea & Flood (2014), *Fast splittable pseudorandom number generators*, OOPSLA.
    pub(crate) fn word(self, number: u64) -> u64 {
        let mut z = self.0.wrapping_add(STEP.wrapping_mul(number.wrapping_add(1)));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_splitmix64() {
        // The reference implementation's first outputs from state 1234567.
        let key = Key(1_234_567);
        assert_eq!(key.word(0), 6_457_827_717_110_365_317);
        assert_eq!(key.word(1), 3_203_168_211_198_807_973);
        assert_eq!(key.word(2), 9_817_491_932_198_370_423);
    }

    #[test]
    fn purposes_and_parts_lead_to_different_keys() {
        let key = Key::from_seed(0);
        let stratum = key.purpose(Purpose::Stratum);
        assert_ne!(stratum, key.purpose(Purpose::Order));
        assert_ne!(stratum.child(0), stratum.child(1));
        assert_ne!(stratum.child(0).child(1), stratum.child(1).child(0));
        assert_ne!(key, Key::from_seed(1));
    }
}
