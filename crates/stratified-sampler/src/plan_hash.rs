use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::SamplerError;

/// A hash of everything that a sampler's batches follow from: settings, strata, other samplers within it. Equal on every
/// platform; written as 32 hexadecimal digits.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, UniformConfig};
///
/// let hash = |seed| Ok::<_, stratified_sampler::SamplerError>(UniformConfig::new(8).with_seed(seed).build(100)?.plan_hash());
/// assert_eq!(hash(1)?, hash(1)?);
/// assert_ne!(hash(1)?, hash(2)?);
/// assert_eq!(hash(1)?.to_string().len(), 32);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlanHash(u128);

impl PlanHash {
    /// Returns the hash of a sampler of that kind, which `parts` determine.
    pub fn of(kind: &str, parts: impl IntoIterator<Item = u64>) -> Self {
        let mut hash = Hashed::new(kind);
        hash.words(parts);
        hash.finish()
    }

    /// The hash as two numbers, for [`of`](Self::of) of a sampler that contains this one.
    pub fn parts(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanHash({self})")
    }
}

impl From<PlanHash> for String {
    fn from(hash: PlanHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for PlanHash {
    type Error = SamplerError;

    fn try_from(text: String) -> Result<Self, SamplerError> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&text, 16) {
            Ok(hash) if digits => Ok(Self(hash)),
            _ => Err(SamplerError::NoPlanHash { text }),
        }
    }
}

/// A plan hash in the making: little-endian words into XXH3.
pub(crate) struct Hashed(Box<Xxh3>);

impl Hashed {
    pub(crate) fn new(kind: &str) -> Self {
        let mut hash = Box::new(Xxh3::new());
        hash.update(kind.as_bytes());
        Self(hash)
    }

    pub(crate) fn word(&mut self, word: u64) {
        self.0.update(&word.to_le_bytes());
    }

    /// Adds so many words, but not how many they are.
    pub(crate) fn words(&mut self, words: impl IntoIterator<Item = u64>) {
        words.into_iter().for_each(|word| self.word(word));
    }

    /// Adds a list, its length first.
    pub(crate) fn numbers(&mut self, numbers: &[u32]) {
        self.word(numbers.len() as u64);
        // By blocks, because a call of XXH3 takes longer than four bytes do.
        let mut bytes = [0; 4096];
        for numbers in numbers.chunks(bytes.len() / 4) {
            for (bytes, number) in bytes.chunks_exact_mut(4).zip(numbers) {
                bytes.copy_from_slice(&number.to_le_bytes());
            }
            self.0.update(&bytes[..numbers.len() * 4]);
        }
    }

    pub(crate) fn finish(self) -> PlanHash {
        PlanHash(self.0.digest128())
    }
}
