//! The parts that a run is made of, each of which may be another's.

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use embed::{EmbedError, Embedder, Encoder, FolderOptions, LexicalConfig, LoadedModel, SaveFolder, load_embedder};
use infonce::{ContrastiveLoss, InfoNceConfig, InfoNceError};
use kmeans::{Clusterer, Clustering, KMeansError, RandomLabels};
use ndarray::ArrayView2;
use retrieval_eval::{EvalError, ExactSearcher, Searcher};
use stratified_sampler::{BatchSampler, Leftovers, SamplerError};

use crate::config::{
    ClusterConfig, ClusterOf, DataConfig, EmbedderConfig, EmbedderKind, SamplerConfig, SamplerKind, StudentConfig,
};
use crate::data::PairSource;
use crate::error::Result;
use crate::nearest::build_with_centroids;
use crate::student::{self, Origin, Student};

/// An encoder that a run trains, judges and saves: all of it follows from being an [`Encoder`], burn's module with gradients,
/// and [`SaveFolder`].
pub trait TrainableEncoder<B: AutodiffBackend>:
    Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend> + Sync> + SaveFolder
{
    /// The encoder before its first step, with its tokenizer, limit and prompts; the same seed gives the same weights.
    ///
    /// # Errors
    /// A folder cannot be read, or a setting is refused.
    fn from_config(
        config: &StudentConfig,
        origin: Origin<'_>,
        seed: u64,
        device: &B::Device,
    ) -> Result<LoadedModel<Self>, EmbedError>;

    /// The encoder with the vector of each token multiplied by its weight, where the configuration begins with weights;
    /// as it is, unless implemented otherwise.
    #[must_use]
    fn weighted(self, weights: &[f32]) -> Self {
        let _ = weights;
        self
    }
}

/// What makes the parts of a run. Each method is one step's factory, and gives what the configuration says unless implemented
/// otherwise: so an implementation says only what it does otherwise, and which encoder is trained.
///
/// A run made with other parts goes through [`Pipeline::create_with`](crate::Pipeline::create_with). Its records tell stages apart by
/// the configuration, and by [`version`](Self::version), which is to change with what the parts do.
///
/// # Examples
/// Batches of neighbours in the data, whatever the clusters are:
/// ```
/// use pretrain::tensor::AutodiffBackend;
/// use pretrain::{ConfiguredEncoder, Parts, SamplerConfig, Strata};
/// use stratified_sampler::{BatchSampler, SamplerError, StratifiedConfig};
///
/// struct Neighbours;
///
/// impl<B: AutodiffBackend> Parts<B> for Neighbours {
///     type Encoder = ConfiguredEncoder<B>;
///
///     fn sampler(&self, config: &SamplerConfig, strata: &Strata, seed: u64) -> Result<Box<dyn BatchSampler>, SamplerError> {
///         let blocks: Vec<u32> = (0..strata.pairs as u32).map(|pair| pair / 100).collect();
///         Ok(Box::new(StratifiedConfig::new(config.batch_size).with_seed(seed).build(&blocks)?))
///     }
/// }
/// ```
pub trait Parts<B: AutodiffBackend> {
    /// The encoder that is trained: [`ConfiguredEncoder`] for what `[student]` says.
    type Encoder: TrainableEncoder<B>;

    /// What tells these parts from others in a run's records; empty for the configuration's own.
    fn version(&self) -> String {
        String::new()
    }

    /// Where pairs, corpus and test queries come from.
    ///
    /// # Errors
    /// The source cannot be named: a format that this build lacks.
    fn source(&self, config: &DataConfig) -> Result<Box<dyn PairSource>> {
        config.source()
    }

    /// The embedder whose vectors are clustered; `passages` are those of the data.
    ///
    /// # Errors
    /// A model's folder cannot be read.
    fn embedder(
        &self,
        config: &EmbedderConfig,
        passages: &[&str],
        device: &B::Device,
    ) -> Result<Box<dyn Embedder>, EmbedError> {
        let limit = |tokens: usize| (tokens > 0).then_some(tokens);
        match config.kind {
            EmbedderKind::Lexical => Ok(Box::new(LexicalConfig::default().with_dim(config.dim).fit(passages)?)),
            EmbedderKind::Bert | EmbedderKind::Static => {
                let mut options = FolderOptions::default();
                options.query_tokens = limit(config.max_query_tokens);
                options.passage_tokens = limit(config.max_passage_tokens);
                options.truncate_dim = config.truncate_dim;
                options.precision = Some(config.precision);
                options.query_prompt.clone_from(&config.query_prompt);
                options.passage_prompt.clone_from(&config.passage_prompt);
                load_embedder::<B::InnerBackend>(&config.path, &options, device)
            }
        }
    }

