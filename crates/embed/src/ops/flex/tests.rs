//! Each kernel against PyTorch in double precision (values and gradients) and against the tensor formulation.

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::module::linear;
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use serde::Deserialize;

use crate::ops::{self, Distances, Gate, Rotation, Spans};
use crate::{Precision, TokenBatch};

type Train = Autodiff<Flex>;

/// Of each test in turn: in burn 0.21 one thread's backward pass frees another's steps (tracel-ai/burn#5573).
static TAPE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[derive(Deserialize)]
struct Case {
    inputs: Vec<Vec<f32>>,
    seed: Vec<f32>,
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

fn case(name: &str) -> Case {
    #[derive(Deserialize)]
    struct File {
        ops: std::collections::HashMap<String, Case>,
    }
    let file: File = serde_json::from_str(include_str!("../../../tests/golden/tiny.json")).unwrap();
    file.ops.into_iter().find(|(key, _)| key == name).unwrap().1
}

fn leaf<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<Train, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &FlexDevice).require_grad()
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

#[track_caller]
fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 3e-6 * (1.0 + b.abs()), "place {at}: {a}, expected {b}");
    }
}

/// Runs `f` on the case's inputs and checks output and every gradient.
fn check(
    case: &Case,
    wide: usize,
    f: impl Fn(&Tensor<Train, 2>, Option<&Tensor<Train, 2>>, &[Tensor<Train, 1>]) -> Tensor<Train, 2>,
) {
    let _alone = TAPE.lock();
    let matrices: Vec<_> =
        case.inputs.iter().filter(|v| v.len() > wide).map(|v| leaf(v, [v.len() / wide, wide])).collect();
    let vectors: Vec<_> = case.inputs.iter().filter(|v| v.len() == wide).map(|v| leaf(v, [wide])).collect();
    let y = f(&matrices[0], matrices.get(1), &vectors);
    close(&values(y.clone()), &case.output);
    let seed = Tensor::from_data(TensorData::new(case.seed.clone(), y.dims()), &FlexDevice);
    let grads = (y * seed).sum().backward();
    let found = matrices.iter().map(|m| values(m.grad(&grads).unwrap()));
    let found: Vec<_> = found.chain(vectors.iter().map(|v| values(v.grad(&grads).unwrap()))).collect();
    assert_eq!(found.len(), case.gradients.len());
    for (found, expected) in found.iter().zip(&case.gradients) {
        close(found, expected);
    }
}

fn spans() -> Spans<Train> {
    Spans::new(&TokenBatch::from_rows([vec![0; 2], vec![0; 3]]), &FlexDevice)
}

#[test]
fn gelu_matches_torch() {
    let case = case("gelu");
    check(&case, 24, |x, _, v| super::bias_gelu(x, &v[0]).unwrap());
    check(&case, 24, |x, _, v| ops::tensor::gelu(x.clone() + v[0].clone().unsqueeze()));
}

#[test]
fn add_norm_matches_torch() {
    let case = case("norm");
    check(&case, 24, |x, r, v| super::add_norm([x, r.unwrap()], [&v[0], &v[1], &v[2]], 1e-12).unwrap());
    check(&case, 24, |x, r, v| {
        let sum = x.clone() + r.unwrap().clone() + v[0].clone().unsqueeze();
        ops::tensor::layer_norm(sum, (v[1].clone(), v[2].clone()), 1e-12)
    });
}

#[test]
fn attention_matches_torch() {
    let case = case("attention");
    check(&case, 24, |x, _, _| super::attention(x, spans().shared(), 2, &everywhere()).unwrap());
    check(&case, 24, |x, _, _| ops::tensor::attention(x.clone(), &spans(), 2, &everywhere(), Precision::F32));
}

fn sines(count: usize, by: f32) -> Vec<f32> {
    (0..count).map(|at| (at as f32 * by).sin()).collect()
}

