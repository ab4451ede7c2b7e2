//! Behaviour of one fit, worked by hand or pinned.

mod common;

use common::unit_rows;
use kmeans::{Clusterer, Clustering, Init, KMeansError, RandomLabels, SphericalKMeansConfig};
use ndarray::{Array2, array};

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(work)
}

fn assert_same_bits(left: &Clustering, right: &Clustering) {
    assert_eq!(left.objective.to_bits(), right.objective.to_bits());
    assert_eq!(left, right);
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    // 9 clusters are summed in the pass itself, 3000 of dimension 96 by label.
    for (rows, clusters, iterations) in
        [(unit_rows(7001, 33, 12, 0.8, 1), 9, 8), (unit_rows(4001, 96, 50, 0.8, 2), 3000, 2)]
    {
        for init in [Init::RandomRows, Init::KMeansPlusPlus] {
            if init == Init::KMeansPlusPlus && clusters > 9 {
                continue;
            }
            let config = SphericalKMeansConfig::new(clusters).with_max_iterations(iterations).with_init(init);
            let clusterer = config.with_max_points_per_centroid(Some(600)).build().unwrap();
            let one = in_pool(1, || clusterer.fit(rows.view()).unwrap());
            let five = in_pool(5, || clusterer.fit(rows.view()).unwrap());
            assert_same_bits(&one, &five);
        }
    }
}

#[test]
fn summing_in_the_pass_and_by_label_give_the_same_centroids() {
    let rows = unit_rows(3000, 256, 30, 0.5, 3);
    // 1024 × 256 sums are 1 MiB, the most that is fused.
    for clusters in [1024, 1025] {
        let start = rows.slice(ndarray::s![..clusters, ..]);
        let config = SphericalKMeansConfig::new(clusters).with_max_iterations(1);
        let clustering = config.build().unwrap().fit_from(rows.view(), start).unwrap();
        let first = nearest(&rows, &start.to_owned());
        let mut sums = Array2::<f32>::zeros((clusters, 256));
        for (row, &label) in rows.outer_iter().zip(&first) {
            let mut sum = sums.row_mut(label);
            sum += &row;
        }
        for ((centroid, sum), cluster) in clustering.centroids.outer_iter().zip(sums.outer_iter()).zip(0..) {
            let norm = sum.dot(&sum).sqrt();
            assert!((centroid.dot(&sum) / norm - 1.0).abs() < 1e-5, "{cluster} of {clusters}");
        }
    }
}

fn nearest(rows: &Array2<f32>, centroids: &Array2<f32>) -> Vec<usize> {
    let products = rows.dot(&centroids.t());
    products
        .outer_iter()
        .map(|row| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("a centroid"))
        .collect()
}

#[test]
fn the_order_of_rows_changes_neither_clusters_nor_objective() {
    let rows = unit_rows(2000, 17, 5, 0.2, 4);
    let start = rows.slice(ndarray::s![..5, ..]);
    let clusterer = SphericalKMeansConfig::new(5).build().unwrap();
    let forward = clusterer.fit_from(rows.view(), start).unwrap();
    let mut backward = clusterer.fit_from(rows.slice(ndarray::s![..;-1, ..]), start).unwrap();
    backward.labels.reverse();
    assert_eq!(forward.labels, backward.labels);
    assert!((forward.objective - backward.objective).abs() < 1e-6);
}

#[test]
fn an_empty_cluster_is_reseeded_from_the_largest() {
    let rows = array![[1.0_f32, 0.0], [0.96, 0.28], [0.8, 0.6], [0.6, 0.8], [0.28, 0.96], [0.0, 1.0]];
    let start = array![[1.0_f32, 1.0], [-1.0, -1.0]];
    let clusterer = SphericalKMeansConfig::new(2).with_tolerance(0.0).build().unwrap();
    let clustering = clusterer.fit_from(rows.view(), start.view()).unwrap();
    assert_eq!(clustering.history[0].reseeded, 1);
    assert_eq!(clustering.history[1].reseeded, 0);
    assert_eq!(clustering.sizes, [3, 3]);
    assert_ne!(clustering.labels[0], clustering.labels[5]);
    assert!(clustering.converged);
}

#[test]
fn more_clusters_than_distinct_rows_is_no_error() {
    let rows = Array2::from_shape_fn((6, 4), |(_, column)| if column == 1 { 1.0 } else { 0.0 });
    let clustering = SphericalKMeansConfig::new(3).build().unwrap().fit(rows.view()).unwrap();
    assert_eq!(clustering.sizes.iter().sum::<u64>(), 6);
    assert!(!clustering.converged);
    assert!((clustering.objective - 1.0).abs() < 1e-5);
}

#[test]
fn as_many_clusters_as_rows_gives_each_row_its_own() {
    let rows = unit_rows(40, 12, 40, 1.0, 5);
    let clustering = SphericalKMeansConfig::new(40).build().unwrap().fit(rows.view()).unwrap();
    assert!(clustering.sizes.iter().all(|&size| size == 1));
    assert!((clustering.objective - 1.0).abs() < 1e-6);
}