    /// What groups the vectors, where `cluster.levels` names no levels.
    ///
    /// # Errors
    /// A setting is refused.
    fn clusterer(&self, config: &ClusterConfig, device: &B::Device) -> Result<Box<dyn Clusterer>, KMeansError> {
        if config.of == ClusterOf::Random {
            return Ok(Box::new(RandomLabels { clusters: config.clusters(), seed: config.kmeans.seed }));
        }
        if !config.on_device {
            return Ok(Box::new(config.flat().build()?));
        }
        let on_device = config.flat().build_on::<B::InnerBackend>(device)?;
        Ok(Box::new(match config.block_bytes {
            Some(block_bytes) => on_device.with_block_bytes(block_bytes),
            None => on_device,
        }))
    }

    /// What draws the batches of the pairs of `strata`; around it the run puts `sampler.unique`, `sampler.consistent_within` and `sampler.curriculum`.
    ///
    /// # Errors
    /// A setting is refused, or nothing can be drawn.
    fn sampler(
        &self,
        config: &SamplerConfig,
        strata: &Strata,
        seed: u64,
    ) -> Result<Box<dyn BatchSampler>, SamplerError> {
        let Some(labels) = &strata.labels else { return Ok(Box::new(config.uniform(seed).build(strata.pairs)?)) };
        Ok(match (config.kind, &strata.clustering) {
            (SamplerKind::Uniform, _) => Box::new(config.uniform(seed).build(strata.pairs)?),
            (SamplerKind::TopicAware, _) => Box::new(config.topic_aware(seed).build(labels)?),
            (SamplerKind::Stratified, Some(clustering)) if config.leftovers == Leftovers::Merge => {
                Box::new(build_with_centroids(config.stratified(seed), labels, clustering.centroids.view())?)
            }
            (SamplerKind::Stratified, _) => Box::new(config.stratified(seed).build(labels)?),
        })
    }

    /// The loss of a batch.
    ///
    /// # Errors
    /// A setting is refused.
    fn loss(&self, config: &InfoNceConfig) -> Result<Box<dyn ContrastiveLoss<B::InnerBackend>>, InfoNceError> {
        config.build_boxed()
    }

    /// The encoder before its first step, with its tokenizer, limit and prompts; the same seed gives the same weights.
    ///
    /// With `student.mlm` the origin is the folder of the BERT that learned to fill in tokens, which is made without this.
    ///
    /// # Errors
    /// A folder cannot be read, or a setting is refused.
    fn encoder(
        &self,
        config: &StudentConfig,
        origin: Origin<'_>,
        seed: u64,
        device: &B::Device,
    ) -> Result<LoadedModel<Self::Encoder>, EmbedError> {
        Self::Encoder::from_config(config, origin, seed, device)
    }

    /// What finds the nearest of `documents`, `[n, dim]`, for judging and asking a model, mining hard negatives and finding consistent pairs.
    ///
    /// # Errors
    /// There are more documents than can be numbered.
    fn searcher<'a>(
        &self,
        documents: ArrayView2<'a, f32>,
        device: &B::Device,
    ) -> Result<Box<dyn Searcher + 'a>, EvalError> {
        let _ = device;
        Ok(Box::new(ExactSearcher::new(documents)?))
    }
}

/// What batches are drawn by.
#[derive(Debug, Clone, Default)]
pub struct Strata {
    /// Number of pairs that are drawn from: those of training, or with `sampler.consistent_within` those that are kept, numbered anew in their order.
    pub pairs: usize,
    /// The stratum of each pair, `[pairs]`; `None` where batches are drawn from all pairs alike.
    pub labels: Option<Vec<u32>>,
    /// The clusters that the labels are from, where they are fitted ones.
    pub clustering: Option<Clustering>,
}

/// The encoder that `[student]` says: a BERT or a table of static token embeddings.
pub type ConfiguredEncoder<B> = Student<B>;

impl<B: AutodiffBackend> TrainableEncoder<B> for Student<B> {
    fn from_config(
        config: &StudentConfig,
        origin: Origin<'_>,
        seed: u64,
        device: &B::Device,
    ) -> Result<LoadedModel<Self>, EmbedError> {
        student::initial(config, origin, seed, device)
    }

    fn weighted(self, weights: &[f32]) -> Self {
        Self::weighted(self, weights)
    }
}

/// The parts that the configuration names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Configured;

impl<B: AutodiffBackend> Parts<B> for Configured {
    type Encoder = ConfiguredEncoder<B>;
}
