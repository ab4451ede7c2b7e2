//! The batches of an epoch: the sampler of an arm, and its plan.

use burn::tensor::backend::AutodiffBackend;
use stratified_sampler::{BatchSampler, Leftovers, StratifiedConfig, UniformConfig};

use super::Pipeline;
use crate::config::ClusterOf;
use crate::error::{PretrainError, Result};
use crate::nearest::build_with_centroids;
use crate::plan_file::{Plan, PlanFile};
use crate::run_folder::Member;

impl<B: AutodiffBackend> Pipeline<B> {
    /// Writes the batches that `member` trains on in `epoch`.
    ///
    /// # Errors
    /// The arm is not clustered yet, no batch can be drawn, or the files cannot be written.
    pub fn plan(&self, member: Member, epoch: u64) -> Result<PlanFile> {
        let sampler = self.sampler(member)?;
        let leftovers = (member.arm != ClusterOf::None).then_some(self.config.sampler.leftovers);
        let plan = Plan { sampler: &*sampler, epoch, seed: member.seed, leftovers };
        plan.write(&self.run.member(member).join(format!("plan-epoch-{epoch}.npy")))
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
                Leftovers::Merge => build_with_centroids(stratified, &labels, clustering.centroids.view()),
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
