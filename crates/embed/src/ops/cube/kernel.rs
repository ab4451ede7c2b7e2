//! The kernel for any of cubecl's runtimes.

use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

use super::sparse::{Factor, Spmm};

/// A thread makes one number, and its neighbours those beside it, so that rows are read in one piece. Sums are in f32.
#[cube(launch, address_type = "dynamic")]
fn spmm_kernel<F: Float, I: Int>(
    x: &Tensor<F>,
    offsets: &Tensor<I>,
    columns: &Tensor<I>,
    weights: &Tensor<f32>,
    y: &mut Tensor<F>,
    width: usize,
    #[define(F, I)] _dtypes: [StorageType; 2],
) {
    if ABSOLUTE_POS >= y.len() {
        terminate!();
    }
    let row = ABSOLUTE_POS / width;
    let at = ABSOLUTE_POS % width;
    let mut sum = f32::new(0.0);
    for place in usize::cast_from(offsets[row])..usize::cast_from(offsets[row + 1]) {
        let value = x[usize::cast_from(columns[place]) * width + at];
        sum += weights[place] * f32::cast_from(value);
    }
    y[ABSOLUTE_POS] = F::cast_from(sum);
}

impl<R: CubeRuntime, F: FloatElement, I: IntElement, T: BoolElement> Spmm for CubeBackend<R, F, I, T> {
    fn spmm(factor: Factor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let Factor { rows, offsets, columns, weights } = factor;
        let x = into_contiguous(x);
        let width = x.meta.shape()[1];
        let shape = Shape::new([rows, width]);
        let y = empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, x.dtype);
        let numbers = rows * width;
        if numbers == 0 {
            return y;
        }
        let client = x.client.clone();
        let dim = CubeDim::new(&client, numbers);
        let count = calculate_cube_count_elemwise(&client, numbers, dim);
        let dtypes: [DType; 2] = [x.dtype, offsets.dtype];
        let addresses = [&x, &y, &columns].map(|tensor| tensor.required_address_type()).into_iter().max();
        spmm_kernel::launch(
            &client,
            count,
            dim,
            addresses.unwrap_or_default(),
            x.into_tensor_arg(),
            into_contiguous(offsets).into_tensor_arg(),
            into_contiguous(columns).into_tensor_arg(),
            into_contiguous(weights).into_tensor_arg(),
            y.clone().into_tensor_arg(),
            width,
            dtypes.map(Into::into),
        );
        y
    }
}
