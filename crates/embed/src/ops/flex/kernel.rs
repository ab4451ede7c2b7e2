//! From a tensor on any backend to flex's memory and back.

use std::fmt::Debug;
use std::ops::Range;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Bytes, DType, Shape, Tensor, TensorPrimitive};
use burn_flex::{Flex, FlexTensor, Layout};

use crate::ops::recast::recast;

/// An operation with `N` inputs and its gradient. Inputs are contiguous f32.
pub(super) trait Kernel<const N: usize>: Clone + Debug + Send + 'static {
    /// What the gradient needs of the forward pass.
    type Saved: Clone + Debug + Send + 'static;

    /// The result, and, if `keep`, what the gradient needs.
    fn forward(&self, inputs: &[FlexTensor; N], keep: bool) -> (FlexTensor, Option<Self::Saved>);

    /// Gradients of the inputs.
    fn backward(&self, saved: Self::Saved, gradient: FlexTensor) -> [FlexTensor; N];
}

/// A tensor of any rank, as its backend holds it.
pub(super) struct Input<B: Backend>(FloatTensor<B>);

impl<B: Backend, const D: usize> From<&Tensor<B, D>> for Input<B> {
    fn from(tensor: &Tensor<B, D>) -> Self {
        Input(tensor.clone().into_primitive().tensor())
    }
}

/// The kernel's result, or `None` where `B` is neither flex nor its autodiff, or a tensor is not f32.
pub(super) fn run<B: Backend, K: Kernel<N>, const N: usize>(kernel: K, inputs: [Input<B>; N]) -> Option<Tensor<B, 2>> {
    let inputs = inputs.map(|input| input.0);
    let output = match recast::<_, [FlexTensor; N]>(inputs) {
        Ok(inputs) => recast::<_, FloatTensor<B>>(plain(&kernel, inputs)?).ok(),
        Err(inputs) => {
            let inputs = recast::<_, [FloatTensor<Autodiff<Flex>>; N]>(inputs).ok()?;
            recast::<_, FloatTensor<B>>(tracked(kernel, inputs)?).ok()
        }
    };
    output.map(|output| Tensor::from_primitive(TensorPrimitive::Float(output)))
}

fn plain<K: Kernel<N>, const N: usize>(kernel: &K, inputs: [FlexTensor; N]) -> Option<FlexTensor> {
    Some(kernel.forward(&f32_rows(inputs)?, false).0)
}

fn tracked<K: Kernel<N>, const N: usize>(
    kernel: K,
    inputs: [FloatTensor<Autodiff<Flex>>; N],
) -> Option<FloatTensor<Autodiff<Flex>>> {
    let nodes = inputs.each_ref().map(|input| input.node.clone());
    let inputs = f32_rows(inputs.map(|input| input.primitive))?;
    let output = match Fused(kernel.clone()).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (output, saved) = kernel.forward(&inputs, true);
            prep.finish(saved, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(kernel.forward(&inputs, false).0),
    };
    Some(output)
}

/// burn's backward step of a kernel.
#[derive(Debug)]
struct Fused<K>(K);

impl<K: Kernel<N>, const N: usize> Backward<Flex, N> for Fused<K> {
    type State = Option<K::Saved>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Some(saved) = ops.state else { return };
        for (parent, gradient) in ops.parents.into_iter().zip(self.0.backward(saved, gradient)) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

fn f32_rows<const N: usize>(inputs: [FlexTensor; N]) -> Option<[FlexTensor; N]> {
    let all = inputs.iter().all(|input| input.dtype() == DType::F32);
    all.then(|| inputs.map(|input| input.to_contiguous()))
}

/// A tensor's memory, contiguous, where it is f32 on flex.
pub(crate) fn memory<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Option<FlexTensor> {
    let tensor = recast::<_, FlexTensor>(tensor.into_primitive().tensor()).ok()?;
    (tensor.dtype() == DType::F32).then(|| tensor.to_contiguous())
}

/// Values of a contiguous f32 tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    let count = tensor.layout().num_elements();
    let start = tensor.layout().start_offset();
    &tensor.storage::<f32>()[start..start + count]
}

/// Some rows of values, of which a row has `width`.
pub(super) fn of_rows<'a>(values: &'a [f32], rows: &Range<usize>, width: usize) -> &'a [f32] {
    &values[rows.start * width..rows.end * width]
}

pub(super) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}

pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::new(shape)), DType::F32)
}
