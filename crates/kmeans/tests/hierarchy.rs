//! Nested labels, and the files they are kept in.

mod common;

use std::fs;
use std::path::Path;

use common::unit_rows;
use kmeans::{
    Clusterer, Clustering, Hierarchy, HierarchyConfig, Init, KMeansError, Level, LevelIteration, Sample,
    SphericalKMeansConfig, Vectors,
};
use ndarray::{Array2, Axis, array, concatenate};
use proptest::prelude::*;

fn fit(rows: &Array2<f32>, levels: &[usize], seed: u64) -> Hierarchy {
    let kmeans = SphericalKMeansConfig::default().with_max_iterations(6).with_seed(seed);
    let clusterer = HierarchyConfig::new(levels).with_kmeans(kmeans).build().expect("valid levels");
    clusterer.fit(rows.view()).expect("valid rows")
}

fn mean_cosine(rows: &Array2<f32>, level: &Level) -> f64 {
    let cosines = rows.axis_iter(Axis(0)).zip(&level.clustering.labels);
    let cosines = cosines.map(|(row, &label)| f64::from(row.dot(&level.clustering.centroids.row(label as usize))));
    cosines.sum::<f64>() / rows.nrows() as f64
}

fn problem() -> impl Strategy<Value = (Array2<f32>, Vec<usize>, u64)> {
    (1_usize..250, 1_usize..12, 1_usize..9, 0_u64..1000, prop::bool::ANY)
        .prop_flat_map(|(n, dim, modes, seed, repeated)| {
            let noise = if repeated { 0.0 } else { 0.5 };
            let levels = prop::collection::btree_set(1..=n, 1..=n.min(4));
            (Just(unit_rows(n, dim, modes, noise, seed)), levels, Just(seed))
        })
        .prop_map(|(rows, levels, seed)| (rows, levels.into_iter().collect(), seed))
}

#[test]
fn the_first_level_is_the_plain_fit() {
    let rows = unit_rows(900, 16, 20, 0.4, 1);
    let kmeans = SphericalKMeansConfig::new(1).with_init(Init::KMeansPlusPlus).with_seed(5).with_runs(2);
    let hierarchy =
        HierarchyConfig::new([7, 40]).with_kmeans(kmeans.clone()).build().unwrap().fit(rows.view()).unwrap();
    let plain = SphericalKMeansConfig { k: 7, ..kmeans }.build().unwrap().fit(rows.view()).unwrap();
    assert_eq!(hierarchy.levels[0].clustering, plain);
}

#[test]
fn finer_levels_are_nearer_to_their_rows() {
    let rows = unit_rows(4000, 16, 60, 0.5, 2);
    let levels = fit(&rows, &[5, 25, 200], 0).levels;
    assert!(levels.windows(2).all(|pair| pair[1].clustering.objective > pair[0].clustering.objective + 0.01));
    let within = levels.iter().map(|level| level.clustering.quality(rows.view(), Sample::default()).unwrap().within);
    assert!(within.map(Option::unwrap).is_sorted());
    // 25 clusters for 5 parents: near to one for every 160 rows.
    let children = |parent| levels[1].parents.iter().filter(|&&other| other == parent).count();
    for (parent, &size) in (0..).zip(&levels[0].clustering.sizes) {
        assert!((children(parent) as f64 - size as f64 / 160.0).abs() <= 1.0, "{} of {size}", children(parent));
    }
}

#[test]
fn more_clusters_than_rows_are_refused() {
    let rows = unit_rows(9, 3, 2, 0.5, 3);
    let error = HierarchyConfig::new([2, 10]).build().unwrap().fit(rows.view()).unwrap_err();
    assert!(matches!(error, KMeansError::TooFewRows { rows: 9, clusters: 10 }));
}

#[test]
fn rows_of_f16_have_levels_too() {
    let rows = unit_rows(300, 8, 6, 0.3, 4);
    let narrow: Vec<half::f16> = rows.iter().map(|&value| half::f16::from_f32(value)).collect();
    let vectors = Vectors::from_f16(&narrow, 8).unwrap();
    let hierarchy = HierarchyConfig::new([3, 12]).build().unwrap().fit(vectors).unwrap();
    assert_eq!(hierarchy.levels[1].clustering.sizes.iter().sum::<u64>(), 300);
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let rows = unit_rows(5001, 16, 30, 0.5, 5);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&rows, &[4, 20, 60], 6))
    };
    assert_eq!(with(1), with(5));
}

