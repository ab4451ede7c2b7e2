//! What was clustered, for a person: sizes, top terms, nearest texts.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Pipeline;
use crate::config::{Arm, ClusterConfig, ClusterOf};
use crate::data::Texts;
use crate::error::{PretrainError, Result};
use crate::parts::Parts;

/// Words shorter than this say little.
const SHORTEST_TERM: usize = 3;

/// One cluster as a person sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSummary {
    /// The label.
    pub label: u32,
    /// Texts in the cluster.
    pub size: usize,
    /// Training pairs in the cluster.
    pub pairs: usize,
    /// The words that mark the cluster off from the rest, strongest first.
    pub terms: Vec<String>,
    /// The texts nearest to the centroid, nearest first, with their cosine.
    pub nearest: Vec<(f32, String)>,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Every cluster of an arm, by default the first that draws from clusters of texts, largest first, with `terms` terms and
    /// `texts` texts each.
    ///
    /// # Errors
    /// The arm has no clusters of texts, or is not clustered yet.
    pub fn clusters(&self, arm: Option<&str>, terms: usize, texts: usize) -> Result<Vec<ClusterSummary>> {
        let (side, config) = self.clusters_of_texts(arm)?;
        let all = match side {
            Side::Query => &self.dataset.queries,
            Side::Passage => &self.dataset.passages,
        };
        let clustering = self.clustering(config)?;
        let rows = self.clustered_rows(config.of);
        let vectors = self.vectors(side)?;
        let vectors = vectors.by_text()?;
        let words: Vec<FxHashSet<String>> = rows.items.iter().map(|&item| words_of(all.text(item))).collect();
        let terms_of = top_terms(&words, &clustering.labels, clustering.sizes.len(), terms);
        let mut pairs = vec![0; clustering.sizes.len()];
        rows.expand(&clustering.labels).into_iter().for_each(|label| pairs[label as usize] += 1);
        let mut members = vec![Vec::new(); clustering.sizes.len()];
        for (&item, &label) in rows.items.iter().zip(&clustering.labels) {
            let centroid = clustering.centroids.row(label as usize);
            let cosine = vectors.row(item).map_or(f32::NEG_INFINITY, |row| row.dot(&centroid));
            members[label as usize].push((cosine, item));
        }
        let summary = |(label, terms): (usize, Vec<String>)| ClusterSummary {
            label: label as u32,
            size: members[label].len(),
            pairs: pairs[label],
            terms,
            nearest: nearest(&members[label], texts, all),
        };
        let mut summaries: Vec<ClusterSummary> = terms_of.into_iter().enumerate().map(summary).collect();
        summaries.sort_by_key(|summary| (std::cmp::Reverse(summary.size), summary.label));
        Ok(summaries)
    }

    /// The clusters of an arm and the side whose texts they are of.
    fn clusters_of_texts(&self, arm: Option<&str>) -> Result<(Side, &ClusterConfig)> {
        let named = |of: &&Arm| arm.is_none_or(|name| of.name == name || of.title == name);
        self.run.arms().iter().filter(named).find_map(clusters_of_texts).ok_or_else(|| {
            let with_clusters = self.run.arms().iter().filter(|arm| clusters_of_texts(arm).is_some());
            let arms: Vec<&str> = with_clusters.map(|arm| arm.name.as_str()).collect();
            match arm.filter(|_| !arms.is_empty()) {
                Some(arm) => PretrainError::NoClustersOf { arm: arm.to_owned(), arms: arms.join(", ") },
                None => PretrainError::NoClusters { dir: self.run.root().to_owned() },
            }
        })
    }
}

/// The first clusters of texts that an arm draws from, and the side that the texts are of.
fn clusters_of_texts(arm: &Arm) -> Option<(Side, &ClusterConfig)> {
    arm.clusters().find_map(|config| match config.of {
        ClusterOf::Queries => Some((Side::Query, config)),
        ClusterOf::Passages => Some((Side::Passage, config)),
        ClusterOf::None | ClusterOf::Both | ClusterOf::Topics | ClusterOf::Random => None,
    })
}

/// The texts of the largest cosines, largest first.
fn nearest(members: &[(f32, u32)], most: usize, all: &Texts) -> Vec<(f32, String)> {
    let mut members = members.to_vec();
    members.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    members.into_iter().take(most).map(|(cosine, item)| (cosine, all.text(item).to_owned())).collect()
}

fn words_of(text: &str) -> FxHashSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= SHORTEST_TERM && !word.chars().all(|c| c.is_ascii_digit()))
        .map(str::to_lowercase)
        .collect()
}

/// For each label the words with the largest signed log-likelihood ratio between its texts and all others.
///
/// # Source
/// Dunning (1993), "Accurate Methods for the Statistics of Surprise and Coincidence".
fn top_terms(words: &[FxHashSet<String>], labels: &[u32], clusters: usize, terms: usize) -> Vec<Vec<String>> {
    let mut inside: Vec<FxHashMap<&str, usize>> = vec![FxHashMap::default(); clusters];
    let mut everywhere: FxHashMap<&str, usize> = FxHashMap::default();
    let mut sizes = vec![0; clusters];
    for (words, &label) in words.iter().zip(labels) {
        sizes[label as usize] += 1;
        for word in words {
            *inside[label as usize].entry(word).or_default() += 1;
            *everywhere.entry(word).or_default() += 1;
        }
    }
    let total = words.len();
    inside
        .iter()
        .zip(&sizes)
        .map(|(counts, &size)| {
            let score =
                |word: &str, count: usize| log_likelihood_ratio(count, size, everywhere[word] - count, total - size);
            let mut scored: Vec<(f64, &str)> =
                counts.iter().map(|(&word, &count)| (score(word, count), word)).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
            scored.into_iter().take(terms).map(|(_, word)| word.to_owned()).collect()
        })
        .collect()
}

/// How surprising it is that `inside` of `size` texts and `outside` of `rest` have a word; negative where it is rarer inside.
fn log_likelihood_ratio(inside: usize, size: usize, outside: usize, rest: usize) -> f64 {
    let shared = (inside + outside) as f64 / (size + rest) as f64;
    let term = |count: usize, of: usize| {
        let (count, of) = (count as f64, of as f64);
        let part = |seen: f64, expected: f64| if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
        part(count, of * shared) + part(of - count, of * (1.0 - shared))
    };
    let ratio = 2.0 * (term(inside, size) + term(outside, rest));
    let rarer = (inside * rest) < (outside * size);
    if rarer { -ratio } else { ratio }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_mark_a_cluster_off_from_the_rest() {
        let texts = ["the cat sat", "the cat ran", "the dog sat", "the dog ran"];
        let words: Vec<_> = texts.iter().map(|text| words_of(text)).collect();
        assert_eq!(top_terms(&words, &[0, 0, 1, 1], 2, 1), [["cat"], ["dog"]]);
    }

    #[test]
    fn a_word_as_common_inside_as_outside_scores_zero() {
        assert!(log_likelihood_ratio(3, 6, 5, 10).abs() < 1e-12);
        assert!(log_likelihood_ratio(1, 6, 9, 10) < 0.0);
    }
}
