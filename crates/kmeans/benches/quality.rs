//! `cargo bench -p kmeans --bench quality`: cosines within and between clusters, entropy, and the silhouette of 10,000 rows;
//! they are printed beside the time.

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::{Clusterer, Sample, SphericalKMeansConfig};

const ROWS: usize = 50_000;
const DIM: usize = 384;

fn quality(criterion: &mut Criterion) {
    let rows = common::mixture(ROWS, DIM);
    let mut group = criterion.benchmark_group("kmeans/quality");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    for clusters in [10, 100, 1000] {
        // How good the clusters are does not change what it takes to tell.
        let config = SphericalKMeansConfig::new(clusters).with_max_iterations(3);
        let clustering = config.build().expect("a valid configuration").fit(rows.view()).expect("valid rows");
        let quality = clustering.quality(rows.view(), Sample::default()).expect("the rows of the fit");
        println!("{ROWS} x {DIM}, {clusters} clusters: {quality:.4?}");
        group.bench_function(BenchmarkId::from_parameter(format!("{ROWS}x{DIM}/k{clusters}")), |bencher| {
            bencher.iter(|| clustering.quality(black_box(rows.view()), Sample::default()));
        });
    }
    group.finish();
}

criterion_group!(benches, quality);
criterion_main!(benches);
