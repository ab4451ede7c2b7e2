use burn_flex::FlexTensor;
use vectors::simd::{exp, vectorised};

use super::fill::{ROWS, blocks, fill};
use super::gelu::{cdf, density};
use super::kernel::{Kernel, dims, of_rows, tensor, values};
use crate::ops::Gate;

/// `activation(a) ∘ b` of the two halves of each row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gated(pub(super) Gate);

impl Kernel<1> for Gated {
    type Saved = FlexTensor;

    fn forward(&self, [x]: &[FlexTensor; 1], keep: bool) -> (FlexTensor, Option<FlexTensor>) {
        let [rows, both] = dims::<2>(x);
        let (input, width) = (values(x), both / 2);
        let ([y], _) = fill(&blocks(rows, ROWS), [width], |rows, [y]| {
            let x = of_rows(input, &rows, both);
            vectorised(
                #[inline(always)]
                || gate_rows(self.0, x, y, width),
            );
        });
        (tensor(y, [rows, width]), keep.then(|| x.clone()))
    }

    fn backward(&self, x: FlexTensor, gradient: FlexTensor) -> [FlexTensor; 1] {
        let [rows, both] = dims::<2>(&x);
        let (input, gradient, width) = (values(&x), values(&gradient), both / 2);
        let ([dx], _) = fill(&blocks(rows, ROWS), [both], |rows, [dx]| {
            let (x, g) = (of_rows(input, &rows, both), of_rows(gradient, &rows, width));
            vectorised(
                #[inline(always)]
                || match self.0 {
                    Gate::Gelu => backward_rows(x, g, dx, width, gelu),
                    Gate::Silu => backward_rows(x, g, dx, width, silu),
                },
            );
        });
        [tensor(dx, [rows, both])]
    }
}

/// `activation(a) ∘ b` of rows of two halves of `width` each.
#[inline(always)]
pub(crate) fn gate_rows(gate: Gate, x: &[f32], y: &mut [f32], width: usize) {
    match gate {
        Gate::Gelu => forward_rows(x, y, width, gelu),
        Gate::Silu => forward_rows(x, y, width, silu),
    }
}

#[inline(always)]
fn forward_rows(x: &[f32], y: &mut [f32], width: usize, activation: impl Fn(f32) -> (f32, f32) + Copy) {
    for (x, y) in x.chunks_exact(2 * width).zip(y.chunks_exact_mut(width)) {
        let (a, b) = x.split_at(width);
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = activation(a).0 * b;
        }
    }
}

#[inline(always)]
fn backward_rows(x: &[f32], g: &[f32], dx: &mut [f32], width: usize, activation: impl Fn(f32) -> (f32, f32) + Copy) {
    let rows = x.chunks_exact(2 * width).zip(g.chunks_exact(width)).zip(dx.chunks_exact_mut(2 * width));
    for ((x, g), dx) in rows {
        let (a, b) = x.split_at(width);
        let (da, db) = dx.split_at_mut(width);
        for ((((da, db), &g), &a), &b) in da.iter_mut().zip(db).zip(g).zip(a).zip(b) {
            let (value, slope) = activation(a);
            *da = g * b * slope;
            *db = g * value;
        }
    }
}

/// The value and its slope.
#[inline(always)]
fn gelu(v: f32) -> (f32, f32) {
    let share = cdf(v);
    (v * share, share + v * density(v))
}

/// The value and its slope.
#[inline(always)]
fn silu(v: f32) -> (f32, f32) {
    let share = 1.0 / (1.0 + exp(-v));
    (v * share, share * (1.0 + v * (1.0 - share)))
}
