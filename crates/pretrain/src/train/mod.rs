//! The training loop: batches in, a trained encoder out.

mod adamw;
mod clip;
#[cfg(feature = "cpu")]
mod flex;
mod guide;
mod hard_negatives;
mod schedule;
mod temperature;
mod tokens;

use std::time::Instant;

use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};
use embed::Encoder;
use infonce::{ContrastiveLoss, GuideRows, InBatch, InfoNceConfig, OfStratum, Similarities};
use serde::{Deserialize, Serialize};
use stratified_sampler::BatchSampler;

use adamw::AdamW;
pub use guide::PairGuide;
pub use hard_negatives::HardNegatives;
pub use schedule::Schedule;
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
    /// The optimisation.
    pub config: &'a TrainConfig,
    /// Where the encoder lives.
    pub device: &'a B::Device,
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
    /// The learning rate.
    pub learning_rate: f64,
    /// The pairs of the batch.
    pub pairs: usize,
    /// How long the step took.
    pub seconds: f64,
}

impl<B: AutodiffBackend> Training<'_, B> {
    /// The steps of the whole training.
    pub fn steps(&self) -> usize {
        (0..self.config.epochs).map(|epoch| self.sampler.len(epoch)).sum()
    }

    /// The trained encoder. `observe` sees every step's report and the encoder after it.
    ///
    /// # Errors
    /// The sampler's, [`PretrainError::Diverged`], or what `observe` gives.
    pub fn run<E>(&self, mut encoder: E, observe: &mut dyn FnMut(&StepReport, &E) -> Result<()>) -> Result<E>
    where
        E: Encoder<B> + AutodiffModule<B>,
    {
        let schedule = Schedule::new(self.config, self.steps());
        let mut optimizer = OptimizerAdaptor::from(AdamW::new(self.config));
        let mut temperature = Temperature::new(self.loss_config);
        let mut batch = Vec::new();
        let mut step = 0;
        for epoch in 0..self.config.epochs {
            for index in 0..self.sampler.len(epoch) {
                let start = Instant::now();
                self.sampler.batch(epoch, index, &mut batch).map_err(|source| PretrainError::Batch {
                    epoch,
                    index,
                    source,
                })?;
                let learning_rate = schedule.rate(step);
                let learned = temperature.as_ref().map(Temperature::value);
                let (grads, mut report, scale_gradient) = self.gradients(&encoder, &batch, learned);
                (report.step, report.epoch, report.learning_rate) = (step, epoch, learning_rate);
                if !report.loss.is_finite() || !report.gradient_norm.is_finite() {
                    let (loss, gradient_norm) = (report.loss, report.gradient_norm);
                    return Err(PretrainError::Diverged { step, loss, gradient_norm });
                }
                encoder = optimizer.step(learning_rate, encoder, grads);
                if let Some(temperature) = &mut temperature {
                    temperature.step(scale_gradient.into(), learning_rate, self.config);
                }
                report.seconds = start.elapsed().as_secs_f64();
                observe(&report, &encoder)?;
                step += 1;
            }
        }
        Ok(encoder)
    }

    /// The clipped gradients of one batch, and the loss's slope along the logarithm of `1 / τ`.
    ///
    /// The loss gives gradients of the embeddings in closed form; the tape backpropagates their inner product
    /// with the embeddings (Gao et al. 2021, §3, with one chunk).
    fn gradients<E>(&self, encoder: &E, batch: &[u32], temperature: Option<f32>) -> (GradientsParams, StepReport, f32)
    where
        E: Encoder<B> + AutodiffModule<B>,
    {
        let tokens = self.tokens.batch(batch, self.hard_negatives);
        let texts = encoder.forward(&tokens.texts, self.device);
        let embeddings = texts.clone().inner();
        let [queries, passages] = [&tokens.queries, &tokens.passages].map(|rows| indices(rows, self.device));
        let [query_ids, passage_ids] = [&tokens.queries, &tokens.passages].map(|rows| widened(rows));
        let guide = self.guide.map(|guide| (guide.rows(batch, self.hard_negatives), guide.queries.ncols()));
        let strata: Vec<u32> = match self.strata {
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
            .select_assign(0, queries, loss.query_gradient, IndexingUpdateOp::Add)
            .select_assign(0, passages, loss.passage_gradient, IndexingUpdateOp::Add);
        let surrogate = (texts * Tensor::from_inner(gradient)).sum();
        let grads = GradientsParams::from_grads(surrogate.backward(), encoder);
        let (grads, gradient_norm) = clip::clip_global_norm::<B, E>(grads, encoder, self.config.clip_norm);
        let report = StepReport {
            step: 0,
            epoch: 0,
            loss: loss.loss,
            accuracy: loss.accuracy,
            masked: loss.masked,
            temperature: temperature.unwrap_or(self.loss_config.temperature),
            similarities: loss.similarities,
            by_stratum: loss.by_stratum,
            gradient_norm,
            learning_rate: 0.0,
            pairs: batch.len(),
            seconds: 0.0,
        };
        (grads, report, loss.scale_gradient)
    }
}

fn indices<B: Backend>(rows: &[u32], device: &B::Device) -> Tensor<B, 1, Int> {
    let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    Tensor::from_data(rows.as_slice(), device)
}

fn widened(rows: &[u32]) -> Vec<u64> {
    rows.iter().map(|&row| row.into()).collect()
}
