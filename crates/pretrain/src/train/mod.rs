//! The training loop: batches in, a trained encoder out.

mod adamw;
mod average;
mod chunks;
mod clip;
#[cfg(feature = "cpu")]
mod flex;
mod guide;
mod hard_negatives;
mod masked;
mod optimizer;
pub(crate) mod parameters;
mod schedule;
mod state;
mod tape;
mod temperature;
mod tokens;

use std::time::Instant;

use burn::module::AutodiffModule;
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};
use embed::{Dropout, Encoder};
use infonce::{ContrastiveLoss, GuideRows, InBatch, InfoNceConfig, LossAndGradients, OfStratum, Similarities};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use stratified_sampler::BatchSampler;

use chunks::Chunked;
pub use guide::PairGuide;
pub use hard_negatives::HardNegatives;
pub(crate) use masked::{MaskedReport, MaskedTraining, Masking};
pub use schedule::Schedule;
pub(crate) use state::with_parameters;
pub use state::{SavedState, StateError, TrainingState};
use temperature::Temperature;
pub use tokens::{BatchTokens, PairTokens};

use crate::config::TrainConfig;
use crate::error::{PretrainError, Result};

/// One training of any encoder with any sampler and loss.
///
/// # Source
/// Merrick (2024), arXiv 2407.18887, §3: every minibatch comes from one stratum and is scored by InfoNCE.
pub struct Training<'a, B: AutodiffBackend> {
    /// The pairs.
    pub tokens: &'a PairTokens,
    /// Which pairs make each batch.
    pub sampler: &'a dyn BatchSampler,
    /// The loss over a batch of embeddings.
    pub loss: &'a dyn ContrastiveLoss<B::InnerBackend>,
    /// What the loss was built from: its temperature, and whether that is learned.
    pub loss_config: &'a InfoNceConfig,
    /// What the loss finds false negatives by beside known positives; `None` where its configuration has no guide.
    pub guide: Option<PairGuide<'a>>,
    /// Passages that every pair brings along to be told from; `None` where the loss has in-batch negatives alone.
    pub hard_negatives: Option<&'a HardNegatives>,
    /// The stratum of each pair, where reports are to say of each how hard its negatives were.
    pub strata: Option<&'a [u32]>,
    /// The optimisation; its seed is that of dropout.
    pub config: &'a TrainConfig,
    /// Where the encoder lives.
    pub device: &'a B::Device,
    /// Devices that encode a share of every batch beside that one, with a copy of the weights; mostly none.
    pub beside: &'a [B::Device],
}

/// What a step's batch is drawn by.
#[derive(Clone, Copy)]
pub(crate) struct Drawn<'a> {
    pub(crate) sampler: &'a dyn BatchSampler,
    /// The stratum of each pair, for reports.
    pub(crate) strata: Option<&'a [u32]>,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step, counted from 0.
    pub step: usize,
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// InfoNCE, in nats a query.
    pub loss: f32,
    /// The share of queries whose positive scores highest in the batch.
    pub accuracy: f32,
    /// In-batch negatives of all directions masked as false: they share a text with the positive, are known to answer the query, or are so for
    /// the guide.
    pub masked: usize,
    /// The temperature of the loss.
    pub temperature: f32,
    /// How hard the negatives were.
    pub similarities: Similarities,
    /// The same of each stratum of the batch, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_stratum: Vec<OfStratum>,
    /// The norm of the gradient of all parameters together, before clipping.
    pub gradient_norm: f32,
    /// Chunks that the texts were encoded in.
    #[serde(default)]
    pub chunks: usize,
    /// Tokens of the distinct texts.
    #[serde(default)]
    pub tokens: usize,
    /// The learning rate.
    pub learning_rate: f64,
    /// The pairs of the batch.
    pub pairs: usize,
    /// How long the step took, in seconds.
    pub seconds: f64,
    /// How much of it passed before the texts of the batch were there to be encoded, in seconds.
    #[serde(default)]
    pub waiting: f64,
}

/// What a batch says of the parameters.
pub struct BatchGradients {
    /// The mean loss's gradients of the parameters, not clipped.
    pub parameters: GradientsParams,
    /// The loss's slope along the logarithm of `1 / τ`.
    pub scale: f32,
    /// The batch's report, of step and epoch 0, without a rate, a gradient norm and the time of a step.
    pub report: StepReport,
}

/// A step whose loss or gradient was not finite: nothing moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkippedStep {
    /// The step, counted from 0.
    pub step: usize,
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// The loss.
    pub loss: f32,
    /// The norm of the gradient.
    pub gradient_norm: f32,
}

impl SkippedStep {
    /// Its line in `metrics.jsonl`.
    pub(crate) fn line(&self) -> serde_json::Value {
        serde_json::json!({ "step": self.step, "epoch": self.epoch, "skipped": self.to_string() })
    }
}

