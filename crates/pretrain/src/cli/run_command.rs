//! Commands on a run: they need its configuration and a device.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use clap::Args;
use infonce::Guide;

use super::plan::RunPlanArgs;
use crate::config::Config;
use crate::device::{BackendTask, DeviceKind};
use crate::error::{PretrainError, Result};
use crate::pipeline::{MineConfig, Mined, Pipeline};
use crate::program::{
    print, print_clusters, print_comparison, print_found, print_plans, print_proposal, start_threads, stop_on_signals,
};
use crate::progress::count;
use crate::run_folder::{Member, RunFolder};

/// What every stage takes.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
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
pub(super) struct MemberArgs {
    /// The arm by its name; default: the run's last
    #[arg(long)]
    arm: Option<String>,
    /// The seed; default: the run's first
    #[arg(long)]
    seed: Option<u64>,
}

/// What to look for.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    member: MemberArgs,
    /// What to look for; without it every line of stdin is looked for
    query: Option<String>,
    /// How many passages to print
    #[arg(short, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
}

/// Which hard negatives to write, and where.
#[derive(Debug, Args)]
pub(super) struct MineArgs {
    #[command(flatten)]
    member: MemberArgs,
    /// By the clustering embedder's vectors, not a trained model's
    #[arg(long, conflicts_with_all = ["arm", "seed"])]
    clustering: bool,
    /// Negatives of each pair at most
    #[arg(short = 'n', default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    each: u32,
    /// The first rank to take, among the passages that do not answer
    #[arg(long, value_name = "RANK", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    from: u32,
    /// The last rank to take
    #[arg(long, value_name = "RANK", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    to: u32,
    /// Pass over what is within this share of the pair's own score
    #[arg(long, default_value_t = 0.05)]
    margin: f32,
    /// The file to write
    #[arg(long, value_name = "FILE.jsonl")]
    out: PathBuf,
}

impl MineArgs {
    fn config(&self) -> Result<MineConfig> {
        if !(0.0..=1.0).contains(&self.margin) {
            return Err(PretrainError::OutOfRange {
                key: "--margin",
                value: self.margin.to_string(),
                expected: "0 to 1",
            });
        }
        if self.to < self.from {
            return Err(PretrainError::OutOfRange {
                key: "--to",
                value: self.to.to_string(),
                expected: "a rank from --from on",
            });
        }
        let guide = Guide { margin: self.margin, relative: true };
        Ok(MineConfig { each: self.each as usize, ranks: self.from as usize..=self.to as usize, guide })
    }
}

/// Which clusters to print, and how much of them.
#[derive(Debug, Args)]
pub(super) struct ClustersArgs {
    /// The arm by its name; default: the first that draws from clusters of texts
    #[arg(long)]
    arm: Option<String>,
    /// Terms to print for each cluster
    #[arg(long, default_value_t = 8)]
    terms: usize,
    /// Texts to print for each cluster
    #[arg(long, default_value_t = 3)]
    texts: usize,
}

/// A command on a run.
#[derive(Debug)]
pub(super) enum RunCommand {
    Run,
    Embed,
    Cluster,
    Plan(RunPlanArgs),
    Mlm,
    Train,
    Eval,
    #[cfg(feature = "report")]
    Report,
    Search(SearchArgs),
    Mine(MineArgs),
    Clusters(ClustersArgs),
}

impl RunCommand {
    pub(super) fn run(self, args: &RunArgs) -> Result<()> {
        let config = args.config()?;
        start_threads(config.run.threads)?;
        args.device.run(Task { command: self, force: args.force, config })
    }

    /// Whether it leaves the run folder as it is, so that it may look at one that another process works in.
    fn only_reads(&self) -> bool {
        match self {
            Self::Plan(_) | Self::Search(_) | Self::Mine(_) | Self::Clusters(_) => true,
            #[cfg(feature = "report")]
            Self::Report => true,
            Self::Run | Self::Embed | Self::Cluster | Self::Mlm | Self::Train | Self::Eval => false,
        }
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

impl MemberArgs {
    fn of<'a>(&self, run: &'a RunFolder) -> Result<Member<'a>> {
        run.find(self.arm.as_deref(), self.seed)
    }

