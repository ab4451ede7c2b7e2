//! Clipping by the norm of all parameters' gradients together; burn's own clips each tensor alone.

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor};
#[cfg(feature = "cpu")]
use burn_flex::FlexTensor;
#[cfg(feature = "cpu")]
use rayon::prelude::*;

#[cfg(feature = "cpu")]
use super::flex;

/// The gradients, scaled so that their joint L2 norm is at most `limit` (0: unscaled), and their norm before.
///
/// # Source
/// Pascanu, Mikolov & Bengio (2013), "On the difficulty of training recurrent neural networks", Algorithm 1.
pub(super) fn clip_global_norm<B, M>(grads: GradientsParams, module: &M, limit: f32) -> (GradientsParams, f32)
where
    B: AutodiffBackend,
    M: AutodiffModule<B>,
{
    let mut squares = SquareSum::<B> { grads: &grads, sum: None };
    module.visit(&mut squares);
    let norm = squares.sum.map_or(0.0, |sum| sum.sqrt().into_scalar().elem::<f32>());
    if limit == 0.0 || norm <= limit {
        return (grads, norm);
    }
    let mut scale = Scale { grads, factor: limit / norm };
    module.visit(&mut scale);
    (scale.grads, norm)
}

struct SquareSum<'a, B: AutodiffBackend> {
    grads: &'a GradientsParams,
    sum: Option<Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for SquareSum<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let Some(grad) = self.grads.get::<B::InnerBackend, D>(param.id) else { return };
        let square = square_norm(grad);
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + square,
            None => square,
        });
    }
}

fn square_norm<B: Backend, const D: usize>(grad: Tensor<B, D>) -> Tensor<B, 1> {
    #[cfg(feature = "cpu")]
    if flex::holds(&grad) {
        let device = grad.device();
        return Tensor::from_data([fused_square_norm(&flex::open(grad))], &device);
    }
    grad.square().sum()
}

/// Without a tensor of squares, and in an order that does not depend on the number of threads.
#[cfg(feature = "cpu")]
fn fused_square_norm(grad: &FlexTensor) -> f32 {
    let chunks = grad.storage::<f32>().par_chunks(flex::CHUNK);
    let sums: Vec<f64> = chunks.map(|chunk| chunk_square_sum(chunk).into()).collect();
    sums.iter().sum::<f64>() as f32
}

/// In sixteen partial sums, which is what lets it be vectorised.
#[cfg(feature = "cpu")]
fn chunk_square_sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for part in values.chunks(16) {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane += value * value;
        }
    }
    lanes.iter().sum()
}

struct Scale {
    grads: GradientsParams,
    factor: f32,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let Some(grad) = self.grads.remove::<B::InnerBackend, D>(param.id) else { return };
        self.grads.register::<B::InnerBackend, D>(param.id, grad.mul_scalar(self.factor));
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::backend::{Autodiff, Flex};
    use burn::module::Module;
    use burn::tensor::Distribution;

    use super::*;

    type B = Autodiff<Flex>;

    #[derive(Module, Debug)]
    struct Two<B: Backend> {
        matrix: Param<Tensor<B, 2>>,
        bias: Param<Tensor<B, 1>>,
    }

    /// The module and gradients of its own size, each value that of `value` at its place.
    fn two(value: impl Fn(usize) -> f32) -> (Two<B>, GradientsParams, f32) {
        let device = Default::default();
        let matrix = Tensor::<B, 2>::random([171, 203], Distribution::Default, &device);
        let bias = Tensor::<B, 1>::random([203], Distribution::Default, &device);
        let two = Two { matrix: Param::from_tensor(matrix), bias: Param::from_tensor(bias) };
        let values: Vec<f32> = (0..172 * 203).map(value).collect();
        let norm = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt() as f32;
        let (matrix, bias) = values.split_at(171 * 203);
        let mut grads = GradientsParams::new();
        grads.register(two.matrix.id, Tensor::<Flex, 1>::from_floats(matrix, &device).reshape([171, 203]));
        grads.register(two.bias.id, Tensor::<Flex, 1>::from_floats(bias, &device));
        (two, grads, norm)
    }

    #[test]
    fn one_norm_over_all_tensors() {
        let (module, grads, expected) = two(|at| (at % 17) as f32 - 8.0);
        let (grads, norm) = clip_global_norm::<B, _>(grads, &module, 2.0);
        assert!((norm / expected - 1.0).abs() < 1e-6, "{norm} {expected}");
        let bias = grads.get::<Flex, 1>(module.bias.id).expect("it was given").into_data().to_vec::<f32>();
        let first = (171 * 203 % 17) as f32 - 8.0;
        assert!((bias.expect("f32")[0] - first * 2.0 / expected).abs() < 1e-6);
        let (_, clipped) = clip_global_norm::<B, _>(grads, &module, 2.0);
        assert!((clipped - 2.0).abs() < 1e-5, "{clipped}");
    }

    #[test]
    fn gradients_within_the_limit_and_without_one_stay() {
        for limit in [0.0, 1e6] {
            let (module, grads, expected) = two(|at| (at % 5) as f32);
            let (grads, _) = clip_global_norm::<B, _>(grads, &module, limit);
            let (_, norm) = clip_global_norm::<B, _>(grads, &module, 0.0);
            assert!((norm / expected - 1.0).abs() < 1e-6);
        }
    }
}
