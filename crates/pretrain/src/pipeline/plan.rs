//! The batches of an epoch: the sampler of an arm, and its plan.

use burn::tensor::backend::AutodiffBackend;
use kmeans::Clustering;
use stratified_sampler::{BatchSampler, Shard, Subset, UniqueBy};

use super::Pipeline;
use super::by_source::{source_weights, weighted, within_sources};
use crate::config::{Arm, ClusterConfig, ClusterOf, Draw, SamplerKind, UniqueKey};
use crate::data::Pair;
use crate::error::{PretrainError, Result};
use crate::parts::{Parts, Strata};
use crate::plan_file::{Plan, PlanFile};
use crate::run_folder::Member;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Writes the batches that `member` trains on in `epoch`, or of each batch the share of a rank, given with how many ranks there are.
    ///
    /// # Errors
    /// The arm is not clustered yet, no batch can be drawn or shared, or the files cannot be written.
    pub fn plan(&self, member: Member<'_>, epoch: u64, share: Option<(usize, usize)>) -> Result<PlanFile> {
        let whole = self.sampler(member)?;
        let (sampler, name): (Box<dyn BatchSampler>, String) = match share {
            None => (whole, format!("plan-epoch-{epoch}.npy")),
            Some((rank, world)) => {
                let failed = |source| PretrainError::Sample { arm: member.arm.title.clone(), source };
                let share = Shard::new(whole, rank, world).map_err(failed)?;
                (Box::new(share), format!("plan-epoch-{epoch}-rank-{rank}-of-{world}.npy"))
            }
        };
        let settings = &member.arm.config.sampler;
        let stratified = settings.kind == SamplerKind::Stratified && settings.curriculum.is_none();
        let leftovers = (stratified && !member.arm.is_unclustered()).then_some(settings.leftovers);
        let plan = Plan { sampler: &*sampler, epoch, seed: member.seed, leftovers };
        plan.write(&self.run.member(member).join(name))
    }

    /// How `member` draws its batches.
    pub(super) fn sampler(&self, member: Member<'_>) -> Result<Box<dyn BatchSampler>> {
        self.sampler_of(member, &|config| self.clustering(config))
    }

    /// How `member` draws its batches from other clusters.
    pub(super) fn sampler_of(
        &self,
        member: Member<'_>,
        clustering: &dyn Fn(&ClusterConfig) -> Result<Clustering>,
    ) -> Result<Box<dyn BatchSampler>> {
        let Member { arm, seed } = member;
        let failed = |source| PretrainError::Sample { arm: arm.title.clone(), source };
        let draw = |draw| self.draw(arm, draw, seed, clustering);
        let mut samplers = arm.draws.iter().map(draw).collect::<Result<Vec<_>>>()?;
        let sampler = match &arm.config.sampler.curriculum {
            Some(curriculum) => Box::new(curriculum.schedule().build(samplers).map_err(failed)?),
            None => samplers.remove(0),
        };
        if sampler.len(0) == 0 {
            let (batch_size, pairs) = (sampler.batch_size(), sampler.report(0).pairs);
            return Err(PretrainError::NoBatches { arm: arm.title.clone(), batch_size, pairs });
        }
        Ok(sampler)
    }

    /// One sampler of an arm.
    pub(super) fn draw(
        &self,
        arm: &Arm,
        draw: &Draw,
        seed: u64,
        clustering: &dyn Fn(&ClusterConfig) -> Result<Clustering>,
    ) -> Result<Box<dyn BatchSampler>> {
        let Draw { cluster, sampler: config } = draw;
        let failed = |source| PretrainError::Sample { arm: arm.title.clone(), source };
        let mut strata = match config.kind {
            // Nobody made clusters for it.
            SamplerKind::Uniform => Strata { pairs: self.dataset.train.len(), ..Strata::default() },
            SamplerKind::Stratified | SamplerKind::TopicAware => self.strata(cluster, clustering)?,
        };
        let sources = self.dataset.sources.as_ref().filter(|_| config.by_source);
        if let Some(sources) = sources {
            strata = within_sources(strata, sources);
        }
        let kept = self.consistent(config.consistent_within)?;
        if let Some(kept) = &kept {
            strata.pairs = kept.len();
            strata.labels = strata.labels.map(|labels| of_kept(kept, &labels));
        }
        let mut weighing = None;
        if let (Some(sources), Some(labels), Some(weights)) = (sources, &strata.labels, source_weights(&self.config)?) {
            let of_pairs =
                kept.as_ref().map_or_else(|| sources.of_pair.clone(), |kept| of_kept(kept, &sources.of_pair));
            weighing = Some(weighted(config, labels, &of_pairs, &weights));
        }
        let mut sampler = self.parts.sampler(weighing.as_ref().unwrap_or(config), &strata, seed).map_err(failed)?;
        if !config.unique.is_empty() {
            let keys = config.unique.iter().map(|&key| self.keys(key));
            let keys =
                keys.map(|keys| kept.as_ref().map_or_else(|| keys.clone(), |kept| of_kept(kept, &keys))).collect();
            let unique = UniqueBy::new(sampler, keys).map_err(failed)?;
            sampler = Box::new(unique.with_drop_last(config.drop_last));
        }
        match kept {
            Some(kept) => Ok(Box::new(Subset::new(sampler, kept, self.dataset.train.len()).map_err(failed)?)),
            None => Ok(sampler),
        }
    }

    /// For each training pair the stratum that it is drawn from.
    fn strata(
        &self,
        cluster: &ClusterConfig,
        clustering: &dyn Fn(&ClusterConfig) -> Result<Clustering>,
    ) -> Result<Strata> {
        let pairs = self.dataset.train.len();
        match (cluster.of, &self.dataset.topics) {
            (ClusterOf::None, _) => Ok(Strata { pairs, ..Strata::default() }),
            (ClusterOf::Topics, Some(topics)) => {
                let labels = self.dataset.train.iter().map(|pair| topics.of_passage[pair.passage as usize]).collect();
                Ok(Strata { pairs, labels: Some(labels), clustering: None })
            }
            (ClusterOf::Topics, None) => Err(PretrainError::NoTopics { path: self.config.data.place() }),
            _ => {
                let clustering = clustering(cluster)?;
                let labels = Some(self.clustered_rows(cluster.of).expand(&clustering.labels));
                Ok(Strata { pairs, labels, clustering: Some(clustering) })
            }
        }
    }

    /// For each training pair its cluster in what an arm draws from first of all that has clusters; where there are none, its source if batches
    /// are of one. `None` if there is neither.
    pub(super) fn labels(&self, arm: &Arm) -> Result<Option<Vec<u32>>> {
        self.labels_of(arm, &|config| self.clustering(config))
    }

    /// The same of other clusters.
    pub(super) fn labels_of(
        &self,
        arm: &Arm,
        clustering: &dyn Fn(&ClusterConfig) -> Result<Clustering>,
    ) -> Result<Option<Vec<u32>>> {
        for draw in arm.draws.iter().filter(|draw| draw.sampler.kind != SamplerKind::Uniform) {
            if let Some(labels) = self.strata(&draw.cluster, clustering)?.labels {
                return Ok(Some(labels));
            }
        }
        let by_source = arm.draws.iter().any(|draw| draw.sampler.by_source);
        Ok(self.dataset.sources.as_ref().filter(|_| by_source).map(|sources| sources.of_pair.clone()))
    }

    /// For each training pair the number of what it may not share with another of its batch.
    fn keys(&self, key: UniqueKey) -> Vec<u32> {
        let of = |pair: &Pair| match key {
            UniqueKey::Query => pair.query,
            UniqueKey::Passage => pair.passage,
        };
        self.dataset.train.iter().map(of).collect()
    }
}

/// What the kept pairs have of what all have.
fn of_kept(kept: &[u32], all: &[u32]) -> Vec<u32> {
    kept.iter().map(|&pair| all[pair as usize]).collect()
}
