use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::BertConfig;
use crate::ops::{self, Picks, Spans};
use crate::weights::{constant, normal};
use crate::{Dropout, Precision, TokenBatch};

/// `x · weight + bias`, with `weight` stored `[input, output]`: the transpose of Hugging Face's.
#[derive(Module, Debug)]
pub(super) struct Dense<B: Backend> {
    pub(super) weight: Param<Tensor<B, 2>>,
    pub(super) bias: Param<Tensor<B, 1>>,
}

/// Scale and shift of a LayerNorm.
#[derive(Module, Debug)]
pub(super) struct Norm<B: Backend> {
    pub(super) weight: Param<Tensor<B, 1>>,
    pub(super) bias: Param<Tensor<B, 1>>,
}

/// One post-norm transformer layer over packed rows `[tokens, hidden]`.
#[derive(Module, Debug)]
pub(super) struct Layer<B: Backend> {
    /// Query, key and value side by side, so that one matrix product makes all three.
    pub(super) qkv: Dense<B>,
    pub(super) attention_output: Dense<B>,
    pub(super) attention_norm: Norm<B>,
    pub(super) intermediate: Dense<B>,
    pub(super) output: Dense<B>,
    pub(super) output_norm: Norm<B>,
}

impl<B: Backend> Dense<B> {
    pub(super) fn init(shape: [usize; 2], std: f64, device: &B::Device) -> Self {
        Dense { weight: normal(shape, std, device), bias: constant([shape[1]], 0.0, device) }
    }

    /// `x · weight`: the bias is left to the kernel that comes next.
    pub(super) fn product(&self, x: Tensor<B, 2>, precision: Precision) -> Tensor<B, 2> {
        ops::dense(x, self.weight.val(), None, precision)
    }
}

impl<B: Backend> Norm<B> {
    pub(super) fn init(size: usize, device: &B::Device) -> Self {
        Norm { weight: constant([size], 1.0, device), bias: constant([size], 0.0, device) }
    }

    /// `LayerNorm(x + residual + bias)`.
    pub(super) fn forward(&self, x: Tensor<B, 2>, sum: (Tensor<B, 2>, Tensor<B, 1>), eps: f64) -> Tensor<B, 2> {
        let (residual, bias) = sum;
        ops::add_norm(x, residual, bias, (self.weight.val(), self.bias.val()), eps)
    }
}

impl<B: Backend> Layer<B> {
    pub(super) fn init(config: &BertConfig, device: &B::Device) -> Self {
        let (hidden, wide, std) = (config.hidden_size, config.intermediate_size, config.initializer_range);
        Layer {
            qkv: Dense::init([hidden, 3 * hidden], std, device),
            attention_output: Dense::init([hidden, hidden], std, device),
            attention_norm: Norm::init(hidden, device),
            intermediate: Dense::init([hidden, wide], std, device),
            output: Dense::init([wide, hidden], std, device),
            output_norm: Norm::init(hidden, device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<B, 2>, of: &Within<'_, B>, dropped: &mut Dropped<'_, B>) -> Tensor<B, 2> {
        let context = self.attend(x.clone(), of);
        self.finish(context, x, of, dropped)
    }

    /// What every row attends to.
    pub(super) fn attend(&self, x: Tensor<B, 2>, of: &Within<'_, B>) -> Tensor<B, 2> {
        let qkv = ops::dense(x, self.qkv.weight.val(), Some(self.qkv.bias.val()), of.precision);
        ops::attention(qkv, of.spans, of.config.num_attention_heads, of.precision)
    }

    /// The rest, which is of each row alone.
    pub(super) fn finish(
        &self,
        context: Tensor<B, 2>,
        x: Tensor<B, 2>,
        of: &Within<'_, B>,
        dropped: &mut Dropped<'_, B>,
    ) -> Tensor<B, 2> {
        let (eps, precision) = (of.config.layer_norm_eps, of.precision);
        let attended = self.attention_output.product(context, precision);
        let (attended, bias) = dropped.output(attended, self.attention_output.bias.val());
        let x = self.attention_norm.forward(attended, (x, bias), eps);
        let wide = ops::bias_gelu(self.intermediate.product(x.clone(), precision), self.intermediate.bias.val());
        let narrow = self.output.product(wide, precision);
        let (narrow, bias) = dropped.output(narrow, self.output.bias.val());
        self.output_norm.forward(narrow, (x, bias), eps)
    }
}

/// What a layer needs to know beside its rows.
pub(super) struct Within<'a, B: Backend> {
    pub(super) spans: &'a Spans<B>,
    pub(super) config: &'a BertConfig,
    pub(super) precision: Precision,
}

/// Dropout at one place after another, if there is any.
pub(super) struct Dropped<'a, B: Backend> {
    dropout: Option<&'a Dropout>,
    tokens: &'a TokenBatch,
    device: &'a B::Device,
    place: u64,
    rows: Option<&'a Picks<B>>,
}

impl<'a, B: Backend> Dropped<'a, B> {
    pub(super) fn new(dropout: Option<&'a Dropout>, tokens: &'a TokenBatch, device: &'a B::Device) -> Self {
        Self { dropout, tokens, device, place: 0, rows: None }
    }

    /// The same, from the next place on, of some rows.
    pub(super) fn at(self, rows: &'a Picks<B>) -> Self {
        Self { rows: Some(rows), ..self }
    }

    /// `x` at the next place.
    pub(super) fn next(&mut self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let Some(dropout) = self.dropout else { return x };
        let mask = dropout.mask(self.tokens, x.dims()[1], self.place, self.device);
        let mask = match self.rows {
            Some(rows) => rows.of(mask),
            None => mask,
        };
        self.place += 1;
        x * mask
    }

    /// A product at the next place and its bias, which is left to the norm where nothing is dropped.
    fn output(&mut self, x: Tensor<B, 2>, bias: Tensor<B, 1>) -> (Tensor<B, 2>, Tensor<B, 1>) {
        match self.dropout {
            None => (x, bias),
            Some(_) => (self.next(x + bias.clone().unsqueeze()), bias.zeros_like()),
        }
    }
}
