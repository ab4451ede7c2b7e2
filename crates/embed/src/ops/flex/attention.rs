use std::sync::Arc;

use burn_flex::FlexTensor;
use vectors::simd::{exp, lanes_max, lanes_sum, vectorised};
use vectors::{Matrix, multiply};

use super::fill::{fill, total};
use super::kernel::{Kernel, dims, of_rows, tensor, values};
use crate::ops::distances::{Added, buckets_of};

/// Attention of each text over itself, straight from and to packed rows: nothing is padded.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) offsets: Arc<[usize]>,
    pub(super) heads: usize,
    /// Keys that are farther away are not seen.
    pub(super) window: Option<usize>,
}

/// The same with a second input, what each head adds to scores by buckets of distances: `[buckets, heads]`.
#[derive(Clone, Debug)]
pub(super) struct BiasedAttention(pub(super) Attention);

impl Kernel<1> for Attention {
    /// The input; the probabilities are computed anew, which is cheaper than keeping them.
    type Saved = FlexTensor;

    fn forward(&self, [qkv]: &[FlexTensor; 1], keep: bool) -> (FlexTensor, Option<FlexTensor>) {
        (self.context(qkv, &self.added(None)), keep.then(|| qkv.clone()))
    }

    fn backward(&self, qkv: FlexTensor, gradient: FlexTensor) -> [FlexTensor; 1] {
        [self.gradient(&qkv, &gradient, &self.added(None), 0).0]
    }
}

impl Kernel<2> for BiasedAttention {
    type Saved = [FlexTensor; 2];

    fn forward(&self, inputs: &[FlexTensor; 2], keep: bool) -> (FlexTensor, Option<Self::Saved>) {
        let [qkv, biases] = inputs;
        (self.0.context(qkv, &self.0.added(Some(biases))), keep.then(|| inputs.clone()))
    }

    fn backward(&self, [qkv, biases]: Self::Saved, gradient: FlexTensor) -> [FlexTensor; 2] {
        let shape @ [buckets, heads] = dims::<2>(&biases);
        let (qkv, sums) = self.0.gradient(&qkv, &gradient, &self.0.added(Some(&biases)), buckets);
        [qkv, tensor(total(&sums, buckets * heads), shape)]
    }
}

impl Attention {
    fn added(&self, biases: Option<&FlexTensor>) -> Added {
        let longest = self.offsets.windows(2).map(|span| span[1] - span[0]).max().unwrap_or(0);
        Added::new(longest, self.heads, self.window, biases.map(values).unwrap_or_default())
    }

    fn context(&self, qkv: &FlexTensor, added: &Added) -> FlexTensor {
        let [rows, wide] = dims::<2>(qkv);
        let (hidden, input) = (wide / 3, values(qkv));
        let ([output], _) = fill(&self.offsets, [hidden], |rows, [output]| {
            let mut probabilities = vec![0.0; rows.len().pow(2)];
            for head in self.heads_of(of_rows(input, &rows, wide), wide) {
                head.probabilities(&mut probabilities, added);
                let probabilities = Matrix::rows(&probabilities, rows.len());
                multiply(&mut output[head.first()..], hidden, probabilities, head.value, false);
            }
        });
        tensor(output, [rows, hidden])
    }

    /// The gradient of queries, keys and values, and of each text that of the `buckets`.
    fn gradient(
        &self,
        qkv: &FlexTensor,
        gradient: &FlexTensor,
        added: &Added,
        buckets: usize,
    ) -> (FlexTensor, Vec<Vec<f32>>) {
        let [rows, wide] = dims::<2>(qkv);
        let (hidden, input, gradient) = (wide / 3, values(qkv), values(gradient));
        let bucket_of = if buckets > 0 { buckets_of(added.longest()) } else { Vec::new() };
        let ([output], sums) = fill(&self.offsets, [wide], |rows, [output]| {
            let gradient = Matrix::rows(of_rows(gradient, &rows, hidden), hidden);
            let mut scratch = [(); 2].map(|()| vec![0.0; rows.len().pow(2)]);
            let mut sums = vec![0.0; buckets * self.heads];
            for head in self.heads_of(of_rows(input, &rows, wide), wide) {
                head.backward(gradient, &mut scratch, added, (output, wide));
                if buckets > 0 {
                    let of_scores = &scratch[1];
                    for (query, row) in of_scores.chunks_exact(rows.len()).enumerate() {
                        for (score, bucket) in row.iter().zip(&bucket_of[added.longest() - 1 - query..]) {
                            sums[bucket * self.heads + head.index] += score / head.scale;
                        }
                    }
                }
            }
            sums
        });
        (tensor(output, [rows, wide]), sums)
    }

    /// The heads of a text; of one without tokens none.
    fn heads_of<'a>(&self, input: &'a [f32], wide: usize) -> impl Iterator<Item = Head<'a>> {
        let hidden = wide / 3;
        let size = hidden / self.heads;
        let heads = if input.is_empty() { 0 } else { self.heads };
        (0..heads).map(move |index| {
            let part = |part: usize| {
                let first = part * hidden + index * size;
                Matrix::rows(input, wide).columns(first..first + size)
            };
            Head { query: part(0), key: part(1), value: part(2), scale: 1.0 / (size as f32).sqrt(), index }
        })
    }
}

/// One text's query, key and value of one head: `[tokens, size]` each.
struct Head<'a> {
    query: Matrix<'a>,
    key: Matrix<'a>,
    value: Matrix<'a>,
    scale: f32,
    index: usize,
}

impl Head<'_> {
    /// Its first column of the hidden ones.
    fn first(&self) -> usize {
        self.index * self.query.width()
    }

    /// `softmax(scale · query · keyᵀ + added)`.
    fn probabilities(&self, out: &mut [f32], added: &Added) {
        let tokens = self.query.count();
        multiply(out, tokens, self.query, self.key.transposed(), false);
        vectorised(
            #[inline(always)]
            || {
                // A loop: what `for_each` calls is compiled for the least of processors.
                for (query, row) in out.chunks_exact_mut(tokens).enumerate() {
                    softmax(row, self.scale, added.of(self.index, query, tokens));
                }
            },
        );
    }

    /// Into the head's columns of the gradients of queries, keys and values, which are side by side; leaves `scale` times that of the scores in the second of
    /// the scratch matrices.
    fn backward(
        &self,
        gradient: Matrix<'_>,
        [p, d]: &mut [Vec<f32>; 2],
        added: &Added,
        (output, wide): (&mut [f32], usize),
    ) {
        let (tokens, size, hidden) = (self.query.count(), self.query.width(), wide / 3);
        let gradient = gradient.columns(self.first()..self.first() + size);
        self.probabilities(p, added);
        multiply(d, tokens, gradient, self.value.transposed(), false);
        let mut into = |index: usize, left: Matrix<'_>, right: Matrix<'_>| {
            multiply(&mut output[index * hidden + self.first()..], wide, left, right, false);
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

/// Of `scale · row + added`, in its place.
#[inline(always)]
pub(crate) fn softmax(row: &mut [f32], mut scale: f32, added: Option<&[f32]>) {
    if let Some(added) = added {
        for (score, &added) in row.iter_mut().zip(added) {
            *score = scale * *score + added;
        }
        scale = 1.0;
    }
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
