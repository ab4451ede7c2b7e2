//! The few operations that an encoder is made of, over packed rows. Each takes burn's flex backend through a fused kernel with its own
//! gradient ([`flex`]) and every other backend through tensor operations ([`tensor`]), but sums of rows on CUDA and wgpu by a kernel
//! ([`cube`]).

#[cfg(any(test, feature = "_cube"))]
mod csr;
#[cfg(feature = "_cube")]
mod cube;
mod distances;
#[cfg(feature = "flex")]
pub(crate) mod flex;
mod indices;
mod picks;
#[cfg(any(feature = "flex", feature = "_cube"))]
mod recast;
mod rotation;
mod spans;
mod tensor;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::linear;

use crate::{Precision, TokenBatch};
#[cfg(feature = "flex")]
pub(crate) use distances::Added;
pub(crate) use distances::{BUCKETS, Distances};
use indices::indices;
pub(crate) use picks::Picks;
pub(crate) use rotation::Rotation;
#[cfg(feature = "flex")]
pub(crate) use rotation::rotation_table;
pub(crate) use spans::Spans;
pub(crate) use tensor::product;

/// `x · weight`, `+ bias` if there is one. Shapes `[n, input]`, `[input, output]`, `[output]`.
pub(crate) fn dense<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
    precision: Precision,
) -> Tensor<B, 2> {
    if precision != Precision::F32 {
        let y = tensor::product(x, weight, precision);
        return match bias {
            Some(bias) => y + bias.unsqueeze(),
            None => y,
        };
    }
    #[cfg(feature = "flex")]
    if let Some(y) = flex::dense(&x, &weight, bias.as_ref()) {
        return y;
    }
    linear(x, weight, bias)
}

/// `gelu(x + bias)`, the one with the error function. Shapes `[n, d]`, `[d]`.
pub(crate) fn bias_gelu<B: Backend>(x: Tensor<B, 2>, bias: Tensor<B, 1>) -> Tensor<B, 2> {
    #[cfg(feature = "flex")]
    if let Some(y) = flex::bias_gelu(&x, &bias) {
        return y;
    }
    gelu(x + bias.unsqueeze())
}

/// What the first half of a gated layer is activated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// `v · Φ(v)`, by the error function.
    Gelu,
    /// `v · σ(v)`.
    Silu,
}

/// `activation(a) ∘ b` of the two halves of each row (Shazeer 2020, arXiv 2002.05202). Shapes `[n, 2d]` to `[n, d]`.
pub(crate) fn gated<B: Backend>(x: Tensor<B, 2>, gate: Gate) -> Tensor<B, 2> {
    #[cfg(feature = "flex")]
    if let Some(y) = flex::gated(&x, gate) {
        return y;
    }
    tensor::gated(x, gate)
}

fn gelu<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    #[cfg(feature = "_cube")]
    let x = match cube::gelu(x) {
        Ok(y) => return y,
        Err(x) => x,
    };
    tensor::gelu(x)
}

/// `LayerNorm(x + residual + bias)` with `affine` = (scale, shift). Shapes `[n, d]`, `[n, d]`, `[d]`.
pub(crate) fn add_norm<B: Backend>(
    x: Tensor<B, 2>,
    residual: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    affine: (Tensor<B, 1>, Tensor<B, 1>),
    eps: f64,
) -> Tensor<B, 2> {
    #[cfg(feature = "flex")]
    if let Some(y) = flex::add_norm([&x, &residual], [&bias, &affine.0, &affine.1], eps) {
        return y;
    }
    tensor::layer_norm(x + residual + bias.unsqueeze(), affine, eps)
}

/// Multi-head attention of each text over itself. `qkv` is `[n, 3d]`, the result `[n, d]`.
pub(crate) fn attention<B: Backend>(
    qkv: Tensor<B, 2>,
    spans: &Spans<B>,
    heads: usize,
    distances: &Distances<B>,
    precision: Precision,
) -> Tensor<B, 2> {
    #[cfg(feature = "flex")]
    if precision == Precision::F32
        && let Some(y) = flex::attention(&qkv, spans.shared(), heads, distances)
    {
        return y;
    }
    tensor::attention(qkv, spans, heads, distances, precision)
}

