//! What a run of one arm and one seed came to, as a study keeps it.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;

use super::Pipeline;
use super::inspect_plan::DEFAULT_GUIDE;
use super::others::System;
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::run_folder::{Member, Stage};
use crate::study::{Cell, CellRecord, CellSeconds, Steps, TEST};

/// Batches of the first epoch that are looked at.
const BATCHES: usize = 40;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// What the run of `cell` came to, after [`run`](Self::run).
    ///
    /// # Errors
    /// A stage of it is not done, or the data are others than the study was read with.
    pub fn cell_record(&self, cell: &Cell) -> Result<CellRecord> {
        self.check_data_of(cell)?;
        let member = self.run.members()[0];
        let steps = Steps::read(&self.run.member(member).join("metrics.jsonl"))?;
        let (mut scores, mut baselines) = (Vec::new(), Vec::new());
        for system in self.judged() {
            let (sets, own) = match system {
                System::Student(member) => (&mut scores, self.scores(member)?),
                System::Baseline(baseline) => (&mut baselines, self.baseline_scores(baseline)?),
            };
            sets.push((TEST.to_owned(), own));
            for other in &self.config.eval.others {
                sets.push((other.name.clone(), self.other_scores(system, other)?));
            }
        }
        let vectors = [self.vectors(Side::Query)?, self.vectors(Side::Passage)?];
        let inspector = self.inspector(&vectors, 0, BATCHES)?;
        let labels = self.labels(member.arm)?;
        let sampler = self.sampler(member)?;
        // Of all arms by the same, whatever their loss masks.
        let (name, guide) = (member.arm.title.clone(), DEFAULT_GUIDE);
        let mut plan = inspector.inspect::<B>(name, &*sampler, labels.as_deref(), guide, &self.device)?;
        plan.by_stratum.clear();
        let seconds = CellSeconds {
            embed: self.seconds(&self.embed_stage()?),
            cluster: self.seconds_before_training(member)?,
            train: steps.seconds,
        };
        let threads = rayon::current_num_threads();
        Ok(CellRecord {
            cell: cell.id.clone(),
            config: cell.config.to_toml()?,
            judged_by: cell.judged_by.clone(),
            data: cell.data.clone(),
            scores,
            baselines,
            plan,
            first_steps: steps.first,
            last_steps: steps.last,
            steps: steps.count,
            seconds,
            machine: format!("{}, {threads} threads, {}", B::name(&self.device), processor()),
        })
    }

    /// Nothing, where the data are those that the study of `cell` was read with.
    pub(crate) fn check_data_of(&self, cell: &Cell) -> Result<()> {
        match self.data_hash == cell.data.hash {
            true => Ok(()),
            false => {
                let run = self.run.root().to_owned();
                Err(PretrainError::DataChanged { path: self.config.data.place(), run })
            }
        }
    }

    fn seconds(&self, stage: &Stage) -> f64 {
        self.run.record(&stage.name).map_or(0.0, |record| record.seconds)
    }

    fn seconds_before_training(&self, member: Member<'_>) -> Result<f64> {
        let mut seconds = 0.0;
        for clusters in member.arm.clusters() {
            seconds += self.seconds(&self.cluster_stage(self.stored_clusters(clusters)?)?);
        }
        for within in member.arm.draws.iter().filter_map(|draw| draw.sampler.consistent_within) {
            seconds += self.seconds(&self.consistent_stage(within)?);
        }
        if member.arm.config.loss.hard_negatives > 0 {
            seconds += self.seconds(&self.hard_negatives_stage(&member.arm.config.loss)?);
        }
        Ok(seconds)
    }
}

/// The name of the processor.
fn processor() -> String {
    let mut system = sysinfo::System::new();
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    system.cpus().first().map_or_else(|| "unknown processor".to_owned(), |cpu| cpu.brand().trim().to_owned())
}
