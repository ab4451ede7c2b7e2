//! What a program that runs pipelines does beside them (feature `program`): messages, threads, tables on stdout, an exit code.

mod found;
#[cfg(feature = "cli")]
mod plans;
mod print;

use std::process::ExitCode;
use std::sync::Arc;

#[cfg(feature = "cli")]
pub(crate) use self::print::{print, print_clusters, print_plans, print_proposal};
pub use self::print::{print_comparison, print_found};
use crate::error::{PretrainError, Result, one_line};
use crate::memory::keep_freed_blocks;
use crate::stop::Stop;

/// The exit code after a signal, as a shell gives it for SIGINT.
const STOPPED: u8 = 130;

/// Sends the stages' messages to stderr, one line each (`RUST_LOG` filters them), and lets the process keep the memory
/// that it frees.
pub fn start() {
    keep_freed_blocks();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,pretrain=info,embed=info,hf_hub=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_level(false)
        .with_target(false)
        .init();
}

/// The exit code of a program that ended with `result`, after printing its error as one line on stderr.
pub fn finish(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(
            error @ (PretrainError::Stopped { .. }
            | PretrainError::StoppedAfter { .. }
            | PretrainError::StudyStopped { .. }),
        ) => {
            eprintln!("{}", one_line(&error));
            ExitCode::from(STOPPED)
        }
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Gives the whole program `threads` worker threads; 0: one a core.
///
/// # Errors
/// [`PretrainError::Threads`] if they cannot be started.
pub fn start_threads(threads: usize) -> Result<()> {
    if threads > 0 {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}

/// What SIGINT and SIGTERM wish for: a training ends after its step, with a checkpoint. A second signal, and one while nothing is trained, ends
/// the program at once, as without this.
///
/// # Errors
/// Signals cannot be waited for.
#[cfg(unix)]
pub fn stop_on_signals() -> Result<Arc<Stop>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let stop = Arc::new(Stop::default());
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|source| PretrainError::Signals { source })?;
    let wished = Arc::clone(&stop);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if wished.wish() {
                tracing::warn!("stopping after this step; once more stops at once");
            } else if signal_hook::low_level::emulate_default_handler(signal).is_err() {
                std::process::exit(STOPPED.into());
            }
        }
    });
    Ok(stop)
}

/// What nothing wishes for: there are no such signals here.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn stop_on_signals() -> Result<Arc<Stop>> {
    Ok(Arc::default())
}
