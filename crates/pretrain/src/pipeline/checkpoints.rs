//! What a training leaves behind to go on from, and how it goes on.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use serde::{Deserialize, Serialize};
use stratified_sampler::PlanHash;

use crate::checkpoint::{CheckpointError, NamedTensor, State, Store};
use crate::config::TrainConfig;
use crate::error::{PretrainError, Result, one_line};
use crate::train::parameters::named;
use crate::train::{SavedState, TrainingState, with_parameters};

/// What the weights of the best step are called.
const BEST: &str = "best";

/// The encoder of the best step by validation.
pub(super) struct Best<E> {
    pub(super) value: f64,
    /// Steps done when it was reached.
    pub(super) step: usize,
    pub(super) encoder: E,
}

/// A training under way: its state, and what is known of the steps before.
pub(super) struct Progress<B: AutodiffBackend, E> {
    pub(super) state: TrainingState<B, E>,
    pub(super) best: Option<Best<E>>,
    /// Bytes of `metrics.jsonl` after the last step.
    pub(super) metrics: u64,
}

/// What a checkpoint says beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// The stage, its settings and all that it reads.
    training: String,
    plan: PlanHash,
    metrics: u64,
    best: Option<BestHeader>,
    state: SavedState,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BestHeader {
    /// Bits, since JSON's numbers may be read a digit off.
    value: u64,
    step: usize,
}

/// The checkpoints of one arm with one seed.
pub(super) struct Checkpoints {
    store: Store,
    training: String,
    plan: PlanHash,
}

impl Checkpoints {
    /// Those in `folder` of the stage that `training` is the hash of, with the batches of `plan`.
    pub(super) fn new(folder: PathBuf, config: &TrainConfig, training: String, plan: PlanHash) -> Self {
        let keep = NonZeroUsize::new(config.checkpoints).unwrap_or(NonZeroUsize::MIN);
        Self { store: Store::new(folder, keep), training, plan }
    }

    /// The training as its newest intact checkpoint has it, or `progress`, which has not begun.
    ///
    /// # Errors
    /// A checkpoint cannot be read, or is not of this student, or of another training and `force` is not set.
    pub(super) fn resume<B, E>(
        &self,
        name: &str,
        force: bool,
        progress: Progress<B, E>,
        config: &TrainConfig,
        device: &B::Device,
    ) -> Result<Progress<B, E>>
    where
        B: AutodiffBackend,
        E: AutodiffModule<B>,
    {
        let found = self.store.latest::<Header>()?;
        for damaged in &found.damaged {
            tracing::warn!("train {name}: {damaged}");
        }
        let Some(State { step, header, tensors }) = found.state else {
            if !found.damaged.is_empty() {
                tracing::warn!("train {name}: no checkpoint is intact, from the first step again");
            }
            return Ok(progress);
        };
        let folder = self.store.folder_of(step);
        if header.training != self.training || header.plan != self.plan {
            if !force {
                return Err(PretrainError::OtherTraining { path: folder });
            }
            tracing::info!("train {name}: the checkpoints there are of another training, and are removed");
            self.store.remove_all()?;
            return Ok(progress);
        }
        let (of_best, of_state): (Vec<NamedTensor>, Vec<NamedTensor>) =
            tensors.into_iter().partition(|tensor| tensor.name.starts_with(BEST));
        let other = |source| PretrainError::OtherStudent { path: folder.clone(), source };
        let best = match header.best {
            None => None,
            Some(BestHeader { value, step }) => {
                let encoder = with_parameters(progress.state.encoder().clone(), of_best).map_err(other)?;
                Some(Best { value: f64::from_bits(value), step, encoder })
            }
        };
        let state = progress.state.restore(config, header.state, of_state, device).map_err(other)?;
        tracing::info!("train {name}: goes on after step {step}, from {}", folder.display());
        Ok(Progress { state, best, metrics: header.metrics })
    }

    /// Writes where the training stands, with the student as a model folder; the path.
    ///
    /// # Errors
    /// It cannot be written whole; those before it stay.
    pub(super) fn save<B, E>(
        &mut self,
        progress: &Progress<B, E>,
        model: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf>
    where
        B: AutodiffBackend,
        E: AutodiffModule<B>,
    {
        let Progress { state, best, metrics } = progress;
        let (saved, mut tensors) = state.save();
        tensors.extend(best.iter().flat_map(|best| named(&best.encoder.valid(), BEST)));
        let step = saved.step as u64;
        let header = Header {
            training: self.training.clone(),
            plan: self.plan,
            metrics: *metrics,
            best: best.as_ref().map(|best| BestHeader { value: best.value.to_bits(), step: best.step }),
            state: saved,
        };
        self.store.protect(best.iter().map(|best| best.step as u64));
        match self.store.write(step, &header, &tensors, model) {
            // It is written; what is left of older ones goes with the next.
            Err(error @ CheckpointError::NotPruned { .. }) => tracing::warn!("{}", one_line(&error)),
            written => written?,
        }
        Ok(self.store.folder_of(step))
    }
}
