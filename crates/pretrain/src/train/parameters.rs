//! The parameters of a module as tensors of one dimension, in the order of its fields.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::checkpoint::NamedTensor;

/// What a tensor of the module is called, by its place.
pub(super) fn name(kind: &str, place: usize) -> String {
    format!("{kind}.{place:04}")
}

/// The values of a tensor as f32.
pub(super) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().into_vec().expect("f32 was asked for")
}

/// All parameters of `module`, `kind` and their place for a name.
pub(crate) fn named<B: Backend, M: Module<B>>(module: &M, kind: &str) -> Vec<NamedTensor> {
    let mut visitor = Named { kind, found: Vec::new() };
    module.visit(&mut visitor);
    visitor.found
}

struct Named<'a> {
    kind: &'a str,
    found: Vec<NamedTensor>,
}

impl<B: Backend> ModuleVisitor<B> for Named<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        let (name, shape) = (name(self.kind, self.found.len()), tensor.dims().to_vec());
        self.found.push(NamedTensor { name, shape, values: values(tensor) });
    }
}

/// The shape of every parameter.
pub(super) fn shapes<B: Backend, M: Module<B>>(module: &M) -> Vec<Vec<usize>> {
    let mut visitor = Shapes(Vec::new());
    module.visit(&mut visitor);
    visitor.0
}

struct Shapes(Vec<Vec<usize>>);

impl<B: Backend> ModuleVisitor<B> for Shapes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.push(param.dims().to_vec());
    }
}

/// `module` with other values of its parameters, one after another.
///
/// # Panics
/// If there are fewer, or one has not as many values: callers compare shapes first.
pub(super) fn with_values<B: Backend, M: Module<B>>(module: M, values: Vec<Vec<f32>>) -> M {
    module.map(&mut Replace { values: values.into_iter() })
}

struct Replace {
    values: std::vec::IntoIter<Vec<f32>>,
}

impl<B: Backend> ModuleMapper<B> for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, mapper) = param.consume();
        let values = self.values.next().expect("there is one for each parameter");
        let data = TensorData::new(values, tensor.dims());
        let mut replaced = Tensor::<B, D>::from_data(data, &tensor.device());
        if tensor.is_require_grad() {
            replaced = replaced.detach().require_grad();
        }
        Param::from_mapped_value(id, replaced, mapper)
    }
}
