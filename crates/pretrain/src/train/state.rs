//! A training between two steps, and what of it goes into a checkpoint.

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use infonce::InfoNceConfig;
use serde::{Deserialize, Serialize};

use super::SkippedStep;
use super::average::Average;
use super::optimizer::Optimizer;
use super::parameters::{named, shapes, with_values};
use super::temperature::{SavedTemperature, Temperature};
use crate::checkpoint::NamedTensor;
use crate::config::TrainConfig;
use crate::error::PretrainError;

/// What parameters are called in a checkpoint.
const KIND: &str = "parameter";

/// A training between two steps: the encoder, and all that its next steps depend on beside data and configuration.
///
/// # Examples
/// Half of a training, a checkpoint, and the other half:
/// ```
/// use std::num::NonZeroUsize;
///
/// use embed::{StaticConfig, TokenBatch};
/// use infonce::InfoNceConfig;
/// use pretrain::checkpoint::Store;
/// use pretrain::data::Pair;
/// use pretrain::tensor::AutodiffBackend;
/// use pretrain::{BackendTask, DeviceKind, PairTokens, Result, SavedState, TrainConfig, Training};
/// use stratified_sampler::UniformConfig;
///
/// struct Halves;
///
/// impl BackendTask for Halves {
///     type Output = usize;
///
///     fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<usize> {
///         let texts = TokenBatch::from_rows((0..8).map(|text| [text, text + 1]));
///         let pairs = (0..8).map(|text| Pair { query: text, passage: text }).collect();
///         let loss_config = InfoNceConfig::default();
///         let training = Training::<B> {
///             tokens: &PairTokens::from_tokens(texts.clone(), texts, pairs),
///             sampler: &UniformConfig::new(4).build(8).expect("two batches"),
///             loss: &loss_config.build()?,
///             loss_config: &loss_config,
///             guide: None,
///             hard_negatives: None,
///             strata: None,
///             config: &TrainConfig { epochs: 1, ..TrainConfig::default() },
///             device: &device,
///             beside: &[],
///         };
///         let encoder = StaticConfig::new(9, 4).init::<B>(&device)?;
///         let (state, _) = training.step(training.start(encoder.clone()))?;
///
///         let folder = std::env::temp_dir().join(format!("halves-{}", std::process::id()));
///         let store = Store::new(&folder, NonZeroUsize::MIN);
///         let (saved, tensors) = state.save();
///         store.write(1, &saved, &tensors, |_| std::io::Result::Ok(()))?;
///
///         let found = store.latest::<SavedState>()?.state.expect("it was just written");
///         let fresh = training.start(encoder);
///         let state = fresh.restore(training.config, found.header, found.tensors, &device).expect("the same encoder");
///         let (state, _) = training.step(state)?;
///         store.remove_all()?;
///         Ok(state.steps_done())
///     }
/// }
///
/// assert_eq!(DeviceKind::Cpu.run(Halves)?, 2);
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
pub struct TrainingState<B: AutodiffBackend, E> {
    pub(super) encoder: E,
    pub(super) optimizer: Optimizer<B::InnerBackend>,
    pub(super) temperature: Option<Temperature>,
    pub(super) average: Option<Average<B::InnerBackend>>,
    pub(super) epoch: u64,
    /// The next batch of the epoch.
    pub(super) index: usize,
    pub(super) step: usize,
    /// Those of the whole training.
    pub(super) steps: usize,
    /// Steps in a row that were skipped before the next.
    pub(super) in_a_row: usize,
}

/// All of a [`TrainingState`] but its tensors, as its [`save`](TrainingState::save) gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedState {
    /// Steps done.
    pub step: usize,
    /// The epoch of the next step, counted from 0.
    pub epoch: u64,
    /// The next batch of that epoch; the number of its batches at its end.
    pub index: usize,
    in_a_row: usize,
    temperature: Option<SavedTemperature>,
    /// Of each parameter how many steps the optimizer has seen.
    optimizer: Vec<usize>,
}

/// Why the state of a checkpoint is not one of this training.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A parameter has another shape.
    #[error("parameter {place} has the shape {saved:?}, the student's has {here:?}")]
    Shape {
        /// Which, counted from 0.
        place: usize,
        /// Its shape there.
        saved: Vec<usize>,
        /// The student's.
        here: Vec<usize>,
    },
    /// There are more parameters, or fewer.
    #[error("it has {saved} parameters, the student has {here}")]
    Parameters {
        /// Those that are there.
        saved: usize,
        /// The student's.
        here: usize,
    },
    /// Moments are missing.
    #[error("tensors of the optimizer are missing")]
    Optimizer,
    /// The average is missing.
    #[error("tensors of the average are missing")]
    Average,
}

impl<B: AutodiffBackend, E: AutodiffModule<B>> TrainingState<B, E> {
    pub(super) fn new(config: &TrainConfig, loss: &InfoNceConfig, encoder: E, steps: usize) -> Self {
        Self {
            optimizer: Optimizer::new(config),
            temperature: Temperature::new(loss),
            average: Average::new(config.ema, &encoder.valid()),
            encoder,
            epoch: 0,
            index: 0,
            step: 0,
            steps,
            in_a_row: 0,
        }
    }

