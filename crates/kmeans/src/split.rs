use ndarray::{Array2, Axis, s};

use crate::sums::normalise;

/// Perturbation of the two halves: a bit above the resolution of f16, as in FAISS.
const PERTURBATION: f32 = 1.0 / 1024.0;

/// Gives every empty cluster half of the largest: both centroids become the largest's, the one with its even columns
/// raised and its odd columns lowered by 1/1024 of themselves, the other the opposite way, and are renormalised.
pub(crate) fn split_empty(centroids: &mut Array2<f32>, sizes: &mut [u64]) {
    for empty in 0..sizes.len() {
        if sizes[empty] > 0 {
            continue;
        }
        let Some(largest) = largest(sizes) else {
            return;
        };
        let whole = centroids.row(largest).to_owned();
        for (cluster, sign) in [(empty, 1.0), (largest, -1.0)] {
            let mut half = whole.clone().insert_axis(Axis(0));
            half.slice_mut(s![.., ..;2]).mapv_inplace(|value| value * (1.0 + sign * PERTURBATION));
            half.slice_mut(s![.., 1..;2]).mapv_inplace(|value| value * (1.0 - sign * PERTURBATION));
            // A unit vector changed by a thousandth always has a norm.
            if normalise(&mut half).is_ok() {
                centroids.row_mut(cluster).assign(&half.row(0));
            }
        }
        sizes[empty] = sizes[largest] / 2;
        sizes[largest] -= sizes[empty];
    }
}

/// The lowest index of the largest size.
fn largest(sizes: &[u64]) -> Option<usize> {
    (0..sizes.len()).rev().max_by_key(|&cluster| sizes[cluster])
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn an_empty_cluster_takes_half_of_the_largest() {
        let mut centroids = array![[1.0_f32, 0.0], [0.6, 0.8], [0.0, 1.0]];
        let mut sizes = [2, 7, 0];
        split_empty(&mut centroids, &mut sizes);
        assert_eq!(sizes, [2, 4, 3]);
        assert_eq!(centroids.row(0), array![1.0, 0.0]);
        for (cluster, ratio) in [(1, 0.8 / 0.6 * 1025.0 / 1023.0), (2, 0.8 / 0.6 * 1023.0 / 1025.0)] {
            let half = centroids.row(cluster);
            assert!((half[1] / half[0] - ratio).abs() < 1e-5, "{half}");
            assert!((half.dot(&half) - 1.0).abs() < 1e-6, "{half}");
        }
    }

    #[test]
    fn every_empty_cluster_is_filled_and_ties_go_to_the_lowest_index() {
        let mut centroids = array![[1.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]];
        let mut sizes = [4, 4, 0, 0];
        split_empty(&mut centroids, &mut sizes);
        assert_eq!(sizes, [2, 2, 2, 2]);
        assert_eq!(centroids.row(3), array![0.0, 1.0]);
    }
}
