//! Stage `evaluate` on other data (`eval.others`): what a student is worth where it was not trained.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;

use super::Pipeline;
use super::evaluate::{Baseline, Scores};
use crate::config::OtherData;
use crate::data::Dataset;
use crate::error::Result;
use crate::files::{read_json, write_json};
use crate::judge::test_split;
use crate::parts::Parts;
use crate::run_folder::Member;

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum System<'a> {
    Student(Member<'a>),
    Baseline(Baseline),
}

impl System<'_> {
    /// The name in messages.
    pub(super) fn name(self) -> String {
        match self {
            Self::Student(member) => member.to_string(),
            Self::Baseline(baseline) => baseline.title().to_owned(),
        }
    }

    /// The name in tables.
    fn title(&self) -> &str {
        match self {
            Self::Student(member) => &member.arm.title,
            Self::Baseline(baseline) => baseline.title(),
        }
    }
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Judges on one data set after another, each of which is read once, and only where something is not judged yet.
    pub(super) fn evaluate_others(&self) -> Result<()> {
        for other in &self.config.eval.others {
            let mut read = None;
            for system in self.judged() {
                let stage = self.other_stage(system, other)?;
                self.run.stage(&stage, || {
                    let dataset = match &mut read {
                        Some(dataset) => dataset,
                        none => none.insert(test_split(&other.source()).map_err(|error| error.of_other(other))?),
                    };
                    write_json(&self.other_file(system, other), &self.score_on(system, other, dataset)?)
                })?;
            }
        }
        Ok(())
    }

    /// The stored scores of a system on other data.
    pub(super) fn other_scores(&self, system: System<'_>, other: &OtherData) -> Result<Scores> {
        self.run.require(&self.other_stage(system, other)?)?;
        read_json(&self.other_file(system, other))
    }

    pub(super) fn other_file(&self, system: System<'_>, other: &OtherData) -> PathBuf {
        match system {
            System::Student(member) => self.run.member(member).join("others").join(format!("{}.json", other.name)),
            System::Baseline(baseline) => {
                self.run.file("baselines/others").join(&other.name).join(format!("{}.json", baseline.name()))
            }
        }
    }

    /// All that is judged: the students, and the baselines where `eval.baselines` says so.
    pub(super) fn judged(&self) -> Vec<System<'_>> {
        let students = self.trained_members().into_iter().map(System::Student);
        students.chain(self.judged_baselines().into_iter().map(System::Baseline)).collect()
    }

    fn score_on(&self, system: System<'_>, other: &OtherData, dataset: &Dataset) -> Result<Scores> {
        let (title, eval) = (system.title(), self.config.eval.on(other));
        match system {
            System::Student(member) => self.score_all(&*self.trained_within(member, &eval)?, dataset, title),
            System::Baseline(Baseline::Untrained) => self.score_all(&self.untrained(&eval)?, dataset, title),
            #[cfg(feature = "bm25")]
            System::Baseline(Baseline::Bm25) => self.score_words(dataset, title),
            System::Baseline(Baseline::Embedder) => self.score_all(&*self.clustering_embedder()?, dataset, title),
        }
    }
}
