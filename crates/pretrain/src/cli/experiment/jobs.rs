//! The trainings of a study, each in a process of its own, side by side.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sysinfo::{MemoryRefreshKind, System};

use crate::device::DeviceKind;
use crate::error::{PretrainError, Result, one_line};
use crate::files::write_whole;
use crate::program::stop_on_signals;
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
    /// When those began whose pace foretells the rest, and how many had ended before.
    begun: Instant,
    before: usize,
    done: AtomicUsize,
    failed: AtomicUsize,
    stopped: AtomicBool,
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
    pub(super) fn run(&self, wanted: &[usize]) -> Result<()> {
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
        let stop = stop_on_signals()?;
        let _heeding = stop.heed();
        let mut progress = Progress {
            bar: bar(left.len() as u64, &self.study.config.name),
            begun: Instant::now(),
            before: 0,
            done: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            of: left.len(),
            jobs: self.jobs.min(left.len()),
        };
        // The first embeds for all, with the cores of all: at once each would.
        let (first, rest) = left.split_at(1);
        let alone =
            Jobs { jobs: 1, threads: self.jobs * self.threads, memory: self.jobs as f64 * self.memory, ..*self };
        alone.work(&Mutex::new(first.to_vec()), &progress, &stop);
        (progress.begun, progress.before) = (Instant::now(), 1);
        let queue = Mutex::new(rest.iter().rev().copied().collect());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| self.work(&queue, &progress, &stop));
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
        let [config, log] = ["toml", "log"].map(|ending| self.study.record_file(cell).with_extension(ending));
        let text = self.as_run(cell).to_toml()?;
        write_whole(&config, |out| out.write_all(text.as_bytes()))?;
        self.wait_for_another(cell, progress, stop)?;
        if let Some(record) = self.study.record(cell)? {
            return Ok(Some(record));
        }
        if progress.stopped.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let status = self.process(cell, &config, &log, progress, stop)?;
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

    fn process(&self, cell: &Cell, config: &Path, log: &Path, progress: &Progress, stop: &Stop) -> Result<ExitStatus> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| PretrainError::Io { path, source }
        };
        let program = std::env::current_exe().map_err(at(Path::new("this program")))?;
        let out = File::create(log).map_err(at(log))?;
        let err = out.try_clone().map_err(at(log))?;
        let mut command = Command::new(&program);
        command.arg("cell").arg(config).args(["--id", &cell.id, "--device", self.device.name()]);
        command.arg("--record").arg(self.study.record_file(cell));
        command.stdin(Stdio::null()).stdout(out).stderr(err);
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
            std::thread::sleep(POLL);
        }
    }
}

impl Progress {
    /// Whether the study is to stop.
    fn heeds(&self, stop: &Stop) -> bool {
        if stop.grant() {
            self.stopped.store(true, Ordering::SeqCst);
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
        let pace = self.begun.elapsed().as_secs_f64() / (ended - self.before) as f64;
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
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .map_or_else(|| status.to_string(), |line| line.trim().to_owned())
}
