//! `cargo bench -p kmeans --bench files`: saving a clustering (every file reaches the disk) and loading it.

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::{Clusterer, Clustering, RandomLabels};

const ROWS: usize = 200_000;
const DIM: usize = 64;
const CLUSTERS: usize = 1000;

fn files(criterion: &mut Criterion) {
    let clusterer = RandomLabels { clusters: CLUSTERS, seed: 0 };
    let clustering = clusterer.fit(common::mixture(ROWS, DIM).view()).expect("valid rows");
    let folder = tempfile::tempdir().expect("a folder");
    clustering.save(folder.path()).expect("a saved clustering");
    let same = Clustering::load(folder.path()).expect("what was saved") == clustering;
    println!("{ROWS} labels, {CLUSTERS} centroids of {DIM}: loaded as saved: {same}");

    let mut group = criterion.benchmark_group("kmeans/files");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    let shape = format!("{ROWS}x{DIM}/k{CLUSTERS}");
    group.bench_function(BenchmarkId::new("save", &shape), |bencher| {
        bencher.iter(|| clustering.save(black_box(folder.path())));
    });
    group.bench_function(BenchmarkId::new("load", &shape), |bencher| {
        bencher.iter(|| Clustering::load(black_box(folder.path())));
    });
    group.finish();
}

criterion_group!(benches, files);
criterion_main!(benches);
