//! `cargo bench -p embed`: texts to vectors on the processor by a model of all-MiniLM-L6-v2's shape with random weights, in both precisions, and by the forward
//! pass that training takes; the tokenizer alone.

use std::hint::black_box;

use burn_flex::{Flex, FlexDevice};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use embed::{BertConfig, Encoder, InferencePrecision, TextTokenizer, TokenBatch};

/// Lengths of texts, and what such a batch is called.
const BATCHES: [(&str, usize, std::ops::Range<u32>); 3] =
    [("a query of 12", 1, 12..13), ("256 of 8 to 40", 256, 8..41), ("64 of 128 to 256", 64, 128..257)];

fn batch(texts: usize, lengths: std::ops::Range<u32>) -> TokenBatch {
    let length = |text: u32| lengths.start + text * 7919 % (lengths.end - lengths.start);
    TokenBatch::from_rows(
        (0..texts as u32)
            .map(|text| (0..length(text)).map(|at| (text * 31 + at * 104_729) % 30_000).collect::<Vec<_>>()),
    )
}

fn texts_to_vectors(criterion: &mut Criterion) {
    let config = BertConfig::new(30_522, 384).with_layers(6).with_heads(12);
    let bert = config.init::<Flex>(&FlexDevice).expect("a model");
    let mut group = criterion.benchmark_group("texts to vectors");
    group.sample_size(10);
    for (name, texts, lengths) in BATCHES {
        let tokens = batch(texts, lengths);
        let all: usize = (0..tokens.len()).map(|text| tokens.row_len(text)).sum();
        group.throughput(Throughput::Elements(all as u64));
        for precision in [InferencePrecision::F32, InferencePrecision::Int16] {
            let inference = bert.inference(precision).expect("on flex");
            group.bench_function(BenchmarkId::new(precision.to_string(), name), |bencher| {
                bencher.iter(|| inference.rows(black_box(&tokens), &mut |_| ()));
            });
        }
        group.bench_function(BenchmarkId::new("forward", name), |bencher| {
            bencher.iter(|| bert.forward(black_box(&tokens), &FlexDevice).into_data());
        });
    }
}

fn tokenizer(criterion: &mut Criterion) {
    let words = ["read", "the", "client", "parses", "a", "request", "vector", "cluster", "batch", "of"];
    let texts: Vec<String> = (0..1000_usize)
        .map(|text| {
            (0..20).map(|at| words[(text * 7 + at * (text % 13 + 1)) % words.len()]).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let tokenizer = TextTokenizer::train_wordpiece(&texts, 200).expect("a vocabulary");
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut group = criterion.benchmark_group("tokenizer");
    group.throughput(Throughput::Elements(texts.len() as u64));
    group.bench_function("1,000 texts of 20 words", |bencher| {
        bencher.iter(|| tokenizer.encode(black_box(&texts), 64).expect("tokens"));
    });
}

criterion_group!(benches, texts_to_vectors, tokenizer);
criterion_main!(benches);
