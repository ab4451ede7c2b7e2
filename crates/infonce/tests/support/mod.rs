//! What the integration tests share: a problem in plain vectors, and the outputs for it in `f64`.

#![allow(dead_code, reason = "each test uses some of it")]

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Tensor, TensorData};
use infonce::{ContrastiveLoss, GuideRows, InBatch, LossAndGradients, Part, Similarities};
use serde::Deserialize;

/// One batch on the host.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Problem {
    pub(crate) queries: Vec<Vec<f64>>,
    pub(crate) passages: Vec<Vec<f64>>,
    pub(crate) query_ids: Vec<u64>,
    pub(crate) passage_ids: Vec<u64>,
    pub(crate) known_positives: Vec<Vec<u64>>,
    pub(crate) hard_negatives: usize,
    pub(crate) guide: Option<GuideProblem>,
    pub(crate) strata: Vec<u32>,
    /// The first of some pairs, and how many.
    pub(crate) part: Option<[usize; 2]>,
}

/// The guide's rows.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GuideProblem {
    pub(crate) queries: Vec<Vec<f32>>,
    pub(crate) passages: Vec<Vec<f32>>,
}

/// How far a gradient may be from the expected one: `relative` of the largest expected entry, or of `floor` if that is
/// larger. The floor lets a gradient that is zero but for rounding differ by that rounding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) relative: f64,
    pub(crate) floor: f64,
}

/// What a loss returned for a problem.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Output {
    pub(crate) loss: f64,
    pub(crate) query_gradient: Vec<Vec<f64>>,
    pub(crate) passage_gradient: Vec<Vec<f64>>,
    pub(crate) scale_gradient: f64,
    pub(crate) masked: usize,
    #[serde(flatten)]
    pub(crate) diagnostics: Diagnostics,
    pub(crate) by_stratum: Vec<OfStratum>,
}

/// What it says of some pairs.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Diagnostics {
    pub(crate) accuracy: f64,
    pub(crate) negatives: u64,
    pub(crate) positive_similarity: f64,
    pub(crate) negative_similarity: Option<f64>,
    pub(crate) negative_p95: Option<f64>,
    pub(crate) harder_share: Option<f64>,
    pub(crate) masked_share: f64,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct OfStratum {
    pub(crate) stratum: u32,
    pub(crate) pairs: usize,
    #[serde(flatten)]
    pub(crate) diagnostics: Diagnostics,
}

impl Problem {
    pub(crate) fn run<B: Backend>(&self, loss: &dyn ContrastiveLoss<B>, dtype: DType) -> Output {
        let [queries, passages] = [&self.queries, &self.passages].map(|rows| tensor(rows, dtype));
        Output::of(self.with_batch(|batch| loss.loss_and_gradients(queries, passages, batch)))
    }

    /// What is known of the rows.
    pub(crate) fn with_batch<T>(&self, then: impl FnOnce(&InBatch<'_>) -> T) -> T {
        let known: Vec<&[u64]> = self.known_positives.iter().map(Vec::as_slice).collect();
        let guide = self.guide.as_ref().map(|guide| [guide.queries.concat(), guide.passages.concat()]);
        let width = self.guide.as_ref().map_or(0, |guide| guide.queries[0].len());
        then(&InBatch {
            query_ids: &self.query_ids,
            passage_ids: &self.passage_ids,
            known_positives: &known,
            hard_negatives: self.hard_negatives,
            temperature: None,
            strata: &self.strata,
            part: self.part.map(|[first, pairs]| Part { first, pairs }),
            guide: guide.as_ref().map(|[queries, passages]| GuideRows { queries, passages, width }),
        })
    }

    /// The largest similarity that there can be.
    fn bound(&self) -> f64 {
        let norm = |row: &Vec<f64>| row.iter().map(|value| value * value).sum::<f64>().sqrt();
        [&self.queries, &self.passages].map(|rows| rows.iter().map(norm).fold(0.0, f64::max)).iter().product()
    }
}

impl Output {
    pub(crate) fn of<B: Backend>(output: LossAndGradients<B>) -> Self {
        let of_stratum = |one: &infonce::OfStratum| OfStratum {
            stratum: one.stratum,
            pairs: one.similarities.pairs,
            diagnostics: Diagnostics::of(one.accuracy, one.similarities),
        };
        Self {
            loss: f64::from(output.loss),
            query_gradient: rows(output.query_gradient),
            passage_gradient: rows(output.passage_gradient),
            scale_gradient: f64::from(output.scale_gradient),
            masked: output.masked,
            diagnostics: Diagnostics::of(output.accuracy, output.similarities),
            by_stratum: output.by_stratum.iter().map(of_stratum).collect(),
        }
    }

