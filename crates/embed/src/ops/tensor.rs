//! The operations on any backend.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::tensor::activation::{silu, softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use rustc_hash::FxHashMap;

use super::distances::buckets_of;
use super::{Distances, Gate, Picks, Rotation, Spans, indices};
use crate::Precision;

/// Not burn's own, whose gradient on GPUs is that of GELU by tanh, off by up to a thousandth.
pub(super) fn gelu<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    x.clone() * normal_below(x)
}

pub(super) fn gated<B: Backend>(x: Tensor<B, 2>, gate: Gate) -> Tensor<B, 2> {
    let width = x.dims()[1] / 2;
    let [a, b] = [0, width].map(|first| x.clone().narrow(1, first, width));
    match gate {
        Gate::Gelu => super::gelu(a) * b,
        Gate::Silu => silu(a) * b,
    }
}

/// The share of a standard normal distribution that lies below.
pub(super) fn normal_below<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    (x * FRAC_1_SQRT_2).erf() * 0.5 + 0.5
}

pub(super) fn layer_norm<B: Backend>(x: Tensor<B, 2>, affine: (Tensor<B, 1>, Tensor<B, 1>), eps: f64) -> Tensor<B, 2> {
    let centered = x.clone() - x.mean_dim(1);
    let variance = (centered.clone() * centered.clone()).mean_dim(1);
    let (scale, shift) = affine;
    centered / (variance + eps).sqrt() * scale.unsqueeze() + shift.unsqueeze()
}

/// `a · b`, of f32 and to f32.
pub(crate) fn product<B: Backend, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    precision: Precision,
) -> Tensor<B, D> {
    match precision {
        Precision::F32 => a.matmul(b),
        Precision::Bf16 => a.cast(DType::BF16).matmul(b.cast(DType::BF16)).cast(DType::F32),
    }
}

pub(super) fn attention<B: Backend>(
    qkv: Tensor<B, 2>,
    spans: &Spans<B>,
    heads: usize,
    distances: &Distances<B>,
    precision: Precision,
) -> Tensor<B, 2> {
    let padded = spans.padded();
    let [texts, longest] = padded.grid;
    let hidden = qkv.dims()[1] / 3;
    let size = hidden / heads;
    let grid = padded.rows.of(qkv).reshape([texts, longest, 3 * heads, size]).swap_dims(1, 2);
    let part = |index: usize| grid.clone().narrow(1, index * heads, heads);
    let scores = product(part(0), part(1).swap_dims(2, 3), precision) / (size as f64).sqrt();
    let scores = match &padded.bias {
        Some(bias) => scores + bias.clone(),
        None => scores,
    };
    let scores = match distances.matter() {
        true => scores + added(distances, longest, spans.device()),
        false => scores,
    };
    let context = product(softmax(scores, 3), part(2), precision);
    padded.places.of(context.swap_dims(1, 2).reshape([texts * longest, hidden]))
}

/// What is added to scores by distance: `[1, heads or 1, longest, longest]`.
fn added<B: Backend>(distances: &Distances<B>, longest: usize, device: &B::Device) -> Tensor<B, 4> {
    // Of each query and key the row of distances.
    let behind = (0..longest).flat_map(|query| (0..longest).map(move |key| longest - 1 + key - query));
    let window = distances.window.map(|window| {
        let hidden = |at: usize| if at.abs_diff(longest - 1) > window { -1e9_f32 } else { 0.0 };
        let values = TensorData::new(behind.clone().map(hidden).collect(), [1, 1, longest, longest]);
        Tensor::from_data(values, device)
    });
    let biases = distances.biases.as_ref().map(|biases| {
        let [buckets, heads] = biases.dims();
        let of_distances = buckets_of(longest);
        let rows: Vec<u32> = behind.map(|at| of_distances[at] as u32).collect();
        let rows = Picks::new(&rows, buckets, device).of(biases.clone());
        rows.reshape([1, longest, longest, heads]).permute([0, 3, 1, 2])
    });
    match (window, biases) {
        (Some(window), Some(biases)) => biases + window,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Tensor::zeros([1, 1, 1, 1], device),
    }
}

