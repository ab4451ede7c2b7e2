//! `cargo bench -p kmeans --bench predict`: labels of rows that were not fitted; their mean cosine with the centroids of
//! these labels is printed beside the time.

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kmeans::{Clusterer, SphericalKMeansConfig};
use ndarray::{ArrayView2, s};

const FITTED: usize = 10_000;
const ROWS: usize = 50_000;
const DIM: usize = 384;

fn mean_cosine(rows: ArrayView2<'_, f32>, centroids: ArrayView2<'_, f32>, labels: &[u32]) -> f32 {
    let cosines = rows.outer_iter().zip(labels).map(|(row, &label)| row.dot(&centroids.row(label as usize)));
    cosines.sum::<f32>() / rows.nrows() as f32
}

fn predict(criterion: &mut Criterion) {
    let rows = common::mixture(FITTED + ROWS, DIM);
    let (fitted, new) = (rows.slice(s![..FITTED, ..]), rows.slice(s![FITTED.., ..]));
    let mut group = criterion.benchmark_group("kmeans/predict");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    for clusters in [10, 100, 1000] {
        let clusterer = SphericalKMeansConfig::new(clusters).build().expect("a valid configuration");
        let clustering = clusterer.fit(fitted).expect("valid rows");
        let labels = clustering.predict(new).expect("rows of the same dimension");
        let cosine = mean_cosine(new, clustering.centroids.view(), &labels);
        println!(
            "{ROWS} x {DIM}, {clusters} clusters: mean cosine {cosine:.4}, fitted rows {:.4}",
            clustering.objective
        );
        group.bench_function(BenchmarkId::from_parameter(format!("{ROWS}x{DIM}/k{clusters}")), |bencher| {
            bencher.iter(|| clustering.predict(black_box(new)));
        });
    }
    group.finish();
}

criterion_group!(benches, predict);
criterion_main!(benches);
