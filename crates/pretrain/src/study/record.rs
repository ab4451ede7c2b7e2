//! What came of one training of a study.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::{Cell, DataFacts};
use crate::data::DataError;
use crate::error::{PretrainError, Result};
use crate::pipeline::{PlanInspection, Scores};
use crate::train::StepReport;

/// What the test split of a study's own data is called among its data sets.
pub const TEST: &str = "test";

/// Steps at the beginning whose means are kept.
const FIRST: usize = 20;
/// The share of the steps, at the end, whose means are kept.
const LAST: f64 = 0.1;

/// What came of one training: scores of every query, what its batches were like, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellRecord {
    /// The cell's id.
    pub cell: String,
    /// The configuration, as TOML.
    pub config: String,
    /// What decided its scores ([`Cell::judged_by`]).
    pub judged_by: BTreeMap<String, String>,
    /// What it was trained on.
    pub data: DataFacts,
    /// The student's scores on the test split, and on each of `eval.others`.
    pub scores: Vec<(String, Scores)>,
    /// The same of the baselines, where the run was asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<(String, Scores)>,
    /// What the batches of the first epoch were like, by the clustering embedder.
    pub plan: PlanInspection,
    /// Means over the first 20 steps.
    pub first_steps: StepMeans,
    /// Means over the last tenth of the steps.
    pub last_steps: StepMeans,
    /// Steps of the training.
    pub steps: usize,
    /// What it took.
    pub seconds: CellSeconds,
    /// Where it was computed: the device, its threads, the processor.
    pub machine: String,
}

/// How long the stages of a cell took, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellSeconds {
    /// Embedding, where the study's vectors were not there yet.
    pub embed: f64,
    /// Clustering, mining and filtering.
    pub cluster: f64,
    /// Training, as long as its steps took.
    pub train: f64,
}

impl CellSeconds {
    /// What an arm costs beside embeddings, which all arms share.
    pub fn own(&self) -> f64 {
        self.cluster + self.train
    }
}

/// Means over some steps of a training, by the student as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepMeans {
    /// InfoNCE, in nats a query.
    pub loss: f64,
    /// The share of queries whose own passage scores highest in the batch.
    pub accuracy: f64,
    /// The similarity of a query and its negatives.
    pub negative: Option<f64>,
    /// Below it are 95% of these; where `loss.percentile` asks for it.
    pub negative_p95: Option<f64>,
    /// The share of negatives above the query's own passage.
    pub harder: Option<f64>,
    /// The share of candidates that are masked.
    pub masked: Option<f64>,
}

impl CellRecord {
    /// Whether it is that of `cell`, judged as the cell asks.
    pub fn is_of(&self, cell: &Cell) -> bool {
        self.cell == cell.id && self.data == cell.data && self.judged_by == cell.judged_by
    }

    /// The values of one measure of every query of a data set.
    pub fn values(&self, set: &str, measure: usize) -> Option<&[f64]> {
        let (_, scores) = self.scores.iter().find(|(name, _)| name == set)?;
        scores.per_query.get(measure).map(Vec::as_slice)
    }

    /// The hash of all values of every query of a data set.
    pub fn hash_of_values(&self, set: &str) -> Option<String> {
        let (_, scores) = self.scores.iter().find(|(name, _)| name == set)?;
        let mut hash = blake3::Hasher::new();
        for value in scores.per_query.iter().flatten() {
            hash.update(&value.to_le_bytes());
        }
        Some(hash.finalize().to_hex()[..16].to_owned())
    }
}

/// What the steps of a training say of its beginning and its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Steps {
    pub(crate) count: usize,
    pub(crate) seconds: f64,
    /// The median of a step's seconds.
    pub(crate) pace: f64,
    pub(crate) first: StepMeans,
    pub(crate) last: StepMeans,
}

impl Steps {
    /// Of the lines of `metrics.jsonl`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| PretrainError::io(path, source))?;
        let mut reports = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let damaged = |source| DataError::Json { path: path.to_owned(), line: at + 1, source };
            let value: serde_json::Value = serde_json::from_str(line).map_err(damaged)?;
            if value.get("loss").is_some() {
                reports.push(serde_json::from_value::<StepReport>(value).map_err(damaged)?);
            }
        }
        let mut seconds: Vec<f64> = reports.iter().map(|report| report.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let last = (LAST * reports.len() as f64).ceil() as usize;
        Ok(Self {
            count: reports.len(),
            seconds: seconds.iter().sum(),
            pace: seconds.get(seconds.len() / 2).copied().unwrap_or_default(),
            first: means(&reports[..FIRST.min(reports.len())]),
            last: means(&reports[reports.len() - last..]),
        })
    }
}

fn means(reports: &[StepReport]) -> StepMeans {
    let mean = |value: &dyn Fn(&StepReport) -> Option<f32>| {
        let values: Vec<f64> = reports.iter().filter_map(|report| value(report).map(f64::from)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    StepMeans {
        loss: mean(&|report| Some(report.loss)).unwrap_or_default(),
        accuracy: mean(&|report| Some(report.accuracy)).unwrap_or_default(),
        negative: mean(&|report| report.similarities.negative),
        negative_p95: mean(&|report| report.similarities.negative_p95),
        harder: mean(&|report| report.similarities.harder),
        masked: mean(&|report| Some(report.similarities.masked)),
    }
}
