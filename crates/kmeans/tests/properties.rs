//! What holds for every input.

mod common;

use common::unit_rows;
use kmeans::{Clusterer, Clustering, Init, Iteration, RandomLabels, SphericalKMeansConfig};
use ndarray::{Array2, Axis};
use proptest::prelude::*;

/// A split moves two centroids by a thousandth, hence cosines by half a millionth; the rest is f32 rounding.
const SLACK: f64 = 2e-6;

fn problem() -> impl Strategy<Value = (Array2<f32>, SphericalKMeansConfig)> {
    let rows = (2_usize..400, 1_usize..40, 1_usize..9, 0_u64..1000, prop::bool::ANY);
    rows.prop_flat_map(|(n, dim, modes, seed, spread)| {
        let noise = if spread { 1.0 } else { 0.1 };
        let rows = unit_rows(n, dim, modes, noise, seed);
        let init = prop_oneof![Just(Init::RandomRows), Just(Init::KMeansPlusPlus)];
        (Just(rows), 1..=n.min(40), 1_usize..12, 1_usize..4, init, 0_u64..1000)
    })
    .prop_map(|(rows, clusters, iterations, runs, init, seed)| {
        let config = SphericalKMeansConfig::new(clusters)
            .with_max_iterations(iterations)
            .with_runs(runs)
            .with_init(init)
            .with_seed(seed);
        (rows, config)
    })
}

fn fit(rows: &Array2<f32>, config: &SphericalKMeansConfig) -> (Clustering, Vec<Iteration>) {
    let mut seen = Vec::new();
    let clusterer = config.clone().build().expect("a valid configuration");
    let clustering =
        clusterer.fit_with(&rows.view().into(), &mut |iteration| seen.push(*iteration)).expect("valid rows");
    (clustering, seen)
}

fn mean_cosine(rows: &Array2<f32>, clustering: &Clustering) -> f64 {
    let cosines = rows.axis_iter(Axis(0)).zip(&clustering.labels).map(|(row, &label)| {
        let centroid = clustering.centroids.row(label as usize);
        row.iter().zip(centroid).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
    });
    cosines.sum::<f64>() / rows.nrows() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_objective_never_worsens_within_a_run((rows, config) in problem()) {
        let (clustering, seen) = fit(&rows, &config);
        for pair in seen.windows(2).filter(|pair| pair[0].run == pair[1].run) {
            prop_assert!(pair[1].objective >= pair[0].objective - SLACK, "{pair:?}");
        }
        let last = clustering.history.last().unwrap();
        prop_assert!(clustering.objective >= last.objective - SLACK);
    }

    #[test]
    fn labels_are_the_assignment_to_the_centroids_and_sizes_count_them((rows, config) in problem()) {
        let (clustering, _) = fit(&rows, &config);
        prop_assert_eq!(&clustering.predict(rows.view()).unwrap(), &clustering.labels);
        prop_assert!(clustering.labels.iter().all(|&label| (label as usize) < config.k));
        prop_assert_eq!(clustering.sizes.iter().sum::<u64>(), rows.nrows() as u64);
        for (cluster, &size) in clustering.sizes.iter().enumerate() {
            let counted = clustering.labels.iter().filter(|&&label| label as usize == cluster).count();
            prop_assert_eq!(counted as u64, size);
        }
    }

    #[test]
    fn centroids_are_unit_and_the_objective_is_the_mean_cosine_with_them((rows, config) in problem()) {
        let (clustering, _) = fit(&rows, &config);
        prop_assert_eq!(clustering.centroids.dim(), (config.k, rows.ncols()));
        for centroid in clustering.centroids.axis_iter(Axis(0)) {
            prop_assert!((centroid.dot(&centroid) - 1.0).abs() < 1e-5);
        }
        prop_assert!((mean_cosine(&rows, &clustering) - clustering.objective).abs() < 1e-5);
    }

    #[test]
    fn no_centroid_is_nearer_than_the_label((rows, config) in problem()) {
        let (clustering, _) = fit(&rows, &config);
        let products = rows.dot(&clustering.centroids.t());
        for (products, &label) in products.axis_iter(Axis(0)).zip(&clustering.labels) {
            let best = products.fold(f32::NEG_INFINITY, |best, &product| best.max(product));
            prop_assert!(products[label as usize] >= best - 1e-5);
        }
    }

    #[test]
    fn the_best_run_is_kept_whole((rows, config) in problem()) {
        let (clustering, seen) = fit(&rows, &config);
        let kept = clustering.history[0].run;
        let of_run = |run| seen.iter().copied().filter(|iteration| iteration.run == run).collect::<Vec<_>>();
        prop_assert_eq!(&clustering.history, &of_run(kept));
        for run in 0..config.runs {
            let last = of_run(run).last().unwrap().objective;
            prop_assert!(clustering.objective >= last - SLACK, "run {run} reached {last}");
        }
    }

    #[test]
    fn the_label_of_a_row_does_not_depend_on_the_rows_around_it((rows, config) in problem()) {
        let (clustering, _) = fit(&rows, &config);
        for (row, &label) in rows.axis_iter(Axis(0)).zip(&clustering.labels).take(9) {
            prop_assert_eq!(clustering.predict(row.insert_axis(Axis(0))).unwrap(), [label]);
        }
        let reversed = rows.slice(ndarray::s![..;-1, ..]);
        let mut labels = clustering.predict(reversed).unwrap();
        labels.reverse();
        prop_assert_eq!(labels, clustering.labels);
    }

    #[test]
    fn random_labels_are_even(n in 1_usize..300, clusters in 1_usize..30, seed in 0_u64..100) {
        prop_assume!(clusters <= n);
        let rows = unit_rows(n, 3, 4, 1.0, seed);
        let clustering = RandomLabels { clusters, seed }.fit(rows.view()).unwrap();
        let (least, most) = (clustering.sizes.iter().min().unwrap(), clustering.sizes.iter().max().unwrap());
        prop_assert!(most - least <= 1);
        prop_assert!((mean_cosine(&rows, &clustering) - clustering.objective).abs() < 1e-5);
    }

    #[test]
    fn a_saved_clustering_loads_equal((rows, config) in problem()) {
        let (clustering, _) = fit(&rows, &config);
        let dir = tempfile::tempdir().unwrap();
        clustering.save(dir.path()).unwrap();
        prop_assert_eq!(Clustering::load(dir.path()).unwrap(), clustering);
    }
}
