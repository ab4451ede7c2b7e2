//! `cargo bench -p kmeans --bench npy`: five iterations over rows in memory, and over a mapped `.npy` file of f32 and of f16,
//! opened anew each time (the system has it in its cache). The objective is printed beside the time.

mod common;

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use half::f16;
use kmeans::{Clusterer, Clustering, KMeansError, NpyVectors, SphericalKMeans, SphericalKMeansConfig};
use ndarray::{Array2, ArrayView2};
use vectors::{Element, replace_file, write_array};

const ROWS: usize = 50_000;
const DIM: usize = 384;
const CLUSTERS: usize = 100;
const ITERATIONS: usize = 5;

fn write<T: Element>(path: &Path, rows: &Array2<T>) -> std::io::Result<()> {
    replace_file(path, |out| write_array(out, rows.shape(), rows.iter().copied()))
}

/// The same start for every kind of rows: one drawn from f16 would differ in its last digits.
fn of_file(clusterer: &SphericalKMeans, path: &Path, start: ArrayView2<'_, f32>) -> Result<Clustering, KMeansError> {
    clusterer.fit_from(&NpyVectors::open(path)?, start)
}

fn npy(criterion: &mut Criterion) {
    let rows = common::mixture(ROWS, DIM);
    let folder = tempfile::tempdir().expect("a folder");
    let [wide, narrow] = ["f32", "f16"].map(|name| folder.path().join(format!("{name}.npy")));
    write(&wide, &rows).expect("a written file");
    write(&narrow, &rows.mapv(f16::from_f32)).expect("a written file");

    let config = SphericalKMeansConfig::new(CLUSTERS).with_tolerance(0.0);
    let first = config.clone().with_max_iterations(1).build().expect("a valid configuration").fit(rows.view());
    let start = first.expect("valid rows").centroids;
    let clusterer = config.with_max_iterations(ITERATIONS).build().expect("a valid configuration");
    for (name, path) in [("f32", &wide), ("f16", &narrow)] {
        let objective = of_file(&clusterer, path, start.view()).expect("a file of unit rows").objective;
        println!("{ROWS} x {DIM} of {name}, {CLUSTERS} clusters: mean cosine {objective:.6}");
    }

    let mut group = criterion.benchmark_group("kmeans/npy");
    group.sample_size(10).throughput(Throughput::Elements((ROWS * ITERATIONS) as u64));
    let shape = format!("{ROWS}x{DIM}/k{CLUSTERS}");
    group.bench_function(BenchmarkId::new("memory-f32", &shape), |bencher| {
        bencher.iter(|| clusterer.fit_from(black_box(rows.view()), start.view()));
    });
    for (name, path) in [("mapped-f32", &wide), ("mapped-f16", &narrow)] {
        group.bench_function(BenchmarkId::new(name, &shape), |bencher| {
            bencher.iter(|| of_file(&clusterer, black_box(path), start.view()));
        });
    }
    group.finish();
}

criterion_group!(benches, npy);
criterion_main!(benches);