pub(super) fn rotate<B: Backend>(qkv: Tensor<B, 2>, rotation: &Rotation<B>, heads: usize) -> Tensor<B, 2> {
    let [rows, wide] = qkv.dims();
    let (size, hidden) = (rotation.size(), wide / 3);
    let turning = qkv.clone().narrow(1, 0, 2 * hidden).reshape([rows, 2 * heads, size]);
    let [a, b] = [0, size / 2].map(|first| turning.clone().narrow(2, first, size / 2));
    let [cos, sin] = rotation.tensors();
    let turned = [a.clone() * cos.clone() - b.clone() * sin.clone(), b * cos + a * sin];
    let turned = Tensor::cat(turned.to_vec(), 2).reshape([rows, 2 * hidden]);
    Tensor::cat(vec![turned, qkv.narrow(1, 2 * hidden, hidden)], 1)
}

pub(super) fn segment_mean<B: Backend>(x: Tensor<B, 2>, spans: &Spans<B>) -> Tensor<B, 2> {
    let shares = spans.offsets().windows(2).flat_map(|span| {
        let count = span[1] - span[0];
        std::iter::repeat_n(1.0 / count as f32, count)
    });
    segment_sum(x, &shares.collect::<Vec<f32>>(), spans)
}

/// Of each text the sum of its rows times their weights.
pub(super) fn segment_sum<B: Backend>(x: Tensor<B, 2>, weights: &[f32], spans: &Spans<B>) -> Tensor<B, 2> {
    let padded = spans.padded();
    let [texts, longest] = padded.grid;
    let hidden = x.dims()[1];
    let grid = padded.rows.of(x).reshape([texts, longest, hidden]);
    let weights = spans.offsets().windows(2).flat_map(|span| {
        let padding = longest - (span[1] - span[0]);
        weights[span[0]..span[1]].iter().copied().chain(std::iter::repeat_n(0.0, padding))
    });
    let weights = TensorData::new(weights.collect::<Vec<f32>>(), [texts, longest, 1]);
    (grid * Tensor::from_data(weights, spans.device())).sum_dim(1).reshape([texts, hidden])
}

/// Of each text the largest value of each column.
pub(super) fn segment_max<B: Backend>(x: Tensor<B, 2>, spans: &Spans<B>) -> Tensor<B, 2> {
    let padded = spans.padded();
    let [texts, longest] = padded.grid;
    let hidden = x.dims()[1];
    let grid = padded.rows.of(x).reshape([texts, longest, hidden]);
    let grid = match &padded.bias {
        Some(bias) => grid + bias.clone().reshape([texts, longest, 1]),
        None => grid,
    };
    grid.max_dim(1).reshape([texts, hidden])
}

/// The distinct tokens' rows times a `[texts, distinct]` matrix of shares: forward and backward are matrix products, and nothing of
/// size tokens × dim is made.
pub(super) fn bag_mean<B: Backend>(table: Tensor<B, 2>, ids: &[u32], spans: &Spans<B>) -> Tensor<B, 2> {
    let mut place = FxHashMap::default();
    let mut distinct = Vec::new();
    for &id in ids {
        place.entry(id).or_insert_with(|| {
            distinct.push(id);
            distinct.len() - 1
        });
    }
    let mut shares = vec![0.0_f32; spans.len() * distinct.len()];
    for (text, span) in spans.offsets().windows(2).enumerate() {
        for id in &ids[span[0]..span[1]] {
            shares[text * distinct.len() + place[id]] += 1.0 / (span[1] - span[0]) as f32;
        }
    }
    let shares = TensorData::new(shares, [spans.len(), distinct.len()]);
    let rows = table.select(0, indices(&distinct, spans.device()));
    Tensor::from_data(shares, spans.device()).matmul(rows)
}
