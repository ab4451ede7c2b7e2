//! `pretrain eval`: the students of a run folder, a run file, or any model on any data.

mod file;
mod judging;
mod model;
mod report;

use clap::{ArgGroup, ArgMatches, Args, FromArgMatches};

pub(super) use self::file::judgements;
pub(super) use self::judging::JudgingArgs;

use self::file::FileArgs;
use self::model::ModelArgs;
use self::report::ReportArgs;
use super::RunArgs;
use crate::device::DeviceKind;
use crate::error::Result;
use crate::program::start_threads;

/// The three things that `pretrain eval` evaluates.
#[derive(Debug)]
pub(super) enum EvalArgs {
    /// The students of a run folder.
    Run(RunArgs),
    /// One thing, without a run folder.
    Alone(AloneArgs),
}

/// What is evaluated without a run folder, and what is printed of it.
#[derive(Debug)]
pub(super) struct AloneArgs {
    of: Alone,
    report: ReportArgs,
    threads: usize,
}

#[derive(Debug)]
enum Alone {
    File(FileArgs),
    Model(ModelArgs, DeviceKind),
}

impl AloneArgs {
    pub(super) fn evaluate(&self) -> Result<()> {
        start_threads(self.threads)?;
        match &self.of {
            Alone::File(file) => file.evaluate(&self.report),
            Alone::Model(model, device) => model.evaluate(*device, &self.report),
        }
    }
}

/// The options of which one says what is evaluated without a run folder.
const ALONE: &str = "alone";

/// Written by hand, since clap derives no choice between a positional argument and groups of options.
impl Args for EvalArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let command = ModelArgs::augment_args(FileArgs::augment_args(RunArgs::augment_args(command)));
        let command = ReportArgs::augment_args(command).group(ArgGroup::new(ALONE).args(["qrels", "model"]));
        ["measures", "level", "queries", "format"]
            .into_iter()
            .fold(command, |command, name| command.mut_arg(name, |argument| argument.requires(ALONE)))
            // A model is judged on every query.
            .mut_arg("complete", |complete| complete.requires("qrels"))
            .mut_arg("source", |source| source.required(false).required_unless_present(ALONE))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for EvalArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let of = if matches.contains_id("qrels") {
            Alone::File(FileArgs::from_arg_matches(matches)?)
        } else if matches.contains_id("model") {
            let device = matches.get_one("device").copied().unwrap_or_default();
            Alone::Model(ModelArgs::from_arg_matches(matches)?, device)
        } else {
            return RunArgs::from_arg_matches(matches).map(Self::Run);
        };
        let threads = matches.get_one("threads").copied().unwrap_or_default();
        Ok(Self::Alone(AloneArgs { of, report: ReportArgs::from_arg_matches(matches)?, threads }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
