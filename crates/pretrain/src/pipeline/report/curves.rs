//! The curves of an arm, from the metrics of its trainings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::strata::LastEpoch;
use crate::data::DataError;
use crate::error::{PretrainError, Result};
use crate::report::{ArmCurves, SeedCurves, StepPoint, ValidationPoint};
use crate::train::StepReport;

/// What tells the lines of `metrics.jsonl` apart; those with neither are a [`StepReport`].
#[derive(Deserialize)]
struct Kind {
    step: usize,
    validation: Option<BTreeMap<String, f64>>,
    skipped: Option<IgnoredAny>,
}

/// The curves of the arm `title` from the metrics of each seed; those that are not there are left out.
///
/// # Errors
/// A file cannot be read, or has a line of another kind.
pub(super) fn of_arm(title: &str, metrics: impl Iterator<Item = (PathBuf, u64)>) -> Result<ArmCurves> {
    let mut arm = ArmCurves { arm: title.to_owned(), ..ArmCurves::default() };
    let mut strata = LastEpoch::default();
    for (path, seed) in metrics.filter(|(path, _)| path.exists()) {
        arm.runs.push(of_seed(&path, seed, &mut strata)?);
        strata.end_of_run();
    }
    arm.strata = strata.hardness();
    Ok(arm)
}

fn of_seed(path: &Path, seed: u64, strata: &mut LastEpoch) -> Result<SeedCurves> {
    let text = std::fs::read_to_string(path).map_err(|source| PretrainError::io(path, source))?;
    let mut run = SeedCurves { seed, ..SeedCurves::default() };
    for (at, line) in text.lines().enumerate() {
        let damaged = |source| DataError::Json { path: path.to_owned(), line: at + 1, source };
        let kind: Kind = serde_json::from_str(line).map_err(damaged)?;
        if let Some(validation) = kind.validation {
            run.validation.push(ValidationPoint { step: kind.step, means: validation.into_iter().collect() });
        } else if kind.skipped.is_some() {
            run.steps.push(StepPoint::skipped(kind.step));
        } else {
            let report: StepReport = serde_json::from_str(line).map_err(damaged)?;
            strata.add(report.epoch, &report.by_stratum);
            run.steps.push(point(&report));
        }
    }
    Ok(run)
}

fn point(report: &StepReport) -> StepPoint {
    let similarities = &report.similarities;
    StepPoint {
        step: report.step,
        loss: report.loss,
        accuracy: report.accuracy,
        positive: similarities.positive,
        negative: similarities.negative,
        negative_p95: similarities.negative_p95,
        harder: similarities.harder,
        masked: similarities.masked,
        temperature: report.temperature,
        gradient_norm: report.gradient_norm,
        learning_rate: report.learning_rate,
        pairs: report.pairs,
        seconds: report.seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str = r#"{"step":0,"epoch":0,"loss":2.5,"accuracy":0.5,"masked":3,"temperature":0.05,"similarities":{"pairs":4,"negatives":12,"positive":0.5,"negative":0.25,"negative_p95":null,"harder":0.0,"masked":0.0},"by_stratum":[{"stratum":7,"accuracy":0.5,"similarities":{"pairs":4,"negatives":12,"positive":0.5,"negative":0.25,"negative_p95":null,"harder":0.125,"masked":0.0}}],"gradient_norm":1.0,"chunks":1,"tokens":9,"learning_rate":0.001,"pairs":4,"seconds":0.5}"#;

    #[test]
    fn steps_validations_and_skipped_steps_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let rest = r#"{"step":0,"validation":{"nDCG@10":0.25},"seconds":1.0}
{"step":1,"epoch":0,"skipped":"loss NaN, gradient norm NaN"}"#;
        std::fs::write(&path, format!("{STEP}\n{rest}\n")).unwrap();
        let missing = folder.path().join("none.jsonl");
        let arm = of_arm("groups", [(path, 3), (missing, 4)].into_iter()).unwrap();
        let run = &arm.runs[0];
        assert_eq!((arm.runs.len(), run.seed, run.steps.len()), (1, 3, 2));
        assert!(run.steps[1].loss.is_nan());
        assert_eq!(run.validation[0].means, [("nDCG@10".to_owned(), 0.25)]);
        assert_eq!((arm.strata[0].stratum, arm.strata[0].harder), (7, Some(0.125)));
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, format!("{STEP}\n{{\"step\": 1, \"epoch\": 0}}\n")).unwrap();
        let error = of_arm("groups", [(path, 0)].into_iter()).unwrap_err();
        assert!(error.to_string().ends_with("metrics.jsonl:2: malformed JSON"), "{error}");
    }
}