impl std::fmt::Display for SkippedStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "loss {}, gradient norm {}", self.loss, self.gradient_norm)
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<R = StepReport> {
    /// The weights moved.
    Trained(R),
    /// They did not.
    Skipped(SkippedStep),
}

impl<B: AutodiffBackend> Training<'_, B> {
    /// The steps of the whole training; where the configuration counts epochs, the sampler may have to plan each of them.
    pub fn steps(&self) -> usize {
        match self.config.steps {
            Some(steps) => steps as usize,
            None => (0..self.config.epochs).map(|epoch| self.sampler.len(epoch)).sum(),
        }
    }

    /// The trained encoder, or the average of its weights where the configuration asks for one. `observe` sees every step that moved the
    /// weights, and the encoder after it.
    ///
    /// # Errors
    /// The sampler's, [`PretrainError::Diverged`], or what `observe` gives.
    pub fn run<E>(&self, encoder: E, observe: &mut dyn FnMut(&StepReport, &E) -> Result<()>) -> Result<E>
    where
        E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
    {
        let mut state = self.start(encoder);
        loop {
            let (next, outcome) = self.step(state)?;
            match outcome {
                Some(Outcome::Trained(report)) => observe(&report, next.encoder())?,
                Some(Outcome::Skipped(_)) => {}
                None => return Ok(next.into_encoder()),
            }
            state = next;
        }
    }

    /// The training before its first step.
    pub fn start<E>(&self, encoder: E) -> TrainingState<B, E>
    where
        E: AutodiffModule<B>,
    {
        TrainingState::new(self.config, self.loss_config, encoder, self.steps())
    }

    /// The training after the next step, and what became of that; as it was, and `None`, after the last one.
    ///
    /// # Errors
    /// The sampler's, [`PretrainError::EmptyEpochs`] if it has too few batches for the steps that are wanted, and [`PretrainError::Diverged`] for a step that
    /// is not finite after as many as may be skipped in a row, or after no step that was.
    pub fn step<E>(&self, state: TrainingState<B, E>) -> Result<(TrainingState<B, E>, Option<Outcome>)>
    where
        E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
    {
        self.step_drawn(Drawn { sampler: self.sampler, strata: self.strata }, state)
    }

    /// [`step`](Self::step) with batches drawn otherwise, in epochs of the same length.
    pub(crate) fn step_drawn<E>(
        &self,
        drawn: Drawn<'_>,
        mut state: TrainingState<B, E>,
    ) -> Result<(TrainingState<B, E>, Option<Outcome>)>
    where
        E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
    {
        let Drawn { sampler, strata } = drawn;
        if !self.find_batch(sampler, &mut state)? {
            return Ok((state, None));
        }
        let start = Instant::now();
        let (step, epoch, index) = (state.step, state.epoch, state.index);
        let mut batch = Vec::new();
        sampler.batch(epoch, index, &mut batch).map_err(|source| PretrainError::Batch { epoch, index, source })?;
        let drawn = start.elapsed().as_secs_f64();
        let learned = state.temperature.as_ref().map(Temperature::value);
        let BatchGradients { parameters, scale, mut report } =
            self.gradients_in(strata, &state.encoder, &batch, learned, step);
        let (parameters, norm) = clip::clip_global_norm::<B, E>(parameters, &state.encoder, self.config.clip_norm);
        report.gradient_norm = norm;
        (state.step, state.index) = (step + 1, index + 1);
        let judged = SkippedStep { step, epoch, loss: report.loss, gradient_norm: norm };
        if state.skips(judged, self.config.skip_at_most)? {
            return Ok((state, Some(Outcome::Skipped(judged))));
        }
        let learning_rate = Schedule::new(self.config, state.steps).rate(step);
        state.encoder = state.optimizer.step(learning_rate, state.encoder, parameters);
        if let Some(temperature) = &mut state.temperature {
            temperature.step(scale.into(), learning_rate, self.config);
        }
        if let Some(average) = &mut state.average {
            average.update(&state.encoder.valid(), state.step);
        }
        (report.step, report.epoch, report.learning_rate) = (step, epoch, learning_rate);
        report.waiting += drawn;
        report.seconds = start.elapsed().as_secs_f64();
        Ok((state, Some(Outcome::Trained(report))))
    }

    /// Goes on to the epoch of the next batch; whether there is one.
    fn find_batch<E>(&self, sampler: &dyn BatchSampler, state: &mut TrainingState<B, E>) -> Result<bool> {
        let (first, is_counted) = (state.epoch + u64::from(state.index > 0), self.config.steps.is_some());
        let is_over = |epoch| if is_counted { state.step >= state.steps } else { epoch >= self.config.epochs };
        while !is_over(state.epoch) && state.index == sampler.len(state.epoch) {
            (state.epoch, state.index) = (state.epoch + 1, 0);
            // Who carries a pair over from each epoch, or more, has a batch within so many.
            if is_counted && state.epoch - first >= sampler.batch_size() as u64 {
                return Err(PretrainError::EmptyEpochs { epoch: first, step: state.step, steps: state.steps });
            }
        }
        Ok(!is_over(state.epoch))
    }

    /// The gradients of one batch of pairs, with the dropout of step `step`, at a temperature other than the configuration's if one is given.
    /// Of several threads one at a time computes them (`docs/architecture.md`, "One tape at a time"); not from within rayon's, as a worker that waits for
    /// its products may begin the next batch, and wait for itself.
    ///
    /// The loss gives gradients of the embeddings in closed form; the tape backpropagates their inner product
    /// with the embeddings (Gao et al. 2021, §3).
    ///
    /// # Panics
    /// If a pair is past the last one, or a text has more tokens than the encoder takes.
    pub fn gradients<E>(&self, encoder: &E, batch: &[u32], temperature: Option<f32>, step: usize) -> BatchGradients
    where
        E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
    {
        self.gradients_in(self.strata, encoder, batch, temperature, step)
    }

    fn gradients_in<E>(
        &self,
        strata: Option<&[u32]>,
        encoder: &E,
        batch: &[u32],
        temperature: Option<f32>,
        step: usize,
    ) -> BatchGradients
    where
        E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
    {
        let start = Instant::now();
        let tokens = self.tokens.batch(batch, self.hard_negatives);
        let dropout = self.dropout(step, tokens.texts.len());
        let chunked = Chunked::new(&tokens.texts, dropout.as_ref(), self.config.chunk_tokens, 1 + self.beside.len());
        let waiting = start.elapsed().as_secs_f64();
        let (parameters, loss) = chunked.gradients(encoder, self.device, self.beside, |embeddings| {
            self.loss(batch, strata, &tokens, embeddings, temperature)
        });
        let report = StepReport {
            step: 0,
            epoch: 0,
            loss: loss.loss,
            accuracy: loss.accuracy,
            masked: loss.masked,
            temperature: temperature.unwrap_or(self.loss_config.temperature),
            similarities: loss.similarities,
            by_stratum: loss.by_stratum,
            gradient_norm: 0.0,
            chunks: chunked.count(),
            tokens: tokens.texts.total(),
            learning_rate: 0.0,
            pairs: batch.len(),
            seconds: 0.0,
            waiting,
        };
        BatchGradients { parameters, scale: loss.scale_gradient, report }
    }

    /// The loss of a batch, and its gradient with respect to the embeddings of the distinct texts.
    fn loss(
        &self,
        batch: &[u32],
        strata: Option<&[u32]>,
        tokens: &BatchTokens,
        embeddings: Tensor<B::InnerBackend, 2>,
        temperature: Option<f32>,
    ) -> (LossAndGradients<B::InnerBackend>, Tensor<B::InnerBackend, 2>) {
        let rows = |rows: &[u32]| indices(rows.iter().map(|&row| row as usize), self.device);
        let (queries, passages) = (rows(&tokens.queries), rows(&tokens.passages));
        let [query_ids, passage_ids] = [&tokens.queries, &tokens.passages].map(|rows| widened(rows));
        let guide = self.guide.map(|guide| (guide.rows(batch, self.hard_negatives), guide.queries.dim()));
        let strata: Vec<u32> = match strata {
            Some(strata) => batch.iter().map(|&pair| strata[pair as usize]).collect(),
            None => Vec::new(),
        };
        let known_positives: Vec<&[u64]> = tokens.known_positives.iter().map(Vec::as_slice).collect();
        let loss = self.loss.loss_and_gradients(
            embeddings.clone().select(0, queries.clone()),
            embeddings.clone().select(0, passages.clone()),
            &InBatch {
                query_ids: &query_ids,
                passage_ids: &passage_ids,
                known_positives: &known_positives,
                hard_negatives: self.hard_negatives.map_or(0, |negatives| negatives.each),
                strata: &strata,
                part: None,
                temperature,
                guide: guide.as_ref().map(|([queries, passages], width)| GuideRows {
                    queries,
                    passages,
                    width: *width,
                }),
            },
        );
        let gradient = embeddings
            .zeros_like()
            .select_assign(0, queries, loss.query_gradient.clone(), IndexingUpdateOp::Add)
            .select_assign(0, passages, loss.passage_gradient.clone(), IndexingUpdateOp::Add);
        (loss, gradient)
    }

    /// A seed for each of the texts of a step, which depends on nothing else.
    fn dropout(&self, step: usize, texts: usize) -> Option<Dropout> {
        (self.config.dropout > 0.0).then(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
            rng.set_stream(step as u64);
            Dropout::new(self.config.dropout, (0..texts).map(|_| rng.next_u64()).collect())
        })
    }
}

fn indices<B: Backend>(rows: impl IntoIterator<Item = usize>, device: &B::Device) -> Tensor<B, 1, Int> {
    let rows: Vec<i32> = rows.into_iter().map(|row| row as i32).collect();
    Tensor::from_data(rows.as_slice(), device)
}

fn widened(rows: &[u32]) -> Vec<u64> {
    rows.iter().map(|&row| row.into()).collect()
}
