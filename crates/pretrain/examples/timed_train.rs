//! Training steps of one case, timed inside a process that stays warm.
//!
//! ```text
//! cargo run --release -p pretrain --example timed_train -- CASE.json FOLDER
//! ```
//!
//! `benches/peers/train.py` says what the file and the lines are, and speaks to it.

use std::error::Error;
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;
use embed::{BertConfig, Encoder, ExportOptions, SaveFolder, StaticConfig, TextTokenizer, TokenBatch};
use infonce::InfoNceConfig;
use pretrain::data::Pair;
use pretrain::{Outcome, PairTokens, RateDecay, TrainConfig, Training};
use serde::Deserialize;
use stratified_sampler::{BatchSampler, PlanHash, SamplerError};

type B = Autodiff<Flex>;

/// Tokens of a chunk.
const CHUNK_TOKENS: usize = 16_384;

#[derive(Deserialize)]
struct Case {
    model: Model,
    seed: u64,
    pairs: usize,
    queries: PathBuf,
    query_tokens: usize,
    passages: PathBuf,
    passage_tokens: usize,
    batch: usize,
    chunked: bool,
    temperature: f32,
    clip_norm: f32,
    learning_rate: f64,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Model {
    Static { vocab_size: usize, dim: usize, std: f64 },
    Bert(Box<BertConfig>),
}

/// Batch after batch, from the first pair again after the last.
struct InOrder {
    pairs: usize,
    batch: usize,
}

impl BatchSampler for InOrder {
    fn len(&self, _: u64) -> usize {
        1 << 20
    }

    fn batch(&self, _: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        out.clear();
        out.extend((0..self.batch).map(|at| ((index * self.batch + at) % self.pairs) as u32));
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.batch
    }

    fn pairs(&self) -> usize {
        self.pairs
    }

    fn plan_hash(&self) -> PlanHash {
        PlanHash::of("in order", [self.pairs as u64, self.batch as u64])
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [case, folder] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: timed_train CASE.json FOLDER".into());
    };
    // As the command has it.
    pretrain::program::start();
    let case: Case = serde_json::from_str(&std::fs::read_to_string(case)?)?;
    let folder = Path::new(folder).join("model");
    Flex::seed(&FlexDevice, case.seed);
    match &case.model {
        Model::Static { vocab_size, dim, std } => {
            let encoder = StaticConfig::new(*vocab_size, *dim).with_std(*std).init::<B>(&FlexDevice)?;
            steps(&case, &folder, encoder)
        }
        Model::Bert(config) => steps(&case, &folder, config.init::<B>(&FlexDevice)?),
    }
}

fn steps<E>(case: &Case, folder: &Path, encoder: E) -> Result<(), Box<dyn Error>>
where
    E: Encoder<B> + SaveFolder + AutodiffModule<B, InnerModule: Encoder<Flex>>,
{
    let queries = read_tokens(&case.queries, [case.pairs, case.query_tokens])?;
    let passages = read_tokens(&case.passages, [case.pairs, case.passage_tokens])?;
    let pairs = (0..case.pairs as u32).map(|row| Pair { query: row, passage: row }).collect();
    let tokens = PairTokens::from_tokens(queries, passages, pairs);
    let loss_config = InfoNceConfig::default().with_temperature(case.temperature);
    let loss = loss_config.build()?;
    let config = TrainConfig {
        learning_rate: Some(case.learning_rate),
        warmup: 0.0,
        schedule: RateDecay::Constant,
        weight_decay: case.weight_decay,
        decay_all: true,
        beta1: case.beta1,
        beta2: case.beta2,
        epsilon: case.epsilon,
        clip_norm: case.clip_norm,
        chunk_tokens: if case.chunked { CHUNK_TOKENS } else { 0 },
        ..TrainConfig::default()
    };
    let training = Training::<B> {
        tokens: &tokens,
        sampler: &InOrder { pairs: case.pairs, batch: case.batch },
        loss: &loss,
        loss_config: &loss_config,
        guide: None,
        hard_negatives: None,
        strata: None,
        config: &config,
        device: &FlexDevice,
        beside: &[],
    };
    let mut state = training.start(encoder);
    for line in stdin().lines() {
        let answer = match line?.as_str() {
            "model" => {
                let tokenizer = TextTokenizer::train_wordpiece(["a text"], 40)?;
                state.encoder().save_folder(folder, &tokenizer, &ExportOptions::new(128))?;
                serde_json::json!({ "parameters": state.encoder().num_params() })
            }
            "step" => {
                let begin = Instant::now();
                let (next, outcome) = training.step(state)?;
                state = next;
                let seconds = begin.elapsed().as_secs_f64();
                let Some(Outcome::Trained(report)) = outcome else { return Err(format!("{outcome:?}").into()) };
                serde_json::json!({ "seconds": seconds, "loss": report.loss, "norm": report.gradient_norm })
            }
            other => return Err(format!("{other:?} is not model or step").into()),
        };
        println!("{answer}");
    }
    Ok(())
}

fn read_tokens(path: &Path, shape: [usize; 2]) -> Result<TokenBatch, Box<dyn Error>> {
    let ids: Vec<u32> = vectors::read_array(path, &shape)?;
    Ok(TokenBatch::from_rows(ids.chunks(shape[1])))
}
