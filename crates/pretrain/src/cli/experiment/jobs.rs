//! The trainings of a study, each in a process of its own, side by side.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sysinfo::{MemoryRefreshKind, System};
use vectors::remove_drafts;

use crate::config::EmbedderConfig;
use crate::device::DeviceKind;
use crate::error::{PretrainError, Result, one_line};
use crate::files::{write_json, write_whole};
use crate::progress::{bar, duration};
use crate::run_folder::RunFolder;
use crate::stop::Stop;
use crate::study::{Cell, CellRecord, Study};

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(100);
/// Steps between the checkpoints from which an interrupted training goes on, where the study says nothing of them.
const CHECKPOINT_EVERY: usize = 200;

/// How the trainings of a study are run.
pub(super) struct Jobs<'a> {
    study: &'a Study,
    device: DeviceKind,
    jobs: usize,
    threads: usize,
    /// GiB that each may take.
    memory: f64,
}

/// How far the trainings are.
struct Progress {
    bar: indicatif::ProgressBar,
    /// When trainings began.
    begun: Instant,
    done: AtomicUsize,
    failed: AtomicUsize,
    stopped: AtomicBool,
    /// Whether trainings are to end at once, without a checkpoint.
    killed: AtomicBool,
    of: usize,
    jobs: usize,
}

impl<'a> Jobs<'a> {
    pub(super) fn new(
        study: &'a Study,
        device: DeviceKind,
        jobs: Option<NonZeroUsize>,
        threads: Option<NonZeroUsize>,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let jobs = jobs.map(NonZeroUsize::get).unwrap_or(match device {
            DeviceKind::Cpu => threads.map_or(cores, |threads| (cores / threads.get()).max(1)),
            _ => 1,
        });
        let threads = threads.map_or((cores / jobs).max(1), NonZeroUsize::get);
        let mut system = System::new();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let memory = system.available_memory() as f64 / (1u64 << 30) as f64 / jobs as f64;
        Self { study, device, jobs, threads, memory }
    }

