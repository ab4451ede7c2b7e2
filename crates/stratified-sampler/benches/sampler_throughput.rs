//! Indices a second of whole epochs, and the time to seek to any batch.
//!
//! `cargo bench -p stratified-sampler`; criterion prints the indices a second as `elem/s`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stratified_sampler::{
    BatchSampler, Clock, CurriculumConfig, Leftovers, StratifiedConfig, TopicAwareConfig, UniformConfig, UniqueBy,
};

const PAIRS: u32 = 5_000_000;
const BATCH: usize = 4096;

/// Returns labels of strata of unequal sizes (the first about twice the mean), scattered over the pairs.
fn labels(strata: u64) -> Vec<u32> {
    let scatter = |pair: u32| u64::from(pair).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let share = |unit: u64| (unit * unit) >> 32;
    let unit = |pair: u32| (scatter(pair) + share(scatter(pair))) / 2;
    (0..PAIRS).map(|pair| ((unit(pair) * strata) >> 32) as u32).collect()
}

fn draw_epoch(sampler: &dyn BatchSampler, epoch: u64, batch: &mut Vec<u32>) -> u32 {
    let mut last = 0;
    for index in 0..sampler.len(epoch) {
        sampler.batch(epoch, index, batch).expect("the index is below the length");
        last ^= batch[0];
    }
    last
}

fn epoch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sampler/epoch");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(PAIRS)));
    let mut batch = Vec::new();

    let uniform = UniformConfig::new(BATCH).build(PAIRS as usize).expect("valid settings");
    group.bench_function("uniform", |bencher| {
        bencher.iter(|| draw_epoch(&uniform, 0, &mut batch));
    });
    for strata in [1, 10, 300, 100_000] {
        let labels = labels(strata);
        for leftovers in [Leftovers::Mix, Leftovers::Merge, Leftovers::Carry] {
            let config = StratifiedConfig::new(BATCH).with_leftovers(leftovers);
            let sampler = config.build(&labels).expect("valid settings");
            let report = sampler.report(0);
            println!(
                "{leftovers:?}, {strata} strata: {} batches, {} mixed, mean purity {:.3}",
                report.batches,
                report.mixed,
                report.mean_purity.unwrap_or(f64::NAN)
            );
            let id = BenchmarkId::new(format!("{leftovers:?}").to_lowercase(), strata);
            group.bench_function(id, |bencher| {
                bencher.iter(|| draw_epoch(&sampler, 0, &mut batch));
            });
        }
    }
    group.finish();
}

/// Small batches, so that what is timed is finding them: one by one over the epochs, in a scattered order.
fn seek(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sampler/seek");
    let labels = labels(10_000);
    let mut batch = Vec::new();
    for leftovers in [Leftovers::Mix, Leftovers::Merge, Leftovers::Carry] {
        let config = StratifiedConfig::new(32).with_leftovers(leftovers);
        let sampler = config.build(&labels).expect("valid settings");
        let mut at = 0;
        group.bench_function(format!("{leftovers:?}").to_lowercase(), |bencher| {
            bencher.iter(|| {
                at = (at + 61_803) % sampler.len(5);
                sampler.batch(5, at, &mut batch)
            });
        });
    }
    group.finish();
}

/// Epochs that are compiled: what asking for another one takes, with all its batches.
fn compiled(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sampler/compiled");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(PAIRS)));
    let labels = labels(300);
    let key = |seed: u32| (0..PAIRS).map(|pair| pair.wrapping_mul(0x9e37_79b9 ^ seed) % (PAIRS / 2)).collect();
    let stratified = || StratifiedConfig::new(BATCH).build(&labels).expect("valid settings");
    let uniform = UniformConfig::new(BATCH).build(PAIRS as usize).expect("valid settings");
    let samplers: Vec<Box<dyn BatchSampler>> = vec![Box::new(uniform), Box::new(stratified())];
    let curriculum = CurriculumConfig::rising(Clock::Epochs, 0.0, 4.0).build(samplers);
    let of_kinds: [(&str, Box<dyn BatchSampler>); 4] = [
        ("unique by one key", Box::new(UniqueBy::new(stratified(), vec![key(1)]).expect("a key a pair"))),
        ("unique by two keys", Box::new(UniqueBy::new(stratified(), vec![key(1), key(2)]).expect("keys of each pair"))),
        ("topic aware", Box::new(TopicAwareConfig::new(BATCH, 4).build(&labels).expect("valid settings"))),
        ("curriculum", Box::new(curriculum.expect("a valid schedule"))),
    ];
    for (name, sampler) in of_kinds {
        let (mut epoch, mut batch) = (0, Vec::new());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                epoch = (epoch + 1) % 4;
                draw_epoch(&sampler, epoch, &mut batch)
            });
        });
    }
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sampler/build");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(PAIRS)));
    for strata in [10, 100_000] {
        let labels = labels(strata);
        group.bench_function(BenchmarkId::new("stratified", strata), |bencher| {
            bencher.iter(|| StratifiedConfig::new(BATCH).build(&labels));
        });
    }
    group.finish();
}

criterion_group!(benches, epoch, seek, compiled, build);
criterion_main!(benches);
