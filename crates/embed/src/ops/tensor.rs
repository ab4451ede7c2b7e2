//! The operations on any backend.

use burn::tensor::activation::{gelu, softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rustc_hash::FxHashMap;

use super::{Spans, indices};

pub(super) fn bias_gelu<B: Backend>(x: Tensor<B, 2>, bias: Tensor<B, 1>) -> Tensor<B, 2> {
    gelu(x + bias.unsqueeze())
}

pub(super) fn layer_norm<B: Backend>(x: Tensor<B, 2>, affine: (Tensor<B, 1>, Tensor<B, 1>), eps: f64) -> Tensor<B, 2> {
    let centered = x.clone() - x.mean_dim(1);
    let variance = (centered.clone() * centered.clone()).mean_dim(1);
    let (scale, shift) = affine;
    centered / (variance + eps).sqrt() * scale.unsqueeze() + shift.unsqueeze()
}

pub(super) fn attention<B: Backend>(qkv: Tensor<B, 2>, spans: &Spans<B>, heads: usize) -> Tensor<B, 2> {
    let padded = spans.padded();
    let [texts, longest] = padded.grid;
    let hidden = qkv.dims()[1] / 3;
    let size = hidden / heads;
    let grid = qkv.select(0, padded.rows.clone()).reshape([texts, longest, 3 * heads, size]).swap_dims(1, 2);
    let part = |index: usize| grid.clone().narrow(1, index * heads, heads);
    let scores = part(0).matmul(part(1).swap_dims(2, 3)) / (size as f64).sqrt();
    let scores = match &padded.bias {
        Some(bias) => scores + bias.clone(),
        None => scores,
    };
    let context = softmax(scores, 3).matmul(part(2));
    context.swap_dims(1, 2).reshape([texts * longest, hidden]).select(0, padded.places.clone())
}

pub(super) fn segment_mean<B: Backend>(x: Tensor<B, 2>, spans: &Spans<B>) -> Tensor<B, 2> {
    let padded = spans.padded();
    let [texts, longest] = padded.grid;
    let hidden = x.dims()[1];
    let grid = x.select(0, padded.rows.clone()).reshape([texts, longest, hidden]);
    (grid * padded.weights.clone()).sum_dim(1).reshape([texts, hidden])
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
