//! Sizes within bounds, and what they cost.

mod common;

use std::fs;
use std::path::Path;

use common::unit_rows;
use kmeans::{Balanced, Bounds, Clusterer, Clustering, SphericalKMeansConfig};
use ndarray::{Array2, array};
use proptest::prelude::*;

fn fit(rows: &Array2<f32>, clusters: usize) -> Clustering {
    let config = SphericalKMeansConfig::new(clusters).with_max_iterations(5);
    config.build().expect("a valid configuration").fit(rows.view()).expect("valid rows")
}

fn balanced(rows: &Array2<f32>, clustering: &Clustering, bounds: Bounds) -> Balanced {
    clustering.balanced(rows.view(), bounds).expect("bounds that the rows can keep")
}

fn cosines(rows: &Array2<f32>, clustering: &Clustering) -> Array2<f64> {
    rows.mapv(f64::from).dot(&clustering.centroids.t().mapv(f64::from))
}

fn mean_cosine(cosines: &Array2<f64>, labels: &[u32]) -> f64 {
    labels.iter().zip(cosines.outer_iter()).map(|(&label, row)| row[label as usize]).sum::<f64>() / labels.len() as f64
}

fn counts(labels: &[u32], clusters: usize) -> Vec<u64> {
    (0..clusters).map(|cluster| labels.iter().filter(|&&label| label as usize == cluster).count() as u64).collect()
}

fn within(sizes: &[u64], bounds: Bounds) -> bool {
    sizes.iter().all(|&size| size >= bounds.min as u64 && bounds.max.is_none_or(|max| size <= max as u64))
}

/// Cosines that differ by less are one to the algorithm, which compares f32. Without it, a cycle that gains a rounding is
/// gone around over and over in the search for the shortest.
const ROUNDING: f64 = 2e-6;

/// The most that one exchange of rows along a cycle of clusters could gain: with none to gain, no assignment within
/// the bounds is better (Ahuja, Magnanti & Orlin 1993, theorem 3.8). The last node is a cluster's room.
fn gain_of_a_cycle(cosines: &Array2<f64>, labels: &[u32], bounds: Bounds) -> f64 {
    let clusters = cosines.ncols();
    let mut losses = Array2::from_elem((clusters + 1, clusters + 1), f64::INFINITY);
    for (row, &label) in cosines.outer_iter().zip(labels) {
        for to in 0..clusters {
            let loss = &mut losses[[label as usize, to]];
            *loss = loss.min(row[label as usize] - row[to] + ROUNDING);
        }
    }
    for (cluster, size) in counts(labels, clusters).into_iter().enumerate() {
        if bounds.max.is_none_or(|max| size < max as u64) {
            losses[[cluster, clusters]] = 0.0;
        }
        if size > bounds.min as u64 {
            losses[[clusters, cluster]] = 0.0;
        }
    }
    for via in 0..=clusters {
        for from in 0..=clusters {
            for to in 0..=clusters {
                losses[[from, to]] = losses[[from, to]].min(losses[[from, via]] + losses[[via, to]]);
            }
        }
    }
    losses.diag().iter().map(|&loss| -loss).fold(0.0, f64::max)
}

fn best_of_all(cosines: &Array2<f64>, bounds: Bounds) -> f64 {
    let (rows, clusters) = cosines.dim();
    let all = (0..clusters.pow(rows as u32))
        .map(|code| (0..rows).map(|row| (code / clusters.pow(row as u32) % clusters) as u32).collect::<Vec<u32>>());
    let kept = all.filter(|labels| within(&counts(labels, clusters), bounds));
    kept.map(|labels| mean_cosine(cosines, &labels)).fold(f64::NEG_INFINITY, f64::max)
}

/// Rows, centroids and bounds that can be kept.
fn problem(most: usize) -> impl Strategy<Value = (Array2<f32>, Clustering, Bounds)> {
    (2..=most, 1_usize..9, 1_usize..6, 0_u64..1000, prop::bool::ANY)
        .prop_flat_map(|(n, dim, modes, seed, repeated)| {
            let noise = if repeated { 0.0 } else { 0.5 };
            (Just(unit_rows(n, dim, modes, noise, seed)), 1..=n.min(90))
        })
        .prop_flat_map(|(rows, clusters)| {
            let (fewest, most) = (rows.nrows() / clusters, rows.nrows().div_ceil(clusters));
            let max = prop::option::of(most..=rows.nrows());
            (Just((rows, clusters)), 0..=fewest, max)
        })
        .prop_map(|((rows, clusters), min, max)| {
            let clustering = fit(&rows, clusters);
            (rows, clustering, Bounds { min, max })
        })
}

