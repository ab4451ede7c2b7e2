//! Loss and gradients equal those of PyTorch in float64 (`tools/golden/infonce.py`).

mod support;

use burn::tensor::DType;
use burn_flex::Flex;
use infonce::{ContrastiveLoss, Direction, InfoNceConfig};
use serde::Deserialize;

use support::{Output, Problem, Tolerance};

const DOUBLE: Tolerance = Tolerance { relative: 1e-10, floor: 1e-3 };

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    temperature: f32,
    direction: Direction,
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    expected: Output,
}

impl Case {
    fn check(&self, loss: &dyn ContrastiveLoss<Flex>, dtype: DType, tolerance: Tolerance) {
        println!("{} in {dtype:?}", self.name);
        self.problem.run(loss, dtype).assert_close(&self.expected, tolerance);
    }

    /// At least 1e-5. A logit of size 1/τ is rounded by ε/τ in f32, and the softmax of a pair has the error of two
    /// logits, each from a division and a sum of products.
    fn single(&self, floor: f64) -> Tolerance {
        let relative = f64::from(2.0 * f32::EPSILON / self.temperature).max(1e-5);
        Tolerance { relative, floor }
    }
}

fn cases() -> Vec<Case> {
    let json = include_str!("golden/infonce.json");
    let golden: Golden = serde_json::from_str(json).expect("the golden file parses");
    assert!(golden.cases.len() >= 16);
    golden.cases
}

#[test]
fn tiled_equals_torch_for_every_tile() {
    for case in cases() {
        for tile in [1, 2, 4, 256] {
            let config = InfoNceConfig::default().with_temperature(case.temperature);
            let loss = config.with_direction(case.direction).with_tile(tile).build().expect("the settings are valid");
            case.check(&loss, DType::F32, case.single(1e-3));
            case.check(&loss, DType::F64, DOUBLE);
        }
    }
}

#[test]
fn dense_equals_torch() {
    for case in cases() {
        let config = InfoNceConfig::default().with_temperature(case.temperature);
        let loss = config.with_direction(case.direction).build_dense().expect("the settings are valid");
        // Where a positive is far ahead, softmax − 1 leaves ε/(bτ) of rounding.
        case.check(&loss, DType::F32, case.single(0.1));
        case.check(&loss, DType::F64, DOUBLE);
    }
}
