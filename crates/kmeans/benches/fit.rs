//! `cargo bench -p kmeans --bench fit`: at most ten iterations of one run (it ends where no label changes); the objective is
//! printed beside the time.

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::{Clusterer, SphericalKMeansConfig};

const ITERATIONS: usize = 10;

fn fit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kmeans/fit");
    group.sample_size(10);
    for (n, dim, clusters) in [(50_000, 768, 10), (20_000, 384, 100), (20_000, 384, 1000)] {
        let rows = common::mixture(n, dim);
        let config = SphericalKMeansConfig::new(clusters).with_max_iterations(ITERATIONS).with_tolerance(0.0);
        let clusterer = config.build().expect("a valid configuration");
        let clustering = clusterer.fit(rows.view()).expect("valid rows");
        let (objective, made) = (clustering.objective, clustering.history.len());
        println!("{n} x {dim}, {clusters} clusters: mean cosine {objective:.6}, {made} iterations");
        group.throughput(Throughput::Elements((n * made) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{n}x{dim}/k{clusters}")), |bencher| {
            bencher.iter(|| clusterer.fit(black_box(rows.view())));
        });
    }
    group.finish();
}

criterion_group!(benches, fit);
criterion_main!(benches);
