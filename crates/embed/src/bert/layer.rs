use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::BertConfig;
use super::architecture::{Architecture, FeedForward, Reach};
use crate::ops::{self, Distances, Picks, Rotation, Spans};
use crate::weights::{constant, normal};
use crate::{Dropout, Precision, TokenBatch};

/// `x · weight + bias`, with `weight` stored `[input, output]`: the transpose of Hugging Face's.
#[derive(Module, Debug)]
pub(crate) struct Dense<B: Backend> {
    pub(crate) weight: Param<Tensor<B, 2>>,
    pub(crate) bias: Option<Param<Tensor<B, 1>>>,
}

/// Scale and shift of a LayerNorm.
#[derive(Module, Debug)]
pub(crate) struct Norm<B: Backend> {
    pub(crate) weight: Param<Tensor<B, 1>>,
    pub(crate) bias: Option<Param<Tensor<B, 1>>>,
}

/// One transformer layer over packed rows `[tokens, hidden]`. Its norms are behind attention and the feed-forward layer, or before them.
#[derive(Module, Debug)]
pub(crate) struct Layer<B: Backend> {
    /// Query, key and value side by side, so that one matrix product makes all three.
    pub(crate) qkv: Dense<B>,
    pub(crate) attention_output: Dense<B>,
    /// None before the attention of a first layer, whose input is normal.
    pub(crate) attention_norm: Option<Norm<B>>,
    /// Where it is gated, the half that is activated and the other side by side.
    pub(crate) intermediate: Dense<B>,
    pub(crate) output: Dense<B>,
    pub(crate) output_norm: Norm<B>,
}

impl<B: Backend> Dense<B> {
    pub(super) fn init(shape: [usize; 2], biased: bool, std: f64, device: &B::Device) -> Self {
        Dense { weight: normal(shape, std, device), bias: biased.then(|| constant([shape[1]], 0.0, device)) }
    }

    /// `x · weight`: the bias is left to the kernel that comes next.
    pub(super) fn product(&self, x: Tensor<B, 2>, precision: Precision) -> Tensor<B, 2> {
        ops::dense(x, self.weight.val(), None, precision)
    }

    pub(super) fn forward(&self, x: Tensor<B, 2>, precision: Precision) -> Tensor<B, 2> {
        ops::dense(x, self.weight.val(), self.bias.as_ref().map(Param::val), precision)
    }

    /// The bias, or zeros.
    pub(super) fn bias(&self) -> Tensor<B, 1> {
        or_zeros(&self.bias, self.weight.dims()[1], &self.weight.device())
    }
}

fn or_zeros<B: Backend>(bias: &Option<Param<Tensor<B, 1>>>, size: usize, device: &B::Device) -> Tensor<B, 1> {
    bias.as_ref().map_or_else(|| Tensor::zeros([size], device), Param::val)
}

impl<B: Backend> Norm<B> {
    pub(super) fn init(size: usize, biased: bool, device: &B::Device) -> Self {
        Norm { weight: constant([size], 1.0, device), bias: biased.then(|| constant([size], 0.0, device)) }
    }

    /// `LayerNorm(x)`.
    pub(super) fn forward(&self, x: Tensor<B, 2>, eps: f64) -> Tensor<B, 2> {
        let (residual, bias) = (x.zeros_like(), Tensor::zeros([x.dims()[1]], &x.device()));
        self.of_sum(x, (residual, bias), eps)
    }

    /// `LayerNorm(x + residual + bias)`.
    pub(super) fn of_sum(&self, x: Tensor<B, 2>, sum: (Tensor<B, 2>, Tensor<B, 1>), eps: f64) -> Tensor<B, 2> {
        let (residual, bias) = sum;
        let shift = or_zeros(&self.bias, self.weight.dims()[0], &self.weight.device());
        ops::add_norm(x, residual, bias, (self.weight.val(), shift), eps)
    }
}