#[test]
fn bounds_that_cannot_be_kept_are_refused_with_their_numbers() {
    let rows = array![[1.0_f32, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0], [-0.8, 0.6]];
    let clustering = fit(&rows, 2);
    let error = |bounds| clustering.balanced(rows.view(), bounds).unwrap_err().to_string();
    assert_eq!(error(Bounds::at_least(3)), "5 rows cannot fill 2 clusters of at least 3");
    assert_eq!(error(Bounds::at_least(0).with_max(Some(2))), "5 rows do not fit 2 clusters of at most 2");
    assert_eq!(error(Bounds::at_least(3).with_max(Some(2))), "clusters of at least 3 rows cannot have at most 2");
    assert_eq!(
        error(Bounds::at_least(usize::MAX)),
        format!("5 rows cannot fill 2 clusters of at least {}", usize::MAX)
    );
    assert_eq!(balanced(&rows, &clustering, Bounds { min: 2, max: Some(3) }).clustering.sizes.iter().sum::<u64>(), 5);
}

#[test]
fn rows_of_another_dimension_are_refused() {
    let clustering = fit(&array![[1.0_f32, 0.0], [0.0, 1.0]], 2);
    let error = clustering.balanced(array![[1.0_f32]].view(), Bounds::default()).unwrap_err();
    assert_eq!(error.to_string(), "rows have dimension 1, centroids 2");
}

#[test]
fn a_full_cluster_gives_rows_through_its_neighbour() {
    // Three centroids on an arc. The first has two rows too many and the last lacks one: one row goes to the middle,
    // and the middle's nearest goes on to the last.
    let degrees = [0.0_f32, 1.0, 2.0, 3.0, 10.0, 42.0, 52.0, 90.0];
    let rows = Array2::from_shape_fn((8, 2), |(row, column)| {
        let angle = degrees[row].to_radians();
        if column == 0 { angle.cos() } else { angle.sin() }
    });
    let half = std::f32::consts::FRAC_1_SQRT_2;
    let centroids = array![[1.0, 0.0], [half, half], [0.0, 1.0]];
    let clustering = Clustering { centroids, ..fit(&rows, 3) };
    let balanced = balanced(&rows, &clustering, Bounds { min: 2, max: Some(4) });
    assert_eq!(balanced.clustering.labels, [0, 0, 0, 0, 1, 1, 2, 2]);
    assert_eq!(balanced.moved, 2);
    let cosine = |degrees: f64| degrees.to_radians().cos();
    let lost = (cosine(10.0) - cosine(35.0) + cosine(7.0) - cosine(38.0)) / 8.0;
    assert!((balanced.objective_lost - lost).abs() < 1e-6, "{}", balanced.objective_lost);
}

#[test]
fn the_number_of_threads_does_not_change_a_label() {
    for (clusters, min) in [(9, 600), (150, 40)] {
        let rows = unit_rows(7001, 24, 12, 0.6, 1);
        let clustering = fit(&rows, clusters);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| balanced(&rows, &clustering, Bounds::at_least(min)))
        };
        let (one, five) = (with(1), with(5));
        assert!(one.moved > 0);
        assert_eq!(one, five);
    }
}

#[test]
fn equal_rows_are_spread_evenly() {
    let rows = Array2::from_shape_fn((3000, 4), |(_, column)| if column == 1 { 1.0 } else { 0.0 });
    let balanced = balanced(&rows, &fit(&rows, 7), Bounds { min: 428, max: Some(429) });
    assert!(balanced.clustering.sizes.iter().all(|size| (428..=429).contains(size)), "{:?}", balanced.clustering.sizes);
}

#[test]
fn many_clusters_of_the_same_size_are_optimal() {
    // More clusters than candidates of a row.
    let rows = unit_rows(4000, 12, 20, 0.4, 2);
    let clustering = fit(&rows, 160);
    let bounds = Bounds { min: 25, max: Some(25) };
    let balanced = balanced(&rows, &clustering, bounds);
    assert!(within(&balanced.clustering.sizes, bounds));
    let gain = gain_of_a_cycle(&cosines(&rows, &clustering), &balanced.clustering.labels, bounds);
    assert!(gain < 1e-5, "{gain}");
}

fn saved(bounds: Bounds) -> (tempfile::TempDir, Balanced) {
    let rows = unit_rows(60, 4, 3, 0.5, 3);
    let balanced = balanced(&rows, &fit(&rows, 3), bounds);
    let dir = tempfile::tempdir().expect("a folder");
    balanced.save(dir.path()).expect("a saved clustering");
    (dir, balanced)
}

fn json(dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(dir.join("clusters.json")).expect("a file")).expect("JSON")
}

fn with_json(dir: &Path, edit: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut json = json(dir);
    edit(&mut json);
    fs::write(dir.join("clusters.json"), json.to_string()).expect("a written file");
    let error = Balanced::load(dir).expect_err("a refusal");
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

#[test]
fn a_saved_balance_says_what_was_lost() {
    let bounds = Bounds { min: 19, max: Some(22) };
    let (dir, balanced) = saved(bounds);
    assert!(balanced.moved > 0 && balanced.objective_lost > 0.0 && balanced.bounds == bounds);
    let expected = serde_json::json!({
        "min": 19, "max": 22, "objective_lost": balanced.objective_lost, "moved": balanced.moved,
    });
    assert_eq!(json(dir.path())["balanced"], expected);
    assert_eq!(Balanced::load(dir.path()).unwrap(), balanced);
    assert_eq!(Clustering::load(dir.path()).unwrap(), balanced.clustering);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);

    let (dir, balanced) = saved(Bounds::at_least(19));
    assert_eq!(json(dir.path())["balanced"]["max"], serde_json::Value::Null);
    assert_eq!(Balanced::load(dir.path()).unwrap(), balanced);
}

