//! What is printed of a report.

use clap::{Args, ValueEnum};
use retrieval_eval::{Measure, MeasureAtLevel, Metric, Report};

use super::JudgingArgs;
use crate::error::{PretrainError, Result};
use crate::program::print;

/// What is measured, and how it is printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a run folder")]
pub(super) struct ReportArgs {
    #[command(flatten)]
    pub(super) judging: JudgingArgs,
    /// Print the values of each query too, before those of all
    #[arg(short)]
    queries: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// Aligned columns: the measure, the query if there are several, the value
    #[default]
    Text,
    /// trec_eval's three columns with its names, queries by their ids; without its lines runid and relstring
    Trec,
    /// Everything, unrounded
    Json,
}

impl ReportArgs {
    /// Prints a report on `measures`.
    pub(super) fn print(&self, report: &Report, measures: &[MeasureAtLevel]) -> Result<()> {
        print(&match self.format {
            ReportFormat::Text if self.queries => lines(report, measures),
            ReportFormat::Text => report.to_string(),
            ReportFormat::Trec => self.trec(report, measures),
            ReportFormat::Json => {
                let text = serde_json::to_string_pretty(report);
                text.map_err(|error| PretrainError::Stdout { source: error.into() })? + "\n"
            }
        })
    }

    /// As trec_eval prints it.
    fn trec(&self, report: &Report, measures: &[MeasureAtLevel]) -> String {
        let name = |measure: &MeasureAtLevel| match measure.relevance_level {
            None => measure.measure.trec_name(),
            Some(_) => measure.name(),
        };
        let mut queries: Vec<usize> = (0..report.queries.len()).filter(|_| self.queries).collect();
        queries.sort_unstable_by_key(|&query| &report.queries[query]);
        queries
            .into_iter()
            .flat_map(|query| values(report, measures, Some(query)))
            .chain(values(report, measures, None))
            .map(|(place, id, value)| format!("{:22}\t{id}\t{value}\n", name(&measures[place])))
            .collect()
    }
}

/// Query by query, then all, in aligned columns.
fn lines(report: &Report, measures: &[MeasureAtLevel]) -> String {
    let names: Vec<String> = measures.iter().map(Metric::name).collect();
    let widest = |names: &[String]| names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let (name, query) = (widest(&names), widest(&report.queries).max(ALL.len()));
    let line = |place: usize, id: &str, value: &str| format!("{:name$}  {id:query$}  {value}\n", names[place]);
    (0..report.queries.len())
        .flat_map(|query| values(report, measures, Some(query)))
        .chain(values(report, measures, None))
        .map(|(place, id, value)| line(place, id, &value))
        .collect()
}

/// What trec_eval calls all queries together.
const ALL: &str = "all";

/// The place of each measure with the query's id and its value; of all queries for `None`. What is defined for all
/// queries only is left out of each, as trec_eval does.
fn values<'r>(
    report: &'r Report,
    measures: &'r [MeasureAtLevel],
    query: Option<usize>,
) -> impl Iterator<Item = (usize, &'r str, String)> {
    let of_all =
        |measure: Measure| matches!(measure, Measure::Queries | Measure::GeometricAp | Measure::GeometricBpref);
    let shown = measures.iter().enumerate().filter(move |(_, it)| query.is_none() || !of_all(it.measure));
    shown.map(move |(place, measure)| {
        let of_measure = &report.measures[place];
        let value = query.map_or(of_measure.overall(), |query| Some(of_measure.values[query]));
        let decimals = measure.summary().decimals();
        let text = value.map_or("undefined".to_owned(), |value| format!("{value:.decimals$}"));
        (place, query.map_or(ALL, |query| &report.queries[query]), text)
    })
}
