//! `cargo bench -p kmeans --bench init`: a start and the one iteration that no fit goes without. What a start costs is its
//! time less that of `random-rows`. Printed beside: the mean cosine with the start, and that of a whole fit from it.

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::{Clusterer, Init, SphericalKMeansConfig};

const ROWS: usize = 20_000;
const DIM: usize = 384;

fn init(criterion: &mut Criterion) {
    let rows = common::mixture(ROWS, DIM);
    let mut group = criterion.benchmark_group("kmeans/init");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    for clusters in [10, 100] {
        let starts = [
            ("random-rows", Init::RandomRows),
            ("k-means++", Init::KMeansPlusPlus),
            ("k-means||", Init::KMeansParallel),
        ];
        for (name, init) in starts {
            let config = SphericalKMeansConfig::new(clusters).with_init(init);
            let whole = config.clone().build().expect("a valid configuration");
            let clustering = whole.fit(rows.view()).expect("valid rows");
            let (started, ended) = (clustering.history[0].objective, clustering.objective);
            println!(
                "{ROWS} x {DIM}, {clusters} clusters, {name}: mean cosine {started:.4} at first, {ended:.4} fitted"
            );
            let clusterer = config.with_max_iterations(1).build().expect("a valid configuration");
            group.bench_function(BenchmarkId::new(name, format!("{ROWS}x{DIM}/k{clusters}")), |bencher| {
                bencher.iter(|| clusterer.fit(black_box(rows.view())));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, init);
criterion_main!(benches);
