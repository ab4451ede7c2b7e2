//! `pretrain eval --qrels --run`: what a run file reaches, without a run folder.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};
use retrieval_eval::{EvalOptions, Measure, MeasureAtLevel, Metric, Qrels, Report, evaluate_file};

use super::{RunArgs, print, start_threads};
use crate::error::{PretrainError, Result};
use crate::progress::count;

/// The two things that `pretrain eval` evaluates.
#[derive(Debug)]
pub(super) enum EvalArgs {
    /// The students of a run folder.
    Run(RunArgs),
    /// A run file.
    File(FileArgs),
}

/// Written by hand, since clap derives no choice between a positional argument and a group of options.
impl Args for EvalArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        FileArgs::augment_args(RunArgs::augment_args(command))
            .mut_arg("source", |source| source.required(false).required_unless_present("qrels"))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for EvalArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.contains_id("qrels") {
            true => {
                let threads = matches.get_one::<usize>("threads").copied();
                Ok(Self::File(FileArgs { threads, ..FileArgs::from_arg_matches(matches)? }))
            }
            false => RunArgs::from_arg_matches(matches).map(Self::Run),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A run file to evaluate, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a run folder")]
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
    #[command(flatten)]
    judging: JudgingArgs,
    /// Print the values of each query too, before those of all
    #[arg(short, requires = "qrels")]
    queries: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t, requires = "qrels")]
    format: ReportFormat,
    /// `--threads`, which run folders have too.
    #[arg(skip)]
    threads: Option<usize>,
}

/// What is measured, and against what.
#[derive(Debug, Args)]
pub(super) struct JudgingArgs {
    /// Measures, by their names in trec_eval, ir_measures or BEIR: nDCG@10, map, P.5,10, official, all_trec; may be
    /// repeated
    #[arg(short, value_name = "MEASURE", num_args = 1.., default_value = "official", requires = "qrels")]
    measures: Vec<String>,
    /// Count judged queries without results as 0
    #[arg(short, requires = "qrels")]
    complete: bool,
    /// The lowest grade that is relevant
    #[arg(short = 'l', value_name = "N", default_value_t = 1, requires = "qrels", allow_negative_numbers = true)]
    level: i32,
}

impl JudgingArgs {
    pub(super) fn measures(&self) -> Result<Vec<MeasureAtLevel>> {
        let mut measures = Vec::new();
        for name in &self.measures {
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
    pub(super) fn evaluate(&self, qrels: &Qrels, run: &Path, measures: &[MeasureAtLevel]) -> Result<Report> {
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

impl FileArgs {
    pub(super) fn evaluate(&self) -> Result<()> {
        start_threads(self.threads.unwrap_or(0))?;
        let measures = self.judging.measures()?;
        let report = self.judging.evaluate(&judgements(&self.qrels)?, &self.run, &measures)?;
        print(&match self.format {
            ReportFormat::Text if self.queries => self.lines(&report, &measures),
            ReportFormat::Text => report.to_string(),
            ReportFormat::Trec => self.trec(&report, &measures),
            ReportFormat::Json => {
                let text = serde_json::to_string_pretty(&report);
                text.map_err(|source| PretrainError::json(Path::new("stdout"), source))? + "\n"
            }
        })
    }

    /// Query by query, then all, in aligned columns.
    fn lines(&self, report: &Report, measures: &[MeasureAtLevel]) -> String {
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

/// The judgements of a file, which has some.
pub(super) fn judgements(path: &Path) -> Result<Qrels> {
    let qrels = Qrels::from_file(path)?;
    match qrels.is_empty() {
        true => Err(PretrainError::NoJudgements { path: path.to_owned() }),
        false => Ok(qrels),
    }
}