#[test]
fn a_clustering_saved_without_bounds_has_no_balance() {
    let (dir, balanced) = saved(Bounds::at_least(19));
    balanced.clustering.save(dir.path()).unwrap();
    assert_eq!(json(dir.path()).get("balanced"), None);
    let error = with_json(dir.path(), |_| ());
    assert!(error.ends_with("clusters.json: not a balanced clustering"), "{error}");
}

#[test]
fn a_balance_that_its_files_contradict_is_refused() {
    let (dir, balanced) = saved(Bounds { min: 20, max: Some(20) });
    assert_eq!(balanced.clustering.sizes, [20; 3]);
    let error = with_json(dir.path(), |json| json["balanced"]["max"] = 19.into());
    assert!(error.ends_with("clusters.json: cluster 0 has 20 rows, which is out of its bounds"), "{error}");
    let error = with_json(dir.path(), |json| json["balanced"]["loss"] = 1.into());
    assert!(error.contains("clusters.json: unknown field `loss`"), "{error}");
    let error = with_json(dir.path(), |json| json["balanced"] = serde_json::json!({"min": 20, "max": 20, "moved": 1}));
    assert!(error.contains("clusters.json: missing field `objective_lost`"), "{error}");
}

/// Changing these is a breaking change.
#[test]
fn labels_are_stable() {
    let rows = unit_rows(24, 6, 4, 0.15, 10);
    let clustering = SphericalKMeansConfig::new(4).with_seed(11).build().unwrap().fit(rows.view()).unwrap();
    let balanced = balanced(&rows, &clustering, Bounds::at_least(5).with_max(Some(7)));
    let labels = [0, 1, 1, 1, 2, 2, 3, 0, 3, 3, 2, 1, 2, 1, 1, 2, 3, 3, 3, 0, 3, 1, 0, 0];
    assert_eq!(balanced.clustering.labels, labels);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn bounds_hold_and_every_row_has_one_label((rows, clustering, bounds) in problem(300)) {
        let balanced = balanced(&rows, &clustering, bounds);
        let Clustering { labels, sizes, objective, .. } = &balanced.clustering;
        prop_assert_eq!(labels.len(), rows.nrows());
        prop_assert!(labels.iter().all(|&label| (label as usize) < clustering.sizes.len()));
        prop_assert_eq!(&counts(labels, sizes.len()), sizes);
        prop_assert!(within(sizes, bounds), "{sizes:?}, {bounds:?}");
        prop_assert_eq!(&balanced.clustering.centroids, &clustering.centroids);
        let expected = mean_cosine(&cosines(&rows, &clustering), labels);
        prop_assert!((objective - expected).abs() < 1e-5, "{objective}, {expected}");
        prop_assert!(balanced.objective_lost >= 0.0);
    }

    #[test]
    fn no_exchange_of_rows_gains((rows, clustering, bounds) in problem(300)) {
        let balanced = balanced(&rows, &clustering, bounds);
        let gain = gain_of_a_cycle(&cosines(&rows, &clustering), &balanced.clustering.labels, bounds);
        prop_assert!(gain < 1e-5, "{gain}");
    }

    #[test]
    fn the_objective_is_the_highest_of_all_assignments((rows, clustering, bounds) in problem(6)) {
        prop_assume!(clustering.sizes.len() <= 4);
        let highest = best_of_all(&cosines(&rows, &clustering), bounds);
        let balanced = balanced(&rows, &clustering, bounds);
        let reached = mean_cosine(&cosines(&rows, &clustering), &balanced.clustering.labels);
        prop_assert!((reached - highest).abs() < 1e-6, "{reached}, {highest}");
    }

    #[test]
    fn loose_bounds_change_nothing((rows, clustering, _) in problem(300)) {
        let (least, most) = (clustering.sizes.iter().min().unwrap(), clustering.sizes.iter().max().unwrap());
        let bounds = Bounds { min: *least as usize, max: Some(*most as usize) };
        let balanced = balanced(&rows, &clustering, bounds);
        prop_assert_eq!(balanced.moved, 0);
        prop_assert_eq!(balanced.objective_lost, 0.0);
        // Of equal centroids a fit may keep any; the nearest is the first of them.
        let nearest = clustering.predict(rows.view()).unwrap();
        prop_assert_eq!(&balanced.clustering.labels, &nearest);
        let size = |cluster| nearest.iter().filter(|&&label| label == cluster).count() as u64;
        let sizes: Vec<u64> = (0..clustering.sizes.len() as u32).map(size).collect();
        prop_assert_eq!(&balanced.clustering.sizes, &sizes);
        prop_assert!((balanced.clustering.objective - clustering.objective).abs() < 1e-6);
    }
}
