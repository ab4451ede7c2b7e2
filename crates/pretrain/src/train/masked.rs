//! Masked language modelling: a BERT learns its words from texts alone.

use std::time::Instant;

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Int, Tensor};
use embed::{Dropout, MaskedBert, TextTokenizer, TokenBatch};
use infonce::InfoNceConfig;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use stratified_sampler::BatchSampler;

use super::{Outcome, Schedule, SkippedStep, TrainingState, clip, tape};
use crate::config::{MlmConfig, TrainConfig};
use crate::error::{PretrainError, Result};

/// Of what is predicted this share is hidden, and half of the rest another token.
const HIDDEN: f64 = 0.8;

/// Which tokens are hidden, and by what.
#[derive(Debug, Clone)]
pub(crate) struct Masking {
    /// The id of the token that hides others.
    mask: u32,
    /// Of each id whether it may be predicted, and stand where another was: all but special ones.
    ordinary: Vec<bool>,
    /// The share of tokens that are predicted.
    share: f64,
}

impl Masking {
    /// By the tokenizer's `[MASK]`; `None` if it has none, or no ordinary token.
    pub(crate) fn new(tokenizer: &TextTokenizer, share: f64) -> Option<Self> {
        let special = tokenizer.special_ids();
        let ordinary: Vec<bool> = (0..tokenizer.vocab_size() as u32).map(|id| !special.contains(&id)).collect();
        let any = ordinary.iter().any(|&ordinary| ordinary);
        Some(Self { mask: tokenizer.token_id("[MASK]").filter(|_| any)?, ordinary, share })
    }

    /// The texts with some tokens hidden, each by its own seed, the places of those that are predicted, counted through all texts, and what stood
    /// there.
    fn apply(&self, texts: &TokenBatch, seeds: &[u64]) -> Masked {
        let mut masked = Masked { texts: TokenBatch::default(), places: Vec::new(), targets: Vec::new() };
        let mut place = 0;
        for (row, &seed) in seeds.iter().enumerate() {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            let hide = |&id: &u32| {
                let predicted = self.ordinary[id as usize] && rng.random_bool(self.share);
                let there = if predicted { self.instead_of(id, rng) } else { id };
                if predicted {
                    masked.places.push(place);
                    masked.targets.push(id as i32);
                }
                place += 1;
                there
            };
            let row: Vec<u32> = texts.tokens(row).iter().map(hide).collect();
            masked.texts.push(&row);
        }
        masked
    }

    fn instead_of(&self, id: u32, rng: &mut impl Rng) -> u32 {
        match rng.random::<f64>() {
            at if at < HIDDEN => self.mask,
            at if at < HIDDEN + (1.0 - HIDDEN) / 2.0 => loop {
                let other = rng.random_range(0..self.ordinary.len());
                if self.ordinary[other] {
                    break other as u32;
                }
            },
            _ => id,
        }
    }
}

struct Masked {
    texts: TokenBatch,
    places: Vec<u32>,
    targets: Vec<i32>,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MaskedReport {
    /// The step, counted from 0.
    pub(crate) step: usize,
    /// The epoch, counted from 0.
    pub(crate) epoch: u64,
    /// Cross-entropy of the predicted tokens, in nats.
    pub(crate) loss: f32,
    /// The share of them that were found.
    pub(crate) accuracy: f32,
    /// Predicted tokens.
    pub(crate) masked: usize,
    /// Tokens of the texts.
    pub(crate) tokens: usize,
    /// The norm of the gradient of all parameters together, before clipping.
    pub(crate) gradient_norm: f32,
    /// The learning rate.
    pub(crate) learning_rate: f64,
    /// How long the step took, in seconds.
    pub(crate) seconds: f64,
}

/// One training of a masked language model.
pub(crate) struct MaskedTraining<'a, B: AutodiffBackend> {
    pub(crate) texts: &'a TokenBatch,
    /// Which texts make each batch.
    pub(crate) sampler: &'a dyn BatchSampler,
    pub(crate) masking: Masking,
    /// The number of steps and the share of masked tokens.
    pub(crate) mlm: &'a MlmConfig,
    /// The optimisation.
    pub(crate) config: &'a TrainConfig,
    pub(crate) device: &'a B::Device,
}

/// The model between two steps.
pub(crate) type MaskedState<B> = TrainingState<B, MaskedBert<B>>;

