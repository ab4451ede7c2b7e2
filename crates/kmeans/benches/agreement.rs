//! `cargo bench -p kmeans --bench agreement`: mutual information and purity of two labelings; they are printed beside the
//! time.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::Agreement;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROWS: usize = 1_000_000;

/// Labels, and topics that are the label in half of the rows.
fn labelings(clusters: u32) -> (Vec<u32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let label = |_| {
        let label = rng.random_range(0..clusters);
        (label, if rng.random::<bool>() { label } else { rng.random_range(0..clusters) })
    };
    (0..ROWS).map(label).unzip()
}

fn agreement(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kmeans/agreement");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    for clusters in [10, 1000] {
        let (labels, topics) = labelings(clusters);
        let agreement = Agreement::of(&labels, &topics).expect("labelings of one length");
        println!("{ROWS} rows, {clusters} clusters: {agreement:.4?}");
        group.bench_function(BenchmarkId::from_parameter(format!("{ROWS}/k{clusters}")), |bencher| {
            bencher.iter(|| Agreement::of(black_box(&labels), black_box(&topics)));
        });
    }
    group.finish();
}

criterion_group!(benches, agreement);
criterion_main!(benches);
