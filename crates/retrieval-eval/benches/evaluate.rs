//! nDCG@10, MRR@10, AP and recall@100 of 7,000 queries with 1,000 results: from a run in memory, from lists of strings,
//! from a file, which is also read as a run; of 10,000 queries with 100 hits by index; then how sure the mean of those is.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrieval_eval::{
    BootstrapConfig, EvalOptions, Hit, IndexedQrels, Measure, Outcomes, Paired, Qrels, RandomisationConfig, Run,
    SeedValues, TTest, evaluate, evaluate_file, evaluate_hits, evaluate_results, holm,
};

const MEASURES: [Measure; 4] = [Measure::ndcg(10), Measure::mrr(10), Measure::Ap { k: None }, Measure::recall(100)];

/// Hits with falling scores on different documents, of a corpus of 2^20.
fn hits(queries: u32, depth: u32) -> Vec<Vec<Hit>> {
    let row = |query: u32| {
        let hit = |rank: u32| Hit { index: (query * 7919 + rank * 10_007) & 0xf_ffff, score: 1.0 / (rank + 1) as f32 };
        (0..depth).map(hit).collect()
    };
    (0..queries).map(row).collect()
}

/// Judgements of `each` documents a query, about half of them among the hits.
fn judgements(hits: &[Vec<Hit>], each: usize) -> Vec<Vec<(u32, i32)>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut judged = |row: &Vec<Hit>| {
        let mut judged: Vec<(u32, i32)> = (0..each)
            .map(|place| match place % 2 {
                0 => (row[rng.next_u32() as usize % row.len()].index, 1),
                _ => ((1 << 20) + rng.next_u32() % 1000, 1),
            })
            .collect();
        judged.sort_unstable();
        judged.dedup();
        judged
    };
    hits.iter().map(&mut judged).collect()
}

fn string_qrels(hits: &[Vec<Hit>], each: usize) -> Qrels {
    let mut qrels = Qrels::new();
    for (query, row) in judgements(hits, each).iter().enumerate() {
        for (document, grade) in row {
            qrels.insert(&query.to_string(), &document.to_string(), *grade).unwrap();
        }
    }
    qrels
}

fn evaluation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("retrieval-eval/evaluate");
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    let results = hits(7_000, 1_000);
    let mut run = Run::new();
    for (query, row) in results.iter().enumerate() {
        run.insert(&query.to_string(), row.iter().map(|hit| (hit.index.to_string(), f64::from(hit.score)))).unwrap();
    }
    for each in [2, 50] {
        let qrels = string_qrels(&results, each);
        group.throughput(Throughput::Elements(7_000));
        group.bench_function(format!("run/7000x1000/{each}_judged"), |bencher| {
            bencher.iter(|| evaluate(black_box(&qrels), &run, &MEASURES, EvalOptions::default()));
        });
    }
    let qrels = string_qrels(&results, 2);
    let lists: Vec<(String, Vec<(String, f64)>)> = run
        .queries()
        .map(|query| (query.to_owned(), run.results(query).map(|(id, score)| (id.to_owned(), score)).collect()))
        .collect();
    group.bench_function("results/7000x1000", |bencher| {
        bencher.iter(|| evaluate_results(black_box(&qrels), &lists, &MEASURES, EvalOptions::default()).unwrap());
    });
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.run", "a.run.gz", "a.run.zst"] {
        let path = folder.path().join(name);
        run.to_trec_file(&path, "bench").unwrap();
        group.bench_function(format!("file/7000x1000/{name}"), |bencher| {
            bencher.iter(|| evaluate_file(black_box(&qrels), &path, &MEASURES, EvalOptions::default()).unwrap());
        });
    }
    group.bench_function("read/7000x1000", |bencher| {
        bencher.iter(|| Run::from_file(folder.path().join("a.run")).unwrap());
    });
    let results = hits(10_000, 100);
    let qrels = IndexedQrels::new(judgements(&results, 2)).unwrap();
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("hits/10000x100/2_judged", |bencher| {
        bencher.iter(|| evaluate_hits(black_box(&qrels), &results, &MEASURES, EvalOptions::default()).unwrap());
    });
    group.finish();
}

fn statistics(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("retrieval-eval/statistics");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut values = || -> Vec<f64> { (0..10_000).map(|_| f64::from(rng.next_u32()) / 2f64.powi(32)).collect() };
    let (baseline, treatment) = (values(), values());
    let paired = Paired::new(&baseline, &treatment).unwrap();
    let bootstrap = BootstrapConfig::default().build().unwrap();
    let test = RandomisationConfig::default().build().unwrap();
    group.bench_function("bootstrap_difference/10000", |bencher| bencher.iter(|| bootstrap.difference(paired)));
    group.bench_function("relative_gain/10000", |bencher| bencher.iter(|| bootstrap.relative_gain(paired)));
    group.bench_function("randomisation/10000", |bencher| bencher.iter(|| test.p_value(paired)));
    group.bench_function("t_test/10000", |bencher| bencher.iter(|| TTest::new(black_box(paired))));
    group.bench_function("outcomes/10000", |bencher| bencher.iter(|| Outcomes::new(black_box(paired))));
    group.bench_function("holm/10000", |bencher| bencher.iter(|| holm(black_box(&baseline)).unwrap()));
    let seeds = SeedValues::new(&(0..5).map(|_| values()).collect::<Vec<_>>()).unwrap();
    group.bench_function("mean_over_seeds/5x10000", |bencher| bencher.iter(|| bootstrap.mean_over_seeds(&seeds)));
    group.finish();
}

criterion_group!(benches, evaluation, statistics);
criterion_main!(benches);