#[test]
fn a_run_that_no_longer_changes_stops() {
    let rows = unit_rows(500, 8, 3, 0.05, 6);
    let config = SphericalKMeansConfig::new(3).with_init(Init::KMeansPlusPlus).with_tolerance(0.0);
    let clustering = config.with_max_iterations(1000).build().unwrap().fit(rows.view()).unwrap();
    assert!(clustering.converged);
    assert_eq!(clustering.history.last().unwrap().changed, 0);
    assert_eq!(clustering.history.last().unwrap().objective, clustering.objective);
}

#[test]
fn a_larger_tolerance_stops_sooner() {
    let rows = unit_rows(3000, 16, 40, 1.0, 7);
    let iterations = |tolerance| {
        let config = SphericalKMeansConfig::new(12).with_max_iterations(200).with_tolerance(tolerance);
        config.build().unwrap().fit(rows.view()).unwrap().history.len()
    };
    assert!(iterations(1e-2) < iterations(1e-4));
    assert!(iterations(1e-4) < iterations(0.0));
}

#[test]
fn several_runs_end_higher_than_the_worst_of_them() {
    let rows = unit_rows(2000, 16, 40, 0.3, 8);
    let objective = |runs| {
        let config = SphericalKMeansConfig::new(30).with_runs(runs);
        config.build().unwrap().fit(rows.view()).unwrap().objective
    };
    assert!(objective(8) > objective(1));
}

#[test]
fn a_subsample_trains_and_all_rows_are_labelled() {
    let rows = unit_rows(4000, 16, 8, 0.2, 9);
    let config = SphericalKMeansConfig::new(8).with_max_points_per_centroid(Some(50));
    let clustering = config.build().unwrap().fit(rows.view()).unwrap();
    assert_eq!(clustering.history[0].changed, 400);
    assert_eq!(clustering.labels.len(), 4000);
    assert_eq!(clustering.predict(rows.view()).unwrap(), clustering.labels);
}

#[test]
fn given_centroids_of_another_shape_or_norm_are_refused() {
    let rows = array![[1.0_f32, 0.0], [0.0, 1.0], [0.6, 0.8]];
    let clusterer = SphericalKMeansConfig::new(2).build().unwrap();
    let error = |centroids: Array2<f32>| clusterer.fit_from(rows.view(), centroids.view()).unwrap_err().to_string();
    assert_eq!(error(array![[1.0, 0.0]]), "1 starting centroids for 2 clusters");
    assert_eq!(error(array![[1.0], [1.0]]), "rows have dimension 2, centroids 1");
    assert_eq!(error(array![[1.0, 0.0], [0.0, 0.0]]), "starting centroid 1 has norm 0");
    assert_eq!(error(array![[f32::NAN, 0.0], [0.0, 1.0]]), "starting centroid 0 has norm NaN");
}

#[test]
fn too_few_rows_are_refused_with_both_numbers() {
    let clusterer = SphericalKMeansConfig::new(3).build().unwrap();
    let error = clusterer.fit(array![[1.0], [-1.0]].view()).unwrap_err();
    assert!(matches!(error, KMeansError::TooFewRows { rows: 2, clusters: 3 }));
    assert_eq!(error.to_string(), "2 rows cannot fill 3 clusters");
}

#[test]
fn predict_refuses_rows_of_another_dimension() {
    let rows = array![[1.0_f32, 0.0], [0.0, 1.0]];
    let clustering = SphericalKMeansConfig::new(2).build().unwrap().fit(rows.view()).unwrap();
    let error = clustering.predict(array![[1.0, 0.0, 0.0]].view()).unwrap_err();
    assert_eq!(error.to_string(), "rows have dimension 3, centroids 2");
}

/// Changing these is a breaking change.
#[test]
fn seeded_results_are_stable() {
    let rows = unit_rows(24, 6, 4, 0.15, 10);
    let fit = |init| {
        let config = SphericalKMeansConfig::new(4).with_init(init).with_seed(11);
        config.build().unwrap().fit(rows.view()).unwrap()
    };
    let random_rows = fit(Init::RandomRows);
    let plus_plus = fit(Init::KMeansPlusPlus);
    let random = RandomLabels { clusters: 4, seed: 11 }.fit(rows.view()).unwrap();
    assert_eq!(random_rows.labels, [1, 1, 1, 1, 2, 1, 1, 0, 1, 3, 1, 1, 2, 1, 1, 2, 1, 3, 1, 0, 3, 1, 1, 0]);
    assert_eq!(plus_plus.labels, [0, 1, 1, 1, 3, 1, 0, 3, 0, 2, 1, 1, 3, 1, 1, 3, 0, 2, 0, 3, 2, 1, 0, 3]);
    assert_eq!(random.labels, [3, 3, 1, 2, 1, 1, 2, 0, 3, 0, 3, 3, 1, 1, 3, 2, 0, 1, 0, 2, 2, 2, 0, 0]);
    for (clustering, objective) in [(random_rows, 0.947_354_694), (plus_plus, 0.993_148_930), (random, 0.788_035_821)] {
        assert!((clustering.objective - objective).abs() < 1e-6, "{}", clustering.objective);
    }
}
