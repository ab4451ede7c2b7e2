use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

/// Rows to select, on the device.
pub(crate) fn indices<B: Backend>(values: &[u32], device: &B::Device) -> Tensor<B, 1, Int> {
    let values: Vec<i64> = values.iter().map(|&v| i64::from(v)).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
