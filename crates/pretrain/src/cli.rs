//! The `pretrain` command.

mod compare;
mod eval;
mod found;
mod plan;
mod vectors;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::backend::AutodiffBackend;
use clap::{Args, Parser, Subcommand};

use self::compare::CompareArgs;
use self::eval::EvalArgs;
use self::plan::PlanArgs;
use self::vectors::ClusterArgs;
use crate::config::Config;
use crate::device::{BackendTask, DeviceKind};
use crate::error::{PretrainError, Result, one_line};
use crate::memory::keep_freed_blocks;
use crate::pipeline::{ClusterSummary, Comparison, Found, Pipeline};
use crate::run_folder::{Member, RunFolder};

/// Cluster-stratified contrastive pretraining of text encoders (Merrick 2024, arXiv 2407.18887).
///
/// A run goes through stages, each from the files of the one before: embed, cluster, train, eval. A stage whose
/// inputs are unchanged is skipped; an interrupted stage is run again.
#[derive(Debug, Parser)]
#[command(name = "pretrain", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all stages and print the comparison of the arms
    Run(RunArgs),
    /// Embed every distinct query and passage with the clustering embedder
    Embed(RunArgs),
    /// Cluster the training pairs of every arm, or the rows of a .npy file
    #[command(override_usage = "pretrain cluster [OPTIONS] <CONFIG|RUN>\n       \
                                pretrain cluster [OPTIONS] --vectors <X.npy> <--k <N>|--levels <N,N,...>> --out <DIR>")]
    Cluster(ClusterArgs),
    /// Write the batches of an epoch as .npy, with a report as JSON
    #[command(override_usage = "pretrain plan [OPTIONS] <CONFIG|RUN>\n       \
                                pretrain plan [OPTIONS] --labels <LABELS.npy> --batch-size <N> --out <PLAN.npy>")]
    Plan(PlanArgs),
    /// Train every arm with every seed
    Train(RunArgs),
    /// Evaluate every trained student and the baselines, or a run file, or any model on any data
    #[command(override_usage = "pretrain eval [OPTIONS] <CONFIG|RUN>\n       \
                                pretrain eval [OPTIONS] --qrels <FILE> --run <FILE> [-m <MEASURE>...]\n       \
                                pretrain eval [OPTIONS] --model <DIR> --data <DIR> [-m <MEASURE>...]")]
    Eval(EvalArgs),
    /// Print how run files differ from the first of them, with intervals and tests
    #[command(override_usage = "pretrain compare [OPTIONS] --qrels <FILE> <RUN> <RUN>... [-m <MEASURE>...]")]
    Compare(CompareArgs),
    /// Print the passages nearest to a query
    Search {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        member: MemberArgs,
        /// What to look for
        query: String,
        /// How many passages to print
        #[arg(short, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        k: u32,
    },
    /// Print size, top terms and nearest texts of every cluster
    Clusters {
        #[command(flatten)]
        run: RunArgs,
        /// The arm by its name; default: the first that draws from clusters of texts
        #[arg(long)]
        arm: Option<String>,
        /// Terms to print for each cluster
        #[arg(long, default_value_t = 8)]
        terms: usize,
        /// Texts to print for each cluster
        #[arg(long, default_value_t = 3)]
        texts: usize,
    },
}

/// What every stage takes.
#[derive(Debug, Args)]
struct RunArgs {
    /// A configuration (TOML), or a run folder made before
    #[arg(value_name = "CONFIG|RUN")]
    source: PathBuf,
    /// Override a configuration key; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
    /// Where to compute; all but the first need a build with that feature
    #[arg(long, value_enum, default_value_t)]
    device: DeviceKind,
    /// Worker threads; 0: one a core
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Use a run folder made with another configuration, and rerun what changed
    #[arg(long)]
    force: bool,
}

