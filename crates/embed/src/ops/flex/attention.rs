use std::sync::Arc;

use burn_flex::FlexTensor;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rayon::prelude::*;
use vectors::simd::{exp, lanes_max, lanes_sum, vectorised};

use super::kernel::{Kernel, dims, tensor, values};

/// Attention of each text over itself, straight from and to packed rows: nothing is padded, nothing masked.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) offsets: Arc<[usize]>,
    pub(super) heads: usize,
}

/// One text's query, key and value of one head: `[tokens, size]` each.
struct Head<'a> {
    query: ArrayView2<'a, f32>,
    key: ArrayView2<'a, f32>,
    value: ArrayView2<'a, f32>,
    scale: f32,
}

impl Kernel<1> for Attention {
    /// The input; the probabilities are computed anew, which is cheaper than keeping them.
    type Saved = FlexTensor;

    fn forward(&self, [qkv]: &[FlexTensor; 1], keep: bool) -> (FlexTensor, Option<FlexTensor>) {
        let [rows, wide] = dims::<2>(qkv);
        let (hidden, input) = (wide / 3, values(qkv));
        let mut output = vec![0.0; rows * hidden];
        self.texts(&mut output, hidden).into_par_iter().enumerate().for_each(|(text, output)| {
            let input = self.view(input, text, wide);
            let mut output = rows_mut(output, hidden);
            let size = hidden / self.heads;
            for head in 0..self.heads {
                let parts = Head::new(input, head, size);
                let columns = s![.., head * size..(head + 1) * size];
                general_mat_mul(1.0, &parts.probabilities(), &parts.value, 0.0, &mut output.slice_mut(columns));
            }
        });
        (tensor(output, [rows, hidden]), keep.then(|| qkv.clone()))
    }

    fn backward(&self, qkv: FlexTensor, gradient: FlexTensor) -> [FlexTensor; 1] {
        let [rows, wide] = dims::<2>(&qkv);
        let (hidden, input, gradient) = (wide / 3, values(&qkv), values(&gradient));
        let mut output = vec![0.0; rows * wide];
        self.texts(&mut output, wide).into_par_iter().enumerate().for_each(|(text, output)| {
            let (input, gradient) = (self.view(input, text, wide), self.view(gradient, text, hidden));
            let mut output = rows_mut(output, wide);
            let size = hidden / self.heads;
            for head in 0..self.heads {
                let gradient = gradient.slice(s![.., head * size..(head + 1) * size]);
                Head::new(input, head, size).backward(gradient, &mut output, head);
            }
        });
        [tensor(output, [rows, wide])]
    }
}

impl Attention {
    /// The rows of each text.
    fn texts<'a>(&self, mut values: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
        let mut texts = Vec::with_capacity(self.offsets.len() - 1);
        for span in self.offsets.windows(2) {
            let (text, rest) = values.split_at_mut((span[1] - span[0]) * width);
            texts.push(text);
            values = rest;
        }
        texts
    }

    fn view<'a>(&self, values: &'a [f32], text: usize, width: usize) -> ArrayView2<'a, f32> {
        rows(&values[self.offsets[text] * width..self.offsets[text + 1] * width], width)
    }
}

impl<'a> Head<'a> {
    fn new(input: ArrayView2<'a, f32>, head: usize, size: usize) -> Self {
        let hidden = input.ncols() / 3;
        let part = |index: usize| {
            let first = index * hidden + head * size;
            input.slice_move(s![.., first..first + size])
        };
        Head { query: part(0), key: part(1), value: part(2), scale: 1.0 / (size as f32).sqrt() }
    }

    /// `softmax(scale · query · keyᵀ)`.
    fn probabilities(&self) -> Array2<f32> {
        let tokens = self.query.nrows();
        let mut scores = Array2::zeros((tokens, tokens));
        general_mat_mul(self.scale, &self.query, &self.key.t(), 0.0, &mut scores);
        if let Some(scores) = scores.as_slice_mut() {
            vectorised(
                #[inline(always)]
                || scores.chunks_exact_mut(tokens).for_each(softmax),
            );
        }
        scores
    }

    fn backward(&self, gradient: ArrayView2<'_, f32>, output: &mut ArrayViewMut2<'_, f32>, head: usize) {
        let (tokens, size) = self.query.dim();
        let hidden = output.ncols() / 3;
        let mut into = |index: usize, left: &ArrayView2<'_, f32>, right: &ArrayView2<'_, f32>, factor: f32| {
            let first = index * hidden + head * size;
            general_mat_mul(factor, left, right, 0.0, &mut output.slice_mut(s![.., first..first + size]));
        };
        let probabilities = self.probabilities();
        into(2, &probabilities.t(), &gradient, 1.0);
        let mut scores = Array2::zeros((tokens, tokens));
        general_mat_mul(1.0, &gradient, &self.value.t(), 0.0, &mut scores);
        if let (Some(d), Some(p)) = (scores.as_slice_mut(), probabilities.as_slice()) {
            vectorised(
                #[inline(always)]
                || d.chunks_exact_mut(tokens).zip(p.chunks_exact(tokens)).for_each(|(d, p)| softmax_backward(d, p)),
            );
        }
        into(0, &scores.view(), &self.key, self.scale);
        into(1, &scores.t(), &self.query, self.scale);
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let max = lanes_max(row);
    for v in row.iter_mut() {
        *v = exp(*v - max);
    }
    let share = 1.0
        / lanes_sum(
            row,
            row,
            #[inline(always)]
            |v, _| v,
        );
    for v in row.iter_mut() {
        *v *= share;
    }
}

/// `p ∘ (d − Σ d ∘ p)`, in place of `d`.
#[inline(always)]
fn softmax_backward(d: &mut [f32], p: &[f32]) {
    let mean = lanes_sum(
        d,
        p,
        #[inline(always)]
        |d, p| d * p,
    );
    for (d, &p) in d.iter_mut().zip(p) {
        *d = p * (*d - mean);
    }
}

fn rows(values: &[f32], width: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((values.len() / width, width), values).unwrap_or_else(|_| unreachable!("whole rows"))
}

fn rows_mut(values: &mut [f32], width: usize) -> ArrayViewMut2<'_, f32> {
    let shape = (values.len() / width, width);
    ArrayViewMut2::from_shape(shape, values).unwrap_or_else(|_| unreachable!("whole rows"))
}
