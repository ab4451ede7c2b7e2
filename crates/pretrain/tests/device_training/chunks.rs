//! A batch encoded in chunks has the gradients of the batch encoded whole, with dropout and repeated texts, on every backend.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "each test is a function of the backend")]

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use embed::{BertConfig, Encoder, Pooling, Prompts, StaticConfig, TextTokenizer, TokenLimits};
use infonce::{Directions, InfoNceConfig, Partition};
use pretrain::data::{Dataset, Pair};
use pretrain::{BatchGradients, PairTokens, TrainConfig, Training};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stratified_sampler::UniformConfig;

const WORDS: [&str; 12] =
    ["river", "engine", "opera", "galaxy", "red", "blue", "green", "tiny", "small", "large", "huge", "of"];

/// Texts of 0 to 11 words, some of them the same, and pairs of which some share a text.
fn dataset(pairs: usize, seed: usize) -> Dataset {
    let words = |text: usize| -> String {
        let length = (text * 7 + seed) % 12;
        (0..length).map(|at| WORDS[(text * 5 + at * at + seed) % WORDS.len()]).collect::<Vec<_>>().join(" ")
    };
    let pair = |pair: usize| Pair { query: pair as u32, passage: (pair - pair % 3 / 2) as u32 };
    Dataset {
        queries: (0..pairs).map(|query| ("", words(query))).collect(),
        passages: (0..pairs).map(|passage| ("", words(passage * 3 + 1))).collect(),
        train: (0..pairs).map(pair).collect(),
        ..Dataset::default()
    }
}

/// The gradients of a module's parameters.
struct Values<'a, B: AutodiffBackend> {
    gradients: &'a GradientsParams,
    found: Vec<Vec<f32>>,
    backend: std::marker::PhantomData<B>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Values<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let gradient = self.gradients.get::<B::InnerBackend, D>(param.id);
        self.found.push(gradient.map_or_else(Vec::new, |gradient| gradient.into_data().to_vec().unwrap()));
    }
}

/// Each within 1e-5 of the largest of its tensor.
fn assert_close(chunked: &[Vec<f32>], whole: &[Vec<f32>], relative: f32) {
    assert!(whole.iter().any(|gradient| gradient.iter().any(|value| *value != 0.0)));
    let all = whole.iter().flatten().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (place, (chunked, whole)) in chunked.iter().zip(whole).enumerate() {
        assert_eq!(chunked.len(), whole.len());
        let largest = whole.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (a, b) in chunked.iter().zip(whole) {
            // Of a tensor whose gradients are all but zero, as the keys' bias has, rounding is what there is.
            assert!((a - b).abs() <= relative * largest.max(0.01 * all), "parameter {place}: {a} chunked, {b} whole");
        }
    }
}

fn check<B: AutodiffBackend, E>(encoder: &E, tokens: &PairTokens, config: &TrainConfig, device: &B::Device) -> usize
where
    E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
{
    let _training = crate::TAPE.read();
    let sampler = UniformConfig::new(2).build(tokens.len()).unwrap();
    let loss_config = InfoNceConfig::default().with_temperature(0.1).with_directions(Directions::ALL, Partition::Joint);
    let loss = loss_config.build().unwrap();
    let batch: Vec<u32> = (0..tokens.len() as u32).rev().collect();
    let gradients = |chunk_tokens: usize, devices: usize| -> (Vec<Vec<f32>>, BatchGradients) {
        let beside = vec![device.clone(); devices - 1];
        let training = Training::<B> {
            tokens,
            sampler: &sampler,
            loss: &loss,
            loss_config: &loss_config,
            guide: None,
            hard_negatives: None,
            strata: None,
            config: &TrainConfig { chunk_tokens, ..config.clone() },
            device,
            beside: &beside,
        };
        let of_batch = training.gradients(encoder, &batch, None, 3);
        let backend = std::marker::PhantomData::<B>;
        let mut values = Values { gradients: &of_batch.parameters, found: Vec::new(), backend };
        encoder.visit(&mut values);
        (values.found, of_batch)
    };
    let (whole, of_whole) = gradients(0, 1);
    assert_eq!(of_whole.report.chunks, 1);
    let cut = |chunk_tokens, devices| {
        let (chunked, of_chunked) = gradients(chunk_tokens, devices);
        assert!((of_whole.report.loss / of_chunked.report.loss - 1.0).abs() < 1e-5);
        assert_close(&chunked, &whole, 1e-5);
        of_chunked.report.chunks
    };
    let chunks = cut(config.chunk_tokens, 1);
    assert!(cut(config.chunk_tokens, 3) >= chunks);
    // Texts that are shared out make chunks of other shapes, for which a GPU compiles its kernels anew.
    if cfg!(not(feature = "wgpu")) {
        assert_eq!(cut(0, 2), 2);
    }
    chunks
}

