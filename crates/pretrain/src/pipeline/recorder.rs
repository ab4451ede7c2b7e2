//! What a training writes down and shows while it runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::events::Events;
use super::validation::Reached;
use crate::error::{PretrainError, Result};
use crate::progress::{bar, count, duration};
use crate::run_folder::Member;
use crate::train::{SkippedStep, StepReport};

/// Steps whose pace foretells the rest.
const TRIAL: usize = 3;

/// The time of the first steps, which foretells the rest.
#[derive(Default)]
pub(super) struct Pace {
    steps: usize,
    seconds: f64,
}

impl Pace {
    /// After a step of so many seconds those of the `left` that follow: once, after the first few, where there are many more.
    pub(super) fn foretold(&mut self, seconds: f64, left: usize) -> Option<f64> {
        self.steps += 1;
        self.seconds += seconds;
        (self.steps == TRIAL && left > 9 * TRIAL).then(|| self.seconds / TRIAL as f64 * left as f64)
    }
}

/// A file of JSON lines that a training writes and cuts back where it goes on.
pub(super) struct Lines {
    path: PathBuf,
    out: File,
    /// Bytes written.
    bytes: u64,
}

impl Lines {
    /// Goes on after the first `bytes` of the file.
    pub(super) fn new(path: PathBuf, bytes: u64) -> Result<Self> {
        let (out, bytes) = cut_at(&path, bytes).map_err(|source| PretrainError::io(&path, source))?;
        Ok(Self { path, out, bytes })
    }

    pub(super) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(line).map_err(|source| PretrainError::json(&self.path, source))?;
        line.push('\n');
        self.out.write_all(line.as_bytes()).map_err(|source| PretrainError::io(&self.path, source))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Brings the file to disk, as a checkpoint that counts its bytes must find them.
    pub(super) fn sync(&self) -> Result<()> {
        self.out.sync_data().map_err(|source| PretrainError::io(&self.path, source))
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Writes every step's report to `metrics.jsonl` and shows it.
pub(super) struct Recorder {
    lines: Lines,
    bar: indicatif::ProgressBar,
    steps: usize,
    pace: Pace,
    /// Steps of this process, their seconds and pairs.
    done: usize,
    seconds: f64,
    pairs: usize,
    /// Seconds of them before their batches were there.
    waiting: f64,
    name: String,
    events: Option<Events>,
    memory: Resident,
    /// The last validation, as the bar shows it.
    reached: String,
}

impl Recorder {
    /// Goes on after the first `bytes` of the file, which say what the first `done` steps did.
    pub(super) fn new(
        path: PathBuf,
        steps: usize,
        (done, bytes): (usize, u64),
        member: Member<'_>,
        events: Option<Events>,
    ) -> Result<Self> {
        let lines = Lines::new(path, bytes)?;
        let name = member.to_string();
        let bar = bar(steps as u64, &format!("train {name}"));
        bar.set_position(done as u64);
        let steps = steps - done;
        Ok(Self {
            lines,
            bar,
            steps,
            pace: Pace::default(),
            done: 0,
            seconds: 0.0,
            pairs: 0,
            waiting: 0.0,
            name,
            events,
            memory: Resident::default(),
            reached: String::new(),
        })
    }

    pub(super) fn record(&mut self, report: &StepReport) -> Result<()> {
        let memory_mb = self.memory.megabytes();
        self.lines.write(&Line { report, memory_mb })?;
        if let Some(events) = &mut self.events {
            events.step(report, memory_mb)?;
        }
        self.seconds += report.seconds;
        self.waiting += report.waiting;
        self.pairs += report.pairs;
        self.done += 1;
        if let Some(left) = self.pace.foretold(report.seconds, self.steps - self.done) {
            let (name, left) = (&self.name, duration(left));
            self.bar.suspend(|| tracing::info!("train {name}: about {left} at the pace of the first steps"));
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
        self.lines.write(&serde_json::json!({ "step": step, "validation": values, "seconds": reached.seconds }))?;
        if let Some(events) = &mut self.events {
            events.validation(step, reached)?;
        }
        self.reached = format!("{} {:.4}  ", reached.measures[0], reached.means[0]);
        let (name, shown) = (&self.name, reached.to_string());
        self.bar.suspend(|| tracing::info!("train {name}: step {}: {shown} (validation)", step + 1));
        Ok(())
    }

    /// Writes that a step was skipped, as a line of its own, and says so.
    pub(super) fn record_skipped(&mut self, skipped: &SkippedStep) -> Result<()> {
        let (step, name) = (skipped.step, &self.name);
        self.lines.write(&skipped.line())?;
        self.bar.suspend(|| tracing::warn!("train {name}: step {}: skipped, {skipped}", step + 1));
        self.bar.inc(1);
        Ok(())
    }

    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.bar.finish_and_clear();
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        let (pace, waiting) = (self.pairs as f64 / seconds, 100.0 * self.waiting / seconds);
        tracing::info!(
            "train {}: {} pairs/s, {waiting:.1}% of the time for their batches; {:.0} MB of memory",
            self.name,
            count(pace as usize),
            self.memory.megabytes().unwrap_or_default(),
        );
        Ok(())
    }
}

/// A step's line.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    report: &'a StepReport,
    /// What the process has in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mb: Option<f64>,
}

/// The memory of this process.
#[derive(Default)]
struct Resident(System);

impl Resident {
    /// In megabytes; `None` where the system does not say.
    fn megabytes(&mut self) -> Option<f64> {
        let pid = sysinfo::get_current_pid().ok()?;
        let kind = ProcessRefreshKind::nothing().with_memory();
        self.0.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
        Some(self.0.process(pid)?.memory() as f64 / 1e6)
    }
}

/// The file, made if it is missing, with its first `bytes` alone, to be written on; and how many it has. Of a shorter one its whole lines.
fn cut_at(path: &Path, bytes: u64) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut kept = bytes;
    if file.metadata()?.len() < bytes {
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        kept = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last as u64 + 1);
        tracing::warn!("{}: it lacks some of the steps before the checkpoint", path.display());
    }
    file.set_len(kept)?;
    file.seek(SeekFrom::End(0))?;
    Ok((file, kept))
}