    /// The training that is named, or that of the first arm which draws from clusters of embeddings.
    fn of_embeddings<'a, B: AutodiffBackend>(&self, pipeline: &'a Pipeline<B>) -> Result<Member<'a>> {
        let arm = self.arm.as_deref().or_else(|| pipeline.first_of_embeddings());
        pipeline.folder().find(arm, self.seed)
    }

    /// The training that is named, or that of every arm with one seed.
    fn all_of<'a>(&self, run: &'a RunFolder) -> Result<Vec<Member<'a>>> {
        match &self.arm {
            Some(_) => Ok(vec![self.of(run)?]),
            None => run.arms().iter().map(|arm| run.find(Some(&arm.title), self.seed)).collect(),
        }
    }
}

/// What `answer` does with every line of stdin that is not blank, after a prompt where a person types.
fn for_each_line(answer: impl Fn(&str) -> Result<()>) -> Result<()> {
    let ask = || {
        if stdin().is_terminal() {
            eprint!("search> ");
        }
    };
    ask();
    for line in stdin().lines() {
        let line = line.map_err(|source| PretrainError::Stdin { source })?;
        if !line.trim().is_empty() {
            answer(line.trim())?;
            print("\n")?;
        }
        ask();
    }
    Ok(())
}

struct Task {
    command: RunCommand,
    force: bool,
    config: Config,
}

impl BackendTask for Task {
    type Output = ();

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<()> {
        let pipeline = match self.command.only_reads() {
            true => Pipeline::<B>::open(self.config, device)?,
            false => Pipeline::<B>::create(self.config, self.force, device)?.stopped_by(stop_on_signals()?),
        };
        let folder = pipeline.folder();
        match self.command {
            RunCommand::Run => print_comparison(&pipeline.run()?, folder.root()),
            RunCommand::Embed => pipeline.embed(),
            RunCommand::Cluster => pipeline.cluster(),
            RunCommand::Mlm if pipeline.masked_students().is_empty() => {
                Err(PretrainError::NoMlm { dir: folder.root().to_owned() })
            }
            RunCommand::Mlm => pipeline.pretrain_masked(),
            RunCommand::Train => pipeline.train(),
            RunCommand::Eval => {
                pipeline.evaluate()?;
                print_comparison(&pipeline.compare()?, folder.root())
            }
            #[cfg(feature = "report")]
            RunCommand::Report => print(&format!("{}\n", pipeline.write_report()?.display())),
            RunCommand::Plan(plan) if plan.inspect => {
                let members = plan.member.all_of(folder)?;
                print_plans(&pipeline.inspect_plans(&members, plan.epoch, plan.batches as usize)?)
            }
            RunCommand::Plan(plan) if plan.propose => {
                let member = plan.member.of_embeddings(&pipeline)?;
                print_proposal(&pipeline.propose(member, &plan.proposal()?)?)
            }
            #[cfg(feature = "parquet")]
            RunCommand::Plan(plan) if plan.arctic.is_some() => {
                let to = plan.arctic.unwrap_or_default();
                let batches = pipeline.write_arctic(plan.member.of(folder)?, plan.epoch, &to)?;
                print(&format!("{}: {} batches\n", to.display(), count(batches)))
            }
            RunCommand::Plan(plan) => {
                let plan = pipeline.plan(plan.member.of(folder)?, plan.epoch, plan.share())?;
                print(&format!("{}\n{}\n", plan.plan.display(), plan.report.display()))
            }
            RunCommand::Search(SearchArgs { member, query, k }) => {
                let index = pipeline.index(member.of(folder)?)?;
                let search = |query: &str| print_found(&pipeline.search(&index, query, k as usize)?);
                query.as_deref().map_or_else(|| for_each_line(search), search)
            }
            RunCommand::Mine(mine) => {
                let member = if mine.clustering { None } else { Some(mine.member.of(folder)?) };
                let mined = pipeline.mine_to(member, &mine.config()?, &mine.out)?;
                let Mined { pairs, negatives, short } = mined;
                tracing::info!(
                    "{} negatives of {} pairs, {} of which have fewer than {}",
                    count(negatives),
                    count(pairs),
                    count(short),
                    mine.each
                );
                print(&format!("{}\n", mine.out.display()))
            }
            RunCommand::Clusters(ClustersArgs { arm, terms, texts }) => {
                print_clusters(&pipeline.clusters(arm.as_deref(), terms, texts)?)
            }
        }
    }
}
