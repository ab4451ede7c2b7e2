//! A sparse matrix times a dense one. burn's own gradient of picked rows is a scatter, for which a thread walks over all tokens of a column.
//!
//! Sums are taken in a fixed order, so that a step repeats to the bit.

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn::tensor::{DType, Tensor, TensorData};

use super::{autodiff, first_of_backends, has_kernel, of_primitive, retyped};
use crate::ops::csr::Csr;
use crate::ops::indices;
use crate::ops::recast::recast;

/// Weights of a row that one thread adds. Rows of more are added in several steps, as a word that is everywhere would keep a thread
/// busy long after all others.
const LONGEST: usize = 64;

/// A backend with the kernel.
pub(super) trait Spmm: Backend {
    fn spmm(factor: Factor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A sparse matrix on a device.
#[derive(Clone, Debug)]
pub(super) struct Factor<B: Backend> {
    pub(super) rows: usize,
    pub(super) offsets: IntTensor<B>,
    pub(super) columns: IntTensor<B>,
    pub(super) weights: FloatTensor<B>,
}

/// A sparse matrix on a device, as factors with short rows, and its transpose where there may be gradients.
pub(in crate::ops) struct Sparse<B: Backend> {
    factors: Vec<Factor<B>>,
    transposed: Vec<Factor<B>>,
}

impl<B: Backend> Sparse<B> {
    /// `None` where `B` has no such kernel.
    pub(in crate::ops) fn new(matrix: impl FnOnce() -> Csr, device: &B::Device) -> Option<Self> {
        has_kernel::<B>().then(|| {
            let matrix = matrix();
            let transposed = if B::ad_enabled(device) { upload(matrix.transposed(), device) } else { Vec::new() };
            Self { factors: upload(matrix, device), transposed }
        })
    }

    /// The sparse matrix times `x`.
    pub(in crate::ops) fn times(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.on_its_backend(x.into_primitive().tensor())
            .unwrap_or_else(|_| unreachable!("made for backends with the kernel alone"))
    }

    fn on_its_backend(&self, x: FloatTensor<B>) -> Result<Tensor<B, 2>, FloatTensor<B>> {
        first_of_backends!(x, I => self.times_on::<I>(x));
        Err(x)
    }

    fn times_on<I: Spmm>(&self, x: FloatTensor<B>) -> Result<Tensor<B, 2>, FloatTensor<B>> {
        let x = match recast::<_, FloatTensor<I>>(x) {
            Ok(x) => return Ok(of_primitive::<B, I>(product(&factors_of::<B, I>(&self.factors), x))),
            Err(x) => x,
        };
        let x = recast::<_, FloatTensor<Autodiff<I>>>(x)?;
        let y = autodiff::product(&factors_of::<B, I>(&self.factors), factors_of::<B, I>(&self.transposed), x);
        Ok(of_primitive::<B, Autodiff<I>>(y))
    }
}

fn upload<B: Backend>(matrix: Csr, device: &B::Device) -> Vec<Factor<B>> {
    let on_device = |mut factor: Csr| {
        let rows = factor.rows();
        // No device has a buffer of nothing.
        if factor.columns.is_empty() {
            factor.columns.push(0);
            factor.weights.push(0.0);
        }
        let count = factor.weights.len();
        let weights = Tensor::<B, 1>::from_data(TensorData::new(factor.weights, [count]), (device, DType::F32));
        Factor {
            rows,
            offsets: indices::<B>(&factor.offsets, device).into_primitive(),
            columns: indices::<B>(&factor.columns, device).into_primitive(),
            weights: weights.into_primitive().tensor(),
        }
    };
    matrix.factors(LONGEST).into_iter().map(on_device).collect()
}

pub(super) fn product<I: Spmm>(factors: &[Factor<I>], x: FloatTensor<I>) -> FloatTensor<I> {
    factors.iter().fold(x, |x, factor| I::spmm(factor.clone(), x))
}

/// The factors as `I` has them, which is `B` or what `B` differentiates.
fn factors_of<B: Backend, I: Backend>(factors: &[Factor<B>]) -> Vec<Factor<I>> {
    let of = |factor: &Factor<B>| {
        let ints = |tensor: &IntTensor<B>| retyped::<_, IntTensor<I>>(tensor.clone());
        let weights = recast::<_, FloatTensor<I>>(factor.weights.clone())
            .unwrap_or_else(|weights| retyped::<_, FloatTensor<Autodiff<I>>>(weights).primitive);
        Factor { rows: factor.rows, offsets: ints(&factor.offsets), columns: ints(&factor.columns), weights }
    };
    factors.iter().map(of).collect()
}