/// The result of a dense layer, and the gradients of its input, its weight and its bias.
fn dense([rows, input, output]: [usize; 3], biased: bool, fused: bool) -> [Vec<f32>; 4] {
    let _alone = TAPE.lock();
    let x = leaf(&sines(rows * input, 0.7), [rows, input]);
    let weight = leaf(&sines(input * output, 1.3), [input, output]);
    let bias = leaf(&sines(output, 2.1), [output]);
    let given = biased.then_some(&bias);
    let y = if fused {
        super::dense(&x, &weight, given).unwrap()
    } else {
        linear(x.clone(), weight.clone(), given.cloned())
    };
    let seed = Tensor::from_data(TensorData::new(sines(rows * output, 0.3), [rows, output]), &FlexDevice);
    // The mean, as sums of so many are rounded to more than `close` allows.
    let grads = (y.clone() * seed).sum_dim(1).mean().backward();
    let of_bias = bias.grad(&grads).map(values).unwrap_or_default();
    assert_eq!(of_bias.len(), if biased { output } else { 0 });
    [values(y), values(x.grad(&grads).unwrap()), values(weight.grad(&grads).unwrap()), of_bias]
}

/// In one block and several, of rows and of columns.
#[test]
fn products_match_the_tensor_formulation() {
    for shape in [[1, 3, 200], [3, 7, 200], [96, 5, 97], [97, 5, 7], [1300, 7, 5]] {
        for biased in [false, true] {
            let [plain, fused] = [false, true].map(|fused| dense(shape, biased, fused));
            plain.iter().zip(&fused).for_each(|(plain, fused)| close(fused, plain));
        }
    }
}

#[test]
fn products_do_not_depend_on_threads() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| [dense([40, 7, 200], true, true), dense([1300, 7, 5], true, true)])
    };
    assert_eq!(on(1), on(3));
}

/// Values, and gradients of the two inputs, of which the second counts only where it has one.
type Both = [Vec<f32>; 3];

/// Both formulations of an operation on rows of texts of 1, 40 and 17 tokens and on a small matrix.
fn both(
    [width, output]: [usize; 2],
    f: impl Fn(&Tensor<Train, 2>, &Tensor<Train, 2>, &Spans<Train>, bool) -> Tensor<Train, 2>,
) {
    let texts = TokenBatch::from_rows([1, 40, 17].map(|tokens| vec![0; tokens]));
    let [plain, fused] = [false, true].map(|fused| -> Both {
        let _alone = TAPE.lock();
        let spans: Spans<Train> = Spans::new(&texts, &FlexDevice);
        let x = leaf(&sines(58 * width, 0.7), [58, width]);
        let small = leaf(&sines(32 * 2, 1.9), [32, 2]);
        let y = f(&x, &small, &spans, fused);
        let seed = Tensor::from_data(TensorData::new(sines(58 * output, 0.3), [58, output]), &FlexDevice);
        let grads = (y.clone() * seed).sum().backward();
        [values(y), values(x.grad(&grads).unwrap()), small.grad(&grads).map(values).unwrap_or_default()]
    });
    plain.iter().zip(&fused).for_each(|(plain, fused)| close(fused, plain));
}

#[test]
fn attention_by_distance_matches_the_tensor_formulation() {
    for (window, biased) in [(Some(3), false), (None, true), (Some(60), true), (Some(0), true)] {
        both([48, 16], |qkv, biases, spans, fused| {
            let distances = Distances { window, biases: biased.then(|| biases.clone()) };
            match fused {
                true => super::attention(qkv, spans.shared(), 2, &distances).unwrap(),
                false => ops::tensor::attention(qkv.clone(), spans, 2, &distances, Precision::F32),
            }
        });
    }
}

#[test]
fn rotations_match_the_tensor_formulation() {
    both([48, 48], |qkv, _, spans, fused| {
        let rotation = Rotation::new(spans, 8, |tokens| 100.0 + tokens as f64);
        match fused {
            true => super::rotate(qkv, &rotation).unwrap(),
            false => ops::tensor::rotate(qkv.clone(), &rotation, 2),
        }
    });
}

