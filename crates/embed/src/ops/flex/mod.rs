//! Fused kernels for burn's flex backend: each goes over its rows once, in parallel and vectorised, with a gradient in closed form.
//! Flex's own elementwise operations are one thread and one pass each, its autodiff takes LayerNorm and softmax apart into many, and
//! its products first write and copy zeros, on one thread.
//!
//! Sums over rows are taken in a fixed order, so that results do not depend on the number of threads.

mod attention;
mod bag;
mod dense;
mod fill;
mod gated;
mod gelu;
mod kernel;
mod norm;
mod rotate;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

pub(crate) use attention::softmax;
use attention::{Attention, BiasedAttention};
use bag::BagMean;
use dense::{Dense, Product};
use gated::Gated;
pub(crate) use gated::gate_rows;
use gelu::BiasGelu;
pub(crate) use gelu::cdf;
use kernel::run;
pub(crate) use kernel::{memory, values};
use norm::AddNorm;
use rotate::Rotate;
pub(crate) use rotate::turn_rows;

use super::{Distances, Gate, Rotation};

/// `x · weight + bias`, or without one.
pub(super) fn dense<B: Backend>(
    x: &Tensor<B, 2>,
    weight: &Tensor<B, 2>,
    bias: Option<&Tensor<B, 1>>,
) -> Option<Tensor<B, 2>> {
    match bias {
        Some(bias) => run::<B, _, 3>(Dense, [x.into(), weight.into(), bias.into()]),
        None => run::<B, _, 2>(Product, [x.into(), weight.into()]),
    }
}

pub(super) fn bias_gelu<B: Backend>(x: &Tensor<B, 2>, bias: &Tensor<B, 1>) -> Option<Tensor<B, 2>> {
    run::<B, _, 2>(BiasGelu, [x.into(), bias.into()])
}

pub(super) fn add_norm<B: Backend>(
    [x, residual]: [&Tensor<B, 2>; 2],
    [bias, scale, shift]: [&Tensor<B, 1>; 3],
    eps: f64,
) -> Option<Tensor<B, 2>> {
    let kernel = AddNorm { eps: eps as f32 };
    run::<B, _, 5>(kernel, [x.into(), residual.into(), bias.into(), scale.into(), shift.into()])
}

pub(super) fn attention<B: Backend>(
    qkv: &Tensor<B, 2>,
    offsets: &Arc<[usize]>,
    heads: usize,
    distances: &Distances<B>,
) -> Option<Tensor<B, 2>> {
    let attention = Attention { offsets: offsets.clone(), heads, window: distances.window };
    match &distances.biases {
        None => run::<B, _, 1>(attention, [qkv.into()]),
        Some(biases) => run::<B, _, 2>(BiasedAttention(attention), [qkv.into(), biases.into()]),
    }
}

pub(super) fn rotate<B: Backend>(qkv: &Tensor<B, 2>, rotation: &Rotation<B>) -> Option<Tensor<B, 2>> {
    run::<B, _, 1>(Rotate { table: rotation.table().clone(), size: rotation.size() }, [qkv.into()])
}

pub(super) fn gated<B: Backend>(x: &Tensor<B, 2>, gate: Gate) -> Option<Tensor<B, 2>> {
    run::<B, _, 1>(Gated(gate), [x.into()])
}

/// `ids` of `None` are the rows themselves, one after another.
pub(super) fn bag_mean<B: Backend>(
    table: &Tensor<B, 2>,
    ids: Option<&[u32]>,
    offsets: &Arc<[usize]>,
) -> Option<Tensor<B, 2>> {
    run::<B, _, 1>(BagMean { offsets: offsets.clone(), ids: ids.map(Arc::from) }, [table.into()])
}
