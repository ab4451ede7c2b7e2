//! Encoders on what wgpu finds, such as software Vulkan, against those of the processor: vectors and every gradient.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "each check is a function of the backend")]

use std::path::{Path, PathBuf};

use burn::backend::{Autodiff, Flex, Wgpu};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use embed::{
    Bert, Dropout, Encoder, FolderOptions, MaskedBert, Pooling, StaticEncoder, TokenBatch, load_bert, load_static,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../embed/tests/golden").join(name)
}

/// An empty text, others of several lengths, and a word in two hundred places.
fn texts() -> TokenBatch {
    let few = [vec![2, 7, 8, 9, 3], vec![2, 3], vec![], vec![2, 7, 7, 12, 20, 21, 3]];
    TokenBatch::from_rows(few.into_iter().chain((0..20).map(|_| vec![7; 9])))
}

/// Values and gradients of all parameters.
struct Values<'a, B: AutodiffBackend> {
    gradients: &'a B::Gradients,
    found: Vec<Vec<f32>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Values<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let gradient = param.val().grad(self.gradients).expect("every parameter has a gradient");
        self.found.push(gradient.into_data().to_vec().unwrap());
    }
}

fn values<B: AutodiffBackend, M: Module<B>>(module: &M, output: Tensor<B, 2>) -> Vec<Vec<f32>> {
    let weights = (0..output.shape().num_elements()).map(|at| ((at * 37 % 23) as f32 - 11.0) / 11.0).collect();
    let weights = Tensor::from_data(TensorData::new(weights, output.dims()), &output.device());
    let gradients = (output.clone() * weights).sum().backward();
    let mut values = Values::<B> { gradients: &gradients, found: vec![output.into_data().to_vec().unwrap()] };
    module.visit(&mut values);
    values.found
}

#[track_caller]
fn compare(processor: &[Vec<f32>], device: &[Vec<f32>]) {
    assert_eq!(processor.len(), device.len());
    assert!(processor.len() > 1);
    let all = processor.iter().flatten().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (place, (processor, device)) in processor.iter().zip(device).enumerate() {
        assert_eq!(processor.len(), device.len());
        let largest = processor.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (a, b) in processor.iter().zip(device) {
            // Of a tensor whose gradients are all but zero, as the keys' bias has, rounding is what there is.
            assert!((a - b).abs() <= 2e-4 * largest.max(0.01 * all), "tensor {place}: {b}, on the processor {a}");
        }
    }
}

#[test]
fn every_family_is_that_of_the_processor() {
    fn of<B: AutodiffBackend>(name: &str, texts: &TokenBatch) -> Vec<Vec<f32>> {
        let folder = golden(&format!("families/{name}"));
        let bert = load_bert::<B>(folder, &FolderOptions::default(), &Default::default()).unwrap().encoder;
        values(&bert, bert.forward(texts, &Default::default()))
    }
    let _alone = crate::TAPE.write();
    // RoBERTa, DistilBERT and XLM-R differ from a BERT in nothing that a device computes.
    for name in ["mpnet", "modernbert", "modernbert_cls", "nomic_bert", "bert_dense"] {
        println!("{name}");
        compare(&of::<Autodiff<Flex>>(name, &texts()), &of::<Autodiff<Wgpu>>(name, &texts()));
    }
}

fn bert<B: Backend>(pooling: Pooling) -> Bert<B> {
    let options = FolderOptions::default().with_pooling(pooling);
    load_bert::<B>(golden("tiny_bert"), &options, &Default::default()).unwrap().encoder
}

#[test]
fn berts_are_those_of_the_processor() {
    fn of<B: AutodiffBackend>(pooling: Pooling, texts: &TokenBatch) -> Vec<Vec<f32>> {
        let bert = bert::<B>(pooling).with_include_prompt(false);
        let dropout = Dropout::new(0.2, (0..texts.len() as u64).collect());
        values(&bert, bert.forward_training(texts, Some(&dropout), &Default::default()))
    }
    let _alone = crate::TAPE.write();
    let prompted = texts().with_prompts(2);
    for (pooling, texts) in [
        (Pooling::Mean, &texts()),
        (Pooling::Cls, &texts()),
        (Pooling::Mean, &prompted),
        (Pooling::Max, &texts()),
        (Pooling::WeightedMean, &prompted),
    ] {
        compare(&of::<Autodiff<Flex>>(pooling, texts), &of::<Autodiff<Wgpu>>(pooling, texts));
    }
}

#[test]
fn logits_of_masked_tokens_are_those_of_the_processor() {
    fn of<B: AutodiffBackend>() -> Vec<Vec<f32>> {
        let (folder, device) = (golden("masked_bert"), Default::default());
        let bert = Bert::<B>::from_folder(&folder, None, &device).unwrap();
        let model = MaskedBert::with_head_of(bert, &folder, &texts(), &device).unwrap();
        values(&model, model.logits(&texts(), &[1, 7, 7, 30, 50], None, &device))
    }
    let _alone = crate::TAPE.write();
    compare(&of::<Autodiff<Flex>>(), &of::<Autodiff<Wgpu>>());
}

/// Of a word that is added up in three steps too. Sums have one order.
#[test]
fn static_tables_are_those_of_the_processor_and_repeat_to_the_bit() {
    fn of<B: AutodiffBackend>() -> Vec<Vec<f32>> {
        let (options, device) = (FolderOptions::default(), Default::default());
        let encoder: StaticEncoder<B> = load_static(golden("tiny_static"), &options, &device).unwrap().encoder;
        let mut texts = texts();
        (0..5_000).for_each(|_| texts.push(&[7, 5]));
        values(&encoder, encoder.forward(&texts, &device))
    }
    let _alone = crate::TAPE.write();
    let device = of::<Autodiff<Wgpu>>();
    compare(&of::<Autodiff<Flex>>(), &device);
    assert_eq!(of::<Autodiff<Wgpu>>(), device);
}

#[test]
fn vectors_without_a_tape_are_those_of_the_processor() {
    fn of<B: Backend>() -> Vec<Vec<f32>> {
        [Pooling::Mean, Pooling::Cls]
            .map(|pooling| bert::<B>(pooling).forward(&texts(), &Default::default()).into_data().to_vec().unwrap())
            .to_vec()
    }
    compare(&of::<Flex>(), &of::<Wgpu>());
}
