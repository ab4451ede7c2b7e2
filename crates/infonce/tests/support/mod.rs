//! What the integration tests share: a problem in plain vectors, and the outputs for it in `f64`.

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use infonce::{ContrastiveLoss, InBatch};
use serde::Deserialize;

/// One batch on the host.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Problem {
    pub(crate) queries: Vec<Vec<f64>>,
    pub(crate) passages: Vec<Vec<f64>>,
    pub(crate) query_ids: Vec<u64>,
    pub(crate) passage_ids: Vec<u64>,
    pub(crate) known_positives: Vec<Vec<u64>>,
}

/// How far a gradient may be from the expected one: `relative` of the largest expected entry, or of `floor` if that is
/// larger. The floor lets a gradient that is zero but for rounding differ by that rounding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) relative: f64,
    pub(crate) floor: f64,
}

/// What a loss returned for a problem.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Output {
    pub(crate) loss: f64,
    pub(crate) query_gradient: Vec<Vec<f64>>,
    pub(crate) passage_gradient: Vec<Vec<f64>>,
    pub(crate) masked: usize,
    pub(crate) accuracy: f64,
}

impl Problem {
    pub(crate) fn run(&self, loss: &dyn ContrastiveLoss<Flex>, dtype: DType) -> Output {
        let known: Vec<&[u64]> = self.known_positives.iter().map(Vec::as_slice).collect();
        let ids = InBatch { query_ids: &self.query_ids, passage_ids: &self.passage_ids, known_positives: &known };
        let output = loss.loss_and_gradients(tensor(&self.queries, dtype), tensor(&self.passages, dtype), &ids);
        Output {
            loss: f64::from(output.loss),
            query_gradient: rows(output.query_gradient),
            passage_gradient: rows(output.passage_gradient),
            masked: output.masked,
            accuracy: f64::from(output.accuracy),
        }
    }
}

impl Output {
    /// Panics unless the losses agree to the relative tolerance of the larger of 1 and the loss, the
    /// gradients to `tolerance`, and the counts exactly. A loss is `f32` on both sides, hence to 1e-6 at best.
    pub(crate) fn assert_close(&self, expected: &Output, tolerance: Tolerance) {
        let error = (self.loss - expected.loss).abs();
        let allowed = tolerance.relative.max(1e-6) * expected.loss.max(1.0);
        assert!(error <= allowed, "loss {} instead of {}", self.loss, expected.loss);
        assert_rows_close(&self.query_gradient, &expected.query_gradient, tolerance);
        assert_rows_close(&self.passage_gradient, &expected.passage_gradient, tolerance);
        assert_eq!(self.masked, expected.masked);
        assert!((self.accuracy - expected.accuracy).abs() < 1e-6, "{} instead of {}", self.accuracy, expected.accuracy);
    }
}

pub(crate) fn assert_rows_close(actual: &[Vec<f64>], expected: &[Vec<f64>], tolerance: Tolerance) {
    let largest = expected.iter().flatten().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert_eq!(actual.len(), expected.len());
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert_eq!(actual.len(), expected.len());
        for (j, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
            let error = (actual - expected).abs();
            let allowed = tolerance.relative * largest.max(tolerance.floor);
            assert!(error <= allowed, "[{i}, {j}]: {actual} instead of {expected}, {error} apart");
        }
    }
}

fn tensor(rows: &[Vec<f64>], dtype: DType) -> Tensor<Flex, 2> {
    let data = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    Tensor::from_data(data, (&Default::default(), dtype))
}

fn rows(tensor: Tensor<Flex, 2>) -> Vec<Vec<f64>> {
    let [_, width] = tensor.dims();
    let values: Vec<f64> = tensor.into_data().iter::<f64>().collect();
    values.chunks(width).map(<[f64]>::to_vec).collect()
}
