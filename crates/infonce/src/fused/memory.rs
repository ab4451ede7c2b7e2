//! From a tensor on any backend to flex's memory and back.

use std::any::Any;

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Bytes, DType, Shape, Tensor, TensorPrimitive};
use burn_flex::{FlexTensor, Layout};

/// The tensor as flex holds it, its values one after another; `None` on other backends and for other types than f32.
pub(super) fn flex_rows<B: Backend>(rows: &Tensor<B, 2>) -> Option<FlexTensor> {
    let tensor = recast::<FloatTensor<B>, FlexTensor>(rows.clone().into_primitive().tensor())?;
    (tensor.dtype() == DType::F32).then(|| tensor.to_contiguous())
}

/// Values of a tensor of [`flex_rows`].
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    let (start, count) = (tensor.layout().start_offset(), tensor.layout().num_elements());
    &tensor.storage::<f32>()[start..start + count]
}

/// Rows of so many values as a tensor of `B`, if that is flex.
pub(super) fn tensor<B: Backend>(values: Vec<f32>, width: usize) -> Option<Tensor<B, 2>> {
    let shape = Shape::new([values.len() / width, width]);
    let tensor = FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32);
    recast::<FlexTensor, FloatTensor<B>>(tensor).map(|tensor| Tensor::from_primitive(TensorPrimitive::Float(tensor)))
}

/// The same value under the type `T`, if that is its type.
fn recast<A: 'static, T: 'static>(value: A) -> Option<T> {
    let mut slot = Some(value);
    (&mut slot as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take)
}
