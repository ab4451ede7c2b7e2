//! GELU that keeps of its forward pass the input alone.

use std::f64::consts::PI;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

use crate::ops::tensor::{self, normal_below};

#[derive(Debug)]
struct Gelu;

impl<I: Backend> Backward<I, 1> for Gelu {
    type State = FloatTensor<I>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = wrapped::<I>(grads.consume::<I>(&ops.node));
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            let x = wrapped::<I>(ops.state);
            let density = (x.clone() * x.clone() * -0.5).exp() / (2.0 * PI).sqrt();
            let slope = normal_below(x.clone()) + x * density;
            grads.register::<I>(parent.id, (gradient * slope).into_primitive().tensor());
        }
    }
}

pub(super) fn tracked<I: Backend>(x: FloatTensor<Autodiff<I>>) -> FloatTensor<Autodiff<I>> {
    let y = tensor::gelu(wrapped::<I>(x.primitive.clone())).into_primitive().tensor();
    match Gelu.prepare::<NoCheckpointing>([x.node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(x.primitive, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

fn wrapped<I: Backend>(x: FloatTensor<I>) -> Tensor<I, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}
