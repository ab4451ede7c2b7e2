use std::collections::HashMap;
use std::hash::Hash;

/// Strata by any key: the source of a pair, its cluster, or both.
///
/// # Examples
/// ```
/// use stratified_sampler::{Labeling, StratifiedConfig};
///
/// let sources = ["web", "faq", "web", "web", "faq"];
/// let clusters = [7, 7, 0, 0, 7];
///
/// let by_source = Labeling::by(sources);
/// assert_eq!((&by_source.labels[..], &by_source.keys[..]), (&[1, 0, 1, 1, 0][..], &["faq", "web"][..]));
///
/// let by_both = Labeling::by(sources.into_iter().zip(clusters));
/// assert_eq!(by_both.labels, [2, 0, 1, 1, 0]);
/// assert_eq!(by_both.keys, [("faq", 7), ("web", 0), ("web", 7)]);
/// let sampler = StratifiedConfig::new(2).build(&by_both.labels)?;
/// assert_eq!(sampler.strata(), 3);
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labeling<K> {
    /// The stratum of each pair, in `0..keys.len()`.
    pub labels: Vec<u32>,
    /// The key of each stratum, ascending.
    pub keys: Vec<K>,
}

impl<K: Clone + Hash + Ord> Labeling<K> {
    /// Returns the strata of equal keys, one key a pair. Strata are numbered in the order of their keys, so that the order of the pairs
    /// changes no number.
    ///
    /// # Panics
    /// With more than 2^32 different keys.
    pub fn by(keys: impl IntoIterator<Item = K>) -> Self {
        let mut number_of = HashMap::new();
        let mut labels: Vec<u32> = keys
            .into_iter()
            .map(|key| {
                let next = number_of.len();
                *number_of.entry(key).or_insert(u32::try_from(next).expect("at most 2^32 strata"))
            })
            .collect();
        let mut ascending: Vec<(K, u32)> = number_of.into_iter().collect();
        ascending.sort_unstable();
        let mut rank = vec![0; ascending.len()];
        for (new, &(_, old)) in (0..).zip(&ascending) {
            rank[old as usize] = new;
        }
        labels.iter_mut().for_each(|label| *label = rank[*label as usize]);
        Self { labels, keys: ascending.into_iter().map(|(key, _)| key).collect() }
    }
}
