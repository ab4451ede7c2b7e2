//! A masked language model against Hugging Face's, with its gradients.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, activation::log_softmax};
use burn_flex::{Flex, FlexDevice};
use embed::{Bert, MaskedBert, TokenBatch};
use serde::Deserialize;
use support::{assert_close, golden, read};

type Train = Autodiff<Flex>;

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Vec<u32>>,
    places: Vec<u32>,
    targets: Vec<i32>,
    logits: Vec<f32>,
    loss: f32,
    gradients: HashMap<String, Vec<f32>>,
}

fn model<B: Backend>() -> MaskedBert<B> {
    let (folder, device) = (golden("masked_bert"), B::Device::default());
    MaskedBert::with_head_of(
        Bert::from_folder(&folder, None, &device).unwrap(),
        &folder,
        &TokenBatch::from_rows([[2]]),
        &device,
    )
    .unwrap()
}

/// Gradients in the order of the module's fields.
struct Gradients<'a> {
    of: &'a <Train as AutodiffBackend>::Gradients,
    found: Vec<Vec<f32>>,
}

impl ModuleVisitor<Train> for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Train, D>>) {
        self.found.push(param.val().grad(self.of).unwrap().into_data().to_vec().unwrap());
    }
}

#[test]
fn logits_and_gradients_are_those_of_transformers() {
    let golden: Golden = read("masked_bert/golden.json");
    let (model, tokens) = (model::<Train>(), TokenBatch::from_rows(golden.rows));
    let logits = model.logits(&tokens, &golden.places, None, &FlexDevice);
    assert_close(&logits.clone().into_data().to_vec::<f32>().unwrap(), &golden.logits, 2e-5);

    let targets = Tensor::<Train, 1, Int>::from_data(golden.targets.as_slice(), &FlexDevice).unsqueeze_dim(1);
    let loss = log_softmax(logits, 1).gather(1, targets).mean().neg();
    assert!((loss.clone().into_scalar() - golden.loss).abs() < 1e-5);
    let mut gradients = Gradients { of: &loss.backward(), found: Vec::new() };
    model.visit(&mut gradients);
    let found = gradients.found;
    let last = found.len() - 1;
    for (name, place) in [("words", 0), ("dense", last - 4), ("norm", last - 2), ("bias", last)] {
        assert_close(&found[place], &golden.gradients[name], 2e-5);
    }
}

/// Which begins with the frequencies of tokens.
#[test]
fn a_folder_without_the_head_gets_a_fresh_one() {
    let (folder, device) = (golden("tiny_bert"), FlexDevice);
    let logits = |texts: &[[u32; 3]]| {
        let bert = Bert::<Flex>::from_folder(&folder, None, &device).unwrap();
        let words = bert.config().vocab_size;
        Flex::seed(&device, 1);
        let model = MaskedBert::with_head_of(bert, &folder, &TokenBatch::from_rows(texts), &device).unwrap();
        let logits = model.logits(&TokenBatch::from_rows([[2, 4, 3]]), &[1], None, &device);
        assert_eq!(logits.dims(), [1, words]);
        assert_eq!(model.into_bert().config().num_hidden_layers, 2);
        logits.into_data().to_vec::<f32>().unwrap()
    };
    let (alike, seen) = (logits(&[]), logits(&[[2, 7, 3], [2, 7, 3]]));
    let more = |token: usize| seen[token] - alike[token] - (seen[9] - alike[9]);
    for (token, times) in [(2, 3.0_f32), (7, 3.0), (8, 1.0)] {
        assert!((more(token) - times.ln()).abs() < 1e-4, "{token}: {}", more(token));
    }
}
