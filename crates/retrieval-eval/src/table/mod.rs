//! Several runs beside a baseline, as a table.

mod escape;
mod format;
mod render;

use std::fmt::{Display, Formatter};
use std::io;

use serde::{Deserialize, Serialize};

pub use format::TableFormat;

use crate::error::EvalError;
use crate::report::Report;
use crate::statistics::{Bootstrap, Comparison, Interval, Paired, RandomisationTest, holm};

/// The means of several runs with their intervals, and how each run compares with the first, the baseline.
///
/// # Examples
/// ```
/// use retrieval_eval::{
///     BootstrapConfig, EvalOptions, Measure, Qrels, RandomisationConfig, Run, RunTable, TableFormat, evaluate,
/// };
///
/// let qrels = Qrels::read_trec("q1 0 d1 1\nq2 0 d2 1\n".as_bytes(), "qrels")?;
/// let report = |run: &str| {
///     let run = Run::read_trec(run.as_bytes(), "run")?;
///     Ok::<_, retrieval_eval::EvalError>(evaluate(&qrels, &run, &[Measure::mrr(10)], EvalOptions::default()))
/// };
/// let bm25 = report("q1 Q0 d2 1 2 x\nq1 Q0 d1 2 1 x\nq2 Q0 d2 1 1 x\n")?;
/// let dense = report("q1 Q0 d1 1 2 x\nq2 Q0 d2 1 1 x\n")?;
///
/// let bootstrap = BootstrapConfig::default().build()?;
/// let test = RandomisationConfig::default().build()?;
/// let table = RunTable::new(("bm25", &bm25), &[("dense", &dense)], &bootstrap, &test)?;
/// assert_eq!(table.rows[1].mean.estimate, 1.0);
/// let mut markdown = Vec::new();
/// table.write(TableFormat::Markdown, &mut markdown).unwrap();
/// assert!(String::from_utf8(markdown).unwrap().contains("| MRR@10 | dense | 1.0000 [1.0000, 1.0000] | +0.2500 ["));
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunTable {
    /// The queries behind every number.
    pub queries: usize,
    /// One a measure and run: measure by measure, the baseline first.
    pub rows: Vec<RunRow>,
}

/// One run under one measure; see [`RunTable`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRow {
    /// As the reports name it.
    pub measure: String,
    /// The run's name.
    pub run: String,
    /// Over the queries.
    pub mean: Interval,
    /// `None` for the baseline itself.
    pub against_baseline: Option<CorrectedComparison>,
}

/// A comparison with the baseline that is one of several; see [`RunTable`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectedComparison {
    /// With p-values as if it were the only one.
    pub comparison: Comparison,
    /// The randomisation test's p-value after [`holm`]'s correction for the runs compared under this measure.
    pub p_holm: f64,
    /// The t-test's, corrected likewise; `None` where it is undefined, which the correction takes for a p-value of 1.
    pub t_test_p_holm: Option<f64>,
}

impl RunTable {
    /// The table of a baseline and other runs, each with its name, for every measure of the baseline's report.
    ///
    /// # Errors
    /// [`EvalError::AbsentMeasure`], [`EvalError::Unpaired`] if the queries differ, [`EvalError::NoQueries`],
    /// [`EvalError::NotFinite`].
    pub fn new<Q: PartialEq>(
        baseline: (&str, &Report<Q>),
        others: &[(&str, &Report<Q>)],
        bootstrap: &Bootstrap,
        test: &RandomisationTest,
    ) -> Result<Self, EvalError> {
        let mut rows = Vec::new();
        for measure in &baseline.1.measures {
            let row = |run: &str, mean: Interval, against_baseline| RunRow {
                measure: measure.name.clone(),
                run: run.to_owned(),
                mean,
                against_baseline,
            };
            rows.push(row(baseline.0, bootstrap.mean(&measure.values)?, None));
            let paired = others
                .iter()
                .map(|(_, report)| Paired::from_reports(baseline.1, report, &measure.name))
                .collect::<Result<Vec<_>, _>>()?;
            let comparisons = paired.iter().map(|&paired| Comparison::new(paired, bootstrap, test)).collect();
            for (((run, _), paired), corrected) in others.iter().zip(paired).zip(corrected(comparisons)?) {
                rows.push(row(run, bootstrap.mean(paired.treatment())?, Some(corrected)));
            }
        }
        Ok(Self { queries: baseline.1.queries.len(), rows })
    }

    /// Writes the table; text, Markdown and LaTeX round to four decimals and show only the corrected p-values.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn write(&self, format: TableFormat, mut sink: impl io::Write) -> io::Result<()> {
        match format {
            TableFormat::Text => write!(sink, "{self}"),
            TableFormat::Markdown => sink.write_all(render::markdown(self).as_bytes()),
            TableFormat::Latex => sink.write_all(render::latex(self).as_bytes()),
            TableFormat::Csv => render::csv(self, sink),
            TableFormat::Json => {
                serde_json::to_writer_pretty(&mut sink, self)?;
                writeln!(sink)
            }
        }
    }
}

impl Display for RunTable {
    /// As [`TableFormat::Text`].
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&render::text(self))
    }
}

/// The comparisons of a family with their corrected p-values.
fn corrected(comparisons: Vec<Comparison>) -> Result<Vec<CorrectedComparison>, EvalError> {
    let randomisation: Vec<f64> = comparisons.iter().map(|comparison| comparison.p_value).collect();
    let t_tests: Vec<f64> =
        comparisons.iter().map(|comparison| comparison.t_test.map_or(1.0, |test| test.p_value)).collect();
    let corrected = comparisons.into_iter().zip(holm(&randomisation)?.into_iter().zip(holm(&t_tests)?));
    let with_p = |(comparison, (p_holm, t_test)): (Comparison, (f64, f64))| CorrectedComparison {
        comparison,
        p_holm,
        t_test_p_holm: comparison.t_test.map(|_| t_test),
    };
    Ok(corrected.map(with_p).collect())
}
