//! Clipping by the norm of all parameters' gradients together; burn's own clips each tensor alone.

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor};

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
    grad.square().sum()
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
