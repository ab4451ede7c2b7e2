//! Exact search of 1,000 queries, and of one, among 100,000 documents of 384 dimensions.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrieval_eval::{ExactSearcher, Searcher};

/// Unit rows of independent components, nearly normal: sums of four uniform ones.
fn unit_rows(rows: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut component = || (0..4).map(|_| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0).sum::<f32>();
    let mut vectors = Array2::from_shape_simple_fn((rows, 384), &mut component);
    for mut row in vectors.rows_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    vectors
}

fn search(criterion: &mut Criterion) {
    let documents = unit_rows(100_000, 0);
    let queries = unit_rows(1_000, 1);
    let searcher = ExactSearcher::new(documents.view()).unwrap();
    let mut group = criterion.benchmark_group("retrieval-eval/search");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for n in [1, 1_000] {
        let queries = queries.slice(ndarray::s![..n, ..]);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(format!("{n}x100000/k=100"), |bencher| {
            bencher.iter(|| searcher.search(black_box(queries), 100).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
