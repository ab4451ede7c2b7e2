use std::sync::Arc;

use burn_flex::FlexTensor;
use vectors::simd::{exp, lanes_max, lanes_sum, vectorised};
use vectors::{Matrix, multiply};

use super::fill::fill;
use super::kernel::{Kernel, dims, of_rows, tensor, values};

/// Attention of each text over itself, straight from and to packed rows: nothing is padded, nothing masked.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) offsets: Arc<[usize]>,
    pub(super) heads: usize,
}

impl Kernel<1> for Attention {
    /// The input; the probabilities are computed anew, which is cheaper than keeping them.
    type Saved = FlexTensor;

    fn forward(&self, [qkv]: &[FlexTensor; 1], keep: bool) -> (FlexTensor, Option<FlexTensor>) {
        let [rows, wide] = dims::<2>(qkv);
        let (hidden, input) = (wide / 3, values(qkv));
        let ([output], _) = fill(&self.offsets, [hidden], |rows, [output]| {
            let mut probabilities = vec![0.0; rows.len().pow(2)];
            for head in self.heads_of(of_rows(input, &rows, wide), wide) {
                head.probabilities(&mut probabilities);
                let probabilities = Matrix::rows(&probabilities, rows.len());
                multiply(&mut output[head.first..], hidden, probabilities, head.value, false);
            }
        });
        (tensor(output, [rows, hidden]), keep.then(|| qkv.clone()))
    }

    fn backward(&self, qkv: FlexTensor, gradient: FlexTensor) -> [FlexTensor; 1] {
        let [rows, wide] = dims::<2>(&qkv);
        let (hidden, input, gradient) = (wide / 3, values(&qkv), values(&gradient));
        let ([output], _) = fill(&self.offsets, [wide], |rows, [output]| {
            let gradient = Matrix::rows(of_rows(gradient, &rows, hidden), hidden);
            let mut scratch = [(); 2].map(|()| vec![0.0; rows.len().pow(2)]);
            for head in self.heads_of(of_rows(input, &rows, wide), wide) {
                head.backward(gradient, &mut scratch, output, wide);
            }
        });
        [tensor(output, [rows, wide])]
    }
}

impl Attention {
    /// The heads of a text; of one without tokens none.
    fn heads_of<'a>(&self, input: &'a [f32], wide: usize) -> impl Iterator<Item = Head<'a>> {
        let hidden = wide / 3;
        let size = hidden / self.heads;
        let heads = if input.is_empty() { 0 } else { self.heads };
        (0..heads).map(move |head| {
            let first = head * size;
            let part = |index: usize| {
                let first = index * hidden + first;
                Matrix::rows(input, wide).columns(first..first + size)
            };
            Head { query: part(0), key: part(1), value: part(2), scale: 1.0 / (size as f32).sqrt(), first }
        })
    }
}

/// One text's query, key and value of one head: `[tokens, size]` each.
struct Head<'a> {
    query: Matrix<'a>,
    key: Matrix<'a>,
    value: Matrix<'a>,
    scale: f32,
    /// Its first column of the hidden ones.
    first: usize,
}

impl Head<'_> {
    /// `softmax(scale · query · keyᵀ)`.
    fn probabilities(&self, out: &mut [f32]) {
        let tokens = self.query.count();
        multiply(out, tokens, self.query, self.key.transposed(), false);
        vectorised(
            #[inline(always)]
            || {
                // A loop: what `for_each` calls is compiled for the least of processors.
                for row in out.chunks_exact_mut(tokens) {
                    softmax(row, self.scale);
                }
            },
        );
    }

    /// Into the head's columns of the gradients of queries, keys and values, which are side by side.
    fn backward(&self, gradient: Matrix<'_>, [p, d]: &mut [Vec<f32>; 2], output: &mut [f32], wide: usize) {
        let (tokens, size, hidden) = (self.query.count(), self.query.width(), wide / 3);
        let gradient = gradient.columns(self.first..self.first + size);
        self.probabilities(p);
        multiply(d, tokens, gradient, self.value.transposed(), false);
        let mut into = |index: usize, left: Matrix<'_>, right: Matrix<'_>| {
            multiply(&mut output[index * hidden + self.first..], wide, left, right, false);
        };
        into(2, Matrix::rows(p, tokens).transposed(), gradient);
        vectorised(
            #[inline(always)]
            || {
                for (d, p) in d.chunks_exact_mut(tokens).zip(p.chunks_exact(tokens)) {
                    softmax_backward(d, p, self.scale);
                }
            },
        );
        into(0, Matrix::rows(d, tokens), self.key);
        into(1, Matrix::rows(d, tokens).transposed(), self.query);
    }
}

/// Of `scale · row`, in its place.
#[inline(always)]
fn softmax(row: &mut [f32], scale: f32) {
    let max = lanes_max(row);
    for v in row.iter_mut() {
        *v = exp(scale * (*v - max));
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

/// `scale · p ∘ (d − Σ d ∘ p)`, in place of `d`.
#[inline(always)]
fn softmax_backward(d: &mut [f32], p: &[f32], scale: f32) {
    let mean = lanes_sum(
        d,
        p,
        #[inline(always)]
        |d, p| d * p,
    );
    for (d, &p) in d.iter_mut().zip(p) {
        *d = scale * p * (*d - mean);
    }
}