/// Both encoders over some texts; the chunks that they were cut into.
fn check_both<B: AutodiffBackend>(
    (pairs, seed, chunk_tokens): (usize, usize, usize),
    dropout: f32,
    device: &B::Device,
) -> usize {
    let dataset = dataset(pairs, seed);
    let texts = dataset.queries.iter().chain(&dataset.passages).map(|text| text.text);
    let tokenizer = TextTokenizer::train_wordpiece(texts.chain(WORDS), 300).unwrap();
    let config = TrainConfig { chunk_tokens, dropout, seed: seed as u64, ..TrainConfig::default() };
    let tokens = |tokenizer: &TextTokenizer| {
        PairTokens::new(&dataset, tokenizer, &Prompts::default(), TokenLimits::new(8, 12)).unwrap()
    };
    B::seed(device, seed as u64);
    let table = StaticConfig::new(tokenizer.vocab_size(), 16).init::<B>(device).unwrap();
    let plain = tokenizer.clone().with_special_tokens(false);
    check(&table, &tokens(&plain), &config, device);
    let bert = BertConfig::new(tokenizer.vocab_size(), 16).with_layers(2).with_heads(2).with_intermediate_size(24);
    let bert = BertConfig { initializer_range: 0.3, ..bert };
    let pooling = if seed.is_multiple_of(2) { Pooling::Mean } else { Pooling::Cls };
    let bert = bert.init::<B>(device).expect("the sizes fit").with_pooling(pooling);
    check(&bert, &tokens(&tokenizer.with_special_tokens(true)), &config, device)
}

fn a_batch_in_chunks_has_the_gradients_of_the_whole<B: Backend>(device: &B::Device) {
    for dropout in [0.0, 0.2] {
        assert!(check_both::<Autodiff<B>>((9, 4, 30), dropout, device) > 3);
    }
}

on_every_backend!([a_batch_in_chunks_has_the_gradients_of_the_whole]);

#[cfg(feature = "cpu")]
#[test]
fn any_batch_in_any_chunks_has_the_gradients_of_the_whole() {
    let shapes = (2_usize..40, 0_usize..1000, 1_usize..200);
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let dropout = prop_oneof![Just(0.0_f32), 0.05_f32..0.6];
    let check = |(shape, dropout): ((usize, usize, usize), f32)| {
        check_both::<Autodiff<burn::backend::Flex>>(shape, dropout, &Default::default());
        Ok(())
    };
    runner.run(&(shapes, dropout), check).unwrap();
}

/// What dropout is for: other masks each step, the same for the same step.
#[cfg(feature = "cpu")]
#[test]
fn a_step_has_masks_of_its_own() {
    type B = Autodiff<burn::backend::Flex>;
    let (dataset, device) = (dataset(8, 1), Default::default());
    let tokenizer = TextTokenizer::train_wordpiece(WORDS, 300).unwrap();
    let tokens = PairTokens::new(&dataset, &tokenizer, &Prompts::default(), TokenLimits::new(8, 12)).unwrap();
    let bert = BertConfig::new(tokenizer.vocab_size(), 16).with_layers(1).with_heads(2).init::<B>(&device).unwrap();
    let sampler = UniformConfig::new(2).build(tokens.len()).unwrap();
    let (loss_config, config) = (InfoNceConfig::default(), TrainConfig { dropout: 0.1, ..TrainConfig::default() });
    let loss = loss_config.build().unwrap();
    let training = Training::<B> {
        tokens: &tokens,
        sampler: &sampler,
        loss: &loss,
        loss_config: &loss_config,
        guide: None,
        hard_negatives: None,
        strata: None,
        config: &config,
        device: &device,
        beside: &[],
    };
    let _training = crate::TAPE.read();
    let at = |step: usize| training.gradients(&bert, &[0, 1, 2, 3], None, step).report.loss;
    assert_eq!(at(1), at(1));
    assert_ne!(at(1), at(2));
}

/// A training in one thread does not free what one in another is recording.
#[cfg(feature = "cpu")]
#[test]
fn trainings_of_several_threads_have_the_gradients_of_one() {
    let check = |seed| {
        for _ in 0..5 {
            check_both::<Autodiff<burn::backend::Flex>>((12, seed, 20), 0.0, &Default::default());
        }
    };
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || check(seed));
        }
    });
}