impl<B: Backend> Layer<B> {
    pub(super) fn init(index: usize, config: &BertConfig, kind: &Architecture, device: &B::Device) -> Self {
        let (hidden, wide, std) = (config.hidden_size, config.intermediate_size, config.initializer_range);
        let biases = kind.biases;
        let norm = || Norm::init(hidden, biases.norm, device);
        Layer {
            qkv: Dense::init([hidden, 3 * hidden], biases.attention, std, device),
            attention_output: Dense::init([hidden, hidden], biases.attention, std, device),
            attention_norm: kind.norms_attention(index).then(norm),
            intermediate: Dense::init([hidden, kind.feed_forward.parts() * wide], biases.intermediate, std, device),
            output: Dense::init([wide, hidden], biases.output, std, device),
            output_norm: norm(),
        }
    }

    pub(super) fn forward(
        &self,
        x: Tensor<B, 2>,
        reach: Reach,
        of: &Within<'_, B>,
        dropped: &mut Dropped<'_, B>,
    ) -> Tensor<B, 2> {
        let context = self.attend(x.clone(), reach, of);
        self.finish(context, x, of, dropped)
    }

    /// What every row attends to.
    pub(super) fn attend(&self, x: Tensor<B, 2>, reach: Reach, of: &Within<'_, B>) -> Tensor<B, 2> {
        let x = match &self.attention_norm {
            Some(norm) if of.kind.pre_norm => norm.forward(x, of.config.layer_norm_eps),
            _ => x,
        };
        let heads = of.config.num_attention_heads;
        let mut qkv = self.qkv.forward(x, of.precision);
        if let Some(theta) = reach.theta {
            qkv = ops::rotate(qkv, of.rotation(theta), heads);
        }
        let distances = Distances { window: reach.window, biases: of.distances.clone() };
        ops::attention(qkv, of.spans, heads, &distances, of.precision)
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
        let (attended, bias) = dropped.output(attended, self.attention_output.bias());
        if of.kind.pre_norm {
            let x = x + attended + bias.unsqueeze();
            let narrow = self.feed_forward(self.output_norm.forward(x.clone(), eps), of);
            let (narrow, bias) = dropped.output(narrow, self.output.bias());
            return x + narrow + bias.unsqueeze();
        }
        let x = match &self.attention_norm {
            Some(norm) => norm.of_sum(attended, (x, bias), eps),
            None => x + attended + bias.unsqueeze(),
        };
        let narrow = self.feed_forward(x.clone(), of);
        let (narrow, bias) = dropped.output(narrow, self.output.bias());
        self.output_norm.of_sum(narrow, (x, bias), eps)
    }

    /// Without the last bias.
    fn feed_forward(&self, x: Tensor<B, 2>, of: &Within<'_, B>) -> Tensor<B, 2> {
        let wide = match of.kind.feed_forward {
            FeedForward::Gelu => ops::bias_gelu(self.intermediate.product(x, of.precision), self.intermediate.bias()),
            FeedForward::Gated(gate) => ops::gated(self.intermediate.forward(x, of.precision), gate),
        };
        self.output.product(wide, of.precision)
    }
}

/// What a layer needs to know beside its rows.
pub(super) struct Within<'a, B: Backend> {
    pub(super) spans: &'a Spans<B>,
    pub(super) config: &'a BertConfig,
    pub(super) kind: &'a Architecture,
    pub(super) precision: Precision,
    /// The rotations of the layers, by their bases.
    rotations: Vec<(f64, Rotation<B>)>,
    /// What is added to scores by distance.
    distances: Option<Tensor<B, 2>>,
}

impl<'a, B: Backend> Within<'a, B> {
    pub(super) fn new(
        spans: &'a Spans<B>,
        config: &'a BertConfig,
        kind: &'a Architecture,
        precision: Precision,
        distances: Option<Tensor<B, 2>>,
    ) -> Self {
        let mut rotations: Vec<(f64, Rotation<B>)> = Vec::new();
        let size = config.hidden_size / config.num_attention_heads;
        for theta in kind.layers.iter().filter_map(|layer| layer.theta) {
            if rotations.iter().all(|(known, _)| *known != theta) {
                rotations.push((theta, Rotation::new(spans, size, |tokens| kind.base(theta, tokens, size))));
            }
        }
        Self { spans, config, kind, precision, rotations, distances }
    }

    fn rotation(&self, theta: f64) -> &Rotation<B> {
        let found = self.rotations.iter().find(|(known, _)| *known == theta);
        found.map_or_else(|| unreachable!("every layer's base has a rotation"), |(_, rotation)| rotation)
    }
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
