//! Loss, gradients and similarities equal those of PyTorch in float64 (`tools/golden/infonce.py`).

mod support;

use burn::backend::Autodiff;
use burn::tensor::DType;
use burn::tensor::backend::Backend;
use burn_flex::Flex;
use infonce::{ContrastiveLoss, InfoNceConfig};
use serde::Deserialize;

use support::{Output, Problem, Tolerance};

/// Where a positive is far ahead, torch's softmax − 1 leaves some ε/(bτ) of rounding.
const DOUBLE: Tolerance = Tolerance { relative: 1e-10, floor: 1e-2 };

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    config: InfoNceConfig,
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    expected: Output,
}

impl Case {
    fn check<B: Backend>(&self, loss: &dyn ContrastiveLoss<B>, dtype: DType, tolerance: Tolerance) {
        println!("{} in {dtype:?}", self.name);
        let output = self.problem.run(loss, dtype);
        output.assert_close(&self.expected, tolerance);
        output.assert_similarities_close(&self.expected, &self.problem);
    }

    fn config(&self) -> InfoNceConfig {
        self.config.clone().with_percentile(true)
    }

    /// At least 1e-5. A logit of size 1/τ is rounded by ε/τ in f32, and the softmax of a pair has the error of two
    /// logits, each from a division and a sum of products.
    fn single(&self, floor: f64) -> Tolerance {
        let relative = f64::from(2.0 * f32::EPSILON / self.config.temperature).max(1e-5);
        Tolerance { relative, floor }
    }
}

fn cases() -> Vec<Case> {
    let json = include_str!("golden/infonce.json");
    let golden: Golden = serde_json::from_str(json).expect("the golden file parses");
    assert!(golden.cases.len() >= 206);
    golden.cases
}

#[test]
fn tiled_equals_torch_for_every_tile() {
    for case in cases() {
        for tile in [1, 2, 4, 256] {
            let loss = case.config().with_tile(tile).build().expect("the settings are valid");
            case.check::<Flex>(&loss, DType::F32, case.single(1e-3));
        }
    }
}

/// Flex has a kernel of its own for `f32`; doubles and flex's autodiff take the tensors that every backend takes.
#[test]
fn tiles_of_tensors_equal_torch_for_every_tile() {
    for case in cases() {
        for tile in [1, 2, 4, 256] {
            let loss = case.config().with_tile(tile).build().expect("the settings are valid");
            case.check::<Flex>(&loss, DType::F64, DOUBLE);
            case.check::<Autodiff<Flex>>(&loss, DType::F32, case.single(1e-3));
        }
    }
}

#[test]
fn dense_equals_torch() {
    for case in cases() {
        let loss = case.config().build_dense().expect("the settings are valid");
        // Where a positive is far ahead, softmax − 1 leaves ε/(bτ) of rounding.
        case.check::<Flex>(&loss, DType::F32, case.single(0.1));
        case.check::<Flex>(&loss, DType::F64, DOUBLE);
    }
}
