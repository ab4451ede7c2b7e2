//! `cargo bench -p kmeans --bench hierarchy`: levels of 10, 100 and 1,000 clusters, and 1,000 in one fit; the mean cosine of
//! the finest labels is printed beside the time.

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::{Clusterer, HierarchyConfig, SphericalKMeansConfig};

const ROWS: usize = 20_000;
const DIM: usize = 384;
const CLUSTERS: usize = 1000;

fn hierarchy(criterion: &mut Criterion) {
    let rows = common::mixture(ROWS, DIM);
    let levels = HierarchyConfig::new([10, 100, CLUSTERS]).build().expect("a valid configuration");
    let flat = SphericalKMeansConfig::new(CLUSTERS).build().expect("a valid configuration");
    for level in levels.fit(rows.view()).expect("valid rows").levels {
        let (clusters, objective) = (level.clustering.sizes.len(), level.clustering.objective);
        println!("{ROWS} x {DIM}, level of {clusters} clusters: mean cosine {objective:.6}");
    }
    let objective = flat.fit(rows.view()).expect("valid rows").objective;
    println!("{ROWS} x {DIM}, {CLUSTERS} clusters in one fit: mean cosine {objective:.6}");

    let mut group = criterion.benchmark_group("kmeans/hierarchy");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    let shape = format!("{ROWS}x{DIM}/k{CLUSTERS}");
    group.bench_function(BenchmarkId::new("levels", &shape), |bencher| {
        bencher.iter(|| levels.fit(black_box(rows.view())));
    });
    group.bench_function(BenchmarkId::new("flat", &shape), |bencher| {
        bencher.iter(|| flat.fit(black_box(rows.view())));
    });
    group.finish();
}

criterion_group!(benches, hierarchy);
criterion_main!(benches);
