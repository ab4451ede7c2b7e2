//! k-means on a device beside k-means on the processor: the same starts, labels and errors, the objective within rounding.

#![cfg(any(feature = "cpu", feature = "wgpu"))]
#![expect(clippy::unwrap_used, reason = "each test is a function of the backend")]

#[macro_use]
#[path = "common/device.rs"]
mod device;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use kmeans::{Clusterer, Clustering, DeviceKMeans, Init, KMeansError, SphericalKMeansConfig};
use ndarray::{Array2, Axis, array, s};

use device::noise;

/// Several blocks of a few hundred rows, the last of them shorter.
const SMALL_BLOCK: usize = 1 << 14;

fn normalised(mut rows: Array2<f32>) -> Array2<f32> {
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    rows
}

/// Unit rows around `modes` directions, one after another.
fn around(modes: usize, [n, dim]: [usize; 2], spread: f32) -> Array2<f32> {
    let centres = Array2::from_shape_fn((modes, dim), |(mode, column)| noise(mode * dim + column, 1));
    normalised(Array2::from_shape_fn((n, dim), |(row, column)| {
        centres[[row % modes, column]] + spread * noise(row * dim + column, 2)
    }))
}

fn tensor<B: Backend>(rows: &Array2<f32>, device: &B::Device) -> Tensor<B, 2> {
    let values = rows.iter().copied().collect();
    Tensor::from_data(TensorData::new(values, [rows.nrows(), rows.ncols()]), (device, DType::F32))
}

fn build<B: Backend>(config: &SphericalKMeansConfig, device: &B::Device) -> DeviceKMeans<B> {
    config.clone().build_on::<B>(device).unwrap().with_block_bytes(SMALL_BLOCK)
}

fn assert_same(device: &Clustering, processor: &Clustering) {
    assert_eq!(device.labels, processor.labels);
    assert_eq!(device.sizes, processor.sizes);
    assert_eq!(device.converged, processor.converged);
    assert!((device.objective - processor.objective).abs() < 1e-5);
    assert_eq!(device.history.len(), processor.history.len());
    for (ours, theirs) in device.history.iter().zip(&processor.history) {
        assert_eq!((ours.run, ours.index, ours.changed), (theirs.run, theirs.index, theirs.changed));
        assert_eq!(ours.reseeded, theirs.reseeded);
        assert!((ours.objective - theirs.objective).abs() < 1e-5);
    }
    let difference = (&device.centroids - &processor.centroids).fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!(difference < 1e-4, "{difference}");
}

fn well_separated_rows_get_the_processors_labels<B: Backend>(device: &B::Device) {
    let rows = around(5, [700, 24], 0.15);
    for init in [Init::RandomRows, Init::KMeansPlusPlus, Init::KMeansParallel] {
        let config = SphericalKMeansConfig::new(5).with_init(init).with_seed(3);
        let expected = config.clone().build().unwrap().fit(rows.view()).unwrap();
        let clusterer = build::<B>(&config, device);
        assert_same(&clusterer.fit(rows.view()).unwrap(), &expected);
        assert_same(&clusterer.fit_tensor(tensor(&rows, device)).unwrap(), &expected);
    }
}

fn one_block_gives_what_several_give<B: Backend>(device: &B::Device) {
    let rows = around(4, [600, 16], 0.2);
    let clusterer = SphericalKMeansConfig::new(4).with_seed(1).build_on::<B>(device).unwrap();
    let whole = clusterer.fit(rows.view()).unwrap();
    assert_same(&clusterer.with_block_bytes(1000).fit(rows.view()).unwrap(), &whole);
}

fn overlapping_rows_reach_the_processors_objective<B: Backend>(device: &B::Device) {
    let rows = around(30, [1000, 16], 1.5);
    let config = SphericalKMeansConfig::new(12).with_runs(3).with_max_iterations(12).with_seed(5);
    let expected = config.clone().build().unwrap().fit(rows.view()).unwrap();
    let mut seen = Vec::new();
    let observer = &mut |iteration: &kmeans::Iteration| seen.push((iteration.run, iteration.index));
    let ours = build::<B>(&config, device).fit_with(&rows.view().into(), observer).unwrap();
    assert!((ours.objective - expected.objective).abs() < 1e-5, "{} and {}", ours.objective, expected.objective);
    assert_eq!(ours.history.last().unwrap().run, expected.history.last().unwrap().run);
    assert!((0..3).all(|run| seen.contains(&(run, 0))) && seen.is_sorted());
    assert_eq!(ours.sizes.iter().sum::<u64>(), 1000);
    assert_eq!(build::<B>(&config, device).predict(rows.view(), &ours).unwrap(), ours.labels);
}

fn a_subsample_trains_and_all_rows_are_labelled<B: Backend>(device: &B::Device) {
    let rows = around(4, [900, 16], 0.2);
    let config = SphericalKMeansConfig::new(4).with_max_points_per_centroid(Some(60));
    let expected = config.clone().build().unwrap().fit(rows.view()).unwrap();
    let clusterer = build::<B>(&config, device);
    for ours in [clusterer.fit(rows.view()), clusterer.fit_tensor(tensor(&rows, device))] {
        let ours = ours.unwrap();
        assert_eq!(ours.history[0].changed, 240);
        assert_same(&ours, &expected);
    }
}

