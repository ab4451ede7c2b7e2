//! `pretrain eval --qrels --run`: what a run file reaches.

use std::path::{Path, PathBuf};

use clap::Args;
use retrieval_eval::Qrels;

use super::report::ReportArgs;
use crate::error::{PretrainError, Result};

/// A run file to evaluate.
#[derive(Debug, Args)]
#[command(next_help_heading = "A run file")]
pub(super) struct FileArgs {
    /// Evaluate a run file against these judgements: TREC, BEIR, MS MARCO or JSON, also gzip or zstd
    #[arg(
        long,
        value_name = "FILE",
        required = false,
        requires = "run",
        conflicts_with_all = ["source", "settings", "device", "force"]
    )]
    qrels: PathBuf,
    /// The run to evaluate: TREC, MS MARCO or JSON, also gzip or zstd
    #[arg(long, value_name = "FILE", required = false, requires = "qrels")]
    run: PathBuf,
}

impl FileArgs {
    pub(super) fn evaluate(&self, args: &ReportArgs) -> Result<()> {
        let measures = args.judging.measures("official")?;
        args.print(&args.judging.evaluate(&judgements(&self.qrels)?, &self.run, &measures)?, &measures)
    }
}

/// The judgements of a file, which has some.
pub(in crate::cli) fn judgements(path: &Path) -> Result<Qrels> {
    let qrels = Qrels::from_file(path)?;
    match qrels.is_empty() {
        true => Err(PretrainError::NoJudgements { path: path.to_owned() }),
        false => Ok(qrels),
    }
}
