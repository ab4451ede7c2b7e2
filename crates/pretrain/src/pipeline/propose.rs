//! Which clusters and groups to draw batches from, and which margin a guide wants, proposed before anything is trained.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use kmeans::Clustering;
use serde::{Deserialize, Serialize};
use stratified_sampler::BatchSampler;

use super::Pipeline;
use super::inspect_plan::{Inspector, PlanInspection, guide_of};
use super::propose_margin::ProposedMargin;
use crate::config::{Arm, ClusterConfig, ClusterOf, Draw, SamplerConfig, SamplerKind};
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::rows::as_vectors;
use crate::run_folder::{Clusters, Member};

/// Numbers of clusters that are tried where none are named, as far as the data has pairs for them.
const CLUSTERS: [usize; 7] = [10, 30, 100, 300, 1_000, 3_000, 10_000];
/// The same of pairs of one cluster in a batch.
const GROUPS: [usize; 5] = [8, 16, 32, 64, 128];

/// What is tried, and by what it is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposalConfig {
    /// Numbers of clusters; empty: 10, 30, 100, 300 and so on.
    pub clusters: Vec<usize>,
    /// Pairs of one cluster in a batch, beside whole batches of one; empty: 8, 16, 32, 64, 128.
    pub groups: Vec<usize>,
    /// Batches of each that are looked at.
    pub batches: usize,
    /// The share of negatives that may be false beyond those of batches of all pairs alike.
    pub more_false: f32,
}

/// One number of clusters, and how batches are drawn from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Clusters.
    pub clusters: usize,
    /// Pairs of one cluster in a batch; `None`: all of them.
    pub group: Option<usize>,
    /// The share of the training pairs that an epoch draws.
    pub drawn: f64,
    /// What its batches hold.
    pub plan: PlanInspection,
}

/// What was tried and what is proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What is clustered.
    pub of: ClusterOf,
    /// Batches of all pairs alike.
    pub alike: PlanInspection,
    /// What was tried, fewer clusters first, whole batches before groups, small groups before large ones.
    pub candidates: Vec<Candidate>,
    /// Of those without too many false negatives the one whose pairs find their own passage nearest least often; `None` where all have too many.
    pub chosen: Option<usize>,
    /// Which margin of a guide tells the other known answers of a query from the nearest negatives of the chosen batches; `None` where the data
    /// knows too few.
    pub margin: Option<ProposedMargin>,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Clusters what an arm draws from in several ways, looks at batches drawn from each, and says which it would take. Nothing is written.
    ///
    /// # Errors
    /// The arm draws from no clusters of embeddings, nothing of what is to be tried can be drawn, or the embeddings are missing.
    pub fn propose(&self, member: Member<'_>, config: &ProposalConfig) -> Result<Proposal> {
        let base = member.arm.draws.iter().find(|draw| is_of_embeddings(draw.cluster.of));
        let base = base.ok_or_else(|| PretrainError::NoClusters { dir: self.run.root().to_owned() })?;
        let (of, pairs, size) = (base.cluster.of, self.dataset.train.len(), base.sampler.batch_size);
        let grid = grid(config, pairs, size);
        if grid.is_empty() {
            return Err(PretrainError::NothingToPropose { pairs, batch_size: size });
        }
        let vectors = [self.vectors(Side::Query)?, self.vectors(Side::Passage)?];
        let inspector = self.inspector(&vectors, 0, config.batches)?;
        let alike = self.inspect_alike(member, &inspector)?;
        let rows = self.clustered_rows(of);
        let row_vectors = self.row_vectors(of, &rows)?;
        let mut candidates = Vec::new();
        let mut chosen: Option<(usize, Box<dyn BatchSampler>)> = None;
        for (clusters, groups) in grid {
            let of_cluster =
                ClusterConfig { levels: Vec::new(), balance: None, ..with_clusters(&base.cluster, clusters) };
            if clusters > rows.items.len() {
                continue;
            }
            let made =
                Clusters { name: format!("into {clusters}"), config: of_cluster, folder: self.run.root().to_owned() };
            let fitted = self.fit(&made, &as_vectors(&row_vectors))?;
            for group in groups {
                let draw = Draw { cluster: made.config.clone(), sampler: with_group(&base.sampler, group) };
                let (candidate, sampler) = self.candidate(member, &draw, fitted.clustering(), &inspector)?;
                let Some(candidate) = candidate else { continue };
                let best = chosen.as_ref().map(|(place, _)| &candidates[*place]);
                if is_better(&candidate, best, &alike, config.more_false) {
                    chosen = Some((candidates.len(), sampler));
                }
                candidates.push(candidate);
            }
        }
        if candidates.is_empty() {
            return Err(PretrainError::NothingToPropose { pairs, batch_size: size });
        }
        let margin = match &chosen {
            Some((_, sampler)) => ProposedMargin::find(&inspector, &**sampler)?,
            None => None,
        };
        Ok(Proposal { of, alike, candidates, chosen: chosen.map(|(place, _)| place), margin })
    }

    /// The name of the first arm that draws from clusters of embeddings.
    pub(crate) fn first_of_embeddings(&self) -> Option<&str> {
        let draws = |arm: &&Arm| arm.draws.iter().any(|draw| is_of_embeddings(draw.cluster.of));
        self.run.arms().iter().find(draws).map(|arm| arm.name.as_str())
    }

    /// What a draw's batches hold, if there are any.
    fn candidate(
        &self,
        Member { arm, seed }: Member<'_>,
        draw: &Draw,
        clustering: &Clustering,
        inspector: &Inspector<'_>,
    ) -> Result<(Option<Candidate>, Box<dyn BatchSampler>)> {
        let sampler = self.draw(arm, draw, seed, &|_| Ok(clustering.clone()))?;
        if sampler.len(0) == 0 {
            return Ok((None, sampler));
        }
        let (clusters, group) = (draw.cluster.clusters(), draw.sampler.group);
        let name = match group {
            None => format!("{clusters} clusters, whole"),
            Some(group) => format!("{clusters} clusters, groups of {group}"),
        };
        let labels = self.clustered_rows(draw.cluster.of).expand(&clustering.labels);
        let plan = inspector.inspect::<B>(name, &*sampler, Some(&labels), guide_of(arm), &self.device)?;
        let drawn = (sampler.len(0) * sampler.batch_size()) as f64 / self.dataset.train.len() as f64;
        Ok((Some(Candidate { clusters, group, drawn: drawn.min(1.0), plan }), sampler))
    }
}