fn an_empty_cluster_is_reseeded<B: Backend>(device: &B::Device) {
    let rows = array![[1.0_f32, 0.0], [0.96, 0.28], [0.8, 0.6], [0.6, 0.8], [0.28, 0.96], [0.0, 1.0]];
    let start = array![[1.0_f32, 1.0], [-1.0, -1.0]];
    let config = SphericalKMeansConfig::new(2).with_tolerance(0.0);
    let expected = config.clone().build().unwrap().fit_from(rows.view(), start.view()).unwrap();
    let clusterer = build::<B>(&config, device);
    for ours in
        [clusterer.fit_from(rows.view(), start.view()), clusterer.fit_from(tensor::<B>(&rows, device), start.view())]
    {
        let ours = ours.unwrap();
        assert_eq!((ours.history[0].reseeded, ours.history[1].reseeded), (1, 0));
        assert_same(&ours, &expected);
    }
}

fn new_rows_get_the_processors_labels<B: Backend>(device: &B::Device) {
    let rows = around(6, [500, 16], 0.3);
    let config = SphericalKMeansConfig::new(6).with_init(Init::KMeansPlusPlus);
    let clusterer = build::<B>(&config, device);
    let clustering = clusterer.fit(rows.slice(s![..300, ..])).unwrap();
    let expected = clustering.predict(rows.view()).unwrap();
    assert_eq!(clusterer.predict(rows.view(), &clustering).unwrap(), expected);
    assert_eq!(clusterer.predict(tensor::<B>(&rows, device), &clustering).unwrap(), expected);
}

fn bad_input_gives_the_processors_errors<B: Backend>(device: &B::Device) {
    let good = around(3, [400, 8], 0.2);
    let spoilt = |row: usize, value: f32| {
        let mut rows = good.clone();
        rows.row_mut(row).fill(0.0);
        rows[[row, 5]] = value;
        rows
    };
    let cases = [
        spoilt(317, f32::NAN),
        spoilt(20, f32::NEG_INFINITY),
        spoilt(399, 0.0),
        spoilt(0, 2.0),
        spoilt(128, 1e30),
        good.slice(s![..2, ..]).to_owned(),
    ];
    let config = SphericalKMeansConfig::new(3);
    let (processor, clusterer) = (config.clone().build().unwrap(), build::<B>(&config, device));
    for rows in cases {
        let expected = processor.fit(rows.view()).unwrap_err().to_string();
        assert_eq!(clusterer.fit(rows.view()).unwrap_err().to_string(), expected);
        assert_eq!(clusterer.fit_tensor(tensor(&rows, device)).unwrap_err().to_string(), expected);
    }
    for start in [Array2::ones((3, 7)), Array2::ones((2, 8)), Array2::zeros((3, 8))] {
        let expected = processor.fit_from(good.view(), start.view()).unwrap_err().to_string();
        assert_eq!(clusterer.fit_from(good.view(), start.view()).unwrap_err().to_string(), expected);
    }
    let other = clusterer.fit(good.view()).unwrap();
    let narrow = around(3, [9, 7], 0.2);
    let expected = other.predict(narrow.view()).unwrap_err().to_string();
    assert_eq!(clusterer.predict(narrow.view(), &other).unwrap_err().to_string(), expected);
    let refused = SphericalKMeansConfig::new(0).build_on::<B>(device).unwrap_err();
    assert!(matches!(refused, KMeansError::NoClusters));
}

on_every_backend!([
    well_separated_rows_get_the_processors_labels,
    one_block_gives_what_several_give,
    overlapping_rows_reach_the_processors_objective,
    a_subsample_trains_and_all_rows_are_labelled,
    an_empty_cluster_is_reseeded,
    new_rows_get_the_processors_labels,
    bad_input_gives_the_processors_errors,
]);

/// A tensor with a graph behind it, on the backend that trains.
#[cfg(feature = "cpu")]
#[test]
fn embeddings_of_an_autodiff_backend_are_clustered_without_their_graph() {
    type Trained = burn::backend::Autodiff<burn::backend::Flex>;
    let rows = around(3, [90, 8], 0.1);
    let embeddings = tensor::<Trained>(&rows, &Default::default()).require_grad() * 1.0;
    let clusterer = SphericalKMeansConfig::new(3).build_on::<Trained>(&Default::default()).unwrap();
    let clustering = clusterer.fit_tensor(embeddings).unwrap();
    assert_eq!(clustering.predict(rows.view()).unwrap(), clustering.labels);
}

/// Half precision is widened block by block, as `.npy` files of f16 are.
#[cfg(feature = "cpu")]
#[test]
fn rows_in_half_precision_are_widened() {
    let rows = around(4, [300, 16], 0.1);
    let device = Default::default();
    let half = tensor::<burn::backend::Flex>(&rows, &device).cast(DType::F16);
    let config = SphericalKMeansConfig::new(4).with_seed(2);
    let expected = config.clone().build().unwrap().fit(rows.view()).unwrap();
    assert_eq!(build(&config, &device).fit_tensor(half).unwrap().labels, expected.labels);
}
