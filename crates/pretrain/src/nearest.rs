//! Which stratum is nearest to which, for leftovers that are merged.

use ndarray::ArrayView2;
use rayon::prelude::*;
use stratified_sampler::{SamplerError, Stratified, StratifiedConfig};
use vectors::inner_product;

/// The sampler whose leftovers merge with those of the stratum that has the nearest centroid.
///
/// # Shapes
/// - `labels`: `[n]`, each below `k`
/// - `centroids`: `[k, dim]`
///
/// # Errors
/// Those of [`StratifiedConfig::build`].
pub(crate) fn build_with_centroids(
    config: StratifiedConfig,
    labels: &[u32],
    centroids: ArrayView2<'_, f32>,
) -> Result<Stratified, SamplerError> {
    match centroids.nrows() {
        // A stratum alone has no nearest.
        0 | 1 => config.build(labels),
        strata => config.build_with_nearest(labels, &nearest(centroids, &with_pairs(labels, strata))),
    }
}

fn with_pairs(labels: &[u32], strata: usize) -> Vec<bool> {
    let mut with_pairs = vec![false; strata];
    for &label in labels {
        with_pairs[label as usize] = true;
    }
    with_pairs
}

/// For each stratum the other one with pairs whose centroid has the largest inner product with its own, of several the
/// first; where no other has pairs, any other.
fn nearest(centroids: ArrayView2<'_, f32>, with_pairs: &[bool]) -> Vec<u32> {
    let centroids = centroids.as_standard_layout();
    let rows: Vec<&[f32]> = centroids.rows().into_iter().map(|row| row.to_slice().unwrap_or_default()).collect();
    // Summed in f64 in one order, near ties fall alike on every machine.
    let nearest_to = |own: usize| {
        let mut best = (f64::NEG_INFINITY, None);
        for other in (0..rows.len()).filter(|&other| other != own && with_pairs[other]) {
            let product = inner_product(rows[own], rows[other]);
            if product > best.0 {
                best = (product, Some(other));
            }
        }
        best.1.unwrap_or(usize::from(own == 0)) as u32
    };
    (0..rows.len()).into_par_iter().map(nearest_to).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use stratified_sampler::{BatchSampler, Leftovers};

    use super::*;

    #[test]
    fn the_nearest_is_the_other_with_the_largest_inner_product_the_first_of_several() {
        let centroids = array![[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.9, 0.1], [-1.0, 0.0]];
        assert_eq!(nearest(centroids.view(), &[true; 5]), [1, 0, 1, 0, 2]);
    }

    #[test]
    fn strata_without_pairs_are_near_to_none() {
        let centroids = array![[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]];
        assert_eq!(nearest(centroids.view(), &[true, false, true]), [2, 0, 0]);
        assert_eq!(nearest(centroids.view(), &[true, false, false]), [1, 0, 0]);
    }

    #[test]
    fn one_stratum_is_merged_with_itself() {
        let config = StratifiedConfig::new(2).with_leftovers(Leftovers::Merge);
        let sampler = build_with_centroids(config.clone(), &[0, 0, 0], array![[1.0]].view()).unwrap();
        assert_eq!(sampler.report(0).seen, 3);
        let sampler = build_with_centroids(config, &[1, 1, 1], array![[1.0], [0.5]].view()).unwrap();
        assert_eq!(sampler.report(0).seen, 3);
    }
}
