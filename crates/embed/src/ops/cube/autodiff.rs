//! The gradient of a sparse matrix times a dense one: its transpose times the gradient of the product.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;

use super::sparse::{self, Factor, Spmm};

#[derive(Debug)]
struct Product;

impl<I: Spmm> Backward<I, 1> for Product {
    type State = Vec<Factor<I>>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<I>(&ops.node);
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            grads.register::<I>(parent.id, sparse::product(&ops.state, gradient));
        }
    }
}

pub(super) fn product<I: Spmm>(
    factors: &[Factor<I>],
    transposed: Vec<Factor<I>>,
    x: FloatTensor<Autodiff<I>>,
) -> FloatTensor<Autodiff<I>> {
    let y = sparse::product(factors, x.primitive);
    match Product.prepare::<NoCheckpointing>([x.node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(transposed, y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}