#[test]
fn an_observer_sees_every_iteration_level_by_level_and_parent_by_parent() {
    let rows = unit_rows(600, 8, 12, 0.4, 8);
    let kmeans = SphericalKMeansConfig::default().with_runs(2).with_seed(9);
    let clusterer = HierarchyConfig::new([3, 12, 30]).with_kmeans(kmeans).build().unwrap();
    let mut seen: Vec<LevelIteration> = Vec::new();
    let hierarchy = clusterer.fit_with(&rows.view().into(), &mut |iteration| seen.push(*iteration)).unwrap();
    assert_eq!(hierarchy, clusterer.fit(rows.view()).unwrap());

    let mut fits: Vec<_> = seen.iter().map(|seen| (seen.level, seen.parent)).collect();
    fits.dedup();
    let parents = |level, clusters| (0..clusters).map(move |parent| (level, Some(parent)));
    let expected: Vec<_> = [(0, None)].into_iter().chain(parents(1, 3)).chain(parents(2, 12)).collect();
    assert_eq!(fits, expected);
    for fit in expected {
        let iterations = || seen.iter().filter(|seen| (seen.level, seen.parent) == fit).map(|seen| seen.iteration);
        assert!(iterations().map(|iteration| (iteration.run, iteration.index)).is_sorted());
        assert!([0, 1].iter().all(|&run| iterations().any(|iteration| iteration.run == run)));
        // The first iteration labels all rows of the fit.
        let rows = fit.1.map_or(600, |parent| hierarchy.levels[fit.0 - 1].clustering.sizes[parent as usize]);
        assert_eq!(iterations().next().unwrap().changed, rows);
    }
    let first: Vec<_> = seen.iter().filter(|seen| seen.level == 0).map(|seen| seen.iteration).collect();
    assert!(hierarchy.levels[0].clustering.history.iter().all(|iteration| first.contains(iteration)));
}

fn cosine(row: usize, rows: &Array2<f32>, level: &Level, label: u32) -> f64 {
    f64::from(rows.row(row).dot(&level.clustering.centroids.row(label as usize)))
}

/// Whether every label is that of a cluster nearest to its row, among those that `may` be chosen.
fn nearest(rows: &Array2<f32>, level: &Level, labels: &[u32], may: impl Fn(usize, u32) -> bool) -> bool {
    labels.iter().enumerate().all(|(row, &label)| {
        let all = (0..level.clustering.sizes.len() as u32).filter(|&other| may(row, other));
        let best = all.map(|other| cosine(row, rows, level, other)).fold(f64::NEG_INFINITY, f64::max);
        may(row, label) && cosine(row, rows, level, label) >= best - 1e-6
    })
}

/// Whether labels of each level are those of the nearest cluster that has rows, or of the nearest child.
fn descends(rows: &Array2<f32>, hierarchy: &Hierarchy, labels: &[Vec<u32>]) -> bool {
    let last = hierarchy.levels.len() - 1;
    labels.len() == hierarchy.levels.len()
        && hierarchy.levels.iter().enumerate().all(|(depth, level)| {
            nearest(rows, level, &labels[depth], |row, label| {
                let open = depth == last || level.clustering.sizes[label as usize] > 0;
                open && (depth == 0 || level.parents[label as usize] == labels[depth - 1][row])
            })
        })
}

#[test]
fn new_rows_go_to_the_nearest_child_of_their_cluster() {
    // Some parents have more rows than are copied together, others fewer.
    let hierarchy = fit(&unit_rows(900, 12, 20, 0.5, 12), &[3, 15, 80], 0);
    let rows = unit_rows(7001, 12, 30, 0.6, 13);
    let labels = hierarchy.predict(rows.view()).unwrap();
    assert_eq!(labels[0], hierarchy.levels[0].clustering.predict(rows.view()).unwrap());
    assert!(descends(&rows, &hierarchy, &labels));
    for threads in [1, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| hierarchy.predict(rows.view())).unwrap(), labels);
    }
}

#[test]
fn the_labels_of_fitted_rows_are_repeated_however_they_were_fitted() {
    let rows = unit_rows(6000, 24, 40, 0.5, 14);
    let config = SphericalKMeansConfig::default();
    for kmeans in [
        config.clone(),
        config.clone().with_max_iterations(2).with_runs(2),
        config.clone().with_pruning(false).with_init(Init::KMeansPlusPlus),
        config.with_max_points_per_centroid(Some(20)),
    ] {
        let clusterer = HierarchyConfig::new([2, 30, 400]).with_kmeans(kmeans.clone()).build().unwrap();
        let hierarchy = clusterer.fit(rows.view()).unwrap();
        for (labels, level) in hierarchy.predict(rows.view()).unwrap().iter().zip(&hierarchy.levels) {
            assert!(labels == &level.clustering.labels, "{kmeans:?}");
        }
    }
}

