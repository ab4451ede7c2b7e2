//! What is measured, of run files as of models.

use std::path::Path;

use clap::Args;
use retrieval_eval::{EvalOptions, Measure, MeasureAtLevel, Qrels, Report, evaluate_file};

use crate::error::{PretrainError, Result};
use crate::progress::count;

/// What is measured, and against what.
#[derive(Debug, Args)]
pub(in crate::cli) struct JudgingArgs {
    /// Measures, by their names in trec_eval, ir_measures or BEIR: nDCG@10, map, P.5,10, official, all_trec; may be
    /// repeated; default: official for run files, nDCG@10 MRR@10 recall@100 for models
    #[arg(short, value_name = "MEASURE", num_args = 1..)]
    measures: Vec<String>,
    /// Count judged queries without results as 0
    #[arg(short)]
    complete: bool,
    /// The lowest grade that is relevant
    #[arg(short = 'l', value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub(super) level: i32,
}

impl JudgingArgs {
    /// The measures asked for, or those of `default`, names with spaces between.
    pub(in crate::cli) fn measures(&self, default: &str) -> Result<Vec<MeasureAtLevel>> {
        let mut measures = Vec::new();
        let default = default.split(' ').filter(|_| self.measures.is_empty());
        for name in self.measures.iter().map(String::as_str).chain(default) {
            let several = || Measure::list(name).map(|list| list.into_iter().map(MeasureAtLevel::from).collect());
            let named: Vec<MeasureAtLevel> = name.parse().map(|one| vec![one]).or_else(|_| several())?;
            // Asked for twice, it is printed once.
            named.into_iter().for_each(|measure| {
                if !measures.contains(&measure) {
                    measures.push(measure);
                }
            });
        }
        Ok(measures)
    }

    /// The report on a run file; a line on stderr says which queries do not count.
    pub(in crate::cli) fn evaluate(&self, qrels: &Qrels, run: &Path, measures: &[MeasureAtLevel]) -> Result<Report> {
        let options = EvalOptions::default().with_complete(self.complete).with_relevance_level(self.level);
        let report = evaluate_file(qrels, run, measures, options)?;
        if report.queries.len() == report.without_results && report.without_results > 0 || report.queries.is_empty() {
            return Err(PretrainError::NothingJudged { path: run.to_owned() });
        }
        let name = run.display();
        if report.without_judgements > 0 {
            tracing::info!("{name}: {} queries without judgements, left out", count(report.without_judgements));
        }
        if report.without_results > 0 {
            let counted = if self.complete { "counted as 0" } else { "left out; -c counts them as 0" };
            tracing::info!("{name}: {} judged queries without results, {counted}", count(report.without_results));
        }
        Ok(report)
    }
}