fn is_of_embeddings(of: ClusterOf) -> bool {
    matches!(of, ClusterOf::Queries | ClusterOf::Passages | ClusterOf::Both)
}

/// Whether a candidate has few false negatives and harder ones than the best before it.
fn is_better(candidate: &Candidate, best: Option<&Candidate>, alike: &PlanInspection, more_false: f32) -> bool {
    let of = |candidate: &Candidate| candidate.plan.hardness.accuracy;
    let few = candidate.plan.hardness.false_negatives <= alike.hardness.false_negatives + more_false;
    few && best.is_none_or(|best| of(candidate) < of(best))
}

/// For each number of clusters how batches of `size` are drawn from them, where `pairs` suffice: whole batches of one, which the mean cluster
/// fills, or groups, of which it has two.
fn grid(config: &ProposalConfig, pairs: usize, size: usize) -> Vec<(usize, Vec<Option<usize>>)> {
    let or = |given: &[usize], default: &[usize]| {
        let mut values = if given.is_empty() { default.to_vec() } else { given.to_vec() };
        values.sort_unstable();
        values.dedup();
        values
    };
    let groups = or(&config.groups, &GROUPS);
    let of = |clusters: usize| {
        let whole = (pairs >= clusters * size).then_some(None);
        let fits = |&group: &usize| {
            (1..size).contains(&group)
                && size.is_multiple_of(group)
                && clusters >= size / group
                && pairs >= 2 * group * clusters
        };
        whole.into_iter().chain(groups.iter().copied().filter(fits).map(Some)).collect::<Vec<_>>()
    };
    let clusters = or(&config.clusters, &CLUSTERS).into_iter().filter(|&clusters| clusters > 1);
    clusters.map(|clusters| (clusters, of(clusters))).filter(|(_, groups)| !groups.is_empty()).collect()
}

fn with_clusters(base: &ClusterConfig, clusters: usize) -> ClusterConfig {
    let mut config = base.clone();
    config.kmeans.k = clusters;
    config
}

/// The sampler's settings that both kinds have, and which of them.
fn with_group(base: &SamplerConfig, group: Option<usize>) -> SamplerConfig {
    let SamplerConfig { batch_size, drop_last, unique, consistent_within, by_source, .. } = base.clone();
    let kind = if group.is_some() { SamplerKind::TopicAware } else { SamplerKind::Stratified };
    let of_both = SamplerConfig {
        batch_size,
        drop_last,
        unique,
        consistent_within,
        by_source,
        kind,
        group,
        ..SamplerConfig::default()
    };
    match (group, base.kind) {
        // What only batches of one cluster have.
        (None, SamplerKind::Stratified) => {
            SamplerConfig { kind, group, strata_per_batch: None, curriculum: None, ..base.clone() }
        }
        _ => of_both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_pairs_suffice_for_is_tried() {
        let config = |clusters: &[usize], groups: &[usize]| ProposalConfig {
            clusters: clusters.to_vec(),
            groups: groups.to_vec(),
            batches: 1,
            more_false: 0.0,
        };
        let all = grid(&config(&[], &[]), 10_000, 256);
        assert_eq!(all[0], (10, vec![None, Some(32), Some(64), Some(128)]));
        assert_eq!(all[1], (30, vec![None, Some(16), Some(32), Some(64), Some(128)]));
        assert_eq!(all[2], (100, vec![Some(8), Some(16), Some(32)]));
        assert_eq!(all.last(), Some(&(300, vec![Some(8), Some(16)])));
        // Not a part of the batch, as large as it, and nothing.
        assert_eq!(grid(&config(&[20, 20], &[24, 256, 0, 64]), 10_000, 256), [(20, vec![None, Some(64)])]);
        assert_eq!(grid(&config(&[5_000], &[]), 10_000, 256), []);
    }
}
