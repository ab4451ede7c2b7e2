//! Shows how fast this machine embeds and trains, on burn's flex backend.
//!
//! `cargo run --release -p embed --example speed -- FOLDER_OF_all-MiniLM-L6-v2` (about a minute; without a folder, weights are random).
//! Prints milliseconds and GFLOP/s.

use std::time::Instant;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexDevice};
use embed::{
    Bert, BertConfig, EmbedError, Embedder, Encoder, InferencePrecision, LexicalConfig, Side, StaticConfig,
    TextTokenizer, TokenBatch,
};

type Train = Autodiff<Flex>;

fn main() -> Result<(), EmbedError> {
    let folder = std::env::args().nth(1);
    let device = FlexDevice;
    let passages = batch(256, 64, 1);
    let six = bert::<Flex>(folder.as_deref(), 6, &device)?;
    let ms = best(5, || drop(six.forward(&passages, &device)));
    report("forward, 256 x 64 tokens, 6 layers", ms, flops(&passages, six.config()));
    for precision in [InferencePrecision::F32, InferencePrecision::Int16] {
        let Some(vectors) = six.inference(precision) else { continue };
        let ms = best(5, || drop(vectors.rows(&passages, &mut |_| ())));
        report(&format!("embed 256 x 64 tokens, 6 layers, {precision}"), ms, flops(&passages, six.config()));
        let query = batch(1, 12, 4);
        let ms = best(200, || drop(vectors.rows(&query, &mut |_| ())));
        report(&format!("embed 1 x 12 tokens, 6 layers, {precision}"), ms, flops(&query, six.config()));
    }

    let two = bert::<Train>(folder.as_deref(), 2, &device)?;
    let queries = batch(256, 24, 2);
    let sides = [&queries, &passages];
    let work = sides.iter().map(|side| flops(side, two.config())).sum::<f64>();
    let plain = bert::<Flex>(folder.as_deref(), 2, &device)?;
    let forward = best(5, || sides.iter().for_each(|side| drop(plain.forward(side, &device))));
    report("forward, 256 pairs (24/64 tokens), 2 layers", forward, work);
    for budget in [2048, 4096, 8192, 32_768] {
        let ms = best(3, || sides.iter().for_each(|side| train(&two, side, budget, &device)));
        report(&format!("forward + backward, chunks of {budget} tokens"), ms, 3.0 * work);
    }
    bags(&device)?;
    lexical()
}

/// Forward and backward of a static table of 30 000 × 256, over 1024 texts of 40 tokens.
fn bags(device: &FlexDevice) -> Result<(), EmbedError> {
    let encoder = StaticConfig::new(30_000, 256).init::<Train>(device)?;
    let texts = batch(1024, 40, 3);
    let ms = best(5, || train(&encoder, &texts, usize::MAX, device));
    println!("static table, forward + backward, 1024 x 40 tokens: {ms:.1} ms");
    Ok(())
}

fn lexical() -> Result<(), EmbedError> {
    let words = ["read_file", "the", "HttpClient", "parses", "a", "request", "vector", "cluster", "batch", "of"];
    let texts: Vec<String> = (0..100_000_usize)
        .map(|i| (0..12).map(|j| words[(i * 7 + j * (i % 13 + 1)) % words.len()]).collect::<Vec<_>>().join(" "))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let lexical = LexicalConfig::default().fit(&texts)?;
    let ms = best(3, || drop(lexical.embed(&texts, Side::Passage)));
    println!("lexical, 12 words a text: {:.0} texts/s", texts.len() as f64 / ms * 1e3);
    let start = Instant::now();
    TextTokenizer::train_wordpiece(&texts, 8000)?;
    println!("train a WordPiece vocabulary on them: {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn train<E: Encoder<Train>>(encoder: &E, tokens: &TokenBatch, budget: usize, device: &FlexDevice) {
    for chunk in tokens.chunks(budget) {
        let rows = encoder.forward(&tokens.select(&chunk), device);
        let target = Tensor::ones(rows.dims(), device);
        (rows * target).sum().backward();
    }
}

fn bert<B: Backend>(folder: Option<&str>, layers: usize, device: &B::Device) -> Result<Bert<B>, EmbedError> {
    match folder {
        Some(folder) => Bert::from_folder(folder, Some(layers), device),
        None => {
            let config = BertConfig::new(30_522, 384).with_layers(layers).with_heads(12);
            config.init(device)
        }
    }
}

/// `texts` rows of `longest` tokens.
fn batch(texts: u32, longest: u32, seed: u32) -> TokenBatch {
    TokenBatch::from_rows(
        (0..texts)
            .map(|text| (0..longest).map(|at| (text * 7919 + at * 104_729 + seed) % 30_000).collect::<Vec<u32>>()),
    )
}

/// Floating-point operations of a forward pass: two a weight and token, and attention's two products.
fn flops(tokens: &TokenBatch, config: &BertConfig) -> f64 {
    let (hidden, wide) = (config.hidden_size as f64, config.intermediate_size as f64);
    let of_row = |row| {
        let length = tokens.row_len(row) as f64;
        length * (8.0 * hidden * hidden + 4.0 * hidden * wide) + 4.0 * length * length * hidden
    };
    (0..tokens.len()).map(of_row).sum::<f64>() * config.num_hidden_layers as f64
}

fn best(times: usize, mut run: impl FnMut()) -> f64 {
    let once = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..times).map(once).fold(f64::INFINITY, f64::min)
}

fn report(what: &str, ms: f64, flops: f64) {
    println!("{what}: {ms:.1} ms, {:.0} GFLOP/s", flops / ms / 1e6);
}
