//! `cargo bench -p benches --bench training`: pairs a second of the whole training step (tokens to updated weights) of the static
//! student at the quickstart's sizes, on the processor.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use infonce::InfoNceConfig;
use pretrain::data::{Dataset, Pair};
use pretrain::tensor::AutodiffBackend;
use pretrain::{BackendTask, DeviceKind, PairTokens, Result, TrainConfig, Training};
use stratified_sampler::UniformConfig;

const PAIRS: usize = 4096;
const VOCABULARY: usize = 8192;

/// Pairs of made-up words: a query of 8, a passage of 48 that shares them.
fn dataset() -> Dataset {
    let words = |seed: usize, length: usize| -> String {
        (0..length).map(|i| format!("w{} ", (seed * 31 + i * i * 7) % 5000)).collect()
    };
    Dataset {
        queries: (0..PAIRS).map(|pair| ("", words(pair, 8))).collect(),
        passages: (0..PAIRS).map(|pair| ("", words(pair, 48))).collect(),
        train: (0..PAIRS as u32).map(|pair| Pair { query: pair, passage: pair }).collect(),
        ..Dataset::default()
    }
}

struct Bench<'a>(&'a mut Criterion);

impl BackendTask for Bench<'_> {
    type Output = ();

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<()> {
        let dataset = dataset();
        let texts = dataset.queries.iter().chain(&dataset.passages).map(|text| text.text);
        let tokenizer = embed::TextTokenizer::train_wordpiece(texts, VOCABULARY)?;
        let config = TrainConfig { epochs: 1, ..TrainConfig::default() };
        let tokens =
            PairTokens::new(&dataset, &tokenizer, &embed::Prompts::default(), embed::TokenLimits::new(24, 64))?;
        let loss = InfoNceConfig::default().build()?;
        let encoder = embed::StaticConfig::new(tokenizer.vocab_size(), 256).init::<B>(&device)?;
        let mut group = self.0.benchmark_group("pretrain/epoch");
        group.throughput(Throughput::Elements(PAIRS as u64)).sample_size(10);
        for batch_size in [256, 1024] {
            let sampler = UniformConfig::new(batch_size).build(PAIRS).expect("a batch fits the pairs");
            let training = Training::<B> {
                tokens: &tokens,
                sampler: &sampler,
                loss: &loss,
                guide: None,
                hard_negatives: None,
                strata: None,
                loss_config: &InfoNceConfig::default(),
                config: &config,
                device: &device,
                beside: &[],
            };
            group.bench_function(BenchmarkId::new("static-256", batch_size), |bencher| {
                bencher.iter(|| training.run(encoder.clone(), &mut |_, _| Ok(())).expect("the loss stays finite"));
            });
        }
        group.finish();
        Ok(())
    }
}

fn training(criterion: &mut Criterion) {
    DeviceKind::Cpu.run(Bench(criterion)).expect("this package enables the cpu backend");
}

criterion_group!(benches, training);
criterion_main!(benches);
