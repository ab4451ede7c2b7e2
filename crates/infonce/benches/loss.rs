//! Loss and gradients of one batch on flex, dense and by tiles of several sizes, beside the three matrix products alone.

use std::hint::black_box;

use burn::tensor::{Distribution, Tensor, backend::Backend};
use burn_flex::Flex;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use infonce::{ContrastiveLoss, Directions, InBatch, InfoNceConfig, Partition};

fn unit_rows(rows: usize, width: usize) -> Tensor<Flex, 2> {
    let drawn = Tensor::random([rows, width], Distribution::Normal(0.0, 1.0), &Default::default());
    drawn.clone() / drawn.square().sum_dim(1).sqrt()
}

/// Every tenth passage is that of the row before, as duplicates in a clustered batch are.
fn repeated_ids(rows: u64) -> Vec<u64> {
    (0..rows).map(|row| row - u64::from(row % 10 == 1)).collect()
}

fn losses(config: InfoNceConfig) -> Vec<(String, Box<dyn ContrastiveLoss<Flex>>)> {
    let mut losses: Vec<(String, Box<dyn ContrastiveLoss<Flex>>)> = Vec::new();
    losses.push(("dense".into(), Box::new(config.build_dense().expect("the defaults are valid"))));
    for tile in [64, 128, 256, 512, 1024] {
        let loss = config.clone().with_tile(tile).build().expect("the defaults are valid");
        losses.push((format!("tiled-{tile}"), Box::new(loss)));
    }
    losses
}

fn loss_and_gradients(c: &mut Criterion) {
    Flex::seed(&Default::default(), 0);
    let b = 1024;
    let unique: Vec<u64> = (0..b).collect();
    let repeated = repeated_ids(b);
    // Each query's own passage, and that of the query sixteen rows on where it is known to be answered by it too.
    let known: Vec<[u64; 2]> = (0..b).map(|row| [row, (row + 16) % b]).collect();
    let [own, more]: [Vec<&[u64]>; 2] = [1, 2].map(|count| known.iter().map(|known| &known[..count]).collect());
    for (name, width, directions, ids, known) in [
        ("one-way", 256, Directions::QUERY_TO_PASSAGE, &unique, &own),
        ("one-way", 384, Directions::QUERY_TO_PASSAGE, &unique, &own),
        ("one-way-repeats", 384, Directions::QUERY_TO_PASSAGE, &repeated, &own),
        ("one-way-known", 384, Directions::QUERY_TO_PASSAGE, &unique, &more),
        ("symmetric", 384, Directions::SYMMETRIC, &unique, &own),
    ] {
        let (queries, passages) = (unit_rows(b as usize, width), unit_rows(b as usize, width));
        let ids = InBatch { query_ids: &unique, passage_ids: ids, known_positives: known, ..InBatch::default() };
        let mut group = c.benchmark_group(format!("infonce/loss_and_gradients/{name}/{b}x{width}"));
        group.throughput(Throughput::Elements(b * b));
        group.sample_size(30);
        for (name, loss) in losses(InfoNceConfig::default().with_directions(directions, Partition::Separate)) {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter(|| black_box(loss.loss_and_gradients(queries.clone(), passages.clone(), &ids)));
            });
        }
    }
}

/// The products alone: what no implementation can go below.
fn floor(c: &mut Criterion) {
    for width in [256, 384] {
        let (queries, passages) = (unit_rows(1024, width), unit_rows(1024, width));
        let logits = queries.clone().matmul(passages.clone().transpose());
        c.bench_function(&format!("infonce/three_products/1024x{width}"), |bencher| {
            bencher.iter(|| {
                black_box(queries.clone().matmul(passages.clone().transpose()));
                black_box(logits.clone().matmul(passages.clone()));
                black_box(logits.clone().transpose().matmul(queries.clone()));
            });
        });
    }
}

criterion_group!(benches, loss_and_gradients, floor);
criterion_main!(benches);