    /// Panics unless the losses and the slope of the scale agree to the relative tolerance of the larger of 1 and the expected, the
    /// gradients to `tolerance`, the counts exactly. A loss is `f32` on both sides, hence to 1e-6 at best.
    pub(crate) fn assert_close(&self, expected: &Output, tolerance: Tolerance) {
        let relative = tolerance.relative.max(1e-6);
        close("loss", self.loss, expected.loss, relative * expected.loss.abs().max(1.0));
        // A sum of logits, each times a weight that the loss does not see.
        let scale = relative * 10.0 * expected.scale_gradient.abs().max(1.0);
        close("slope of the scale", self.scale_gradient, expected.scale_gradient, scale);
        assert_rows_close(&self.query_gradient, &expected.query_gradient, tolerance);
        assert_rows_close(&self.passage_gradient, &expected.passage_gradient, tolerance);
        assert_eq!(self.masked, expected.masked);
        close("accuracy", self.diagnostics.accuracy, expected.diagnostics.accuracy, 1e-6);
    }

    /// Panics unless what is said of the similarities agrees, the percentile to a bin of its histogram.
    pub(crate) fn assert_similarities_close(&self, expected: &Output, problem: &Problem) {
        // Rows may be compared as cosines.
        let bin = 2.01 * problem.bound().max(1.0) / 4096.0;
        self.diagnostics.assert_close(&expected.diagnostics, bin);
        assert_eq!(self.by_stratum.len(), expected.by_stratum.len());
        for (actual, expected) in self.by_stratum.iter().zip(&expected.by_stratum) {
            assert_eq!((actual.stratum, actual.pairs), (expected.stratum, expected.pairs));
            actual.diagnostics.assert_close(&expected.diagnostics, bin);
        }
    }
}

impl Diagnostics {
    fn of(accuracy: f32, similarities: Similarities) -> Self {
        Self {
            accuracy: f64::from(accuracy),
            negatives: similarities.negatives,
            positive_similarity: f64::from(similarities.positive),
            negative_similarity: similarities.negative.map(f64::from),
            negative_p95: similarities.negative_p95.map(f64::from),
            harder_share: similarities.harder.map(f64::from),
            masked_share: f64::from(similarities.masked),
        }
    }

    fn assert_close(&self, expected: &Self, bin: f64) {
        assert_eq!(self.negatives, expected.negatives);
        close("accuracy", self.accuracy, expected.accuracy, 1e-6);
        close("positive similarity", self.positive_similarity, expected.positive_similarity, 1e-6);
        close("masked share", self.masked_share, expected.masked_share, 1e-6);
        for (name, actual, expected, allowed) in [
            ("negative similarity", self.negative_similarity, expected.negative_similarity, 1e-6),
            ("harder share", self.harder_share, expected.harder_share, 1e-6),
            ("percentile", self.negative_p95, expected.negative_p95, bin),
        ] {
            match (actual, expected) {
                (Some(actual), Some(expected)) => close(name, actual, expected, allowed),
                (actual, expected) => assert_eq!(actual, expected, "{name}"),
            }
        }
    }
}

fn close(name: &str, actual: f64, expected: f64, allowed: f64) {
    assert!((actual - expected).abs() <= allowed, "{name} {actual} instead of {expected}");
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

pub(crate) fn tensor<B: Backend>(rows: &[Vec<f64>], dtype: DType) -> Tensor<B, 2> {
    let data = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    Tensor::from_data(data, (&Default::default(), dtype))
}

pub(crate) fn rows<B: Backend>(tensor: Tensor<B, 2>) -> Vec<Vec<f64>> {
    let [_, width] = tensor.dims();
    let values: Vec<f64> = tensor.into_data().iter::<f64>().collect();
    values.chunks(width).map(<[f64]>::to_vec).collect()
}
