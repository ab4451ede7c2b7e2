//! The running average of the weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use burn::tensor::TensorData;
use burn::tensor::backend::Backend;

use super::parameters::{name, values};
use crate::checkpoint::NamedTensor;

const KIND: &str = "average";

/// An exponential moving average of every parameter, which begins with the initial weights.
///
/// After step `t`, from 1, it keeps `min(decay, (1 + t) / (10 + t))` of itself, so that short trainings forget the beginning too.
///
/// # Source
/// Polyak & Juditsky (1992), *SIAM Journal on Control and Optimization* 30; the slow start as in TensorFlow's `ExponentialMovingAverage`.
pub(super) struct Average<B: Backend> {
    decay: f64,
    values: Vec<Tensor<B, 1>>,
}

impl<B: Backend> Average<B> {
    /// The one that `decay` asks for; 0 is none.
    pub(super) fn new<M: Module<B>>(decay: f64, module: &M) -> Option<Self> {
        (decay > 0.0).then(|| Self { decay, values: flat(module) })
    }

    /// With the weights after step `step`, counted from 1.
    pub(super) fn update<M: Module<B>>(&mut self, module: &M, step: usize) {
        let step = step as f64;
        let keep = self.decay.min((1.0 + step) / (10.0 + step));
        let averages = std::mem::take(&mut self.values).into_iter().zip(flat(module));
        self.values =
            averages.map(|(average, value)| average.mul_scalar(keep) + value.mul_scalar(1.0 - keep)).collect();
    }

    /// `module` with the average for its weights.
    pub(super) fn of<M: Module<B>>(&self, module: M) -> M {
        module.map(&mut Averaged { values: self.values.iter() })
    }

    pub(super) fn named(&self) -> Vec<NamedTensor> {
        let named = |(place, tensor): (usize, &Tensor<B, 1>)| NamedTensor {
            name: name(KIND, place),
            shape: tensor.dims().to_vec(),
            values: values(tensor.clone()),
        };
        self.values.iter().enumerate().map(named).collect()
    }

    /// Puts back what [`named`](Self::named) gave; `None` if a tensor is missing or has another size.
    pub(super) fn restore(&mut self, mut take: impl FnMut(&str) -> Option<Vec<f32>>) -> Option<()> {
        for (place, tensor) in self.values.iter_mut().enumerate() {
            let (values, shape) = (take(&name(KIND, place))?, tensor.dims());
            if values.len() != shape[0] {
                return None;
            }
            *tensor = Tensor::from_data(TensorData::new(values, shape), &tensor.device());
        }
        Some(())
    }
}

fn flat<B: Backend, M: Module<B>>(module: &M) -> Vec<Tensor<B, 1>> {
    let mut visitor = Flat(Vec::new());
    module.visit(&mut visitor);
    visitor.0
}

struct Flat<B: Backend>(Vec<Tensor<B, 1>>);

impl<B: Backend> ModuleVisitor<B> for Flat<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        let count = tensor.shape().num_elements();
        self.0.push(tensor.reshape([count]));
    }
}

struct Averaged<'a, B: Backend> {
    values: std::slice::Iter<'a, Tensor<B, 1>>,
}

impl<B: Backend> ModuleMapper<B> for Averaged<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, mapper) = param.consume();
        let value = self.values.next().expect("there is one for each parameter");
        Param::from_mapped_value(id, value.clone().reshape(tensor.shape()), mapper)
    }
}