/// Which training of a run.
#[derive(Debug, Args)]
struct MemberArgs {
    /// The arm by its name; default: the run's last
    #[arg(long)]
    arm: Option<String>,
    /// The seed; default: the run's first
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the command that the program's arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start();
    finish(cli.command.run())
}

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
/// [`PretrainError::Threads`] if they cannot be started.
pub fn start_threads(threads: usize) -> Result<()> {
    if threads > 0 {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}

impl Command {
    fn run(self) -> Result<()> {
        let run = match &self {
            Self::Cluster(ClusterArgs::Vectors(vectors)) => return vectors.cluster(),
            Self::Cluster(ClusterArgs::Run(run)) => run,
            Self::Plan(PlanArgs::Labels(labels)) => return labels.plan(),
            Self::Plan(PlanArgs::Run(plan)) => &plan.run,
            Self::Eval(EvalArgs::Alone(alone)) => return alone.evaluate(),
            Self::Compare(compare) => return compare.compare(),
            Self::Eval(EvalArgs::Run(run)) | Self::Run(run) | Self::Embed(run) | Self::Train(run) => run,
            Self::Search { run, .. } | Self::Clusters { run, .. } => run,
        };
        let (device, force, config) = (run.device, run.force, run.config()?);
        start_threads(config.run.threads)?;
        device.run(Task { command: self, force, config })
    }
}

impl RunArgs {
    fn config(&self) -> Result<Config> {
        let mut settings = self.settings.clone();
        settings.extend(self.threads.map(|threads| format!("run.threads={threads}")));
        match self.source.is_dir() {
            true => RunFolder::config(&self.source, &settings),
            false => Config::load(&self.source, &settings),
        }
    }
}

struct Task {
    command: Command,
    force: bool,
    config: Config,
}

impl BackendTask for Task {
    type Output = ();

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<()> {
        let pipeline = match self.command {
            Command::Plan(_) | Command::Search { .. } | Command::Clusters { .. } => {
                Pipeline::<B>::open(self.config, device)?
            }
            _ => Pipeline::<B>::create(self.config, self.force, device)?,
        };
        match &self.command {
            Command::Run(_) => print_comparison(&pipeline.run()?, pipeline.folder().root()),
            Command::Embed(_) => pipeline.embed(),
            Command::Cluster(_) => pipeline.cluster(),
            Command::Train(_) => pipeline.train(),
            Command::Compare(compare) => compare.compare(),
            Command::Eval(EvalArgs::Alone(alone)) => alone.evaluate(),
            Command::Eval(EvalArgs::Run(_)) => {
                pipeline.evaluate()?;
                print_comparison(&pipeline.compare()?, pipeline.folder().root())
            }
            Command::Plan(PlanArgs::Labels(labels)) => labels.plan(),
            Command::Plan(PlanArgs::Run(plan)) => {
                let plan = pipeline.plan(plan.member.of(pipeline.folder())?, plan.epoch, plan.share())?;
                print(&format!("{}\n{}\n", plan.plan.display(), plan.report.display()))
            }
            Command::Search { member, query, k, .. } => {
                let index = pipeline.index(member.of(pipeline.folder())?)?;
                print_found(&pipeline.search(&index, query, *k as usize)?)
            }
            Command::Clusters { arm, terms, texts, .. } => {
                print_clusters(&pipeline.clusters(arm.as_deref(), *terms, *texts)?)
            }
        }
    }
}

impl MemberArgs {
    fn of<'a>(&self, run: &'a RunFolder) -> Result<Member<'a>> {
        run.find(self.arm.as_deref(), self.seed)
    }
}

/// Prints the comparison as a table on stdout.
///
/// # Errors
/// Stdout cannot be written.
pub fn print_comparison(comparison: &Comparison, folder: &Path) -> Result<()> {
    let seeds = match comparison.seeds.len() {
        1 => String::new(),
        n => format!(", mean and standard deviation of {n} seeds"),
    };
    print(&format!("{comparison}\n\n{} test queries{seeds}; run folder: {}\n", comparison.queries, folder.display()))
}

/// Prints what a search found on stdout, one passage a paragraph, wrapped to the terminal; to 100 columns where stdout is none.
///
/// # Errors
/// Stdout cannot be written.
pub fn print_found(found: &[Found]) -> Result<()> {
    print(&found::render(found, found::columns()))
}

fn print_clusters(clusters: &[ClusterSummary]) -> Result<()> {
    let paragraphs: Vec<String> = clusters
        .iter()
        .map(|cluster| {
            let nearest: String =
                cluster.nearest.iter().map(|(cosine, text)| format!("  {cosine:.3}  {}\n", shorten(text))).collect();
            let terms = cluster.terms.join(", ");
            format!("cluster {}: {} texts, {} pairs: {terms}\n{nearest}", cluster.label, cluster.size, cluster.pairs)
        })
        .collect();
    print(&paragraphs.join("\n"))
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|source| PretrainError::io(Path::new("stdout"), source))
}

/// A text's beginning, on one line.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(shorten("a\n b"), "a b");
        assert!(shorten(&"é".repeat(200)).ends_with("é…"));
    }
}
