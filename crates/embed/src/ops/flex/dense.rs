use std::ops::Range;

use burn_flex::FlexTensor;
use rayon::prelude::*;
use vectors::{Matrix, multiply};

use super::fill::{blocks, fill, total};
use super::kernel::{Kernel, dims, of_rows, tensor, values};

/// `x · weight`, with `weight` stored `[input, output]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product;

/// `x · weight + bias`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dense;

impl Kernel<2> for Product {
    type Saved = [FlexTensor; 2];

    fn forward(&self, inputs: &[FlexTensor; 2], keep: bool) -> (FlexTensor, Option<Self::Saved>) {
        let [x, weight] = inputs;
        (forward(x, weight, None), keep.then(|| inputs.clone()))
    }

    fn backward(&self, [x, weight]: Self::Saved, gradient: FlexTensor) -> [FlexTensor; 2] {
        let (dx, dw, _) = backward(&x, &weight, &gradient, false);
        [dx, dw]
    }
}

impl Kernel<3> for Dense {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight, bias]: &[FlexTensor; 3], keep: bool) -> (FlexTensor, Option<Self::Saved>) {
        (forward(x, weight, Some(bias)), keep.then(|| [x.clone(), weight.clone()]))
    }

    fn backward(&self, [x, weight]: Self::Saved, gradient: FlexTensor) -> [FlexTensor; 3] {
        let (dx, dw, bias) = backward(&x, &weight, &gradient, true);
        [dx, dw, tensor(bias, [dims::<2>(&weight)[1]])]
    }
}

/// Rows of which tasks take columns, as a short query is most of all the reading of the weights.
const FEW: usize = 96;

/// Columns of such a task.
const COLUMNS: usize = 96;

/// Blocks of at most `most` rows, four at least where these have `least`. gemm copies the weight anew for each, which 48 rows pay for (it
/// copies nothing for fewer) and 400 hardly notice; and a processor that is slow for a while has less to keep the others waiting with. Of the number of
/// rows alone, as sums are in an order of the block's size.
fn balanced(rows: usize, least: usize, most: usize) -> Vec<usize> {
    let count = rows.div_ceil(most).max((rows / least).min(4)).max(1);
    blocks(rows, rows.div_ceil(count))
}

fn forward_blocks(rows: usize) -> Vec<usize> {
    balanced(rows, 48, 448)
}

/// At most 32, as each has a sum of its own for the whole weight.
fn backward_blocks(rows: usize) -> Vec<usize> {
    balanced(rows, 256, rows.div_ceil(32).max(1024))
}

/// The width of `x` and that of the weight, which has as many rows.
fn widths(x: &FlexTensor, weight: &FlexTensor) -> [usize; 2] {
    let ([_, width], [input, output]) = (dims::<2>(x), dims::<2>(weight));
    assert_eq!(width, input, "columns of x and rows of the weight");
    [input, output]
}

fn forward(x: &FlexTensor, weight: &FlexTensor, bias: Option<&FlexTensor>) -> FlexTensor {
    let ([rows, _], [input, output]) = (dims::<2>(x), widths(x, weight));
    let (x, weight) = (values(x), Matrix::rows(values(weight), output));
    let bias = bias.map(values);
    if rows <= FEW {
        return tensor(of_one_block(Matrix::rows(x, input), weight, bias), [rows, output]);
    }
    let ([y], _) = fill(&forward_blocks(rows), [output], |rows, [y]| {
        if let Some(bias) = bias {
            y.chunks_exact_mut(output).for_each(|y| y.copy_from_slice(bias));
        }
        multiply(y, output, Matrix::rows(of_rows(x, &rows, input), input), weight, bias.is_some());
    });
    tensor(y, [rows, output])
}

/// The result where tasks have columns of their own.
fn of_one_block(x: Matrix<'_>, weight: Matrix<'_>, bias: Option<&[f32]>) -> Vec<f32> {
    let (rows, output) = (x.count(), weight.width());
    let offsets = blocks(output, COLUMNS);
    let spans: Vec<Range<usize>> = offsets.windows(2).map(|span| span[0]..span[1]).collect();
    let of_columns = |span: &Range<usize>| {
        let mut y = vec![0.0; rows * span.len()];
        if let Some(bias) = bias {
            y.chunks_exact_mut(span.len()).for_each(|y| y.copy_from_slice(&bias[span.clone()]));
        }
        multiply(&mut y, span.len(), x, weight.columns(span.clone()), bias.is_some());
        y
    };
    let parts: Vec<Vec<f32>> = spans.par_iter().map(of_columns).collect();
    let mut y = vec![0.0; rows * output];
    for (span, part) in spans.iter().zip(&parts) {
        for (y, part) in y.chunks_exact_mut(output).zip(part.chunks_exact(span.len())) {
            y[span.clone()].copy_from_slice(part);
        }
    }
    y
}

/// Gradients of `x` and the weight, and, if asked for, the bias.
fn backward(
    x: &FlexTensor,
    weight: &FlexTensor,
    gradient: &FlexTensor,
    biased: bool,
) -> (FlexTensor, FlexTensor, Vec<f32>) {
    let ([rows, _], [input, output]) = (dims::<2>(x), widths(x, weight));
    let (x, gradient, transposed) = (values(x), values(gradient), Matrix::rows(values(weight), output).transposed());
    let biases = if biased { output } else { 0 };
    let ([dx], sums) = fill(&backward_blocks(rows), [input], |rows, [dx]| {
        let x = Matrix::rows(of_rows(x, &rows, input), input);
        let gradient = Matrix::rows(of_rows(gradient, &rows, output), output);
        multiply(dx, input, gradient, transposed, false);
        let mut dw = vec![0.0; input * output];
        multiply(&mut dw, output, x.transposed(), gradient, false);
        let mut bias = vec![0.0; biases];
        for row in 0..rows.len() {
            bias.iter_mut().zip(gradient.row(row)).for_each(|(sum, &value)| *sum += value);
        }
        (dw, bias)
    });
    let (dw, bias): (Vec<_>, Vec<_>) = sums.into_iter().unzip();
    let bias = total(&bias, biases);
    (tensor(dx, [rows, input]), tensor(total(&dw, input * output), [input, output]), bias)
}