impl<B: AutodiffBackend> MaskedTraining<'_, B> {
    /// The training before its first step.
    pub(crate) fn start(&self, model: MaskedBert<B>) -> MaskedState<B> {
        TrainingState::new(self.config, &InfoNceConfig::default(), model, self.mlm.steps)
    }

    /// The training after the next step, and what became of that; as it was, and `None`, after the last one.
    ///
    /// # Errors
    /// The sampler's, and [`PretrainError::Diverged`] as of a training on pairs.
    pub(crate) fn step(&self, mut state: MaskedState<B>) -> Result<(MaskedState<B>, Option<Outcome<MaskedReport>>)> {
        if state.step >= state.steps {
            return Ok((state, None));
        }
        let start = Instant::now();
        if state.index == self.sampler.len(state.epoch) {
            (state.epoch, state.index) = (state.epoch + 1, 0);
        }
        let (step, epoch, index) = (state.step, state.epoch, state.index);
        let mut batch = Vec::new();
        self.sampler.batch(epoch, index, &mut batch).map_err(|source| PretrainError::Batch { epoch, index, source })?;
        let rows: Vec<usize> = batch.iter().map(|&row| row as usize).collect();
        let Seen { gradients, loss, accuracy, masked, tokens } = self.gradients(&state.encoder, &rows, step);
        let (gradients, gradient_norm) =
            clip::clip_global_norm::<B, _>(gradients, &state.encoder, self.config.clip_norm);
        (state.step, state.index) = (step + 1, index + 1);
        let judged = SkippedStep { step, epoch, loss, gradient_norm };
        if state.skips(judged, self.config.skip_at_most)? {
            return Ok((state, Some(Outcome::Skipped(judged))));
        }
        let learning_rate = Schedule::new(self.config, state.steps).rate(step);
        state.encoder = state.optimizer.step(learning_rate, state.encoder, gradients);
        let seconds = start.elapsed().as_secs_f64();
        let report =
            MaskedReport { step, epoch, loss, accuracy, masked, tokens, gradient_norm, learning_rate, seconds };
        Ok((state, Some(Outcome::Trained(report))))
    }

    /// The gradients of the mean over all predicted tokens, in chunks one after another: it is a sum over texts, each with a seed of its own.
    fn gradients(&self, model: &MaskedBert<B>, rows: &[usize], step: usize) -> Seen {
        let texts = self.texts.select(rows);
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(step as u64);
        let seeds: Vec<u64> = rows.iter().map(|_| rng.next_u64()).collect();
        let rate = self.config.dropout;
        let dropout = (rate > 0.0).then(|| Dropout::new(rate, rows.iter().map(|_| rng.next_u64()).collect()));
        let chunks: Vec<(Vec<usize>, Masked)> = texts
            .chunks(self.config.chunk_tokens)
            .into_iter()
            .map(|rows| {
                let seeds: Vec<u64> = rows.iter().map(|&row| seeds[row]).collect();
                let masked = self.masking.apply(&texts.select(&rows), &seeds);
                (rows, masked)
            })
            .filter(|(_, masked)| !masked.places.is_empty())
            .collect();
        let masked: usize = chunks.iter().map(|(_, chunk)| chunk.places.len()).sum();
        let _alone = tape::alone();
        let (mut sums, mut loss, mut found) = (GradientsAccumulator::new(), 0.0, 0);
        for (rows, Masked { texts, places, targets }) in chunks {
            let dropout = dropout.as_ref().map(|dropout| dropout.select(&rows));
            let logits = model.logits(&texts, &places, dropout.as_ref(), self.device);
            let targets = Tensor::<B, 1, Int>::from_data(targets.as_slice(), self.device).unsqueeze_dim::<2>(1);
            let hits = logits.clone().inner().argmax(1).equal(targets.clone().inner()).int();
            found += hits.into_data().iter::<i64>().sum::<i64>();
            let of_chunk = log_softmax(logits, 1).gather(1, targets).sum().neg() / masked as f64;
            loss += of_chunk.clone().inner().into_data().iter::<f32>().sum::<f32>();
            sums.accumulate(model, GradientsParams::from_grads(of_chunk.backward(), model));
        }
        let accuracy = found as f32 / masked.max(1) as f32;
        Seen { gradients: sums.grads(), loss, accuracy, masked, tokens: texts.total() }
    }
}

/// What a batch says of the parameters.
struct Seen {
    gradients: GradientsParams,
    loss: f32,
    accuracy: f32,
    masked: usize,
    tokens: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masking(share: f64) -> Masking {
        Masking { mask: 4, ordinary: (0..100).map(|id| id > 4).collect(), share }
    }

    #[test]
    fn the_shares_are_berts() {
        let texts = TokenBatch::from_rows((0..200_u32).map(|row| {
            let words = (0..50).map(|word| 5 + (row * 7 + word) % 95);
            [2].into_iter().chain(words).chain([3]).collect::<Vec<_>>()
        }));
        let masked = masking(0.15).apply(&texts, &(0..200).collect::<Vec<_>>());
        let (ids, before) = (masked.texts.ids(), texts.ids());
        assert_eq!(masked.texts.offsets(), texts.offsets());
        let share = |count: usize, of: usize| count as f64 / of as f64;
        assert!((share(masked.places.len(), 10_000) - 0.15).abs() < 0.01);
        let at = |wanted: &dyn Fn(u32, u32) -> bool| {
            masked.places.iter().filter(|&&place| wanted(ids[place as usize], before[place as usize])).count()
        };
        let (hidden, same) = (at(&|id, _| id == 4), at(&|id, before| id == before));
        assert!((share(hidden, masked.places.len()) - 0.8).abs() < 0.04, "{hidden}");
        assert!((share(same, masked.places.len()) - 0.1).abs() < 0.03, "{same}");
        // What is not predicted stays, and what is was there.
        for (place, (&id, &was)) in ids.iter().zip(before).enumerate() {
            match masked.places.binary_search(&(place as u32)) {
                Ok(at) => assert!(masked.targets[at] == was as i32 && was > 4 && id >= 4),
                Err(_) => assert_eq!(id, was),
            }
        }
    }

    #[test]
    fn special_tokens_are_never_predicted() {
        let texts = TokenBatch::from_rows([[2, 3], [0, 1]]);
        let masked = masking(1.0).apply(&texts, &[0, 1]);
        assert!(masked.places.is_empty());
        assert_eq!(masked.texts.ids(), texts.ids());
    }
}