#[test]
fn fitted_rows_of_f16_are_repeated() {
    let narrow: Vec<half::f16> =
        unit_rows(3000, 8, 6, 0.3, 15).iter().map(|&value| half::f16::from_f32(value)).collect();
    let vectors = Vectors::from_f16(&narrow, 8).unwrap();
    let hierarchy = HierarchyConfig::new([2, 12]).build().unwrap().fit(vectors.clone()).unwrap();
    for (labels, level) in hierarchy.predict(vectors).unwrap().iter().zip(&hierarchy.levels) {
        assert_eq!(labels, &level.clustering.labels);
    }
}

fn level(centroids: Array2<f32>, labels: &[u32], parents: &[u32]) -> Level {
    let count = |cluster| labels.iter().filter(|&&label| label as usize == cluster).count() as u64;
    let sizes = (0..centroids.nrows()).map(count).collect();
    let labels = labels.to_vec();
    let clustering = Clustering { labels, centroids, objective: 1.0, history: Vec::new(), sizes, converged: true };
    Level { clustering, parents: parents.to_vec() }
}

#[test]
fn a_cluster_without_rows_is_passed_over_above_the_last_level() {
    // Two rows, [1, 0] and [0, -1]: nothing is nearest to the second cluster of either of the first two levels.
    let hierarchy = Hierarchy {
        levels: vec![
            level(array![[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], &[0, 2], &[]),
            level(array![[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]], &[0, 2], &[0, 0, 2]),
            level(array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]], &[0, 2], &[0, 0, 2, 2]),
        ],
    };
    let rows = array![[1.0, 0.0], [0.0, -1.0], [0.0, 1.0], [0.6, 0.8], [-0.8, 0.6], [-1.0, 0.0]];
    let labels = hierarchy.predict(rows.view()).unwrap();
    // [0, 1] and [-0.8, 0.6] are nearest to the second cluster, then to the first and the last. At the last level the
    // clusters without rows are chosen as any others.
    assert_eq!(labels, [[0, 2, 0, 0, 2, 2], [0, 2, 0, 0, 2, 2], [0, 2, 1, 1, 3, 3]]);
    assert!(descends(&rows, &hierarchy, &labels));
}

#[test]
fn a_level_alone_is_predicted_as_its_clustering() {
    let rows = unit_rows(50, 4, 3, 0.4, 16);
    let hierarchy = fit(&rows, &[5], 0);
    assert_eq!(hierarchy.predict(rows.view()).unwrap(), [hierarchy.levels[0].clustering.labels.clone()]);
}

#[test]
fn rows_that_cannot_be_predicted_are_refused() {
    let hierarchy = fit(&unit_rows(60, 4, 6, 0.4, 7), &[2, 6], 0);
    let error = |rows: Array2<f32>| hierarchy.predict(rows.view()).unwrap_err().to_string();
    assert_eq!(error(array![[1.0, 0.0, 0.0]]), "rows have dimension 3, centroids 4");
    assert_eq!(error(Array2::zeros((0, 4))), "no rows to cluster");
    assert_eq!(error(Array2::zeros((2, 0))), "rows have dimension 0");
    assert_eq!(error(array![[1.0, 0.0, 0.0, 0.0], [0.0; 4]]), "row 1 is all zeros");
    assert_eq!(error(array![[2.0, 0.0, 0.0, 0.0]]), "row 0 has norm 2, not 1");
    assert_eq!(error(array![[f32::NAN, 0.0, 0.0, 0.0]]), "row 0 has NaN in column 0");
    let none = Hierarchy { levels: Vec::new() };
    assert!(matches!(none.predict(array![[1.0_f32]].view()), Err(KMeansError::NoLevels)));
}

/// Changing these is a breaking change.
#[test]
fn seeded_levels_are_stable() {
    let rows = unit_rows(24, 6, 4, 0.15, 10);
    let hierarchy = fit(&rows, &[2, 5], 11);
    assert_eq!(hierarchy.levels[1].parents, [0, 1, 1, 1, 1]);
    let labels = [1, 4, 4, 4, 0, 4, 1, 0, 1, 2, 4, 3, 0, 4, 3, 0, 1, 2, 1, 0, 2, 4, 1, 0];
    assert_eq!(hierarchy.levels[1].clustering.labels, labels);
}

fn saved() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fit(&unit_rows(60, 4, 6, 0.4, 7), &[2, 6], 0).save(dir.path()).expect("a saved hierarchy");
    dir
}

fn with_json(dir: &Path, edit: impl FnOnce(&mut serde_json::Value)) -> String {
    let path = dir.join("hierarchy.json");
    let mut json = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
    edit(&mut json);
    fs::write(path, json.to_string()).expect("a written file");
    Hierarchy::load(dir).expect_err("a refusal").to_string()
}