/// Lengths stay, and products of queries and keys depend on the distance alone.
#[test]
fn rotations_turn_by_the_distance() {
    let spans: Spans<Flex> = Spans::new(&TokenBatch::from_rows([vec![0; 9]]), &FlexDevice);
    let row: Vec<f32> = sines(24, 0.9);
    let qkv = Tensor::<Flex, 2>::from_data(TensorData::new(row.repeat(9), [9, 24]), &FlexDevice);
    let turned = values(super::rotate(&qkv, &Rotation::new(&spans, 8, |_| 50.0)).unwrap());
    let part = |place: usize, part: usize| &turned[place * 24 + part * 8..][..8];
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    assert!((dot(part(5, 0), part(3, 1)) - dot(part(7, 0), part(5, 1))).abs() < 1e-5);
    assert!((dot(part(5, 0), part(3, 1)) - dot(part(5, 0), part(4, 1))).abs() > 1e-2);
    assert!((dot(part(8, 0), part(8, 0)) - dot(&row[..8], &row[..8])).abs() < 1e-5);
    assert_eq!(part(8, 2), &row[16..]);
}

#[test]
fn gates_match_the_tensor_formulation() {
    for gate in [Gate::Gelu, Gate::Silu] {
        both([48, 24], |x, _, _, fused| match fused {
            true => super::gated(&(x.clone() * 4.0), gate).unwrap(),
            false => ops::tensor::gated(x.clone() * 4.0, gate),
        });
    }
}

/// Of texts of one token, and of more than a vector of them.
#[test]
fn attention_matches_the_tensor_formulation() {
    let spans: Spans<Train> =
        Spans::new(&TokenBatch::from_rows([1, 40, 17].map(|tokens| vec![0; tokens])), &FlexDevice);
    let [plain, fused] = [false, true].map(|fused| {
        let _alone = TAPE.lock();
        let qkv = leaf(&sines(58 * 48, 0.7), [58, 48]);
        let y = if fused {
            super::attention(&qkv, spans.shared(), 2, &everywhere()).unwrap()
        } else {
            ops::tensor::attention(qkv.clone(), &spans, 2, &everywhere(), Precision::F32)
        };
        let seed = Tensor::from_data(TensorData::new(sines(58 * 16, 0.3), [58, 16]), &FlexDevice);
        let grads = (y.clone() * seed).sum().backward();
        [values(y), values(qkv.grad(&grads).unwrap())]
    });
    plain.iter().zip(&fused).for_each(|(plain, fused)| close(fused, plain));
}

#[test]
fn a_product_of_no_rows_is_empty() {
    let (x, weight) = (leaf(&[], [0, 7]), leaf(&[0.5; 35], [7, 5]));
    assert_eq!(super::dense(&x, &weight, None).unwrap().dims(), [0, 5]);
}

#[test]
fn means_match_the_tensor_formulation() {
    let table: Vec<f32> = (0..40).map(|i| (i as f32 * 0.7).sin()).collect();
    let spans = spans();
    let ids = [3, 3, 9, 0, 3];
    let shape = [10, 4];
    let both = [false, true].map(|fused| {
        let _alone = TAPE.lock();
        let table = leaf(&table, shape);
        let packed = table.clone().narrow(0, 2, 5);
        let (bags, means) = if fused {
            (
                super::bag_mean(&table, Some(&ids), spans.shared()).unwrap(),
                super::bag_mean(&packed, None, spans.shared()).unwrap(),
            )
        } else {
            (ops::tensor::bag_mean(table.clone(), &ids, &spans), ops::tensor::segment_mean(packed, &spans))
        };
        let seed = Tensor::from_data(TensorData::from([[1.0, -2.0, 0.5, 3.0], [0.1, 0.2, 0.3, 0.4]]), &FlexDevice);
        let grads = (bags.clone() * seed.clone() + means.clone() * seed * 2.0).sum().backward();
        [values(bags), values(means), values(table.grad(&grads).unwrap())]
    });
    for (plain, fused) in both[0].iter().zip(&both[1]) {
        close(fused, plain);
    }
}

#[test]
fn tensors_that_are_not_f32_take_the_tensor_formulation() {
    let x: Tensor<Flex, 2> =
        Tensor::from_data(TensorData::from([[1.0_f64, 2.0]]), (&FlexDevice, burn::tensor::DType::F64));
    let bias: Tensor<Flex, 1> =
        Tensor::from_data(TensorData::from([0.0_f64, 0.0]), (&FlexDevice, burn::tensor::DType::F64));
    assert!(super::bias_gelu(&x, &bias).is_none());
}

fn everywhere<B: Backend>() -> Distances<B> {
    Distances { window: None, biases: None }
}
