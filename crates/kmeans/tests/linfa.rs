//! linfa's traits over our types, and linfa's k-means over our rows: `cargo test -p kmeans --features linfa`.

mod common;

use common::unit_rows;
use half::f16;
use kmeans::{Clusterer, Clustering, KMeansError, LinfaKMeans, RandomLabels, SphericalKMeansConfig, Vectors};
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2, Axis, array};

fn mean_cosine(rows: &Array2<f32>, clustering: &Clustering) -> f64 {
    let cosines = rows.axis_iter(Axis(0)).zip(&clustering.labels).map(|(row, &label)| {
        row.iter()
            .zip(clustering.centroids.row(label as usize))
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum::<f64>()
    });
    cosines.sum::<f64>() / rows.nrows() as f64
}

#[test]
fn a_dataset_is_fitted_as_its_records_are() {
    let rows = unit_rows(300, 9, 4, 0.2, 1);
    let clusterer = SphericalKMeansConfig::new(4).with_seed(3).build().unwrap();
    let direct = Clusterer::fit(&clusterer, rows.view()).unwrap();
    let owned = DatasetBase::from(rows.clone());
    assert_eq!(Fit::fit(&clusterer, &owned).unwrap(), direct);
    assert_eq!(Fit::fit(&clusterer, &owned.view()).unwrap(), direct);
    let with_targets = DatasetBase::new(rows.clone(), Array1::from_elem(300, "topic"));
    assert_eq!(Fit::fit(&clusterer, &with_targets).unwrap(), direct);
    let random = RandomLabels { clusters: 4, seed: 3 };
    assert_eq!(Fit::fit(&random, &owned).unwrap(), Clusterer::fit(&random, rows.view()).unwrap());
}

#[test]
fn linfa_predicts_what_the_clustering_does() {
    /// What code that knows only linfa's traits does.
    fn labels<M: for<'a> Predict<&'a Array2<f32>, Array1<usize>>>(model: &M, rows: &Array2<f32>) -> Array1<usize> {
        model.predict(rows)
    }
    let rows = unit_rows(200, 7, 3, 0.2, 2);
    let clustering =
        Fit::fit(&SphericalKMeansConfig::new(3).build().unwrap(), &DatasetBase::from(rows.clone())).unwrap();
    let expected: Vec<usize> = clustering.labels.iter().map(|&label| label as usize).collect();
    assert_eq!(labels(&clustering, &rows).to_vec(), expected);
    let dataset = DatasetBase::from(rows);
    let by_reference: Array1<usize> = Predict::predict(&clustering, &dataset);
    assert_eq!(by_reference.to_vec(), expected);
    let with_targets: DatasetBase<Array2<f32>, Array1<usize>> = Predict::predict(&clustering, dataset);
    assert_eq!(with_targets.targets.to_vec(), expected);
}

#[test]
#[should_panic(expected = "rows have dimension 3, centroids 2")]
fn linfa_predicting_rows_of_another_dimension_panics_with_the_reason() {
    let rows = array![[1.0_f32, 0.0], [0.0, 1.0]];
    let clustering = Fit::fit(&SphericalKMeansConfig::new(2).build().unwrap(), &DatasetBase::from(rows)).unwrap();
    let _: Array1<usize> = Predict::predict(&clustering, &array![[1.0_f32, 0.0, 0.0]]);
}

#[test]
fn an_error_of_ours_comes_through_linfas_trait() {
    let clusterer = SphericalKMeansConfig::new(3).build().unwrap();
    let error = Fit::fit(&clusterer, &DatasetBase::from(array![[1.0_f32], [-1.0]])).unwrap_err();
    assert!(matches!(error, KMeansError::TooFewRows { rows: 2, clusters: 3 }));
}

#[test]
fn labels_centroids_and_objective_of_linfas_k_means_are_of_one_run() {
    let rows = unit_rows(500, 12, 20, 0.3, 4);
    let mut seen = Vec::new();
    let clusterer = LinfaKMeans { runs: 6, ..LinfaKMeans::new(9) };
    let clustering = clusterer.fit_with(&rows.view().into(), &mut |iteration| seen.push(*iteration)).unwrap();
    assert_eq!(clustering.predict(rows.view()).unwrap(), clustering.labels);
    assert!((mean_cosine(&rows, &clustering) - clustering.objective).abs() < 1e-5);
    assert_eq!(clustering.sizes.iter().sum::<u64>(), 500);
    for centroid in clustering.centroids.axis_iter(Axis(0)) {
        assert!((centroid.dot(&centroid) - 1.0).abs() < 1e-5);
    }
    assert_eq!(seen.iter().map(|iteration| iteration.run).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let best = seen.iter().map(|iteration| iteration.objective).fold(f64::NEG_INFINITY, f64::max);
    assert_eq!((clustering.objective, clustering.history[0].objective), (best, best));
}

#[test]
fn linfas_k_means_is_seeded_and_comes_near_ours() {
    let rows = unit_rows(600, 16, 5, 0.1, 5);
    let fit = |seed| LinfaKMeans { seed, ..LinfaKMeans::new(5) }.fit(rows.view()).unwrap();
    assert_eq!(fit(1), fit(1));
    let ours = Clusterer::fit(&SphericalKMeansConfig::new(5).with_runs(10).build().unwrap(), rows.view()).unwrap();
    assert!((fit(1).objective - ours.objective).abs() < 1e-4, "{} {}", fit(1).objective, ours.objective);
    assert!(fit(1).converged);
    assert!(!LinfaKMeans { max_iterations: 1, ..LinfaKMeans::new(5) }.fit(rows.view()).unwrap().converged);
}

#[test]
fn linfas_k_means_widens_rows_of_f16() {
    let rows = unit_rows(100, 8, 3, 0.1, 6);
    let narrow: Vec<f16> = rows.iter().map(|&value| f16::from_f32(value)).collect();
    let widened: Vec<f32> = narrow.iter().map(|value| value.to_f32()).collect();
    let fit = |rows: &Vectors<'_>| LinfaKMeans::new(3).fit_with(rows, &mut |_| ()).unwrap();
    assert_eq!(fit(&Vectors::from_f16(&narrow, 8).unwrap()), fit(&Vectors::from_f32(&widened, 8).unwrap()));
}

#[test]
fn unusable_settings_of_linfas_k_means_are_refused() {
    let rows = array![[1.0_f32, 0.0], [0.0, 1.0]];
    let error = |clusterer: LinfaKMeans| clusterer.fit(rows.view()).unwrap_err();
    let two = LinfaKMeans::new(2);
    assert!(matches!(error(LinfaKMeans::new(0)), KMeansError::NoClusters));
    assert!(matches!(error(LinfaKMeans::new(3)), KMeansError::TooFewRows { .. }));
    assert!(matches!(error(LinfaKMeans { runs: 0, ..two }), KMeansError::NoRuns));
    assert!(matches!(error(LinfaKMeans { max_iterations: 0, ..two }), KMeansError::NoIterations));
    assert!(matches!(error(LinfaKMeans { tolerance: f32::NAN, ..two }), KMeansError::BadTolerance { .. }));
    let refused = error(LinfaKMeans { tolerance: 0.0, ..two });
    let source = std::error::Error::source(&refused).expect("linfa's reason");
    assert!(source.to_string().contains("tolerance must be greater than 0"), "{source}");
}
