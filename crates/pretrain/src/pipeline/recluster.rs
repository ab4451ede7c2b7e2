//! Clusters of the student's own embeddings, made anew while it trains.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use embed::{Embedder, Encoder, NeuralEmbedder, Side};
use kmeans::Clustering;
use stratified_sampler::{BatchSampler, SamplerError};
use vectors::NpyVectors;

use super::Pipeline;
use super::cluster::ClusteredRows;
use super::initial::Start;
use crate::config::{ClusterConfig, ClusterOf};
use crate::data::Texts;
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::rows::{as_vectors, embed_quietly};
use crate::run_folder::{Clusters, Member};

/// When and how a training clusters anew.
pub(super) struct Reclustering<'a, B: AutodiffBackend, P: Parts<B>> {
    pipeline: &'a Pipeline<B, P>,
    member: Member<'a>,
    start: &'a Start,
    every: usize,
    folder: PathBuf,
}

impl<'a, B: AutodiffBackend, P: Parts<B>> Reclustering<'a, B, P> {
    /// As the configuration says; `None` where it says nothing, or the arm draws from no clusters of embeddings.
    pub(super) fn new(pipeline: &'a Pipeline<B, P>, member: Member<'a>, start: &'a Start) -> Option<Self> {
        let every = member.arm.config.train.recluster_every?;
        let folder = pipeline.run.member(member).join("reclustered");
        let this = Self { pipeline, member, start, every, folder };
        let any = this.clusters().next().is_some();
        any.then_some(this)
    }

    /// What is clustered anew.
    fn clusters(&self) -> impl Iterator<Item = &'a ClusterConfig> {
        self.member.arm.clusters().filter(|config| config.of != ClusterOf::Random)
    }

    /// Whether clusters are made after so many steps of a training of `steps`.
    pub(super) fn is_due(&self, step: usize, steps: usize) -> bool {
        step > 0 && step < steps && step.is_multiple_of(self.every)
    }

    /// After which of the first `step` steps, the last left out, clusters were made.
    pub(super) fn before(&self, step: usize) -> impl Iterator<Item = usize> {
        (self.every..step).step_by(self.every)
    }

    /// Removes what another training left.
    pub(super) fn clear(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PretrainError::io(&self.folder, error)),
            _ => Ok(()),
        }
    }

    /// Clusters what the arm draws from by the embeddings of `encoder`, and keeps that as made after `step` steps.
    pub(super) fn make<E>(&self, encoder: E, step: usize) -> Result<()>
    where
        E: Encoder<B::InnerBackend> + Sync,
    {
        let (pipeline, start) = (self.pipeline, self.start);
        let embedder = NeuralEmbedder::new(encoder, start.tokenizer.clone(), start.limits(), &pipeline.device)?;
        let embedder = embedder.with_prompts(start.prompts.clone());
        for (number, config) in self.clusters().enumerate() {
            let folder = self.place(step, number);
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(|source| PretrainError::io(&folder, source))?;
            }
            let name = format!("{} after step {step}, by the student", self.member);
            let clusters = Clusters { name, config: config.clone(), folder };
            let rows = self.rows(config.of, &embedder)?;
            let fitted = pipeline.fit(&clusters, &as_vectors(&rows))?;
            fitted.save(&clusters.folder).map_err(|source| clusters.failed(source))?;
        }
        Ok(())
    }

    /// The error of clusters that no batches can be drawn of.
    pub(super) fn cannot_draw(&self, source: SamplerError) -> PretrainError {
        PretrainError::Sample { arm: self.member.arm.title.clone(), source }
    }

    /// How batches are drawn after `step` steps.
    pub(super) fn sampler(&self, step: usize) -> Result<Box<dyn BatchSampler>> {
        // Of one seed pairs that were just drawn could come next.
        let seed = self.member.seed.wrapping_add((step / self.every) as u64);
        self.pipeline.sampler_of(Member { seed, ..self.member }, &|config| self.clustering(step, config))
    }

    /// For each training pair its cluster after `step` steps.
    pub(super) fn labels(&self, step: usize) -> Result<Option<Vec<u32>>> {
        self.pipeline.labels_of(self.member.arm, &|config| self.clustering(step, config))
    }

    fn clustering(&self, step: usize, config: &ClusterConfig) -> Result<Clustering> {
        match self.clusters().position(|of_arm| of_arm == config) {
            Some(number) => Ok(Clustering::load(&self.place(step, number))
                .map_err(|source| PretrainError::Cluster { arm: self.member.to_string(), source })?),
            None => self.pipeline.clustering(config),
        }
    }

    fn place(&self, step: usize, number: usize) -> PathBuf {
        let name = if number == 0 { "clusters".to_owned() } else { format!("clusters-{}", number + 1) };
        self.folder.join(format!("step-{step}")).join(name)
    }

    /// The rows that are clustered.
    fn rows(&self, of: ClusterOf, embedder: &dyn Embedder) -> Result<NpyVectors> {
        let (pipeline, scratch) = (self.pipeline, self.pipeline.run.root());
        let embed = |texts: &Texts, rows: &ClusteredRows, side| {
            let texts: Vec<&str> = rows.items.iter().map(|&row| texts.text(row)).collect();
            embed_quietly(embedder, &texts, side, scratch, &mut |_| ())
        };
        let dataset = &pipeline.dataset;
        let of_side = |side| match side {
            Side::Query => (&dataset.queries, pipeline.clustered_rows(ClusterOf::Queries)),
            Side::Passage => (&dataset.passages, pipeline.clustered_rows(ClusterOf::Passages)),
        };
        let side = |side| {
            let (texts, rows) = of_side(side);
            embed(texts, &rows, side)
        };
        match of {
            ClusterOf::Queries => side(Side::Query),
            ClusterOf::Passages => side(Side::Passage),
            _ => {
                let rows = [Side::Query, Side::Passage].map(|side| of_side(side).1.row_of_pair);
                let pairs = rows[0].iter().zip(&rows[1]).map(|(&query, &passage)| (query, passage));
                pipeline.means_of_pairs([&side(Side::Query)?, &side(Side::Passage)?], pairs)
            }
        }
    }
}
