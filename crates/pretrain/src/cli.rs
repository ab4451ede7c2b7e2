//! The `pretrain` command (feature `cli`).

mod cell;
mod compare;
mod embed;
mod eval;
mod experiment;
mod file_command;
mod plan;
mod recommend;
mod run_command;
mod vectors;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::cell::CellArgs;
use self::compare::CompareArgs;
use self::embed::EmbedArgs;
use self::eval::EvalArgs;
use self::experiment::ExperimentArgs;
use self::file_command::FileCommand;
use self::plan::PlanArgs;
use self::recommend::RecommendArgs;
use self::run_command::{ClustersArgs, MemberArgs, MineArgs, RunArgs, RunCommand, SearchArgs};
use self::vectors::ClusterArgs;
use crate::error::Result;
use crate::program::{finish, start};

/// Cluster-stratified contrastive pretraining of text encoders (Merrick 2024, arXiv 2407.18887).
///
/// A run goes through stages, each from the files of the one before: embed, cluster, train, eval. A stage whose
/// inputs are unchanged is skipped; an interrupted training goes on from its last checkpoint, another stage is run again.
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
    /// Embed every distinct query and passage with the clustering embedder, or the texts of a file with any model
    #[command(override_usage = "pretrain embed [OPTIONS] <CONFIG|RUN>\n       \
                                pretrain embed [OPTIONS] --model <DIR> --texts <FILE> --out <X.npy>")]
    Embed(EmbedArgs),
    /// Cluster the training pairs of every arm, or the rows of a .npy file
    #[command(override_usage = "pretrain cluster [OPTIONS] <CONFIG|RUN>\n       \
                                pretrain cluster [OPTIONS] --vectors <X.npy> <--k <N>|--levels <N,N,...>> --out <DIR>")]
    Cluster(ClusterArgs),
    /// Write the batches of an epoch as .npy, with a report as JSON
    #[command(override_usage = "pretrain plan [OPTIONS] <CONFIG|RUN>\n       \
                                pretrain plan [OPTIONS] --labels <LABELS.npy> --batch-size <N> --out <PLAN.npy>")]
    Plan(PlanArgs),
    /// Train the masked language models that students with student.mlm start from
    Mlm(RunArgs),
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
    /// Run the experiments of a study: arms in settings with several seeds, compared with intervals
    Experiment(ExperimentArgs),
    /// Write a study of which batches are best for some data, as far as a budget of time goes
    Recommend(RecommendArgs),
    /// Run one training of a study, and write its record
    #[command(hide = true)]
    Cell(CellArgs),
    /// Write what the run reached so far as one HTML page, report.html in its folder
    #[cfg(feature = "report")]
    Report(RunArgs),
    /// Print the passages nearest to a query, or to each line of stdin
    Search {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        search: SearchArgs,
    },
    /// Write hard negatives of every training pair as JSON lines
    Mine {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        mine: MineArgs,
    },
    /// Print size, top terms and nearest texts of every cluster
    Clusters {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        clusters: ClustersArgs,
    },
}

/// Runs the command that the program's arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start();
    finish(cli.command.run())
}

impl Command {
    fn run(self) -> Result<()> {
        let (run, command) = match self {
            Self::Cluster(ClusterArgs::Vectors(vectors)) => return FileCommand::Cluster(vectors).run(),
            Self::Plan(PlanArgs::Labels(labels)) => return FileCommand::Plan(labels).run(),
            Self::Eval(EvalArgs::Alone(alone)) => return FileCommand::Eval(alone).run(),
            Self::Compare(compare) => return FileCommand::Compare(compare).run(),
            Self::Experiment(experiment) => return experiment.run(),
            Self::Recommend(recommend) => return recommend.run(),
            Self::Cell(cell) => return cell.run(),
            Self::Run(run) => (run, RunCommand::Run),
            Self::Embed(EmbedArgs::Texts(texts)) => return FileCommand::Embed(texts).run(),
            Self::Embed(EmbedArgs::Run(run)) => (run, RunCommand::Embed),
            Self::Cluster(ClusterArgs::Run(run)) => (run, RunCommand::Cluster),
            Self::Plan(PlanArgs::Run(run, plan)) => (run, RunCommand::Plan(plan)),
            Self::Mlm(run) => (run, RunCommand::Mlm),
            Self::Train(run) => (run, RunCommand::Train),
            Self::Eval(EvalArgs::Run(run)) => (run, RunCommand::Eval),
            #[cfg(feature = "report")]
            Self::Report(run) => (run, RunCommand::Report),
            Self::Search { run, search } => (run, RunCommand::Search(search)),
            Self::Mine { run, mine } => (run, RunCommand::Mine(mine)),
            Self::Clusters { run, clusters } => (run, RunCommand::Clusters(clusters)),
        };
        command.run(&run)
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
}
