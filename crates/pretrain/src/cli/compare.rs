//! `pretrain compare`: several run files beside the first of them.

use std::path::PathBuf;

use clap::Args;
use retrieval_eval::{BootstrapConfig, RandomisationConfig, Report, RunTable, TableFormat};

use super::eval::{JudgingArgs, judgements};
use crate::error::{PretrainError, Result};
use crate::program::{print, start_threads};

/// Runs to compare, and how.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The judgements: TREC, BEIR, MS MARCO or JSON, also gzip or zstd
    #[arg(long, value_name = "FILE")]
    qrels: PathBuf,
    /// The baseline and the runs to compare with it: TREC, MS MARCO or JSON, also gzip or zstd
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    judging: JudgingArgs,
    /// How to print: text, markdown, latex, csv or json
    #[arg(long, default_value_t, value_parser = |name: &str| name.parse::<TableFormat>())]
    format: TableFormat,
    /// Resamples of the queries for each confidence interval
    #[arg(long, value_name = "N", default_value_t = BootstrapConfig::default().resamples)]
    resamples: usize,
    /// Random exchanges of the paired values for each p-value
    #[arg(long, value_name = "N", default_value_t = RandomisationConfig::default().permutations)]
    permutations: usize,
    /// The level of the confidence intervals
    #[arg(long, value_name = "P", default_value_t = BootstrapConfig::default().level)]
    confidence: f64,
    /// The seed of resamples and exchanges
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Worker threads; 0: one a core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

impl CompareArgs {
    pub(super) fn compare(&self) -> Result<()> {
        start_threads(self.threads)?;
        let bootstrap = BootstrapConfig::default().with_resamples(self.resamples).with_level(self.confidence);
        let bootstrap = bootstrap.with_seed(self.seed).build()?;
        let test = RandomisationConfig::default().with_permutations(self.permutations).with_seed(self.seed).build()?;
        let measures = self.judging.measures("official")?;
        let qrels = judgements(&self.qrels)?;
        let evaluate = |run: &PathBuf| self.judging.evaluate(&qrels, run, &measures);
        let reports: Vec<Report> = self.runs.iter().map(evaluate).collect::<Result<_>>()?;
        let names = names(&self.runs);
        let (baseline, others) = (&reports[0], &reports[1..]);
        if let Some(other) = others.iter().position(|report| report.queries != baseline.queries) {
            let [first, second] = [0, other + 1].map(|run| self.runs[run].clone());
            return Err(PretrainError::DifferentQueries { first, second });
        }
        let others: Vec<(&str, &Report)> = names[1..].iter().map(String::as_str).zip(others).collect();
        let table = RunTable::new((&names[0], baseline), &others, &bootstrap, &test)?;
        let mut text = Vec::new();
        table.write(self.format, &mut text).map_err(|source| PretrainError::Stdout { source })?;
        print(&String::from_utf8_lossy(&text))
    }
}

/// The runs' file names, or their paths where two have the same.
fn names(runs: &[PathBuf]) -> Vec<String> {
    let short: Vec<String> =
        runs.iter().map(|run| run.file_name().unwrap_or(run.as_os_str()).to_string_lossy().into_owned()).collect();
    let distinct: std::collections::HashSet<&String> = short.iter().collect();
    match distinct.len() == runs.len() {
        true => short,
        false => runs.iter().map(|run| run.display().to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_name_are_told_apart_by_their_paths() {
        assert_eq!(names(&["a/bm25.run".into(), "b/dense.run".into()]), ["bm25.run", "dense.run"]);
        assert_eq!(names(&["a/test.run".into(), "b/test.run".into()]), ["a/test.run", "b/test.run"]);
    }
}
