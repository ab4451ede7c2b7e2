//! Gradients of the encoders: against finite differences, and the fused kernels against tensor operations.

#![allow(clippy::unwrap_used)]

mod support;

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use embed::{Encoder, FolderOptions, StaticConfig, TokenBatch, load_bert};
use support::golden;

type Train = Autodiff<Flex>;

/// Of each test in turn: in burn 0.21 one thread's backward pass frees another's steps (tracel-ai/burn#5573).
static TAPE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn batch() -> TokenBatch {
    TokenBatch::from_rows([vec![2, 7, 8, 9, 3], vec![2, 3], vec![], vec![2, 7, 7, 12, 40, 41, 3]])
}

/// Weights of a scalar function of the rows, so that no gradient cancels by symmetry.
fn target<B: Backend>(rows: usize, dim: usize) -> Tensor<B, 2> {
    let values: Vec<f32> = (0..rows * dim).map(|i| ((i * 37 % 23) as f32 - 11.0) / 11.0).collect();
    Tensor::from_data(TensorData::new(values, [rows, dim]), &B::Device::default())
}

fn value<B: Backend, E: Encoder<B>>(encoder: &E, batch: &TokenBatch, device: &B::Device) -> Tensor<B, 1> {
    let rows = encoder.forward(batch, device);
    let [count, dim] = rows.dims();
    (rows * target(count, dim)).sum()
}

/// Adds `step` times a fixed direction to every parameter.
struct Shift {
    step: f32,
    seen: usize,
}

impl<B: Backend> ModuleMapper<B> for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let direction = direction(self.seen, shape.iter().product());
        self.seen += 1;
        let direction = Tensor::from_data(TensorData::new(direction, shape), &tensor.device());
        Param::from_mapped_value(id, tensor + direction * self.step, mapper)
    }
}

fn direction(param: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| (((i * 31 + param * 17) % 29) as f32 - 14.0) / 14.0).collect()
}

/// Sum over all parameters of gradient · direction.
struct Slope<'a> {
    grads: &'a <Train as burn::tensor::backend::AutodiffBackend>::Gradients,
    seen: usize,
    sum: f64,
}

impl burn::module::ModuleVisitor<Train> for Slope<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Train, D>>) {
        let gradient = param.val().grad(self.grads).expect("every parameter has a gradient");
        let gradient: Vec<f32> = gradient.into_data().to_vec().unwrap();
        let direction = direction(self.seen, gradient.len());
        self.seen += 1;
        self.sum += gradient.iter().zip(direction).map(|(g, d)| f64::from(g * d)).sum::<f64>();
    }
}

fn check<E>(encoder: E, batch: &TokenBatch)
where
    E: Encoder<Train> + AutodiffModule<Train>,
    E::InnerModule: Encoder<Flex>,
{
    let device = FlexDevice;
    let alone = TAPE.lock();
    let grads = value(&encoder, batch, &device).backward();
    drop(alone);
    let mut slope = Slope { grads: &grads, seen: 0, sum: 0.0 };
    encoder.visit(&mut slope);
    let step = 2e-3;
    let at = |step| -> f64 {
        let moved = encoder.valid().map(&mut Shift { step, seen: 0 });
        f64::from(value(&moved, batch, &device).into_scalar())
    };
    let difference = (at(step) - at(-step)) / (2.0 * f64::from(step));
    let error = (difference - slope.sum).abs() / slope.sum.abs().max(1.0);
    assert!(error < 0.02, "gradient {}, finite difference {difference}", slope.sum);
    assert!(slope.sum.abs() > 0.1, "a direction that says something");
}

#[test]
fn bert_gradient_is_the_slope() {
    let options = FolderOptions::default();
    for pooling in [embed::Pooling::Mean, embed::Pooling::Cls] {
        check(
            load_bert::<Train>(golden("tiny_bert"), &options.clone().with_pooling(pooling), &FlexDevice)
                .unwrap()
                .encoder,
            &batch(),
        );
    }
}

#[test]
fn bert_gradient_is_the_slope_where_prompts_are_left_out() {
    let bert = load_bert::<Train>(golden("tiny_bert"), &FolderOptions::default(), &FlexDevice).unwrap().encoder;
    let prompted = batch().with_prompts(2);
    let [left_out, whole] = [false, true].map(|include| bert.clone().with_include_prompt(include));
    let rows =
        |bert: &embed::Bert<Train>| bert.forward(&prompted, &FlexDevice).inner().into_data().to_vec::<f32>().unwrap();
    assert_ne!(rows(&left_out), rows(&whole));
    check(left_out, &prompted);
}

#[test]
fn static_gradient_is_the_slope() {
    Train::seed(&FlexDevice, 5);
    check(StaticConfig::new(50, 8).init::<Train>(&FlexDevice).unwrap(), &batch());
}

#[test]
fn forward_is_the_same_with_and_without_autodiff() {
    let train = load_bert::<Train>(golden("tiny_bert"), &FolderOptions::default(), &FlexDevice).unwrap().encoder;
    let tracked: Vec<f32> = train.forward(&batch(), &FlexDevice).inner().into_data().to_vec().unwrap();
    let plain: Vec<f32> = train.valid().forward(&batch(), &FlexDevice).into_data().to_vec().unwrap();
    support::assert_close(&tracked, &plain, 1e-6);
}

/// Of the last layer nothing else is computed, and what is dropped is the same.
#[test]
fn pooled_first_tokens_are_those_of_all_states() {
    let options = FolderOptions::default().with_pooling(embed::Pooling::Cls);
    let bert = load_bert::<Flex>(golden("tiny_bert"), &options, &FlexDevice).unwrap().encoder;
    let texts = TokenBatch::from_rows([vec![2, 7, 8, 9, 3], vec![2, 3], vec![2, 7, 7, 12, 40, 41, 3]]);
    for dropout in [None, Some(embed::Dropout::new(0.3, vec![5, 6, 7]))] {
        let states: Vec<f32> = bert.token_states(&texts, dropout.as_ref(), &FlexDevice).into_data().to_vec().unwrap();
        let first = texts.offsets()[..3].iter().flat_map(|&at| {
            let row = &states[at * bert.dim()..][..bert.dim()];
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            row.iter().map(move |value| value / norm)
        });
        let pooled = bert.forward_training(&texts, dropout.as_ref(), &FlexDevice);
        support::assert_close(&pooled.into_data().to_vec::<f32>().unwrap(), &first.collect::<Vec<_>>(), 1e-6);
    }
}
