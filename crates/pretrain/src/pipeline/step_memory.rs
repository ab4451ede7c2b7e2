//! Whether a step fits the memory that there is, found before the first.

use burn::module::Module;
use burn::tensor::backend::{AutodiffBackend, Backend};
use embed::{Encoder, MaskedBert};
use sysinfo::System;

use crate::config::{Keep, TrainConfig};
use crate::device::on_processor;
use crate::error::{PretrainError, Result};
use crate::progress::megabytes;
use crate::run_folder::Member;
use crate::train::Training;

/// Bytes of a parameter with its gradient and AdamW's two moments.
pub(super) const BYTES_A_PARAMETER: usize = 16;
/// Batches of the first epoch that are looked at.
const LOOKED_AT: usize = 16;
/// What is allocated beside what a tape keeps, as a share of that: gradients on their way back, and what the allocator holds.
const BESIDE: f64 = 0.35;
/// The same of masks.
const DROPPED: f64 = 0.15;
const GIB: f64 = (1_u64 << 30) as f64;
/// A chunk size that is advised is a multiple of this.
const ROUND: usize = 256;

/// What a step takes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct StepMemory {
    /// Whatever the batch is.
    fixed: f64,
    /// As much again in chunks, for each of those that share the memory: sums of gradients.
    sums: f64,
    chunked: bool,
    a_token: f64,
    /// Tokens whose tapes are there at once, of all chunks that share the memory.
    tokens: usize,
    /// Chunks whose tapes are in the same memory: on the processor the first of each device, until the loss is known.
    at_once: usize,
}

impl StepMemory {
    fn bytes(self) -> f64 {
        self.fixed + if self.chunked { self.all_sums() } else { 0.0 } + self.a_token * self.tokens as f64
    }

    fn all_sums(self) -> f64 {
        self.sums * self.at_once as f64
    }

    /// What to do if there are `available` bytes, where a text has up to `longest` tokens.
    fn advice(self, available: f64, longest: usize) -> String {
        let fitting = ((available - self.fixed - self.all_sums()) / self.a_token).max(0.0) as usize / self.at_once;
        match fitting / ROUND * ROUND {
            fitting if fitting >= longest.max(ROUND) => format!("train.chunk_tokens = {fitting} would fit"),
            _ => "no train.chunk_tokens would fit".to_owned(),
        }
    }
}

/// Refuses a training whose step takes more than `train.memory`, or on the processor than the machine has left.
pub(super) fn require<B, E>(member: Member<'_>, training: &Training<'_, B>, encoder: &E) -> Result<()>
where
    B: AutodiffBackend,
    E: Encoder<B>,
{
    let config = training.config;
    let Some(available) = available::<B::InnerBackend>(config) else { return Ok(()) };
    let step = of_step(training, encoder)?;
    tracing::debug!("train {member}: a step takes about {}", shown(step.bytes()));
    if step.bytes() <= available {
        return Ok(());
    }
    let longest = config.max_query_tokens.max(config.max_passage_tokens);
    let advice = step.advice(available, longest);
    let [needed, available] = [step.bytes(), available].map(shown);
    Err(PretrainError::Memory { arm: member.to_string(), needed, available, advice })
}

/// The same of a masked language model, whose batches have up to `tokens` tokens, of which `mask` are predicted.
pub(super) fn require_masked<B: AutodiffBackend>(
    name: &str,
    config: &TrainConfig,
    model: &MaskedBert<B>,
    tokens: usize,
    mask: f64,
) -> Result<()> {
    let Some(available) = available::<B::InnerBackend>(config) else { return Ok(()) };
    let bert = model.bert();
    let dropped = if config.dropout > 0.0 { DROPPED } else { 0.0 };
    let tape = Encoder::<B>::tape_bytes_a_token(bert) as f64 * (1.0 + BESIDE + dropped);
    // Logits, their logarithms, and the gradients of both.
    let logits = mask * (4 * bert.config().vocab_size * size_of::<f32>()) as f64;
    let parameters = model.num_params();
    let step = StepMemory {
        fixed: (parameters * BYTES_A_PARAMETER) as f64,
        sums: (parameters * size_of::<f32>()) as f64,
        chunked: tokens > config.chunk_tokens,
        a_token: tape + logits,
        tokens: tokens.min(config.chunk_tokens),
        at_once: 1,
    };
    if step.bytes() <= available {
        return Ok(());
    }
    let advice = step.advice(available, 1);
    let [needed, available] = [step.bytes(), available].map(shown);
    Err(PretrainError::Memory { arm: name.to_owned(), needed, available, advice })
}

