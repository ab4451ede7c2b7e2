//! `cargo bench -p kmeans --bench balance`: a fit, and the same fit with sizes brought within bounds. Printed beside: the
//! sizes before and after, the rows moved and the mean cosine lost.

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::{Bounds, Clusterer, SphericalKMeansConfig};

const ROWS: usize = 20_000;
const DIM: usize = 384;

fn range(sizes: &[u64]) -> String {
    format!("{}..={}", sizes.iter().min().unwrap_or(&0), sizes.iter().max().unwrap_or(&0))
}

fn balance(criterion: &mut Criterion) {
    let rows = common::mixture(ROWS, DIM);
    let mut group = criterion.benchmark_group("kmeans/balance");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    for clusters in [10, 100] {
        let mean = ROWS / clusters;
        let bounds = Bounds::at_least(mean * 9 / 10).with_max(Some(mean * 11 / 10));
        let clusterer = SphericalKMeansConfig::new(clusters).build().expect("a valid configuration");
        let clustering = clusterer.fit(rows.view()).expect("valid rows");
        let balanced = clustering.balanced(rows.view(), bounds).expect("bounds that can hold");
        println!(
            "{ROWS} x {DIM}, {clusters} clusters: sizes {} to {}, {} rows moved, mean cosine {:.6}, lost {:.6}",
            range(&clustering.sizes),
            range(&balanced.clustering.sizes),
            balanced.moved,
            balanced.clustering.objective,
            balanced.objective_lost,
        );
        let shape = format!("{ROWS}x{DIM}/k{clusters}");
        group.bench_function(BenchmarkId::new("fit", &shape), |bencher| {
            bencher.iter(|| clusterer.fit(black_box(rows.view())));
        });
        group.bench_function(BenchmarkId::new("fit+balanced", &shape), |bencher| {
            bencher.iter(|| clusterer.fit(black_box(rows.view()))?.balanced(rows.view(), bounds));
        });
    }
    group.finish();
}

criterion_group!(benches, balance);
criterion_main!(benches);
