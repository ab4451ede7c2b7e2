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

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::backend::{Autodiff, Flex};
    use burn::module::Module;

    use super::*;

    type B = Autodiff<Flex>;

    #[derive(Module, Debug)]
    struct Layer<B: Backend> {
        matrix: Param<Tensor<B, 2>>,
        bias: Param<Tensor<B, 1>>,
    }

    /// Both parameters after a step of gradient zero, from ones.
    fn after_a_step(decay_all: bool) -> (f32, f32) {
        let device = Default::default();
        let layer = Layer::<B> {
            matrix: Param::from_tensor(Tensor::ones([3, 2], &device)),
            bias: Param::from_tensor(Tensor::ones([2], &device)),
        };
        let mut gradients = GradientsParams::new();
        gradients.register(layer.matrix.id, Tensor::<Flex, 2>::zeros([3, 2], &device));
        gradients.register(layer.bias.id, Tensor::<Flex, 1>::zeros([2], &device));
        let config = TrainConfig { weight_decay: 0.5, decay_all, ..TrainConfig::default() };
        let layer = Optimizer::new(&config).step::<B, _>(0.5, layer, gradients);
        (values(layer.matrix.val())[5], values(layer.bias.val())[1])
    }

    #[test]
    fn matrices_decay_and_biases_do_not_unless_told() {
        assert_eq!(after_a_step(false), (0.75, 1.0));
        assert_eq!(after_a_step(true), (0.75, 0.75));
    }

    #[test]
    fn a_parameter_without_gradient_stays_and_has_no_moments() {
        let device = Default::default();
        let bias = || Param::from_tensor(Tensor::<B, 1>::ones([2], &device));
        let layer = Layer::<B> { matrix: Param::from_tensor(Tensor::ones([3, 2], &device)), bias: bias() };
        let mut gradients = GradientsParams::new();
        gradients.register(layer.bias.id, Tensor::<Flex, 1>::ones([2], &device));
        let mut optimizer = Optimizer::new(&TrainConfig::default());
        let layer = optimizer.step::<B, _>(0.5, layer, gradients);
        assert_eq!(layer.matrix.val().into_data(), Tensor::<B, 2>::ones([3, 2], &device).into_data());
        let (tensors, steps) = optimizer.named();
        assert_eq!((tensors.len(), steps), (2, vec![0, 1]));
    }
}
