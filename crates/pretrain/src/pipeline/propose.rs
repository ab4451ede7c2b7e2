//! Which clusters and groups to draw batches from, and which margin a guide wants, proposed before anything is trained.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use kmeans::{Clustering, SphericalKMeansConfig};
use serde::{Deserialize, Serialize};
use stratified_sampler::BatchSampler;

use super::Pipeline;
use super::inspect_plan::{Inspector, PlanInspection, guide_of};
use super::propose_margin::FoundMargin;
use crate::config::{Arm, ClusterConfig, ClusterOf, Draw, SamplerConfig, SamplerKind};
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::rows::as_vectors;
use crate::run_folder::{Clusters, Member};

/// Numbers of clusters that are tried where none are named, as far as the data has pairs for them.
const CLUSTERS: [usize; 7] = [10, 30, 100, 300, 1_000, 3_000, 10_000];
/// The same of pairs of one cluster in a batch.
const GROUPS: [usize; 5] = [8, 16, 32, 64, 128];

/// The least share of the training pairs that an epoch of what is proposed draws.
const LEAST_DRAWN: f64 = 0.9;

/// What is tried, and by what it is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposalConfig {
    /// Numbers of clusters; empty: 10, 30, 100, 300 and so on.
    pub clusters: Vec<usize>,
    /// Pairs of one cluster in a batch, beside whole batches of one; empty: 8, 16, 32, 64, 128.
    pub groups: Vec<usize>,
    /// Batches of each that are looked at.
    pub batches: usize,
    /// The share of a pair's negatives of its own cluster that may be false at most.
    pub most_false: f64,
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
    /// The negatives that may be false beyond those of batches of all pairs alike, as a share of a pair's negatives of its own cluster.
    pub false_in_cluster: f64,
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
    /// Of those that draw nine tenths of the pairs or more, without too many false negatives, the first whose pairs find their own passage nearest as
    /// seldom as those of the hardest do, within the standard error of that (Breiman et al. 1984, §3.4.3); `None` where there are none.
    pub chosen: Option<usize>,
    /// Which margin of a guide tells false negatives from hard ones, for the chosen batches.
    pub margin: FoundMargin,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Clusters what an arm draws from in several ways, looks at batches drawn from each, and says which it would take. Nothing of it is kept.
    ///
    /// # Errors
    /// The arm draws from no clusters of embeddings, nothing of what is to be tried can be drawn, or the embeddings are missing.
    pub fn propose(&self, member: Member<'_>, config: &ProposalConfig) -> Result<Proposal> {
        let base = member.arm.draws.iter().find(|draw| is_of_embeddings(draw));
        let base = base.ok_or_else(|| self.no_embeddings_of(member.arm))?;
        let (of, pairs, size) = (base.cluster.of, self.dataset.train.len(), base.sampler.batch_size);
        let nothing = || PretrainError::NothingToPropose { pairs, batch_size: size };
        let vectors = [self.vectors(Side::Query)?, self.vectors(Side::Passage)?];
        let inspector = self.inspector(&vectors, 0, config.batches)?;
        let rows = self.clustered_rows(of);
        let row_vectors = self.row_vectors(of, &rows)?;
        let alike = self.inspect_alike(member, &inspector)?;
        let (mut candidates, mut samplers) = (Vec::new(), Vec::new());
        for (clusters, groups) in grid(config, pairs, size, base.sampler.by_source) {
            let of_clusters = with_clusters(&base.cluster, clusters);
            let fits = of_clusters.balance.is_none_or(|bounds| bounds.check(rows.items.len(), clusters).is_ok());
            if clusters > rows.items.len() || !fits {
                continue;
            }
            let made = Clusters { name: "tried".into(), config: of_clusters, folder: self.run.root().to_owned() };
            let fitted = self.fit(&made, &as_vectors(&row_vectors))?;
            for group in groups {
                let draw = Draw { cluster: made.config.clone(), sampler: with_group(&base.sampler, group) };
                let of_draw = self.candidate(member, &draw, fitted.clustering(), &inspector, &alike)?;
                if let Some((candidate, sampler)) = of_draw {
                    candidates.push(candidate);
                    samplers.push(sampler);
                }
            }
        }
        if candidates.is_empty() {
            return Err(nothing());
        }
        let chosen = choose(&candidates, config.most_false);
        let margin = match chosen {
            Some(place) => FoundMargin::of(&inspector, &*samplers[place])?,
            None => FoundMargin::NoBatches,
        };
        Ok(Proposal { of, alike, candidates, chosen, margin })
    }

    /// The name of the first arm that draws from clusters of embeddings.
    pub(crate) fn first_of_embeddings(&self) -> Option<&str> {
        self.run.arms().iter().find(|arm| arm.draws.iter().any(is_of_embeddings)).map(|arm| arm.name.as_str())
    }

    fn no_embeddings_of(&self, arm: &Arm) -> PretrainError {
        let others = self.run.arms().iter().filter(|arm| arm.draws.iter().any(is_of_embeddings));
        let others: Vec<&str> = others.map(|arm| arm.name.as_str()).collect();
        match others.is_empty() {
            true => PretrainError::NoClusters { dir: self.run.root().to_owned() },
            false => PretrainError::NoClustersOf { arm: arm.name.clone(), arms: others.join(", ") },
        }
    }

    /// What a draw's batches hold, and how they are drawn; `None` where there are none.
    fn candidate(
        &self,
        Member { arm, seed }: Member<'_>,
        draw: &Draw,
        clustering: &Clustering,
        inspector: &Inspector<'_>,
        alike: &PlanInspection,
    ) -> Result<Option<(Candidate, Box<dyn BatchSampler>)>> {
        let sampler = match self.draw(arm, draw, seed, &|_| Ok(clustering.clone())) {
            Ok(sampler) if sampler.len(0) > 0 => sampler,
            Ok(_) | Err(PretrainError::Sample { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (clusters, group, size) = (draw.cluster.clusters(), draw.sampler.group, sampler.batch_size());
        let name = match group {
            None => format!("{clusters} clusters, whole"),
            Some(group) => format!("{clusters} clusters, groups of {group}"),
        };
        let labels = self.clustered_rows(draw.cluster.of).expand(&clustering.labels);
        let plan = inspector.inspect::<B>(name, &*sampler, Some(&labels), guide_of(arm), &self.device)?;
        let drawn = (sampler.len(0) * size) as f64 / self.dataset.train.len() as f64;
        let more_false = f64::from(plan.hardness.false_negatives - alike.hardness.false_negatives);
        let others = |of: usize| of.saturating_sub(1).max(1) as f64;
        let false_in_cluster = more_false.max(0.0) * others(size) / others(group.unwrap_or(size));
        Ok(Some((Candidate { clusters, group, drawn: drawn.min(1.0), false_in_cluster, plan }, sampler)))
    }
}

/// Whether a draw is of clusters of embeddings.
fn is_of_embeddings(draw: &Draw) -> bool {
    let of_embeddings = |cluster: &ClusterConfig| !matches!(cluster.of, ClusterOf::Random);
    draw.clusters().is_some_and(of_embeddings)
}

/// The first of those that may be taken that is as hard as the hardest.
fn choose(candidates: &[Candidate], most_false: f64) -> Option<usize> {
    let may_be_taken =
        |candidate: &&Candidate| candidate.drawn >= LEAST_DRAWN && candidate.false_in_cluster <= most_false;
    let nearest = |candidate: &Candidate| f64::from(candidate.plan.hardness.accuracy);
    let hardest =
        candidates.iter().filter(may_be_taken).min_by(|one, other| nearest(one).total_cmp(&nearest(other)))?;
    let share = nearest(hardest);
    let error = (share * (1.0 - share) / hardest.plan.hardness.pairs.max(1) as f64).sqrt();
    candidates.iter().position(|candidate| may_be_taken(&candidate) && nearest(candidate) <= share + error)
}

/// For each number of clusters how batches of `size` are drawn from them, where `pairs` suffice: whole batches of one, which the mean cluster
/// fills, or groups, of which it has two. Batches of one source are whole ones.
fn grid(config: &ProposalConfig, pairs: usize, size: usize, by_source: bool) -> Vec<(usize, Vec<Option<usize>>)> {
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
            !by_source
                && (1..size).contains(&group)
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
    let kmeans = SphericalKMeansConfig { k: clusters, ..base.kmeans.clone() };
    ClusterConfig { kmeans, levels: Vec::new(), ..base.clone() }
}

/// The sampler's settings for batches of one cluster, or of groups, which have less to set.
fn with_group(base: &SamplerConfig, group: Option<usize>) -> SamplerConfig {
    let SamplerConfig { batch_size, drop_last, unique, consistent_within, by_source, .. } = base.clone();
    let shared =
        SamplerConfig { batch_size, drop_last, unique, consistent_within, by_source, ..SamplerConfig::default() };
    match (group, base.kind) {
        (Some(_), _) => SamplerConfig { kind: SamplerKind::TopicAware, group, ..shared },
        (None, SamplerKind::Stratified) => SamplerConfig { curriculum: None, ..base.clone() },
        (None, _) => shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::inspect_plan::Hardness;

    #[test]
    fn only_what_the_pairs_suffice_for_is_tried() {
        let config = |clusters: &[usize], groups: &[usize]| ProposalConfig {
            clusters: clusters.to_vec(),
            groups: groups.to_vec(),
            batches: 1,
            most_false: 0.0,
        };
        let grid = |config: &ProposalConfig, pairs, size| grid(config, pairs, size, false);
        let all = grid(&config(&[], &[]), 10_000, 256);
        assert_eq!(all[0], (10, vec![None, Some(32), Some(64), Some(128)]));
        assert_eq!(all[1], (30, vec![None, Some(16), Some(32), Some(64), Some(128)]));
        assert_eq!(all[2], (100, vec![Some(8), Some(16), Some(32)]));
        assert_eq!(all.last(), Some(&(300, vec![Some(8), Some(16)])));
        // Not a part of the batch, as large as it, and nothing.
        assert_eq!(grid(&config(&[20, 20], &[24, 256, 0, 64]), 10_000, 256), [(20, vec![None, Some(64)])]);
        assert_eq!(grid(&config(&[5_000], &[]), 10_000, 256), []);
    }
    /// A candidate of 10,000 looked-at pairs.
    fn candidate(clusters: usize, accuracy: f32, false_in_cluster: f64, drawn: f64) -> Candidate {
        let hardness = Hardness { pairs: 10_000, accuracy, ..Hardness::default() };
        let plan = PlanInspection {
            name: String::new(),
            batches: 1,
            of: 1,
            batch_size: 8,
            strata: None,
            repeated: [0.0; 2],
            hardness,
            by_stratum: Vec::new(),
        };
        Candidate { clusters, group: None, drawn, false_in_cluster, plan }
    }

    #[test]
    fn the_first_that_is_as_hard_as_the_hardest_is_chosen() {
        let of = |candidates: &[Candidate]| choose(candidates, 0.1).map(|place| candidates[place].clusters);
        let [easy, hard] = [candidate(10, 0.6, 0.0, 1.0), candidate(30, 0.504, 0.0, 1.0)];
        // The standard error at a half is .005.
        let hardest = candidate(100, 0.5, 0.1, 0.9);
        assert_eq!(of(&[easy.clone(), hard.clone(), hardest.clone()]), Some(30));
        assert_eq!(of(&[easy.clone(), hardest]), Some(100));
        let [of_doubtful, of_few] = [candidate(200, 0.1, 0.11, 1.0), candidate(300, 0.1, 0.0, 0.85)];
        assert_eq!(of(&[easy, hard, of_doubtful.clone(), of_few.clone()]), Some(30));
        assert_eq!(of(&[of_doubtful, of_few]), None);
    }

    #[test]
    fn batches_of_one_source_are_whole_ones() {
        let config = ProposalConfig { clusters: vec![4], groups: vec![8], batches: 1, most_false: 0.0 };
        assert_eq!(grid(&config, 1_000, 64, true), [(4, vec![None])]);
        assert_eq!(grid(&config, 1_000, 16, false), [(4, vec![None, Some(8)])]);
    }
}
