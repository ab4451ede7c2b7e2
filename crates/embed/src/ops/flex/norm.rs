use burn_flex::FlexTensor;
use vectors::simd::{lanes_sum, vectorised};

use super::fill::{ROWS, blocks, fill, total};
use super::kernel::{Kernel, dims, of_rows, tensor, values};

/// `LayerNorm(x + residual + bias)`; inputs in that order, then scale and shift.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddNorm {
    pub(super) eps: f32,
}

/// The normalised rows, one over each row's deviation, and the scale.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    normal: FlexTensor,
    inverse: Vec<f32>,
    scale: FlexTensor,
}

impl Kernel<5> for AddNorm {
    type Saved = Saved;

    fn forward(&self, inputs: &[FlexTensor; 5], keep: bool) -> (FlexTensor, Option<Saved>) {
        let [x, residual, bias, scale, shift] = inputs.each_ref().map(values);
        let shape @ [rows, width] = dims::<2>(&inputs[0]);
        let affine = [bias, scale, shift];
        let widths = [width, 1, if keep { width } else { 0 }];
        let ([y, inverse, normal], _) = fill(&blocks(rows, ROWS), widths, |rows, [y, inverse, normal]| {
            let inputs = [x, residual].map(|values| of_rows(values, &rows, width));
            vectorised(
                #[inline(always)]
                || {
                    if keep {
                        normalise(inputs, bias, normal, (inverse, self.eps));
                        affine_rows(normal, affine, y);
                    } else {
                        normalise(inputs, bias, y, (inverse, self.eps));
                        affine_in_place(affine, y);
                    }
                },
            );
        });
        let saved = keep.then(|| Saved { normal: tensor(normal, shape), inverse, scale: inputs[3].clone() });
        (tensor(y, shape), saved)
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor) -> [FlexTensor; 5] {
        let shape @ [rows, width] = dims::<2>(&saved.normal);
        let (normal, scale, g) = (values(&saved.normal), values(&saved.scale), values(&gradient));
        let ([dx], sums) = fill(&blocks(rows, ROWS), [width], |rows, [dx]| {
            let mut sums = [vec![0.0; width], vec![0.0; width], vec![0.0; width]];
            let inputs = [normal, g].map(|values| of_rows(values, &rows, width));
            vectorised(
                #[inline(always)]
                || backward_rows(inputs, (scale, &saved.inverse[rows]), dx, &mut sums),
            );
            sums
        });
        let column = |index: usize| {
            let column: Vec<Vec<f32>> = sums.iter().map(|sums| sums[index].clone()).collect();
            tensor(total(&column, width), [width])
        };
        let dx = tensor(dx, shape);
        [dx.clone(), dx, column(0), column(1), column(2)]
    }
}

/// `(h − mean) / √(variance + eps)` of `h = x + residual + bias`, into `out`.
#[inline(always)]
fn normalise([x, residual]: [&[f32]; 2], bias: &[f32], out: &mut [f32], (inverse, eps): (&mut [f32], f32)) {
    let width = bias.len();
    let rows = x.chunks_exact(width).zip(residual.chunks_exact(width)).zip(out.chunks_exact_mut(width));
    for (((x, r), out), inverse) in rows.zip(inverse) {
        for (((&x, &r), &b), out) in x.iter().zip(r).zip(bias).zip(out.iter_mut()) {
            *out = x + r + b;
        }
        let mean = lanes_sum(
            out,
            out,
            #[inline(always)]
            |v, _| v,
        ) / width as f32;
        for out in out.iter_mut() {
            *out -= mean;
        }
        let variance = lanes_sum(
            out,
            out,
            #[inline(always)]
            |v, w| v * w,
        ) / width as f32;
        *inverse = 1.0 / (variance + eps).sqrt();
        for out in out.iter_mut() {
            *out *= *inverse;
        }
    }
}

#[inline(always)]
fn affine_rows(normal: &[f32], [_, scale, shift]: [&[f32]; 3], y: &mut [f32]) {
    for (normal, y) in normal.chunks_exact(scale.len()).zip(y.chunks_exact_mut(scale.len())) {
        for (((y, &n), &s), &t) in y.iter_mut().zip(normal).zip(scale).zip(shift) {
            *y = n * s + t;
        }
    }
}

#[inline(always)]
fn affine_in_place([_, scale, shift]: [&[f32]; 3], y: &mut [f32]) {
    for y in y.chunks_exact_mut(scale.len()) {
        for ((y, &s), &t) in y.iter_mut().zip(scale).zip(shift) {
            *y = *y * s + t;
        }
    }
}

/// Gradients of the sum, and, added to `sums`, of bias, scale and shift.
#[inline(always)]
fn backward_rows(
    [normal, g]: [&[f32]; 2],
    (scale, inverse): (&[f32], &[f32]),
    dx: &mut [f32],
    sums: &mut [Vec<f32>; 3],
) {
    let width = scale.len();
    let [d_bias, d_scale, d_shift] = sums;
    let rows = normal.chunks_exact(width).zip(g.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
    for (((normal, g), dx), &inverse) in rows.zip(inverse) {
        for ((dx, &g), &s) in dx.iter_mut().zip(g).zip(scale) {
            *dx = g * s;
        }
        let mean = lanes_sum(
            dx,
            dx,
            #[inline(always)]
            |v, _| v,
        ) / width as f32;
        let slope = lanes_sum(
            dx,
            normal,
            #[inline(always)]
            |v, n| v * n,
        ) / width as f32;
        for ((((dx, &n), &g), sum), (ds, dt)) in
            dx.iter_mut().zip(normal).zip(g).zip(d_bias.iter_mut()).zip(d_scale.iter_mut().zip(d_shift.iter_mut()))
        {
            *dx = inverse * (*dx - mean - n * slope);
            *sum += *dx;
            *ds += g * n;
            *dt += g;
        }
    }
}
