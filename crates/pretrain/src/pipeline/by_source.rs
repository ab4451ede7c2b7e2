//! Strata within sources.

use kmeans::Clustering;
use ndarray::{Axis, concatenate};
use stratified_sampler::Weights;

use crate::config::{Config, SamplerConfig};
use crate::data::Sources;
use crate::error::Result;
use crate::parts::Strata;

/// The strata of pairs, each split by the pairs' sources: those of the first source first.
pub(super) fn within_sources(strata: Strata, sources: &Sources) -> Strata {
    let Strata { pairs, labels, clustering } = strata;
    let Some(labels) = labels else {
        return Strata { pairs, labels: Some(sources.of_pair.clone()), clustering: None };
    };
    let clusters = clusters(&labels, clustering.as_ref());
    let split = labels.iter().zip(&sources.of_pair).map(|(&label, &source)| source * clusters + label).collect();
    let clustering = clustering.map(|clustering| {
        let each = vec![clustering.centroids.view(); sources.names.len()];
        // One below the other they have one width.
        let centroids = concatenate(Axis(0), &each).unwrap_or_else(|_| clustering.centroids.clone());
        Clustering { centroids, ..clustering }
    });
    Strata { pairs, labels: Some(split), clustering }
}

/// How many labels there are.
fn clusters(labels: &[u32], clustering: Option<&Clustering>) -> u32 {
    let most = labels.iter().max().map_or(0, |&label| label + 1);
    clustering.map_or(most, |clustering| (clustering.centroids.nrows() as u32).max(most))
}

/// The sampler's settings with weights by which pairs of a source come as often as its weight says, where some are not 1; `labels` are those of
/// strata within sources, `sources` those of the same pairs.
pub(super) fn weighted(config: &SamplerConfig, labels: &[u32], sources: &[u32], weights: &[f64]) -> SamplerConfig {
    let mut given = vec![0.0; labels.iter().max().map_or(0, |&label| label as usize + 1)];
    labels.iter().zip(sources).for_each(|(&label, &source)| given[label as usize] += weights[source as usize]);
    SamplerConfig { weights: Weights::Given(given), ..config.clone() }
}

/// The weights of the sources, in their order, if not all are 1.
pub(super) fn source_weights(config: &Config) -> Result<Option<Vec<f64>>> {
    let weights: Vec<f64> = config.data.resolved()?.iter().map(|source| source.weight).collect();
    Ok(Some(weights).filter(|weights| weights.iter().any(|&weight| weight != 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources { names: vec!["a".into(), "b".into()], of_pair: vec![0, 1, 1, 0], of_test: Vec::new() }
    }

    #[test]
    fn a_stratum_is_a_cluster_within_a_source() {
        let strata = Strata { pairs: 4, labels: Some(vec![2, 2, 0, 1]), clustering: None };
        assert_eq!(within_sources(strata, &sources()).labels.unwrap(), [2, 5, 3, 1]);
        let none = Strata { pairs: 4, ..Strata::default() };
        assert_eq!(within_sources(none, &sources()).labels.unwrap(), [0, 1, 1, 0]);
    }

    #[test]
    fn a_stratum_weighs_its_pairs_times_its_source_s_weight() {
        let config = weighted(&SamplerConfig::default(), &[2, 5, 5, 0], &[0, 1, 1, 0], &[1.0, 3.0]);
        assert_eq!(config.weights, Weights::Given(vec![1.0, 0.0, 1.0, 0.0, 0.0, 6.0]));
    }
}
