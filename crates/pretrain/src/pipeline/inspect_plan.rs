//! What the batches of a plan hold, before anything is trained: by the vectors of the clustering embedder.

use std::collections::BTreeMap;

use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use embed::Side;
use infonce::{ContrastiveLoss, Guide, GuideRows, InBatch, InfoNceConfig, Similarities, Similarity};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use stratified_sampler::{BatchSampler, UniformConfig};

use super::Pipeline;
use super::embed_texts::StoredVectors;
use crate::config::Arm;
use crate::data::{Pair, Positives};
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::run_folder::Member;
use crate::train::PairGuide;

/// Where the loss has no guide: a passage that the embedder finds at least 95% as near as the query's own is taken for a false negative, as
/// NV-Retriever (Moreira et al. 2024, arXiv 2407.15831) does where it mines.
pub(super) const DEFAULT_GUIDE: Guide = Guide { margin: 0.05, relative: true };

/// What some batches of an arm hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanInspection {
    /// The arm, as tables name it; "pairs alike" of batches that are drawn from all pairs alike.
    pub name: String,
    /// Batches that were looked at, evenly over the epoch.
    pub batches: usize,
    /// Batches of the epoch.
    pub of: usize,
    /// Pairs of a batch.
    pub batch_size: usize,
    /// How many strata a batch draws from, in the mean; `None` without strata.
    pub strata: Option<f64>,
    /// The share of pairs whose query, and whose passage, another pair of the batch has too.
    pub repeated: [f64; 2],
    /// How hard the negatives are.
    pub hardness: Hardness,
    /// The same of the pairs of each stratum among the candidates of their batch, ascending.
    pub by_stratum: Vec<(u32, Hardness)>,
}

/// How near the negatives of some pairs are by the clustering embedder's cosines, repeated texts and known positives left out.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Hardness {
    /// Pairs that were looked at.
    pub pairs: usize,
    /// The mean similarity of a query and its own passage.
    pub positive: f32,
    /// The mean similarity of a query and its negatives.
    pub negative: Option<f32>,
    /// Below it are 95% of these; of several batches the largest.
    pub negative_p95: Option<f32>,
    /// The share of negatives that are nearer than the query's own passage.
    pub harder: Option<f32>,
    /// The share of pairs whose own passage is nearest.
    pub accuracy: f32,
    /// The share of negatives that a guide takes for false: `loss.guide` of the configuration, or those at least 95% as near as the query's own.
    pub false_negatives: f32,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// What at most `batches` batches of an epoch hold, evenly over it, of each member; before them, where none of them is unclustered, of as
    /// large batches that are drawn from all pairs alike.
    ///
    /// # Errors
    /// A member's arm is not clustered yet, or no batch can be drawn.
    pub fn inspect_plans(&self, members: &[Member<'_>], epoch: u64, batches: usize) -> Result<Vec<PlanInspection>> {
        let vectors = [self.vectors(Side::Query)?, self.vectors(Side::Passage)?];
        let inspector = self.inspector(&vectors, epoch, batches)?;
        let mut inspections = Vec::with_capacity(members.len() + 1);
        for &member in members {
            let (sampler, labels) = (self.sampler(member)?, self.labels(member.arm)?);
            if inspections.is_empty() && !members.iter().any(|member| member.arm.is_unclustered()) {
                inspections.push(self.inspect_alike(member, &inspector)?);
            }
            let (name, labels) = (member.arm.title.clone(), labels.as_deref());
            inspections.push(inspector.inspect::<B>(name, &*sampler, labels, guide_of(member.arm), &self.device)?);
        }
        Ok(inspections)
    }

    /// What batches as large as the member's hold that are drawn from all pairs alike.
    pub(super) fn inspect_alike(&self, member: Member<'_>, inspector: &Inspector<'_>) -> Result<PlanInspection> {
        let sampler = &member.arm.config.sampler;
        let failed = |source| PretrainError::Sample { arm: member.arm.title.clone(), source };
        let alike = UniformConfig::new(sampler.batch_size).with_seed(member.seed).with_drop_last(sampler.drop_last);
        let alike = alike.build(self.dataset.train.len()).map_err(failed)?;
        inspector.inspect::<B>("pairs alike".into(), &alike, None, guide_of(member.arm), &self.device)
    }

    /// What looks at `batches` batches of an epoch by the clustering embedder's vectors of queries and passages.
    pub(super) fn inspector<'a>(
        &'a self,
        vectors: &'a [StoredVectors; 2],
        epoch: u64,
        batches: usize,
    ) -> Result<Inspector<'a>> {
        let rows = self.guide(vectors)?;
        Ok(Inspector { pairs: &self.dataset.train, positives: self.dataset.positives(), rows, epoch, batches })
    }
}

/// What false negatives of an arm's batches are counted by.
pub(super) fn guide_of(arm: &Arm) -> Guide {
    arm.config.loss.guide.unwrap_or(DEFAULT_GUIDE)
}

/// What all plans of a run are looked at by.
pub(super) struct Inspector<'a> {
    pub(super) pairs: &'a [Pair],
    pub(super) positives: Positives,
    pub(super) rows: PairGuide<'a>,
    epoch: u64,
    batches: usize,
}