fn of_step<B, E>(training: &Training<'_, B>, encoder: &E) -> Result<StepMemory>
where
    B: AutodiffBackend,
    E: Encoder<B>,
{
    let config = training.config;
    let Largest { texts, tokens, longest, chunked } = largest(training)?;
    let (parameters, devices) = (encoder.num_params(), 1 + training.beside.len());
    let at_once = if on_processor::<B::InnerBackend>() { devices } else { 1 };
    // A longer text is a chunk of its own.
    let a_device = if chunked { config.chunk_tokens.max(longest) } else { tokens.div_ceil(devices) };
    // The average, and the best step's.
    let copies = usize::from(config.ema > 0.0) + usize::from(config.keep == Keep::Best);
    let dropped = if config.dropout > 0.0 { DROPPED } else { 0.0 };
    // Embeddings and their gradients, of distinct texts and of pairs.
    let vectors = 6 * texts * encoder.dim() * size_of::<f32>();
    Ok(StepMemory {
        fixed: (parameters * (BYTES_A_PARAMETER + copies * size_of::<f32>()) + vectors) as f64,
        sums: (parameters * size_of::<f32>()) as f64,
        chunked: chunked || devices > 1,
        a_token: encoder.tape_bytes_a_token() as f64 * (1.0 + BESIDE + dropped),
        tokens: tokens.min(a_device * at_once),
        at_once,
    })
}

/// The most texts and tokens of some batches.
#[derive(Debug, Clone, Copy, Default)]
struct Largest {
    texts: usize,
    tokens: usize,
    /// Tokens of a text.
    longest: usize,
    /// Whether one is cut into chunks.
    chunked: bool,
}

fn largest<B: AutodiffBackend>(training: &Training<'_, B>) -> Result<Largest> {
    let batches = training.sampler.len(0);
    let (mut batch, mut largest, budget) = (Vec::new(), Largest::default(), training.config.chunk_tokens);
    for index in (0..batches).step_by(batches.div_ceil(LOOKED_AT).max(1)) {
        let failed = |source| PretrainError::Batch { epoch: 0, index, source };
        training.sampler.batch(0, index, &mut batch).map_err(failed)?;
        let texts = training.tokens.batch(&batch, training.hard_negatives).texts;
        largest = Largest {
            texts: largest.texts.max(texts.len()),
            tokens: largest.tokens.max(texts.total()),
            longest: largest.longest.max(texts.longest()),
            chunked: largest.chunked || budget > 0 && texts.chunks(budget).len() > 1,
        };
    }
    Ok(largest)
}

/// Bytes that a step may take; `None` where nobody says, as on a device whose memory is not asked for.
fn available<B: Backend>(config: &TrainConfig) -> Option<f64> {
    if config.memory > 0.0 {
        return Some(config.memory * GIB);
    }
    on_processor::<B>().then(|| {
        let mut system = System::new();
        system.refresh_memory();
        // Not what is free: files in the page cache make way.
        let within = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
        system.available_memory().min(within) as f64
    })
}

fn shown(bytes: f64) -> String {
    megabytes(bytes as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_chunk_that_fits_is_advised() {
        let step = StepMemory { fixed: 9e5, sums: 1e5, chunked: true, a_token: 1e3, tokens: 9_000, at_once: 1 };
        assert_eq!(step.bytes(), 1e7);
        assert_eq!(step.advice(6e6, 128), "train.chunk_tokens = 4864 would fit");
        assert_eq!(step.advice(6e6, 5_000), "no train.chunk_tokens would fit");
        assert_eq!(step.advice(5e5, 128), "no train.chunk_tokens would fit");
        let both = StepMemory { at_once: 2, ..step };
        assert_eq!(both.bytes(), 1.01e7);
        assert_eq!(both.advice(6.1e6, 128), "train.chunk_tokens = 2304 would fit");
    }
}
