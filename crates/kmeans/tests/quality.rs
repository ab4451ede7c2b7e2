//! Diagnostics of labels, against their definitions and against scikit-learn.

mod common;

use common::unit_rows;
use kmeans::{Agreement, Clusterer, Clustering, Quality, RandomLabels, Sample, SphericalKMeansConfig};
use ndarray::{Array2, array};
use proptest::prelude::*;
use serde::Deserialize;

/// Rows are stored as f32, and scikit-learn normalises them again.
const TOLERANCE: f64 = 1e-6;

const ALL: Sample = Sample { rows: usize::MAX, seed: 0 };

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

/// `tools/golden/kmeans_quality.py` wrote the values.
#[derive(Deserialize)]
struct Case {
    name: String,
    clusters: usize,
    rows: Vec<Vec<f32>>,
    labels: Vec<u32>,
    topics: Vec<u32>,
    silhouettes: Vec<f64>,
    within: f64,
    between: f64,
    entropy: f64,
    normalised_entropy: f64,
    normalised_mutual_information: f64,
    purity: f64,
}

fn golden() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("golden/quality.json")).expect("golden values");
    golden.cases
}

impl Case {
    fn rows(&self) -> Array2<f32> {
        Array2::from_shape_vec((self.rows.len(), self.rows[0].len()), self.rows.concat()).expect("rows of one length")
    }
}

fn labelled(rows: &Array2<f32>, labels: Vec<u32>, clusters: usize) -> Clustering {
    let sizes = (0..clusters).map(|cluster| labels.iter().filter(|&&label| label as usize == cluster).count() as u64);
    let sizes = sizes.collect();
    let centroids = Array2::zeros((clusters, rows.ncols()));
    Clustering { labels, centroids, objective: 0.0, history: Vec::new(), sizes, converged: true }
}

fn quality(rows: &Array2<f32>, labels: &[u32], clusters: usize, sample: Sample) -> Quality {
    labelled(rows, labels.to_vec(), clusters).quality(rows.view(), sample).expect("valid rows")
}

fn close(left: Option<f64>, right: f64) -> bool {
    left.is_some_and(|left| (left - right).abs() < TOLERANCE)
}

/// Silhouettes from every single distance.
fn silhouettes(rows: &Array2<f32>, labels: &[u32], clusters: u32) -> Vec<f64> {
    let rows = rows.mapv(f64::from);
    let distances = 1.0 - rows.dot(&rows.t());
    let mean = |row: usize, cluster: u32| {
        let others: Vec<usize> = (0..labels.len()).filter(|&other| other != row && labels[other] == cluster).collect();
        let sum: f64 = others.iter().map(|&other| distances[[row, other]]).sum();
        (!others.is_empty()).then(|| sum / others.len() as f64)
    };
    let silhouette = |row: usize| {
        let Some(within) = mean(row, labels[row]) else { return 0.0 };
        let others = (0..clusters).filter(|&cluster| cluster != labels[row]).filter_map(|cluster| mean(row, cluster));
        let nearest = others.fold(f64::INFINITY, f64::min);
        (nearest - within) / within.max(nearest)
    };
    (0..labels.len()).map(silhouette).collect()
}

#[test]
fn diagnostics_are_those_of_scikit_learn() {
    for case in golden() {
        let rows = case.rows();
        let ours = quality(&rows, &case.labels, case.clusters, ALL);
        let silhouette = case.silhouettes.iter().sum::<f64>() / case.silhouettes.len() as f64;
        assert!(close(ours.silhouette, silhouette), "{}: {ours:?}, {silhouette}", case.name);
        assert!(close(ours.within, case.within) && close(ours.between, case.between), "{}: {ours:?}", case.name);
        assert!(close(Some(ours.entropy), case.entropy), "{}: {ours:?}", case.name);
        assert!(close(ours.normalised_entropy, case.normalised_entropy), "{}: {ours:?}", case.name);
        let agreement = Agreement::of(&case.labels, &case.topics).unwrap();
        let ours = agreement.normalised_mutual_information;
        assert!(close(Some(ours), case.normalised_mutual_information), "{}: {agreement:?}", case.name);
        assert!(close(Some(agreement.purity), case.purity), "{}: {agreement:?}", case.name);
    }
}

#[test]
fn a_sampled_row_has_the_silhouette_that_it_has_among_all_rows() {
    for case in golden() {
        let rows = case.rows();
        let mut seen = vec![false; case.silhouettes.len()];
        for seed in 0..40 {
            let one = quality(&rows, &case.labels, case.clusters, Sample { rows: 1, seed }).silhouette;
            let row = case.silhouettes.iter().position(|&expected| close(one, expected));
            seen[row.unwrap_or_else(|| panic!("{}: {one:?} is no row's silhouette", case.name))] = true;
        }
        assert!(seen.iter().filter(|&&seen| seen).count() > 15, "{}", case.name);
    }
}

