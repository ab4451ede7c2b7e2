//! Starts beside each other: what k-means‖ must share with k-means++.

mod common;

use common::unit_rows;
use kmeans::{Clusterer, Clustering, Init, SphericalKMeansConfig};
use ndarray::Array2;

fn fit(rows: &Array2<f32>, config: SphericalKMeansConfig) -> Clustering {
    config.build().expect("a valid configuration").fit(rows.view()).expect("valid rows")
}

/// The mean over ten seeds of the objective of the start alone.
fn start_objective(rows: &Array2<f32>, clusters: usize, init: Init) -> f64 {
    let objective = |seed| {
        let config = SphericalKMeansConfig::new(clusters).with_init(init).with_seed(seed).with_max_iterations(1);
        config.build().expect("a valid configuration").fit(rows.view()).expect("valid rows").history[0].objective
    };
    (0..10).map(objective).sum::<f64>() / 10.0
}

#[test]
fn of_well_separated_clusters_k_means_parallel_misses_fewer_than_random_rows() {
    let rows = unit_rows(4000, 24, 40, 0.1, 1);
    let [random, plus_plus, parallel] =
        [Init::RandomRows, Init::KMeansPlusPlus, Init::KMeansParallel].map(|init| start_objective(&rows, 40, init));
    assert!(parallel > random + 0.05, "{parallel} {random}");
    assert!(parallel > plus_plus - 0.02, "{parallel} {plus_plus}");
}

#[test]
fn k_means_parallel_does_not_depend_on_the_number_of_threads() {
    let rows = unit_rows(9001, 17, 30, 0.4, 2);
    let config = SphericalKMeansConfig::new(25).with_init(Init::KMeansParallel);
    let [one, five] = [1, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| fit(&rows, config.clone()))
    });
    assert_eq!(one, five);
    assert_eq!(one.objective.to_bits(), five.objective.to_bits());
}

#[test]
fn k_means_parallel_takes_as_many_clusters_as_rows_and_more_than_distinct_rows() {
    let rows = unit_rows(60, 9, 60, 1.0, 3);
    let config = |clusters| SphericalKMeansConfig::new(clusters).with_init(Init::KMeansParallel);
    let own = fit(&rows, config(60));
    assert!(own.sizes.iter().all(|&size| size == 1) && (own.objective - 1.0).abs() < 1e-6);
    let same = Array2::from_shape_fn((30, 4), |(row, column)| if column == row % 2 { 1.0 } else { 0.0 });
    assert!((fit(&same, config(7)).objective - 1.0).abs() < 1e-5);
}

#[test]
fn clusters_beyond_the_distinct_rows_stay_empty_whatever_the_start() {
    let distinct = unit_rows(5, 24, 5, 1.0, 4);
    let rows = Array2::from_shape_fn((600, 24), |(row, column)| distinct[[row % 5, column]]);
    for init in [Init::RandomRows, Init::KMeansPlusPlus, Init::KMeansParallel] {
        // Above 20 clusters the rows are multiplied in fixed point, above 128 in the first pass too.
        for clusters in [9, 60, 300] {
            let clustering = fit(&rows, SphericalKMeansConfig::new(clusters).with_init(init));
            assert_eq!(clustering.empty_clusters(), clusters - 5, "{init:?} {clusters}");
            assert!(clustering.objective > 0.999_99, "{init:?} {clusters}: {}", clustering.objective);
        }
    }
}

#[test]
fn the_name_in_files_is_that_of_the_paper() {
    let config: SphericalKMeansConfig = serde_json::from_str(r#"{"init": "k-means||"}"#).unwrap();
    assert_eq!(config.init, Init::KMeansParallel);
    assert_eq!(serde_json::to_string(&Init::KMeansParallel).unwrap(), r#""k-means||""#);
}

/// Changing these is a breaking change.
#[test]
fn seeded_results_of_k_means_parallel_are_stable() {
    let rows = unit_rows(24, 6, 4, 0.15, 10);
    let config = SphericalKMeansConfig::new(4).with_init(Init::KMeansParallel).with_seed(11);
    let clustering = fit(&rows, config);
    assert_eq!(clustering.labels, [1, 3, 3, 3, 0, 3, 1, 0, 1, 2, 3, 3, 0, 3, 3, 0, 1, 2, 1, 0, 2, 3, 1, 0]);
}
