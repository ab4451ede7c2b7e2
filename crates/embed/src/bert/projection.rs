use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::backend::Backend;

use super::layer::Dense;
use crate::{EmbedError, Precision};

/// What sentence-transformers' `Dense` module puts behind its product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Identity,
    Tanh,
    Relu,
    Sigmoid,
}

/// The names of PyTorch's classes.
const NAMES: [(&str, Activation); 4] = [
    ("torch.nn.modules.linear.Identity", Activation::Identity),
    ("torch.nn.modules.activation.Tanh", Activation::Tanh),
    ("torch.nn.modules.activation.ReLU", Activation::Relu),
    ("torch.nn.modules.activation.Sigmoid", Activation::Sigmoid),
];

impl Activation {
    pub(crate) fn named(name: &str) -> Result<Self, EmbedError> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|&(_, activation)| activation).ok_or_else(|| EmbedError::Unsupported {
            path: None,
            key: "activation_function".into(),
            value: name.into(),
            supported: NAMES.map(|(name, _)| name).join(", "),
        })
    }

    /// Of one value.
    #[cfg(feature = "flex")]
    #[inline(always)]
    pub(crate) fn of(self, value: f32) -> f32 {
        match self {
            Activation::Identity => value,
            Activation::Tanh => value.tanh(),
            Activation::Relu => value.max(0.0),
            Activation::Sigmoid => 1.0 / (1.0 + (-value).exp()),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, activation)| *activation == self).map_or("", |(name, _)| name)
    }
}

/// One dense layer behind pooling.
#[derive(Module, Debug)]
pub(crate) struct Projection<B: Backend> {
    pub(crate) dense: Dense<B>,
    #[module(skip)]
    pub(crate) activation: Activation,
}

impl<B: Backend> Projection<B> {
    /// Columns of what comes in and goes out.
    pub(crate) fn widths(&self) -> [usize; 2] {
        self.dense.weight.dims()
    }

    pub(crate) fn activation(&self) -> Activation {
        self.activation
    }

    pub(crate) fn is_biased(&self) -> bool {
        self.dense.bias.is_some()
    }

    pub(super) fn forward(&self, x: Tensor<B, 2>, precision: Precision) -> Tensor<B, 2> {
        let x = self.dense.forward(x, precision);
        match self.activation {
            Activation::Identity => x,
            Activation::Tanh => x.tanh(),
            Activation::Relu => relu(x),
            Activation::Sigmoid => sigmoid(x),
        }
    }
}
