use burn_flex::FlexTensor;
use vectors::simd::{erf, exp, vectorised};

use super::fill::{ROWS, blocks, fill, total};
use super::kernel::{Kernel, dims, of_rows, tensor, values};

/// `gelu(x + bias)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct BiasGelu;

impl Kernel<2> for BiasGelu {
    type Saved = [FlexTensor; 2];

    fn forward(&self, inputs: &[FlexTensor; 2], keep: bool) -> (FlexTensor, Option<Self::Saved>) {
        let [x, bias] = inputs.each_ref().map(values);
        let shape @ [rows, width] = dims::<2>(&inputs[0]);
        let ([y], _) = fill(&blocks(rows, ROWS), [width], |rows, [y]| {
            vectorised(
                #[inline(always)]
                || forward_rows(of_rows(x, &rows, width), bias, y),
            );
        });
        (tensor(y, shape), keep.then(|| inputs.clone()))
    }

    fn backward(&self, saved: Self::Saved, gradient: FlexTensor) -> [FlexTensor; 2] {
        let [x, bias] = saved.each_ref().map(values);
        let shape @ [rows, width] = dims::<2>(&saved[0]);
        let g = values(&gradient);
        let ([dx], sums) = fill(&blocks(rows, ROWS), [width], |rows, [dx]| {
            let mut sum = vec![0.0; width];
            vectorised(
                #[inline(always)]
                || backward_rows([x, g].map(|values| of_rows(values, &rows, width)), bias, dx, &mut sum),
            );
            sum
        });
        [tensor(dx, shape), tensor(total(&sums, width), [width])]
    }
}

#[inline(always)]
fn forward_rows(x: &[f32], bias: &[f32], y: &mut [f32]) {
    for (x, y) in x.chunks_exact(bias.len()).zip(y.chunks_exact_mut(bias.len())) {
        for ((&x, &b), y) in x.iter().zip(bias).zip(y) {
            let v = x + b;
            *y = v * cdf(v);
        }
    }
}

#[inline(always)]
fn backward_rows([x, g]: [&[f32]; 2], bias: &[f32], dx: &mut [f32], sum: &mut [f32]) {
    let width = bias.len();
    let rows = x.chunks_exact(width).zip(g.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
    for ((x, g), dx) in rows {
        for ((((&x, &g), &b), dx), sum) in x.iter().zip(g).zip(bias).zip(dx).zip(sum.iter_mut()) {
            let v = x + b;
            *dx = g * (cdf(v) + v * density(v));
            *sum += *dx;
        }
    }
}

/// Density of the standard normal.
#[inline(always)]
pub(super) fn density(v: f32) -> f32 {
    0.398_942_3 * exp(-0.5 * v * v)
}

/// Distribution function of the standard normal.
#[inline(always)]
pub(crate) fn cdf(v: f32) -> f32 {
    0.5 + 0.5 * erf(v * std::f32::consts::FRAC_1_SQRT_2)
}