/// Queries and keys turned by their tokens' places. `qkv` is `[n, 3d]`, of `heads` heads each.
pub(crate) fn rotate<B: Backend>(qkv: Tensor<B, 2>, rotation: &Rotation<B>, heads: usize) -> Tensor<B, 2> {
    #[cfg(feature = "flex")]
    if let Some(y) = flex::rotate(&qkv, rotation) {
        return y;
    }
    tensor::rotate(qkv, rotation, heads)
}

/// Mean of the rows of each text: `[n, d]` to `[texts, d]`.
pub(crate) fn segment_mean<B: Backend>(x: Tensor<B, 2>, spans: &Spans<B>) -> Tensor<B, 2> {
    #[cfg(feature = "flex")]
    if let Some(y) = flex::bag_mean(&x, None, spans.shared()) {
        return y;
    }
    #[cfg(feature = "_cube")]
    if let Some(means) = means(spans, || (0..x.dims()[0] as u32).collect(), x.dims()[0]) {
        return means.times(x);
    }
    tensor::segment_mean(x, spans)
}

/// Sum of the rows of each text times their weights: `[n, d]` to `[texts, d]`.
pub(crate) fn segment_sum<B: Backend>(x: Tensor<B, 2>, weights: Vec<f32>, spans: &Spans<B>) -> Tensor<B, 2> {
    #[cfg(feature = "_cube")]
    if let Some(sums) = cube::Sparse::new(|| csr::Csr::sums(spans.offsets(), weights.clone()), spans.device()) {
        return sums.times(x);
    }
    tensor::segment_sum(x, &weights, spans)
}

/// The largest value of each column of each text: `[n, d]` to `[texts, d]`.
pub(crate) fn segment_max<B: Backend>(x: Tensor<B, 2>, spans: &Spans<B>) -> Tensor<B, 2> {
    tensor::segment_max(x, spans)
}

/// Mean of the table's rows `ids` of each text: `[vocab, d]` to `[texts, d]`.
pub(crate) fn bag_mean<B: Backend>(table: Tensor<B, 2>, ids: &[u32], spans: &Spans<B>) -> Tensor<B, 2> {
    #[cfg(feature = "flex")]
    if let Some(y) = flex::bag_mean(&table, Some(ids), spans.shared()) {
        return y;
    }
    #[cfg(feature = "_cube")]
    if let Some(means) = means(spans, || ids.to_vec(), table.dims()[0]) {
        return means.times(table);
    }
    tensor::bag_mean(table, ids, spans)
}

/// What makes the mean of each text of a matrix that has `of` rows.
#[cfg(feature = "_cube")]
fn means<B: Backend>(spans: &Spans<B>, rows: impl FnOnce() -> Vec<u32>, of: usize) -> Option<cube::Sparse<B>> {
    cube::Sparse::new(|| csr::Csr::means(spans.offsets(), rows(), of), spans.device())
}

/// `pooled` of the texts that have tokens, scaled to unit norm; the constant unit vector for the others.
pub(crate) fn unit_or_constant<B: Backend>(
    tokens: &TokenBatch,
    dim: usize,
    device: &B::Device,
    pooled: impl FnOnce(&TokenBatch) -> Tensor<B, 2>,
) -> Tensor<B, 2> {
    let (full, empty): (Vec<usize>, Vec<usize>) = (0..tokens.len()).partition(|&row| tokens.row_len(row) > 0);
    if empty.is_empty() && !full.is_empty() {
        return unit(pooled(tokens));
    }
    let constant = Tensor::full([1, dim], 1.0 / (dim as f64).sqrt(), device);
    if full.is_empty() {
        return constant.repeat_dim(0, tokens.len());
    }
    let rows = Tensor::cat(vec![unit(pooled(&tokens.select(&full))), constant], 0);
    let mut place = vec![full.len() as u32; tokens.len()];
    for (at, &row) in full.iter().enumerate() {
        place[row] = at as u32;
    }
    Picks::new(&place, full.len() + 1, device).of(rows)
}

/// Rows of norm 1. The square of PyTorch's 1e-12 keeps the gradient of a zero row finite.
fn unit<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let norm = ((x.clone() * x.clone()).sum_dim(1) + 1e-24).sqrt();
    x / norm
}
