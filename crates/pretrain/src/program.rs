//! What a program that runs pipelines does beside them (feature `program`): messages, threads, tables on stdout, an exit code.

mod found;
mod print;

use std::process::ExitCode;

#[cfg(feature = "cli")]
pub(crate) use self::print::{print, print_clusters};
pub use self::print::{print_comparison, print_found};
use crate::error::{Result, one_line};
use crate::memory::keep_freed_blocks;

/// Sends the stages' messages to stderr, one line each (`RUST_LOG` filters them), and lets the process keep the memory
/// that it frees.
pub fn start() {
    keep_freed_blocks();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,pretrain=info"));
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
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Gives the whole program `threads` worker threads; 0: one a core.
///
/// # Errors
/// [`PretrainError::Threads`](crate::PretrainError::Threads) if they cannot be started.
pub fn start_threads(threads: usize) -> Result<()> {
    if threads > 0 {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}
