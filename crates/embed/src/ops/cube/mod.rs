//! What burn's CUDA and wgpu backends, which compile their kernels by cubecl, have of their own: sums of rows by a kernel ([`Sparse`]), and
//! GELU with its own gradient.

mod autodiff;
mod fusion;
mod gelu;
mod kernel;
mod sparse;

use std::any::TypeId;

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

use super::recast::recast;
pub(super) use sparse::Sparse;

/// Returns what `$attempt` gives on the first of the backends, `$backend`, that takes `$x`.
macro_rules! first_of_backends {
    ($x:ident, $backend:ident => $attempt:expr) => {
        #[cfg(feature = "wgpu")]
        let $x = {
            type $backend = burn::backend::Wgpu;
            match $attempt {
                Ok(y) => return Ok(y),
                Err(x) => x,
            }
        };
        #[cfg(feature = "cuda")]
        let $x = {
            type $backend = burn::backend::Cuda;
            match $attempt {
                Ok(y) => return Ok(y),
                Err(x) => x,
            }
        };
    };
}
use first_of_backends;

/// GELU where there is a tape; else `x`.
pub(super) fn gelu<B: Backend>(x: Tensor<B, 2>) -> Result<Tensor<B, 2>, Tensor<B, 2>> {
    let x = x.into_primitive().tensor();
    first_of_backends!(x, I => recast::<_, FloatTensor<Autodiff<I>>>(x).map(|x| of_primitive::<B, Autodiff<I>>(gelu::tracked::<I>(x))));
    Err(of_primitive::<B, B>(x))
}

/// A tensor of `I` under the name that `B` has for it.
fn of_primitive<B: Backend, I: Backend>(x: FloatTensor<I>) -> Tensor<B, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(retyped(x)))
}

/// A value under the name that its type has elsewhere.
fn retyped<A: 'static, T: 'static>(value: A) -> T {
    recast(value).unwrap_or_else(|_| unreachable!("tensors of one backend are of one type"))
}

/// Whether `B` is one of [`first_of_backends`], or differentiates one.
fn has_kernel<B: Backend>() -> bool {
    #[cfg(feature = "wgpu")]
    if computes_on::<B, burn::backend::Wgpu>() {
        return true;
    }
    #[cfg(feature = "cuda")]
    if computes_on::<B, burn::backend::Cuda>() {
        return true;
    }
    false
}

fn computes_on<B: Backend, I: Backend>() -> bool {
    let tensor = TypeId::of::<FloatTensor<B>>();
    tensor == TypeId::of::<FloatTensor<I>>() || tensor == TypeId::of::<FloatTensor<Autodiff<I>>>()
}