#[test]
fn cosines_within_and_between_are_those_of_the_pairs() {
    let rows = array![[1.0_f32, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, -1.0]];
    let ours = quality(&rows, &[0, 0, 0, 1], 2, ALL);
    assert!(close(ours.within, (0.8 + 0.6 + 0.96) / 3.0), "{ours:?}");
    assert!(close(ours.between, (0.0 - 0.6 - 0.8) / 3.0), "{ours:?}");
}

#[test]
fn what_is_not_defined_is_none() {
    let rows = array![[1.0_f32, 0.0], [0.8, 0.6]];
    let one = quality(&rows, &[0, 0], 1, ALL);
    assert_eq!((one.between, one.silhouette, one.normalised_entropy), (None, None, None));
    let alone = quality(&rows, &[0, 1], 2, ALL);
    assert_eq!((alone.within, alone.silhouette), (None, Some(0.0)));
    assert_eq!(quality(&rows, &[0, 1], 2, Sample { rows: 0, seed: 0 }).silhouette, None);
}

#[test]
fn rows_that_are_not_those_of_the_labels_are_refused() {
    let rows = array![[1.0_f32, 0.0], [0.8, 0.6]];
    let clustering = labelled(&rows, vec![0, 0, 1], 2);
    assert_eq!(clustering.quality(rows.view(), ALL).unwrap_err().to_string(), "3 labels for 2 rows");
    let error = clustering.quality(array![[1.0_f32]].view(), ALL).unwrap_err().to_string();
    assert_eq!(error, "rows have dimension 1, centroids 2");
}

#[test]
fn clusters_are_better_than_random_labels() {
    let rows = unit_rows(1500, 16, 6, 0.4, 1);
    let fitted = SphericalKMeansConfig::new(6).with_runs(3).build().unwrap().fit(rows.view()).unwrap();
    let random = RandomLabels { clusters: 6, seed: 0 }.fit(rows.view()).unwrap();
    let sample = Sample { rows: 300, seed: 2 };
    let [fitted, random] = [fitted, random].map(|clustering| clustering.quality(rows.view(), sample).unwrap());
    assert!(fitted.within > random.within && fitted.between < random.between);
    assert!(fitted.silhouette.unwrap() > 0.3 && random.silhouette.unwrap() < 0.01, "{fitted:?}, {random:?}");
    assert!(random.normalised_entropy.unwrap() > 0.999);
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let rows = unit_rows(3001, 24, 12, 0.6, 3);
    let clustering = SphericalKMeansConfig::new(12).build().unwrap().fit(rows.view()).unwrap();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| clustering.quality(rows.view(), Sample { rows: 1000, seed: 4 }).unwrap())
    };
    assert_eq!(with(1), with(5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_silhouette_is_that_of_every_single_distance(
        n in 2_usize..60, dim in 2_usize..9, clusters in 2_u32..7, seed in 0_u64..1000,
        labels in prop::collection::vec(0_u32..7, 60),
    ) {
        let rows = unit_rows(n, dim, 4, 0.5, seed);
        let labels: Vec<u32> = labels[..n].iter().map(|label| label % clusters).collect();
        prop_assume!(labels.iter().any(|&label| label != labels[0]));
        let expected = silhouettes(&rows, &labels, clusters).iter().sum::<f64>() / n as f64;
        let ours = quality(&rows, &labels, clusters as usize, ALL);
        prop_assert!(close(ours.silhouette, expected), "{ours:?}, {expected}");
    }

    #[test]
    fn agreement_is_within_its_range_and_exact_for_renamed_labels(
        labels in prop::collection::vec(0_u32..6, 1..80), topics in prop::collection::vec(0_u32..6, 80),
    ) {
        let agreement = Agreement::of(&labels, &topics[..labels.len()]).unwrap();
        for part in [agreement.normalised_mutual_information, agreement.purity] {
            prop_assert!((0.0..=1.0).contains(&part), "{agreement:?}");
        }
        let back = Agreement::of(&topics[..labels.len()], &labels).unwrap();
        let difference = agreement.normalised_mutual_information - back.normalised_mutual_information;
        prop_assert!(difference.abs() < 1e-12);
        let renamed: Vec<u32> = labels.iter().map(|label| u32::MAX - 1000 * label).collect();
        let same = Agreement::of(&labels, &renamed).unwrap();
        prop_assert!((same.normalised_mutual_information - 1.0).abs() < 1e-12 && same.purity == 1.0);
    }
}