impl Inspector<'_> {
    /// How many batches are looked at, at most.
    pub(super) fn batches(&self) -> usize {
        self.batches.max(1)
    }

    /// The batches that are looked at of those that `sampler` draws, each with the pairs that it is.
    pub(super) fn for_each_batch(
        &self,
        name: &str,
        sampler: &dyn BatchSampler,
        mut look: impl FnMut(&[u32], Vec<Pair>) -> Result<()>,
    ) -> Result<usize> {
        let of = sampler.len(self.epoch);
        let batches = self.batches.clamp(1, of.max(1));
        let mut batch = Vec::new();
        for place in 0..batches {
            let failed = |source| PretrainError::Sample { arm: name.to_owned(), source };
            sampler.batch(self.epoch, place * of / batches, &mut batch).map_err(failed)?;
            look(&batch, batch.iter().map(|&pair| self.pairs[pair as usize]).collect())?;
        }
        Ok(batches)
    }

    pub(super) fn inspect<B: AutodiffBackend>(
        &self,
        name: String,
        sampler: &dyn BatchSampler,
        labels: Option<&[u32]>,
        guide: Guide,
        device: &B::Device,
    ) -> Result<PlanInspection> {
        let (mut pairs, mut strata, mut repeated) = (0, 0, [0; 2]);
        let (mut all, mut by_stratum) = (None, BTreeMap::new());
        let batches = self.for_each_batch(&name, sampler, |batch, texts| {
            pairs += batch.len();
            repeated[0] += batch.len() - distinct(texts.iter().map(|pair| pair.query));
            repeated[1] += batch.len() - distinct(texts.iter().map(|pair| pair.passage));
            let labels: Vec<u32> = match labels {
                Some(labels) => batch.iter().map(|&pair| labels[pair as usize]).collect(),
                None => Vec::new(),
            };
            strata += distinct(labels.iter().copied());
            let (of_batch, of_strata) = self.measure::<B>(batch, &texts, &labels, guide, device)?;
            all = Some(of_batch.after(all.take()));
            for (stratum, seen) in of_strata {
                let before = by_stratum.get(&stratum).copied();
                by_stratum.insert(stratum, seen.after(before));
            }
            Ok(())
        })?;
        Ok(PlanInspection {
            name,
            batches,
            of: sampler.len(self.epoch),
            batch_size: sampler.batch_size(),
            strata: labels.map(|_| strata as f64 / batches as f64),
            repeated: repeated.map(|repeated| repeated as f64 / pairs as f64),
            hardness: all.map_or_else(Hardness::default, Hardness::from),
            by_stratum: by_stratum.into_iter().map(|(stratum, seen)| (stratum, seen.into())).collect(),
        })
    }

    /// A batch, and the pairs of each of its strata.
    fn measure<B: AutodiffBackend>(
        &self,
        batch: &[u32],
        texts: &[Pair],
        strata: &[u32],
        guide: Guide,
        device: &B::Device,
    ) -> Result<(Seen, Vec<(u32, Seen)>)> {
        let (rows, width) = (self.rows.rows(batch, None), self.rows.queries.dim());
        let [queries, passages] = &rows;
        let tensor = |values: &[f32]| {
            Tensor::<B::InnerBackend, 2>::from_data(TensorData::new(values.to_vec(), [texts.len(), width]), device)
        };
        let query_ids: Vec<u64> = texts.iter().map(|pair| pair.query.into()).collect();
        let passage_ids: Vec<u64> = texts.iter().map(|pair| pair.passage.into()).collect();
        let known: Vec<Vec<u64>> = texts
            .iter()
            .map(|pair| self.positives.of(pair.query).iter().map(|&passage| passage.into()).collect())
            .collect();
        let known: Vec<&[u64]> = known.iter().map(Vec::as_slice).collect();
        let of = |config: InfoNceConfig, guide: Option<GuideRows<'_>>| -> Result<_> {
            let known = InBatch {
                query_ids: &query_ids,
                passage_ids: &passage_ids,
                known_positives: &known,
                strata,
                guide,
                ..InBatch::default()
            };
            let loss = config.with_similarity(Similarity::Cosine).build()?;
            Ok(loss.loss_and_gradients(tensor(queries), tensor(passages), &known))
        };
        let plain = of(InfoNceConfig::default().with_percentile(true), None)?;
        let guided = of(InfoNceConfig::default().with_guide(guide), Some(GuideRows { queries, passages, width }))?;
        let seen = |accuracy, plain, guided| Seen { accuracy, plain, guided };
        let of_strata = plain
            .by_stratum
            .iter()
            .zip(&guided.by_stratum)
            .map(|(plain, guided)| (plain.stratum, seen(plain.accuracy, plain.similarities, guided.similarities)));
        let of_strata = of_strata.collect();
        Ok((seen(plain.accuracy, plain.similarities, guided.similarities), of_strata))
    }
}

/// What a loss says of some pairs without a guide, and with one.
#[derive(Debug, Clone, Copy)]
struct Seen {
    accuracy: f32,
    plain: Similarities,
    guided: Similarities,
}

impl Seen {
    /// Both.
    fn after(self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        let weighted = |seen: &Self| f64::from(seen.accuracy) * seen.plain.pairs as f64;
        let pairs = (self.plain.pairs + before.plain.pairs) as f64;
        Self {
            accuracy: ((weighted(&self) + weighted(&before)) / pairs) as f32,
            plain: before.plain.merge(self.plain),
            guided: before.guided.merge(self.guided),
        }
    }
}

impl From<Seen> for Hardness {
    fn from(Seen { accuracy, plain, guided }: Seen) -> Self {
        let negatives = plain.negatives.max(1) as f64;
        Self {
            pairs: plain.pairs,
            positive: plain.positive,
            negative: plain.negative,
            negative_p95: plain.negative_p95,
            harder: plain.harder,
            accuracy,
            false_negatives: (plain.negatives.saturating_sub(guided.negatives) as f64 / negatives) as f32,
        }
    }
}

fn distinct(values: impl Iterator<Item = u32>) -> usize {
    values.collect::<FxHashSet<u32>>().len()
}