    /// Runs those of these cells that are not done.
    ///
    /// # Errors
    /// [`PretrainError::CellsFailed`] after all others were run, [`PretrainError::StudyStopped`] after a signal, and what keeps a process from being started.
    pub(super) fn run(&self, wanted: &[usize], stop: &Stop) -> Result<()> {
        for draft in remove_drafts(&self.study.dir) {
            tracing::info!("{}: removed, half-written by a process that ended", draft.display());
        }
        let mut left = Vec::new();
        for &place in wanted {
            let cell = &self.study.cells[place];
            match self.study.record(cell)? {
                Some(_) => self.study.tidy(cell)?,
                None => left.push(cell),
            }
        }
        tracing::info!(
            "{}: {} trainings, {} of them done; {} side by side, {} threads each",
            self.study.config.name,
            wanted.len(),
            wanted.len() - left.len(),
            self.jobs,
            self.threads,
        );
        if left.is_empty() {
            return Ok(());
        }
        let _heeding = stop.heed();
        let mut progress = Progress {
            bar: bar(left.len() as u64, &self.study.config.name),
            begun: Instant::now(),
            done: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            of: left.len(),
            jobs: self.jobs.min(left.len()),
        };
        self.embed(&left, &progress, stop);
        progress.begun = Instant::now();
        let queue = Mutex::new(left.iter().rev().copied().collect());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| self.work(&queue, &progress, stop));
            }
        });
        progress.bar.finish_and_clear();
        let failed = progress.failed.into_inner();
        match (progress.stopped.into_inner(), failed) {
            (true, _) => {
                let done = wanted.len() - left.len() + progress.done.into_inner();
                Err(PretrainError::StudyStopped { done, cells: wanted.len() })
            }
            (false, 0) => Ok(()),
            (false, failed) => Err(PretrainError::CellsFailed { failed, cells: wanted.len() }),
        }
    }

    /// Embeds the texts of all cells, of equal data and embedders once, with the cores of all trainings. What fails here fails again where its
    /// training says so.
    fn embed(&self, cells: &[&Cell], progress: &Progress, stop: &Stop) {
        let mut embedded: Vec<(&str, &EmbedderConfig)> = Vec::new();
        let alone = Jobs { jobs: 1, threads: self.jobs * self.threads, ..*self };
        for cell in cells {
            let content = (cell.data.hash.as_str(), &cell.config.embedder);
            if !embedded.contains(&content) && !progress.heeds(stop) {
                embedded.push(content);
                let made = alone.start(cell, progress, stop, |command, config| {
                    command.arg("embed").arg(config).arg("--force");
                });
                if let Err(error) = made {
                    tracing::warn!("{}: {}", cell.title, one_line(&error));
                }
            }
        }
    }

    /// Runs cells from the end of the queue until none is left or the study is to stop.
    fn work(&self, queue: &Mutex<Vec<&Cell>>, progress: &Progress, stop: &Stop) {
        while !progress.stopped.load(Ordering::SeqCst) {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(cell) = next else { return };
            let begun = Instant::now();
            let ran = self.run_cell(cell, progress, stop);
            if progress.stopped.load(Ordering::SeqCst) && !matches!(ran, Ok(Some(_))) {
                return;
            }
            progress.ended(cell, &ran, begun.elapsed().as_secs_f64());
        }
    }

    /// The record of a cell after its process ended; none where it is to go on another time.
    fn run_cell(&self, cell: &Cell, progress: &Progress, stop: &Stop) -> Result<Option<CellRecord>> {
        self.wait_for_another(cell, progress, stop)?;
        if let Some(record) = self.study.record(cell)? {
            return Ok(Some(record));
        }
        if progress.stopped.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let facts = self.file(cell, "json");
        write_json(&facts, cell)?;
        let status = self.start(cell, progress, stop, |command, config| {
            command.arg("cell").arg(config).arg("--cell").arg(&facts);
            command.arg("--record").arg(self.study.record_file(cell));
        })?;
        let log = self.file(cell, "log");
        match self.study.record(cell)? {
            Some(record) if status.success() => {
                self.study.tidy(cell)?;
                Ok(Some(record))
            }
            _ if progress.stopped.load(Ordering::SeqCst) => Ok(None),
            _ => Err(PretrainError::CellFailed { title: cell.title.clone(), message: last_line(&log, status), log }),
        }
    }

    /// The configuration of a cell as it is run here.
    fn as_run(&self, cell: &Cell) -> crate::config::Config {
        let mut config = cell.config.clone();
        config.run.threads = self.threads;
        config.eval.baselines &= self.study.judges_baselines(cell);
        if config.train.checkpoint_every == 0 {
            config.train.checkpoint_every = CHECKPOINT_EVERY;
        }
        if config.train.memory == 0.0 && self.device == DeviceKind::Cpu {
            config.train.memory = self.memory;
        }
        config
    }

    /// Waits while a process that an earlier command started still works on the cell.
    fn wait_for_another(&self, cell: &Cell, progress: &Progress, stop: &Stop) -> Result<()> {
        let mut told = false;
        loop {
            match RunFolder::prepare(&cell.config, true) {
                Err(error @ PretrainError::RunInUse { .. }) => {
                    if !std::mem::replace(&mut told, true) {
                        progress.bar.suspend(|| tracing::info!("{}: waiting: {}", cell.title, one_line(&error)));
                    }
                    if progress.heeds(stop) {
                        return Ok(());
                    }
                    std::thread::sleep(10 * POLL);
                }
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Where what a cell's process is given and says lies, beside the records.
    fn file(&self, cell: &Cell, ending: &str) -> PathBuf {
        self.study.dir.join("jobs").join(format!("{}.{ending}", cell.id))
    }

    /// Runs a command on a cell in a process of its own, until it ends.
    fn start(
        &self,
        cell: &Cell,
        progress: &Progress,
        stop: &Stop,
        arguments: impl FnOnce(&mut Command, &Path),
    ) -> Result<ExitStatus> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| PretrainError::Io { path, source }
        };
        let (config, log) = (self.file(cell, "toml"), self.file(cell, "log"));
        let text = self.as_run(cell).to_toml()?;
        write_whole(&config, |out| out.write_all(text.as_bytes()))?;
        let program = std::env::current_exe().map_err(at(Path::new("this program")))?;
        let out = File::create(&log).map_err(at(&log))?;
        let err = out.try_clone().map_err(at(&log))?;
        let mut command = Command::new(&program);
        arguments(&mut command, &config);
        command.args(["--device", self.device.name()]).stdin(Stdio::null()).stdout(out).stderr(err);
        // Ctrl-C is for this process, which asks each of its own once.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(at(&program))?;
        let mut asked = false;
        loop {
            if let Some(status) = child.try_wait().map_err(at(&program))? {
                return Ok(status);
            }
            if progress.heeds(stop) && !std::mem::replace(&mut asked, true) {
                ask_to_stop(&mut child);
            }
            if progress.killed.load(Ordering::SeqCst) {
                // It has ended if this fails.
                let _ = child.kill();
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Progress {
    /// Whether the study is to stop: after one signal each training ends after its step, after another at once.
    fn heeds(&self, stop: &Stop) -> bool {
        if stop.grant() && self.stopped.swap(true, Ordering::SeqCst) {
            self.killed.store(true, Ordering::SeqCst);
        }
        self.stopped.load(Ordering::SeqCst)
    }

    fn ended(&self, cell: &Cell, ran: &Result<Option<CellRecord>>, seconds: f64) {
        let failed = match ran {
            Ok(_) => self.failed.load(Ordering::SeqCst),
            Err(_) => self.failed.fetch_add(1, Ordering::SeqCst) + 1,
        };
        let ended = match ran {
            Ok(_) => self.done.fetch_add(1, Ordering::SeqCst) + 1 + failed,
            Err(_) => self.done.load(Ordering::SeqCst) + failed,
        };
        let left = self.of - ended;
        let pace = self.begun.elapsed().as_secs_f64() / ended as f64;
        let about = if left == 0 { String::new() } else { format!("; about {} left", duration(pace * left as f64)) };
        self.bar.suspend(|| match ran {
            Ok(Some(record)) => {
                let scores = record
                    .scores
                    .iter()
                    .map(|(set, scores)| format!("{} {:.4} on {set}", scores.measures[0], scores.means[0]));
                let scores = scores.collect::<Vec<_>>().join(", ");
                tracing::info!("[{ended}/{}] {}: {scores}, {}{about}", self.of, cell.title, duration(seconds));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("[{ended}/{}] {}{about}", self.of, one_line(error)),
        });
        self.bar.set_message(format!("{} at once", self.jobs));
        self.bar.inc(1);
    }
}

/// Asks a training to end after its step, with a checkpoint.
#[cfg(unix)]
fn ask_to_stop(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Ends a training: there are no signals here to ask it.
#[cfg(not(unix))]
fn ask_to_stop(child: &mut Child) {
    let _ = child.kill();
}

/// What a process that failed said last.
fn last_line(log: &PathBuf, status: ExitStatus) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    match text.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) if line.starts_with("error: ") => line.to_owned(),
        // Ended by the system, which for want of memory says nothing.
        Some(line) => format!("{status}, after: {line}"),
        None => status.to_string(),
    }
}
