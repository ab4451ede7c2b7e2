use std::hash::Hasher;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHasher};
use serde::{Deserialize, Serialize};

use super::words::for_each_term;
use crate::{EmbedError, Embedder, Side};

/// Coordinates that a bucket adds to: enough that two buckets' directions are nearly orthogonal, few enough to be fast.
const SPARSITY: usize = 16;
/// Rows between two reports of progress.
const REPORT: usize = 8192;

/// Settings of a [`Lexical`] embedder.
///
/// # Examples
/// ```
/// use embed::{Embedder, LexicalConfig, Side};
///
/// let texts = ["read a file", "write a file", "sort a list"];
/// let lexical = LexicalConfig::default().with_dim(128).with_seed(7).fit(&texts)?;
/// assert_eq!(lexical.embed(&["parse_file"], Side::Query)?.dim(), (1, 128));
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LexicalConfig {
    /// Length of every vector; at least 16.
    pub dim: usize,
    /// Two to the power of this many buckets that words are hashed into; 8 to 24.
    pub bucket_bits: u32,
    /// Seed of the random projection.
    pub seed: u64,
}

impl Default for LexicalConfig {
    /// 256 dimensions, 2¹⁸ buckets, seed 0.
    fn default() -> Self {
        LexicalConfig { dim: 256, bucket_bits: 18, seed: 0 }
    }
}

impl LexicalConfig {
    /// Sets the length of every vector.
    pub fn with_dim(mut self, dim: usize) -> Self {
        self.dim = dim;
        self
    }

    /// Sets the number of buckets, as a power of two.
    pub fn with_bucket_bits(mut self, bucket_bits: u32) -> Self {
        self.bucket_bits = bucket_bits;
        self
    }

    /// Sets the seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Nothing, if an embedder can be fitted with these settings.
    ///
    /// # Errors
    /// [`EmbedError::OutOfRange`] for a setting outside its range.
    pub fn validate(&self) -> Result<(), EmbedError> {
        if self.dim < SPARSITY {
            return Err(out_of_range("dim", self.dim, "at least 16"));
        }
        if !(8..=24).contains(&self.bucket_bits) {
            return Err(out_of_range("bucket_bits", self.bucket_bits as usize, "8 to 24"));
        }
        Ok(())
    }

    /// An embedder whose inverse document frequencies are those of `texts`.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    pub fn fit(self, texts: &[&str]) -> Result<Lexical, EmbedError> {
        self.validate()?;
        let idf = inverse_document_frequencies(texts, self.bucket_bits);
        Ok(Lexical { config: self, idf, projection: projection(&self) })
    }
}

fn out_of_range(key: &str, value: usize, range: &str) -> EmbedError {
    EmbedError::OutOfRange { path: None, key: key.into(), value: value.to_string(), range: range.into() }
}

/// Hashed TF-IDF, projected: words are lower-cased, identifiers split, counts damped.
///
/// A word that occurs `c` times in a text weighs `(1 + ln c) · idf`, with `idf = 1 + ln((1 + n) / (1 + df))` over the `n` texts of the
/// fit. Words are hashed into buckets, and each bucket adds ± its weight to 16 coordinates, chosen with the seed. A text without words
/// is the constant vector with every component `1/√dim`; a word that the fit has not seen has the largest idf, as if in no text.
///
/// # Source
/// Salton & Buckley (1988) for sublinear TF-IDF; Weinberger et al. (2009) for hashing; Kane & Nelson (2014) for the sparse projection.
///
/// # Examples
/// ```
/// use embed::{Embedder, Lexical, LexicalConfig, Side};
///
/// let lexical: Lexical = LexicalConfig::default().fit(&["a b", "b c"])?;
/// let rows = lexical.embed(&["", "B c"], Side::Query)?;
/// assert!(rows.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-5));
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lexical {
    config: LexicalConfig,
    /// Of each bucket.
    idf: Vec<f32>,
    /// Of each bucket, `SPARSITY` coordinates, their signs in the lowest bit.
    projection: Vec<u32>,
}

impl Lexical {
    /// The settings.
    pub fn config(&self) -> LexicalConfig {
        self.config
    }

    fn fill(&self, text: &str, counts: &mut FxHashMap<u32, u32>, row: &mut [f32]) {
        count_buckets(text, self.config.bucket_bits, counts);
        let mut terms: Vec<(u32, u32)> = counts.drain().collect();
        // Floating-point sums depend on the order, a hash map's order on its history.
        terms.sort_unstable();
        for (bucket, count) in terms {
            let weight = (1.0 + (count as f32).ln()) * self.idf[bucket as usize];
            for &place in &self.projection[bucket as usize * SPARSITY..][..SPARSITY] {
                row[(place >> 1) as usize] += if place & 1 == 0 { weight } else { -weight };
            }
        }
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        if norm > 0.0 {
            row.iter_mut().for_each(|v| *v /= norm);
        } else {
            row.fill(1.0 / (row.len() as f32).sqrt());
        }
    }
}

impl Embedder for Lexical {
    fn dim(&self) -> usize {
        self.config.dim
    }

    fn embed_with(
        &self,
        texts: &[&str],
        _side: Side,
        on_rows: &mut dyn FnMut(usize),
    ) -> Result<Array2<f32>, EmbedError> {
        let dim = self.config.dim;
        let mut rows = Array2::zeros((texts.len(), dim));
        let mut done = 0;
        for (texts, mut rows) in texts.chunks(REPORT).zip(rows.axis_chunks_iter_mut(Axis(0), REPORT)) {
            if let Some(values) = rows.as_slice_mut() {
                let each = texts.par_iter().zip(values.par_chunks_mut(dim)).with_min_len(64);
                each.for_each_init(FxHashMap::default, |counts, (text, row)| self.fill(text, counts, row));
            }
            done += texts.len();
            on_rows(done);
        }
        Ok(rows)
    }
}

fn count_buckets(text: &str, bits: u32, counts: &mut FxHashMap<u32, u32>) {
    for_each_term(text, |term| {
        let mut hasher = FxHasher::default();
        hasher.write(term.as_bytes());
        *counts.entry((hasher.finish() >> (64 - bits)) as u32).or_insert(0) += 1;
    });
}

fn inverse_document_frequencies(texts: &[&str], bits: u32) -> Vec<f32> {
    let counts: Vec<AtomicUsize> = (0..1_usize << bits).map(|_| AtomicUsize::new(0)).collect();
    texts.par_iter().with_min_len(64).for_each_init(FxHashMap::default, |seen, text| {
        count_buckets(text, bits, seen);
        for (bucket, _) in seen.drain() {
            counts[bucket as usize].fetch_add(1, Ordering::Relaxed);
        }
    });
    let n = texts.len() as f64;
    let idf = |count: AtomicUsize| (1.0 + ((1.0 + n) / (1.0 + count.into_inner() as f64)).ln()) as f32;
    counts.into_iter().map(idf).collect()
}

fn projection(config: &LexicalConfig) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(config.seed);
    let count = SPARSITY << config.bucket_bits;
    let draw = |_| {
        let bits = random.next_u64();
        // The high half scaled to the range; one low bit for the sign.
        let place = ((bits >> 32) * config.dim as u64) >> 32;
        (place as u32) << 1 | (bits & 1) as u32
    };
    (0..count).map(draw).collect()
}