    /// Whether a step moves nothing, as its loss or gradient is not finite.
    ///
    /// # Errors
    /// [`PretrainError::Diverged`] after more than `at_most` such steps in a row, or where no step was another.
    pub(super) fn skips(&mut self, step: SkippedStep, at_most: usize) -> Result<bool, PretrainError> {
        let SkippedStep { step, loss, gradient_norm, .. } = step;
        if loss.is_finite() && gradient_norm.is_finite() {
            self.in_a_row = 0;
            return Ok(false);
        }
        self.in_a_row += 1;
        if self.in_a_row > at_most || self.in_a_row == self.steps {
            return Err(PretrainError::Diverged { step, loss, gradient_norm, in_a_row: self.in_a_row });
        }
        Ok(true)
    }

    /// The encoder as it is trained.
    pub fn encoder(&self) -> &E {
        &self.encoder
    }

    /// The encoder to be judged and used: with the average of its weights where the configuration asks for one.
    pub fn judged(&self) -> E::InnerModule {
        let encoder = self.encoder.valid();
        match &self.average {
            Some(average) => average.of(encoder),
            None => encoder,
        }
    }

    /// The same, to be saved.
    pub fn exported(&self) -> E {
        match self.average {
            Some(_) => E::from_inner(self.judged()),
            None => self.encoder.clone(),
        }
    }

    /// The same, at the end.
    pub fn into_encoder(self) -> E {
        match self.average {
            Some(_) => E::from_inner(self.judged()),
            None => self.encoder,
        }
    }

    /// The steps of the whole training.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// How many steps are done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// All that it takes to go on, for a [`Store`](crate::checkpoint::Store).
    pub fn save(&self) -> (SavedState, Vec<NamedTensor>) {
        let mut tensors = named(&self.encoder.valid(), KIND);
        let (moments, optimizer) = self.optimizer.named();
        tensors.extend(moments);
        tensors.extend(self.average.iter().flat_map(Average::named));
        let temperature = self.temperature.as_ref().map(Temperature::save);
        let (step, epoch, index, in_a_row) = (self.step, self.epoch, self.index, self.in_a_row);
        (SavedState { step, epoch, index, in_a_row, temperature, optimizer }, tensors)
    }

    /// This, a training that has not begun, as [`save`](Self::save) gave it.
    ///
    /// # Errors
    /// The tensors are not those of this encoder and configuration.
    pub fn restore(
        mut self,
        config: &TrainConfig,
        saved: SavedState,
        tensors: Vec<NamedTensor>,
        device: &B::Device,
    ) -> Result<Self, StateError> {
        let mut left: std::collections::HashMap<String, Vec<f32>> = Default::default();
        let mut parameters = Vec::new();
        for tensor in tensors {
            match tensor.name.starts_with(KIND) {
                true => parameters.push(tensor),
                false => drop(left.insert(tensor.name, tensor.values)),
            }
        }
        self.encoder = with_parameters(self.encoder, parameters)?;
        let mut take = |name: &str| left.remove(name);
        self.optimizer =
            Optimizer::restored(config, &saved.optimizer, &mut take, device).ok_or(StateError::Optimizer)?;
        if let Some(average) = &mut self.average {
            average.restore(&mut take).ok_or(StateError::Average)?;
        }
        if let (Some(temperature), Some(saved)) = (&mut self.temperature, saved.temperature) {
            temperature.restore(saved);
        }
        (self.step, self.epoch, self.index, self.in_a_row) = (saved.step, saved.epoch, saved.index, saved.in_a_row);
        Ok(self)
    }
}

/// The module with the parameters of another of its shape.
pub(crate) fn with_parameters<B, E>(module: E, parameters: Vec<NamedTensor>) -> Result<E, StateError>
where
    B: AutodiffBackend,
    E: AutodiffModule<B>,
{
    let shapes = shapes::<B, E>(&module);
    if shapes.len() != parameters.len() {
        return Err(StateError::Parameters { saved: parameters.len(), here: shapes.len() });
    }
    for (place, (saved, here)) in parameters.iter().zip(shapes).enumerate() {
        if saved.shape != here {
            return Err(StateError::Shape { place, saved: saved.shape.clone(), here });
        }
    }
    Ok(with_values::<B, E>(module, parameters.into_iter().map(|tensor| tensor.values).collect()))
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::backend::{Autodiff, Flex};
    use embed::{StaticConfig, StaticEncoder};

    use super::*;

    type B = Autodiff<Flex>;

    fn table(rows: usize) -> StaticEncoder<B> {
        StaticConfig::new(rows, 4).init::<B>(&Default::default()).expect("there are rows")
    }

    #[test]
    fn the_state_of_another_student_is_refused() {
        let (config, loss) = (TrainConfig::default(), InfoNceConfig::default());
        let state = |rows| TrainingState::<B, _>::new(&config, &loss, table(rows), 10);
        let restored = |saved, tensors| state(3).restore(&config, saved, tensors, &Default::default()).err();
        let (saved, tensors) = state(3).save();
        assert_eq!(restored(saved.clone(), tensors.clone()), None);
        let wide = StateError::Shape { place: 0, saved: vec![5, 4], here: vec![3, 4] };
        assert_eq!(restored(saved.clone(), state(5).save().1), Some(wide));
        assert_eq!(restored(saved.clone(), Vec::new()), Some(StateError::Parameters { saved: 0, here: 1 }));
        let without_moments = SavedState { optimizer: vec![1], ..saved };
        assert_eq!(restored(without_moments, tensors), Some(StateError::Optimizer));
    }
}
