//! One step of AdamW on one tensor.

use burn::optim::{AdamWConfig, AdamWState, LearningRate, SimpleOptimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
#[cfg(feature = "cpu")]
use rayon::prelude::*;

#[cfg(feature = "cpu")]
use super::flex;
use crate::config::TrainConfig;

/// AdamW: burn's own, and on the flex backend one pass over the memory with the same arithmetic.
///
/// burn's takes a dozen passes, most of them into fresh memory: for an embedding table that is most of a training step.
///
/// # Source
/// Loshchilov & Hutter (2019), arXiv 1711.05101, Algorithm 2.
#[derive(Clone)]
pub(super) struct AdamW {
    composed: burn::optim::AdamW,
    #[cfg(feature = "cpu")]
    fused: Fused,
}

impl AdamW {
    pub(super) fn new(config: &TrainConfig, weight_decay: f32) -> Self {
        let composed = AdamWConfig::new()
            .with_beta_1(config.beta1)
            .with_beta_2(config.beta2)
            .with_epsilon(config.epsilon)
            .with_weight_decay(weight_decay)
            .build();
        Self {
            composed,
            #[cfg(feature = "cpu")]
            fused: Fused { betas: [config.beta1, config.beta2], epsilon: config.epsilon, weight_decay },
        }
    }
}

impl<B: Backend> SimpleOptimizer<B> for AdamW {
    type State<const D: usize> = AdamWState<B, D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<AdamWState<B, D>>,
    ) -> (Tensor<B, D>, Option<AdamWState<B, D>>) {
        match state {
            #[cfg(feature = "cpu")]
            Some(state) if flex::holds(&tensor) && flex::holds(&gradient) => {
                let (tensor, state) = self.fused.step(rate, tensor, gradient, state);
                (tensor, Some(state))
            }
            // The first step makes the state.
            state => self.composed.step(rate, tensor, gradient, state),
        }
    }

    fn to_device<const D: usize>(state: AdamWState<B, D>, device: &B::Device) -> AdamWState<B, D> {
        <burn::optim::AdamW as SimpleOptimizer<B>>::to_device(state, device)
    }
}

/// The step in one pass over flex's memory.
#[cfg(feature = "cpu")]
#[derive(Clone)]
struct Fused {
    betas: [f32; 2],
    epsilon: f32,
    weight_decay: f32,
}

#[cfg(feature = "cpu")]
impl Fused {
    /// A step after the first, in place where nothing else holds the tensors.
    fn step<B: Backend, const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<B, D>,
        gradient: Tensor<B, D>,
        mut state: AdamWState<B, D>,
    ) -> (Tensor<B, D>, AdamWState<B, D>) {
        state.momentum.time += 1;
        let time = state.momentum.time as i32;
        let [beta1, beta2] = self.betas;
        let [correction1, correction2] = self.betas.map(|beta| 1.0 - beta.powi(time));
        let keep = (1.0 - rate * f64::from(self.weight_decay)) as f32;
        let (rate, epsilon) = (rate as f32, self.epsilon);

        let mut tensor = flex::open(tensor);
        let mut moment1 = flex::open(state.momentum.moment_1);
        let mut moment2 = flex::open(state.momentum.moment_2);
        let gradient = flex::open(gradient);
        (tensor.storage_mut::<f32>().par_chunks_mut(flex::CHUNK))
            .zip(moment1.storage_mut::<f32>().par_chunks_mut(flex::CHUNK))
            .zip(moment2.storage_mut::<f32>().par_chunks_mut(flex::CHUNK))
            .zip(gradient.storage::<f32>().par_chunks(flex::CHUNK))
            .for_each(|(((tensor, moment1), moment2), gradient)| {
                for (((x, m), v), &g) in tensor.iter_mut().zip(moment1).zip(moment2).zip(gradient) {
                    *m = *m * beta1 + g * (1.0 - beta1);
                    *v = *v * beta2 + g * g * (1.0 - beta2);
                    let delta = (*m / correction1) / ((*v / correction2).sqrt() + epsilon);
                    *x = *x * keep - delta * rate;
                }
            });
        state.momentum.moment_1 = flex::close(moment1);
        state.momentum.moment_2 = flex::close(moment2);
        (flex::close(tensor), state)
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::backend::Flex;
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn the_fused_step_is_burns_to_the_bit() {
        let device = Default::default();
        let adamw = AdamW::new(&TrainConfig { epsilon: 1e-8, ..TrainConfig::default() }, 0.05);
        let random = || Tensor::<Flex, 2>::random([70, 301], Distribution::Normal(0.0, 1.0), &device);
        let start = random();
        let (mut ours, mut theirs) = ((start.clone(), None), (start, None));
        for step in 0..5 {
            let (rate, gradient) = (0.01 / f64::from(step + 1), random());
            ours = adamw.step(rate, ours.0, gradient.clone(), ours.1);
            theirs = adamw.composed.step(rate, theirs.0, gradient, theirs.1);
            assert_eq!(ours.0.to_data(), theirs.0.to_data(), "step {step}");
        }
        let moments = |state: Option<AdamWState<Flex, 2>>| {
            let momentum = state.expect("there were steps").momentum;
            (momentum.time, momentum.moment_1.into_data(), momentum.moment_2.into_data())
        };
        assert_eq!(moments(ours.1), moments(theirs.1));
    }

    /// A tensor that is held elsewhere, or is a view, is not written to.
    #[test]
    fn views_and_shared_tensors_stay_as_they_are() {
        let device = Default::default();
        let adamw = AdamW::new(&TrainConfig::default(), 0.01);
        let whole = Tensor::<Flex, 2>::random([8, 6], Distribution::Default, &device);
        let (before, view) = (whole.to_data(), whole.clone().transpose());
        let gradient = view.clone().mul_scalar(2.0);
        let (_, state) = SimpleOptimizer::<Flex>::step(&adamw, 0.1, view.clone(), gradient.clone(), None);
        let (stepped, _) = adamw.step(0.1, view.clone(), gradient.clone(), state.clone());
        let (expected, _) = adamw.composed.step(0.1, view, gradient, state);
        assert_eq!(stepped.into_data(), expected.into_data());
        assert_eq!(whole.into_data(), before);
    }
}
