//! `pretrain plan`: the batches of an epoch, of a run or of the labels in a `.npy` file.

mod labels;

use clap::{ArgMatches, Args, FromArgMatches};

pub(super) use self::labels::LabelArgs;
use super::{MemberArgs, RunArgs};
use crate::error::{PretrainError, Result};
use crate::pipeline::ProposalConfig;

/// The two things that `pretrain plan` draws batches of.
#[derive(Debug)]
pub(super) enum PlanArgs {
    /// The training pairs of a run.
    Run(RunArgs, RunPlanArgs),
    /// The pairs that a file labels.
    Labels(LabelArgs),
}

/// Which epoch of which training.
#[derive(Debug, Args)]
pub(super) struct RunPlanArgs {
    #[command(flatten)]
    pub(super) member: MemberArgs,
    /// The epoch, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) epoch: u64,
    /// Write the share of one of several ranks, from 0, of every batch
    #[arg(long, value_name = "N", requires = "world", conflicts_with = "labels")]
    rank: Option<usize>,
    /// Print how hard the negatives of every arm's batches are and how many may be false, by the clustering embedder; of one arm by stratum
    #[arg(long, group = "looks", conflicts_with_all = ["labels", "rank", "propose"])]
    pub(super) inspect: bool,
    /// Print the same of several numbers of clusters and of pairs of one cluster in a batch, and which of them to take; nothing is written
    #[arg(long, group = "looks", conflicts_with_all = ["labels", "rank", "epoch"])]
    pub(super) propose: bool,
    /// Numbers of clusters to try; default: 10, 30, 100 and so on
    #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "propose")]
    pub(super) clusters: Vec<usize>,
    /// Pairs of one cluster in a batch to try beside whole batches; default: 8, 16, 32, 64, 128
    #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "propose")]
    pub(super) groups: Vec<usize>,
    /// The most of a pair's negatives of its own cluster that may be false, as a share of them, beyond those of batches of all pairs alike
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, requires = "propose")]
    pub(super) most_false: f64,
    /// Batches of an epoch to look at
    #[arg(long, value_name = "N", default_value_t = 16, requires = "looks", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) batches: u32,
    /// Write the batches with their tokens to a folder of Parquet files, as ArcticTraining's Arctic Embed trains on
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["labels", "rank", "inspect", "propose"])]
    pub(super) arctic: Option<std::path::PathBuf>,
    /// How many ranks share a batch
    #[arg(long, value_name = "N", requires = "rank", conflicts_with = "labels")]
    world: Option<usize>,
}

impl RunPlanArgs {
    /// What is to be tried.
    pub(super) fn proposal(&self) -> Result<ProposalConfig> {
        let most_false = self.most_false;
        if !(0.0..=1.0).contains(&most_false) {
            let value = most_false.to_string();
            return Err(PretrainError::OutOfRange { key: "--most-false", value, expected: "0 to 1" });
        }
        let (clusters, groups, batches) = (self.clusters.clone(), self.groups.clone(), self.batches as usize);
        Ok(ProposalConfig { clusters, groups, batches, most_false })
    }

    /// The rank and how many there are, if not all of a batch is asked for.
    pub(super) fn share(&self) -> Option<(usize, usize)> {
        self.rank.zip(self.world)
    }
}

/// Written by hand, since clap derives no choice between a positional argument and a group of options.
impl Args for PlanArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        LabelArgs::augment_args(RunPlanArgs::augment_args(RunArgs::augment_args(command)))
            .mut_arg("source", |source| source.required(false).required_unless_present("labels"))
            .mut_arg("seed", |seed| seed.help("The seed; default: the run's first, of labels 0"))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PlanArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        match matches.contains_id("labels") {
            true => LabelArgs::from_arg_matches(matches)?.with_shared(matches).map(Self::Labels),
            false => Ok(Self::Run(RunArgs::from_arg_matches(matches)?, RunPlanArgs::from_arg_matches(matches)?)),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
