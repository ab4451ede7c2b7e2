//! AdamW over a whole module, with a state that can be written down.

use burn::module::{AutodiffModule, ModuleMapper, Param};
use burn::optim::{AdamWState, AdaptiveMomentumState, GradientsParams, SimpleOptimizer};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};

use super::adamw::AdamW;
use super::parameters::{name, values};
use crate::checkpoint::NamedTensor;
use crate::config::TrainConfig;

/// What the moments are called in a checkpoint.
const KINDS: [&str; 2] = ["first-moment", "second-moment"];

/// AdamW with the moments of every parameter, in the order of the module's fields.
///
/// Biases and the scales of LayerNorm, which are the parameters of one dimension, do not decay unless the configuration says so.
///
/// # Source
/// Loshchilov & Hutter (2019), arXiv 1711.05101, Algorithm 2; Devlin et al. (2019), arXiv 1810.04805, for what does not decay.
pub(super) struct Optimizer<B: Backend> {
    decaying: AdamW,
    constant: AdamW,
    /// None before the first gradient of a parameter.
    states: Vec<Option<AdamWState<B, 1>>>,
}

impl<B: Backend> Optimizer<B> {
    pub(super) fn new(config: &TrainConfig) -> Self {
        let decay = if config.decay_all { config.weight_decay } else { 0.0 };
        Self {
            decaying: AdamW::new(config, config.weight_decay),
            constant: AdamW::new(config, decay),
            states: Vec::new(),
        }
    }

    /// The module after one step. A parameter without gradient stays as it is.
    pub(super) fn step<A, M>(&mut self, rate: f64, module: M, gradients: GradientsParams) -> M
    where
        A: AutodiffBackend<InnerBackend = B>,
        M: AutodiffModule<A>,
    {
        module.map(&mut Step { optimizer: self, rate, gradients, place: 0 })
    }

    /// The moments of every parameter that has some, and how many steps each parameter has seen.
    pub(super) fn named(&self) -> (Vec<NamedTensor>, Vec<usize>) {
        let mut tensors = Vec::new();
        for (place, state) in self.states.iter().enumerate() {
            let Some(AdamWState { momentum }) = state else { continue };
            let moments = [&momentum.moment_1, &momentum.moment_2];
            tensors.extend(KINDS.iter().zip(moments).map(|(kind, moment)| NamedTensor {
                name: name(kind, place),
                shape: moment.dims().to_vec(),
                values: values(moment.clone()),
            }));
        }
        let steps = |state: &Option<AdamWState<B, 1>>| state.as_ref().map_or(0, |state| state.momentum.time);
        (tensors, self.states.iter().map(steps).collect())
    }

    /// The optimizer as [`named`](Self::named) gave it; `None` if moments are missing.
    pub(super) fn restored(
        config: &TrainConfig,
        steps: &[usize],
        mut take: impl FnMut(&str) -> Option<Vec<f32>>,
        device: &B::Device,
    ) -> Option<Self> {
        let mut moment = |kind: &str, place: usize| -> Option<Tensor<B, 1>> {
            let values = take(&name(kind, place))?;
            let shape = [values.len()];
            Some(Tensor::from_data(TensorData::new(values, shape), device))
        };
        let mut state = |(place, &time): (usize, &usize)| -> Option<Option<AdamWState<B, 1>>> {
            if time == 0 {
                return Some(None);
            }
            let [moment_1, moment_2] = [moment(KINDS[0], place)?, moment(KINDS[1], place)?];
            let momentum = AdaptiveMomentumState { time, moment_1, moment_2, max_moment_2: None };
            Some(Some(AdamWState { momentum }))
        };
        let states: Option<Vec<_>> = steps.iter().enumerate().map(&mut state).collect();
        Some(Self { states: states?, ..Self::new(config) })
    }
}

struct Step<'a, B: Backend> {
    optimizer: &'a mut Optimizer<B>,
    rate: f64,
    gradients: GradientsParams,
    place: usize,
}

impl<A: AutodiffBackend> ModuleMapper<A> for Step<'_, A::InnerBackend> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<A, D>>) -> Param<Tensor<A, D>> {
        let Optimizer { decaying, constant, states } = &mut *self.optimizer;
        let place = self.place;
        self.place += 1;
        if states.len() == place {
            states.push(None);
        }
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = self.gradients.remove::<A::InnerBackend, D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let (shape, wants_gradient) = (tensor.shape(), tensor.is_require_grad());
        let adamw = if D == 1 { constant } else { decaying };
        let flat = |tensor: Tensor<A::InnerBackend, D>| {
            let count = tensor.shape().num_elements();
            tensor.reshape([count])
        };
        let (stepped, state) = adamw.step(self.rate, flat(tensor.inner()), flat(gradient), states[place].take());
        states[place] = state;
        let mut tensor = Tensor::from_inner(stepped.reshape(shape));
        if wants_gradient {
            tensor = tensor.require_grad();
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}
