//! The memory of burn's flex backend, for passes over parameters that fresh tensors would make slow.

use std::any::{Any, TypeId};

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorPrimitive};
use burn_flex::FlexTensor;

/// Values of a task: 64 KiB of a tensor.
pub(super) const CHUNK: usize = 1 << 14;

/// Whether `tensor` is f32 in flex's memory.
pub(super) fn holds<B: Backend, const D: usize>(tensor: &Tensor<B, D>) -> bool {
    TypeId::of::<B::FloatTensorPrimitive>() == TypeId::of::<FlexTensor>() && tensor.dtype() == DType::F32
}

/// A tensor that flex [`holds`], its values in order and filling its memory.
pub(super) fn open<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FlexTensor {
    let primitive: Box<dyn Any> = Box::new(tensor.into_primitive().tensor());
    let tensor = *primitive.downcast::<FlexTensor>().expect("flex holds it");
    let count = tensor.layout().num_elements();
    match tensor.layout().contiguous_offsets() {
        Some((0, end)) if end == count && tensor.storage::<f32>().len() == count => tensor,
        _ => FlexTensor::from_data(tensor.into_data()),
    }
}

/// The inverse of [`open`].
pub(super) fn close<B: Backend, const D: usize>(tensor: FlexTensor) -> Tensor<B, D> {
    let primitive: Box<dyn Any> = Box::new(tensor);
    let primitive = *primitive.downcast::<B::FloatTensorPrimitive>().expect("flex holds it");
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
