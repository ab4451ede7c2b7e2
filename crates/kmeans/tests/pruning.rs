//! Pruned iterations, and those in fixed point, are the plain ones.

use kmeans::{Clustering, Init, SphericalKMeansConfig, Vectors};
use ndarray::{Array2, Axis};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Unit rows around `modes` directions.
fn mixture(n: usize, dim: usize, modes: usize, noise: f32, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres = Array2::from_shape_simple_fn((modes, dim), || rng.random_range(-1.0..1.0_f32));
    let mut rows = Array2::zeros((n, dim));
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let mode = rng.random_range(0..modes);
        row.assign(&centres.row(mode));
        row.mapv_inplace(|value| value + noise * rng.random_range(-1.0..1.0_f32));
        let norm = row.dot(&row).sqrt();
        row.mapv_inplace(|value| value / norm);
    }
    rows
}

/// Bounds, and products in fixed point.
const SHORTCUTS: [(bool, bool); 3] = [(true, true), (true, false), (false, true)];

/// The plain fit, and one with shortcuts.
fn fits(rows: &Array2<f32>, config: &SphericalKMeansConfig, (pruning, fixed_point): (bool, bool)) -> [Clustering; 2] {
    [(false, false), (pruning, fixed_point)].map(|(pruning, fixed_point)| {
        let clusters = config.k;
        let config = config.clone().with_pruning(pruning).with_fixed_point(fixed_point);
        let clusterer = config.build().expect("a valid configuration");
        clusterer.fit_from(rows.view(), rows.slice(ndarray::s![..clusters, ..])).expect("valid rows")
    })
}

/// Rows whose two labels differ by more than rounding.
fn disagreements(rows: &Array2<f32>, [plain, pruned]: &[Clustering; 2]) -> usize {
    let product =
        |row: usize, clustering: &Clustering, label: u32| rows.row(row).dot(&clustering.centroids.row(label as usize));
    (0..rows.nrows())
        .filter(|&row| {
            let gap = product(row, plain, plain.labels[row]) - product(row, plain, pruned.labels[row]);
            gap.abs() > 1e-5
        })
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pruned_labels_centroids_and_history_are_those_of_plain_iterations(
        n in 200_usize..1500, dim in 2_usize..80, clusters in 2_usize..150, modes in 1_usize..60, seed in 0_u64..1000,
    ) {
        let rows = mixture(n, dim, modes, 0.7, seed);
        let config = SphericalKMeansConfig::new(clusters.min(n)).with_max_iterations(12).with_tolerance(0.0);
        for shortcuts in SHORTCUTS {
            let both = fits(&rows, &config, shortcuts);
            let [plain, pruned] = &both;
            prop_assert_eq!(disagreements(&rows, &both), 0);
            prop_assert!((plain.objective - pruned.objective).abs() < 1e-6);
            for (plain, pruned) in plain.history.iter().zip(&pruned.history) {
                prop_assert!((plain.objective - pruned.objective).abs() < 1e-6);
            }
            prop_assert_eq!(pruned.sizes.iter().sum::<u64>(), n as u64);
        }
    }
}

#[test]
fn pruned_fits_do_not_depend_on_the_number_of_threads() {
    let rows = mixture(9000, 24, 40, 0.5, 3);
    for clusters in [7, 90] {
        let clusterer = SphericalKMeansConfig::new(clusters).with_init(Init::KMeansPlusPlus).build().unwrap();
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| clusterer.fit_from(rows.view(), rows.slice(ndarray::s![..clusters, ..])).unwrap())
        };
        assert_eq!(fit(1), fit(3));
    }
}

/// Rows that repeat leave clusters empty, which split the largest again and again: which of two equal centroids has a row
/// is rounding's choice, the objective is not.
#[test]
fn repeated_rows_and_empty_clusters_reach_the_plain_objective() {
    for (clusters, dim) in [(4, 3), (40, 9)] {
        let distinct = mixture(clusters / 2, dim, clusters, 0.1, 5);
        let rows = ndarray::concatenate(Axis(0), &vec![distinct.view(); 50]).unwrap();
        let config = SphericalKMeansConfig::new(clusters).with_max_iterations(40).with_tolerance(0.0);
        for shortcuts in SHORTCUTS {
            let [plain, pruned] = fits(&rows, &config, shortcuts);
            assert!((plain.objective - pruned.objective).abs() < 1e-6, "{} {}", plain.objective, pruned.objective);
        }
    }
}

/// Rows of a plane: so many at each angle, in degrees. Four columns, so that each of four centroids has a bound.
fn at_angles(counts: &[(usize, f32)]) -> Array2<f32> {
    let angles: Vec<f32> = counts.iter().flat_map(|&(count, angle)| vec![angle.to_radians(); count]).collect();
    Array2::from_shape_fn((angles.len(), 4), |(row, column)| [angles[row].cos(), angles[row].sin(), 0.0, 0.0][column])
}

/// A cluster that the second pass leaves empty, opposite of the rows at 0°, takes half of theirs: it turns by 160°.
#[test]
fn a_centroid_that_turns_by_more_than_a_right_angle_finds_its_rows() {
    let rows = at_angles(&[(30, 0.0), (30, 40.0), (4, 125.0), (2, 130.0), (2, 230.0), (4, 240.0)]);
    let start = at_angles(&[(1, 20.0), (1, 85.0), (1, 170.0), (1, 300.0)]);
    for (pruning, fixed_point) in [(false, false), (true, true), (true, false), (false, true)] {
        let config = SphericalKMeansConfig::new(4).with_pruning(pruning).with_fixed_point(fixed_point);
        let clustering = config.with_tolerance(0.0).build().unwrap().fit_from(rows.view(), start.view()).unwrap();
        assert_eq!(clustering.sizes, [30, 6, 30, 6], "pruning {pruning}, fixed_point {fixed_point}");
    }
}

/// Labels no longer change once they are settled: ties are not decided anew by other roundings.
#[test]
fn pruned_fits_converge() {
    for clusters in [8, 60] {
        let rows = mixture(2000, 20, clusters, 0.05, 7);
        let config = SphericalKMeansConfig::new(clusters).with_max_iterations(200).with_tolerance(0.0);
        for shortcuts in SHORTCUTS {
            let [_, pruned] = fits(&rows, &config, shortcuts);
            assert!(pruned.converged, "{clusters}: {:?}", pruned.history.last());
            assert_eq!(pruned.predict(rows.view()).unwrap(), pruned.labels);
        }
    }
}

#[test]
fn rows_of_f16_prune_as_their_widened_copies() {
    let rows = mixture(3000, 16, 30, 0.6, 9);
    let narrow: Vec<half::f16> = rows.iter().map(|&value| half::f16::from_f32(value)).collect();
    let wide = Array2::from_shape_vec(rows.dim(), narrow.iter().map(|value| value.to_f32()).collect()).unwrap();
    for clusters in [10, 64] {
        let clusterer = SphericalKMeansConfig::new(clusters).build().unwrap();
        let start = wide.slice(ndarray::s![..clusters, ..]);
        let of_f16 = clusterer.fit_from(Vectors::from_f16(&narrow, 16).unwrap(), start).unwrap();
        assert_eq!(of_f16, clusterer.fit_from(wide.view(), start).unwrap());
    }
}
