//! Commands on files alone, without a run folder.

use super::compare::CompareArgs;
use super::embed::TextArgs;
use super::eval::AloneArgs;
use super::plan::LabelArgs;
use super::vectors::VectorArgs;
use crate::error::Result;

/// A command on files alone.
#[derive(Debug)]
pub(super) enum FileCommand {
    Embed(TextArgs),
    Cluster(VectorArgs),
    Plan(LabelArgs),
    Eval(AloneArgs),
    Compare(CompareArgs),
}

impl FileCommand {
    pub(super) fn run(&self) -> Result<()> {
        match self {
            Self::Embed(texts) => texts.embed(),
            Self::Cluster(vectors) => vectors.cluster(),
            Self::Plan(labels) => labels.plan(),
            Self::Eval(alone) => alone.evaluate(),
            Self::Compare(compare) => compare.compare(),
        }
    }
}
