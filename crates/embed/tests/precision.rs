//! Products in bf16: near those in f32, and not the same.

#![allow(clippy::unwrap_used)]

mod support;

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use embed::{BertConfig, Encoder, MaskedBert, Precision, TokenBatch};

type Train = Autodiff<Flex>;

/// Of each test in turn: in burn 0.21 one thread's backward pass frees another's steps (tracel-ai/burn#5573).
static TAPE: std::sync::Mutex<()> = std::sync::Mutex::new(());

struct Gradients<'a> {
    of: &'a <Train as AutodiffBackend>::Gradients,
    found: Vec<Vec<f32>>,
}

impl ModuleVisitor<Train> for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Train, D>>) {
        self.found.push(param.val().grad(self.of).unwrap().into_data().to_vec().unwrap());
    }
}

/// The output and every parameter's gradient.
fn values<M: Module<Train>>(module: &M, output: Tensor<Train, 2>) -> Vec<Vec<f32>> {
    let weights = (0..output.shape().num_elements()).map(|at| ((at * 37 % 23) as f32 - 11.0) / 11.0).collect();
    let weights = Tensor::from_data(TensorData::new(weights, output.dims()), &FlexDevice);
    let gradients = (output.clone() * weights).sum().backward();
    let mut gradients = Gradients { of: &gradients, found: vec![output.into_data().to_vec().unwrap()] };
    module.visit(&mut gradients);
    gradients.found
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// The error of what is rounded, as a share.
fn error(rounded: &[f32], exact: &[f32]) -> f64 {
    let difference: Vec<f32> = rounded.iter().zip(exact).map(|(a, b)| a - b).collect();
    norm(&difference) / norm(exact)
}

#[track_caller]
fn compare(rounded: &[Vec<f32>], exact: &[Vec<f32>]) {
    assert_eq!(rounded.len(), exact.len());
    let [of_rounded, of_exact] = [rounded, exact].map(|gradients| gradients[1..].concat());
    for error in [error(&rounded[0], &exact[0]), error(&of_rounded, &of_exact)] {
        assert!(error > 1e-5 && error < 1e-2, "an error of {error}");
    }
}

fn texts() -> TokenBatch {
    TokenBatch::from_rows([vec![2, 7, 8, 9, 3], vec![2, 3], vec![], (2..60).collect(), vec![2, 7, 7, 12, 40, 41, 3]])
}

#[test]
fn a_bert_and_its_gradients_are_those_in_f32_within_a_hundredth() {
    let _alone = TAPE.lock();
    Train::seed(&FlexDevice, 3);
    let bert = BertConfig::new(64, 64).with_layers(3).with_heads(4).init::<Train>(&FlexDevice).unwrap();
    let [exact, rounded] = [Precision::F32, Precision::Bf16].map(|precision| {
        let bert = Encoder::<Train>::with_precision(bert.clone(), precision);
        values(&bert, bert.forward(&texts(), &FlexDevice))
    });
    compare(&rounded, &exact);
}

#[test]
fn logits_of_masked_tokens_and_their_gradients_are_too() {
    let _alone = TAPE.lock();
    Train::seed(&FlexDevice, 3);
    let bert = BertConfig::new(64, 64).with_layers(2).with_heads(4).init::<Train>(&FlexDevice).unwrap();
    let [exact, rounded] = [Precision::F32, Precision::Bf16].map(|precision| {
        Train::seed(&FlexDevice, 4);
        let bert = Encoder::<Train>::with_precision(bert.clone(), precision);
        let model = MaskedBert::new(bert, &texts(), &FlexDevice);
        values(&model, model.logits(&texts(), &[1, 9, 30], None, &FlexDevice))
    });
    compare(&rounded, &exact);
}