#[test]
fn a_folder_holds_two_files_a_level_and_one_of_all() {
    let dir = saved();
    let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["centroids-2.npy", "centroids-6.npy", "hierarchy.json", "labels-2.npy", "labels-6.npy"]);
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    let dir = saved();
    let error = with_json(dir.path(), |json| json["levels"][1]["parents"][3] = serde_json::json!(9));
    assert!(error.ends_with("hierarchy.json: a row of cluster 3 of 6 is not in its parent"), "{error}");
    let dir = saved();
    let error = with_json(dir.path(), |json| json["levels"][1]["parents"] = serde_json::json!([0, 0]));
    assert!(error.ends_with("hierarchy.json: a row of cluster 2 of 6 is not in its parent"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let levels = vec![
        level(array![[1.0, 0.0], [0.0, 1.0]], &[0, 1], &[]),
        level(array![[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], &[1, 0], &[1, 0, 0]),
    ];
    Hierarchy { levels }.save(dir.path()).unwrap();
    let error = with_json(dir.path(), |_| ());
    assert!(error.ends_with("hierarchy.json: cluster 1 of 3 has a lower parent than the one before"), "{error}");
    let dir = saved();
    let error = with_json(dir.path(), |json| json["levels"].as_array_mut().unwrap().reverse());
    assert_eq!(error, "level of 2 clusters after one of 6");
    let dir = saved();
    let error = with_json(dir.path(), |json| json["levels"] = serde_json::json!([]));
    assert_eq!(error, "no levels");
    let dir = saved();
    let error = with_json(dir.path(), |json| json["levels"][0]["sizes"] = serde_json::json!([60, 0]));
    assert!(error.contains("hierarchy.json: sizes [60, 0], the labels count"), "{error}");
    let dir = saved();
    fs::remove_file(dir.path().join("labels-6.npy")).unwrap();
    assert!(Hierarchy::load(dir.path()).unwrap_err().to_string().ends_with("labels-6.npy"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn labels_of_a_level_determine_those_of_the_level_before((rows, sizes, seed) in problem()) {
        let hierarchy = fit(&rows, &sizes, seed);
        prop_assert_eq!(hierarchy.levels.len(), sizes.len());
        for pair in hierarchy.levels.windows(2) {
            let [coarse, fine] = pair else { unreachable!() };
            prop_assert!(fine.parents.is_sorted());
            for (&label, &finer) in coarse.clustering.labels.iter().zip(&fine.clustering.labels) {
                prop_assert_eq!(fine.parents[finer as usize], label);
            }
            for (parent, &size) in (0..).zip(&coarse.clustering.sizes) {
                let children = fine.parents.iter().filter(|&&other| other == parent).count() as u64;
                prop_assert!(children <= size && (children > 0) == (size > 0), "{children} of {size} rows");
            }
        }
    }

    #[test]
    fn every_level_has_its_clusters_and_the_objective_of_its_labels((rows, sizes, seed) in problem()) {
        let hierarchy = fit(&rows, &sizes, seed);
        for (level, &clusters) in hierarchy.levels.iter().zip(&sizes) {
            let clustering = &level.clustering;
            prop_assert_eq!(clustering.centroids.dim(), (clusters, rows.ncols()));
            prop_assert_eq!(clustering.labels.len(), rows.nrows());
            for (cluster, &size) in clustering.sizes.iter().enumerate() {
                let counted = clustering.labels.iter().filter(|&&label| label as usize == cluster).count();
                prop_assert_eq!(counted as u64, size);
            }
            prop_assert_eq!(clustering.sizes.len(), clusters);
            prop_assert!((mean_cosine(&rows, level) - clustering.objective).abs() < 1e-5);
        }
    }

    #[test]
    fn rows_of_the_fit_are_repeated_and_others_descend((rows, sizes, seed) in problem()) {
        let hierarchy = fit(&rows, &sizes, seed);
        let others = unit_rows(40, rows.ncols(), 5, 0.7, seed + 1);
        let both = concatenate![Axis(0), others, rows];
        let labels = hierarchy.predict(both.view()).unwrap();
        prop_assert!(descends(&both, &hierarchy, &labels));
        for (labels, level) in labels.iter().zip(&hierarchy.levels) {
            prop_assert_eq!(&labels[40..], &level.clustering.labels[..]);
        }
    }

    #[test]
    fn a_saved_hierarchy_loads_equal((rows, sizes, seed) in problem()) {
        let hierarchy = fit(&rows, &sizes, seed);
        let dir = tempfile::tempdir().unwrap();
        hierarchy.save(dir.path()).unwrap();
        prop_assert_eq!(Hierarchy::load(dir.path()).unwrap(), hierarchy);
    }
}
