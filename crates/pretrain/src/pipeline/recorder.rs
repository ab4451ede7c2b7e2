//! What a training writes down and shows while it runs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::validation::Reached;
use crate::error::{PretrainError, Result};
use crate::progress::{bar, count, duration};
use crate::run_folder::Member;
use crate::train::StepReport;

/// Steps whose pace foretells the rest.
const TRIAL: usize = 3;

/// Writes every step's report to `metrics.jsonl` and shows it.
pub(super) struct Recorder {
    path: PathBuf,
    out: BufWriter<File>,
    bar: indicatif::ProgressBar,
    steps: usize,
    seconds: f64,
    pairs: usize,
    name: String,
    /// The last validation, as the bar shows it.
    reached: String,
}

impl Recorder {
    pub(super) fn new(path: PathBuf, steps: usize, member: Member<'_>) -> Result<Self> {
        let out = File::create(&path).map(BufWriter::new).map_err(|source| PretrainError::io(&path, source))?;
        let name = member.to_string();
        let bar = bar(steps as u64, &format!("train {name}"));
        Ok(Self { path, out, bar, steps, seconds: 0.0, pairs: 0, name, reached: String::new() })
    }

    pub(super) fn record(&mut self, report: &StepReport) -> Result<()> {
        self.write(report)?;
        self.seconds += report.seconds;
        self.pairs += report.pairs;
        if report.step + 1 == TRIAL && self.steps > 10 * TRIAL {
            let total = self.seconds / TRIAL as f64 * self.steps as f64;
            let (name, total) = (&self.name, duration(total));
            self.bar.suspend(|| tracing::info!("train {name}: about {total} at the pace of the first steps"));
        }
        let pace = self.pairs as f64 / self.seconds.max(f64::MIN_POSITIVE);
        let reached = &self.reached;
        self.bar.set_message(format!("loss {:.3}  {reached}{} pairs/s", report.loss, count(pace as usize)));
        self.bar.inc(1);
        Ok(())
    }

    /// Writes what the student of this step reaches on the validation split as a line of its own, and shows it from here on.
    pub(super) fn record_validation(&mut self, step: usize, reached: &Reached) -> Result<()> {
        let values: serde_json::Map<String, serde_json::Value> =
            reached.measures.iter().cloned().zip(reached.means.iter().map(|&mean| mean.into())).collect();
        self.write(&serde_json::json!({ "step": step, "validation": values, "seconds": reached.seconds }))?;
        self.reached = format!("{} {:.4}  ", reached.measures[0], reached.means[0]);
        let (name, shown) = (&self.name, reached.to_string());
        self.bar.suspend(|| tracing::info!("train {name}: step {}: {shown} (validation)", step + 1));
        Ok(())
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(line).map_err(|source| PretrainError::json(&self.path, source))?;
        writeln!(self.out, "{line}")
            .and_then(|()| self.out.flush())
            .map_err(|source| PretrainError::io(&self.path, source))
    }

    pub(super) fn finish(self) -> Result<()> {
        self.bar.finish_and_clear();
        let pace = self.pairs as f64 / self.seconds.max(f64::MIN_POSITIVE);
        tracing::info!("train {}: {} pairs/s", self.name, count(pace as usize));
        Ok(())
    }
}
