//! Loss and gradients of one batch on flex: dense and by tiles of several sizes beside the three matrix products alone, and what every option
//! costs.

use std::hint::black_box;

use burn::tensor::{Distribution, Tensor, backend::Backend};
use burn_flex::Flex;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use infonce::{
    ContrastiveLoss, Directions, Guide, GuideRows, InBatch, InfoNceConfig, KnownPositives, Part, Partition, Prefix,
    Similarity,
};

const PAIRS: usize = 1024;
const WIDTH: usize = 384;

fn unit_rows(rows: usize, width: usize) -> Tensor<Flex, 2> {
    let drawn = Tensor::random([rows, width], Distribution::Normal(0.0, 1.0), &Default::default());
    drawn.clone() / drawn.square().sum_dim(1).sqrt()
}

fn tiles(c: &mut Criterion) {
    Flex::seed(&Default::default(), 0);
    for width in [256, WIDTH] {
        let (queries, passages) = (unit_rows(PAIRS, width), unit_rows(PAIRS, width));
        let mut group = c.benchmark_group(format!("infonce/tiles/{PAIRS}x{width}"));
        group.throughput(Throughput::Elements((PAIRS * PAIRS) as u64));
        group.sample_size(30);
        for tile in [0, 64, 128, 256, 512] {
            let name = if tile == 0 { "dense".to_owned() } else { tile.to_string() };
            let loss = InfoNceConfig::default().with_tile(tile).build_boxed().expect("the settings are valid");
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                let batch = InBatch::default();
                bencher.iter(|| black_box(loss.loss_and_gradients(queries.clone(), passages.clone(), &batch)));
            });
        }
    }
}

/// What is known of the texts of a batch.
struct Known {
    unique: Vec<u64>,
    /// Every tenth passage is that of the row before, as duplicates in a clustered batch are.
    repeated: Vec<u64>,
    /// Of each query its own passage, and that of the query sixteen rows on.
    positives: Vec<[u64; 2]>,
    strata: Vec<u32>,
    guide: [Vec<f32>; 2],
}

impl Known {
    fn new() -> Self {
        let rows = PAIRS as u64;
        let values = || unit_rows(PAIRS, WIDTH).into_data().to_vec::<f32>().expect("the rows are f32");
        Self {
            unique: (0..rows).collect(),
            repeated: (0..rows).map(|row| row - u64::from(row % 10 == 1)).collect(),
            positives: (0..rows).map(|row| [row, (row + 16) % rows]).collect(),
            strata: (0..PAIRS as u32).map(|row| row / 128).collect(),
            guide: [values(), values()],
        }
    }
}

fn options(c: &mut Criterion) {
    Flex::seed(&Default::default(), 0);
    let known = Known::new();
    let positives: Vec<&[u64]> = known.positives.iter().map(|known| &known[..]).collect();
    let guide = GuideRows { queries: &known.guide[0], passages: &known.guide[1], width: WIDTH };
    let (one_way, plain) = (InfoNceConfig::default(), InBatch::default());
    let of_ids = InBatch { passage_ids: &known.unique, known_positives: &positives, ..plain };
    let further = one_way.clone().with_known_positives(KnownPositives::Positives);
    let cosine = one_way.clone().with_similarity(Similarity::Cosine);
    let prefixes = [WIDTH, WIDTH / 2, WIDTH / 4].map(Prefix::new).to_vec();
    let cases = [
        ("plain", one_way.clone(), plain),
        ("repeats", one_way.clone(), InBatch { passage_ids: &known.repeated, ..plain }),
        ("known positives", one_way.clone(), of_ids),
        ("further positives", further, of_ids),
        ("symmetric", one_way.clone().with_directions(Directions::SYMMETRIC, Partition::Separate), plain),
        ("every direction", one_way.clone().with_directions(Directions::ALL, Partition::Joint), plain),
        ("guide", one_way.clone().with_guide(Guide::default()), InBatch { guide: Some(guide), ..plain }),
        ("cosine", cosine.clone(), plain),
        ("prefixes", cosine.with_matryoshka(prefixes), plain),
        ("percentile", one_way.clone().with_percentile(true), plain),
        ("percentile of strata", one_way.clone().with_percentile(true), InBatch { strata: &known.strata, ..plain }),
        ("half of the pairs", one_way, InBatch { part: Some(Part { first: 0, pairs: PAIRS / 2 }), ..plain }),
    ];
    let (queries, passages) = (unit_rows(PAIRS, WIDTH), unit_rows(PAIRS, WIDTH));
    let mut group = c.benchmark_group(format!("infonce/options/{PAIRS}x{WIDTH}"));
    group.throughput(Throughput::Elements((PAIRS * PAIRS) as u64));
    group.sample_size(30);
    for (name, config, batch) in cases {
        let loss = config.build().expect("the settings are valid");
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| black_box(loss.loss_and_gradients(queries.clone(), passages.clone(), &batch)));
        });
    }
    group.finish();
    let hard = unit_rows(2 * PAIRS, WIDTH);
    let (loss, batch) =
        (InfoNceConfig::default().build().expect("they are valid"), InBatch { hard_negatives: 1, ..plain });
    c.bench_function(&format!("infonce/options/{PAIRS}x{WIDTH}/a hard negative each"), |bencher| {
        bencher.iter(|| black_box(loss.loss_and_gradients(queries.clone(), hard.clone(), &batch)));
    });
}

/// The products alone: what no implementation can go below.
fn floor(c: &mut Criterion) {
    for width in [256, WIDTH] {
        let (queries, passages) = (unit_rows(PAIRS, width), unit_rows(PAIRS, width));
        let logits = queries.clone().matmul(passages.clone().transpose());
        c.bench_function(&format!("infonce/three_products/{PAIRS}x{width}"), |bencher| {
            bencher.iter(|| {
                black_box(queries.clone().matmul(passages.clone().transpose()));
                black_box(logits.clone().matmul(passages.clone()));
                black_box(logits.clone().transpose().matmul(queries.clone()));
            });
        });
    }
}

criterion_group!(benches, tiles, options, floor);
criterion_main!(benches);
