//! `cargo bench -p kmeans`: ten iterations of one run; the objective is printed beside the time.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::{Clusterer, SphericalKMeansConfig};
use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ITERATIONS: usize = 10;

fn unit_rows(n: usize, dim: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut rows = Array2::from_shape_simple_fn((n, dim), || rng.random_range(-1.0..1.0_f32));
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let norm = row.dot(&row).sqrt();
        row.mapv_inplace(|value| value / norm);
    }
    rows
}

fn fit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kmeans/fit");
    group.sample_size(10);
    for (n, dim, clusters) in [(50_000, 768, 10), (20_000, 384, 100), (20_000, 384, 1000)] {
        let rows = unit_rows(n, dim);
        let config = SphericalKMeansConfig::new(clusters).with_max_iterations(ITERATIONS).with_tolerance(0.0);
        let clusterer = config.build().expect("a valid configuration");
        let objective = clusterer.fit(rows.view()).expect("valid rows").objective;
        println!("{n} x {dim}, {clusters} clusters: mean cosine {objective:.6}");
        group.throughput(Throughput::Elements((n * ITERATIONS) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{n}x{dim}/k{clusters}")), |bencher| {
            bencher.iter(|| clusterer.fit(black_box(rows.view())));
        });
    }
    group.finish();
}

criterion_group!(benches, fit);
criterion_main!(benches);
