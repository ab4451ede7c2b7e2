//! The curves of a training as TensorBoard's events.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::validation::Reached;
use crate::error::{PretrainError, Result};
use crate::tensorboard::EventWriter;
use crate::train::StepReport;

/// Event files of one training.
pub(super) struct Events {
    folder: PathBuf,
    writer: EventWriter,
}

impl Events {
    /// Those of `folder`, from step `done` on: of a training that has not begun, without what was there.
    pub(super) fn new(folder: PathBuf, done: usize) -> Result<Self> {
        let failed = |source| PretrainError::io(&folder, source);
        if done == 0 && folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(failed)?;
        }
        let writer = match done {
            0 => EventWriter::create(&folder),
            done => EventWriter::resume(&folder, done as i64),
        };
        Ok(Self { writer: writer.map_err(failed)?, folder })
    }

    pub(super) fn step(&mut self, report: &StepReport, memory_mb: Option<f64>) -> Result<()> {
        let similarities = &report.similarities;
        let seconds = report.seconds.max(f64::MIN_POSITIVE);
        let mut values = vec![
            ("train/loss", report.loss),
            ("train/accuracy", report.accuracy),
            ("train/gradient_norm", report.gradient_norm),
            ("train/learning_rate", report.learning_rate as f32),
            ("train/temperature", report.temperature),
            ("train/masked", report.masked as f32),
            ("similarity/positive", similarities.positive),
            ("speed/pairs_a_second", (report.pairs as f64 / seconds) as f32),
            ("speed/tokens_a_second", (report.tokens as f64 / seconds) as f32),
            ("speed/share_waiting", (report.waiting / seconds) as f32),
        ];
        values.extend(memory_mb.map(|megabytes| ("memory_mb", megabytes as f32)));
        let of_negatives = [
            ("similarity/negative", similarities.negative),
            ("similarity/negative_p95", similarities.negative_p95),
            ("similarity/harder", similarities.harder),
        ];
        values.extend(of_negatives.iter().filter_map(|&(tag, value)| Some((tag, value?))));
        self.write(report.step, &values)
    }

    pub(super) fn validation(&mut self, step: usize, reached: &Reached) -> Result<()> {
        let tags: Vec<String> = reached.measures.iter().map(|measure| format!("validation/{measure}")).collect();
        let means = reached.means.iter().map(|&mean| mean as f32);
        let values: Vec<(&str, f32)> = tags.iter().map(String::as_str).zip(means).collect();
        self.write(step, &values)
    }

    fn write(&mut self, step: usize, values: &[(&str, f32)]) -> Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let written = self.writer.scalars(step as i64, since.as_secs_f64(), values);
        written.map_err(|source| PretrainError::io(&self.folder, source))
    }
}
