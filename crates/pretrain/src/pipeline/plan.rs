//! The batches of an epoch: the sampler of an arm, and its plan as files for trainers in any language.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use kmeans::Clustering;
use stratified_sampler::{BatchSampler, Leftovers, PlanReport, StratifiedConfig, UniformConfig};

use super::Pipeline;
use crate::config::ClusterOf;
use crate::error::{PretrainError, Result};
use crate::files::{write_indices, write_json};
use crate::run_folder::Member;

/// A plan on disk.
#[derive(Debug, Clone)]
pub struct PlanFile {
    /// Pair indices as flat u32: batch `i` is `plan[i * batch_size..(i + 1) * batch_size]`.
    pub plan: PathBuf,
    /// The report as JSON.
    pub report: PathBuf,
    /// What the plan draws and leaves.
    pub summary: PlanReport,
}

impl<B: AutodiffBackend> Pipeline<B> {
    /// Writes the batches that `member` trains on in `epoch`.
    ///
    /// # Errors
    /// The arm is not clustered yet, no batch can be drawn, or the files cannot be written.
    pub fn plan(&self, member: Member, epoch: u64) -> Result<PlanFile> {
        let sampler = self.sampler(member)?;
        let folder = self.run.member(member);
        let file = |extension: &str| folder.join(format!("plan-epoch-{epoch}.{extension}"));
        let (plan, report) = (file("npy"), file("json"));
        let mut indices = Vec::with_capacity(self.dataset.train.len());
        let mut batch = Vec::new();
        for index in 0..sampler.len(epoch) {
            let failed = |source| PretrainError::Sample { arm: member.arm.title().to_owned(), source };
            sampler.batch(epoch, index, &mut batch).map_err(failed)?;
            indices.extend_from_slice(&batch);
        }
        let summary = sampler.report(epoch);
        write_indices(&plan, &indices)?;
        write_json(&report, &summary)?;
        Ok(PlanFile { plan, report, summary })
    }

    /// How `member` draws its batches.
    pub(super) fn sampler(&self, member: Member) -> Result<Box<dyn BatchSampler>> {
        let arm = member.arm;
        let failed = |source| PretrainError::Sample { arm: arm.title().to_owned(), source };
        let config = &self.config.sampler;
        let sampler: Box<dyn BatchSampler> = if arm == ClusterOf::None {
            let uniform = UniformConfig::new(config.batch_size).with_seed(member.seed).with_drop_last(config.drop_last);
            Box::new(uniform.build(self.dataset.train.len()).map_err(failed)?)
        } else {
            let clustering = self.clustering(arm)?;
            let labels = self.clustered_rows(arm).expand(&clustering.labels);
            let stratified = StratifiedConfig::new(config.batch_size)
                .with_leftovers(config.leftovers)
                .with_seed(member.seed)
                .with_drop_last(config.drop_last)
                .with_min_stratum(config.min_stratum);
            let built = match config.leftovers {
                Leftovers::Merge => stratified.build_with_nearest(&labels, &nearest(&clustering)),
                _ => stratified.build(&labels),
            };
            Box::new(built.map_err(failed)?)
        };
        if sampler.len(0) == 0 {
            let pairs = self.dataset.train.len();
            return Err(PretrainError::NoBatches { arm: arm.title().to_owned(), batch_size: config.batch_size, pairs });
        }
        Ok(sampler)
    }
}

/// For each cluster the other one whose centroid has the largest cosine with its own.
fn nearest(clustering: &Clustering) -> Vec<u32> {
    let centroids = &clustering.centroids;
    let cosines = centroids.dot(&centroids.t());
    cosines
        .rows()
        .into_iter()
        .enumerate()
        .map(|(own, row)| {
            let others = row.iter().enumerate().filter(|&(other, _)| other != own);
            others.max_by(|a, b| a.1.total_cmp(b.1)).map_or(own as u32, |(other, _)| other as u32)
        })
        .collect()
}
