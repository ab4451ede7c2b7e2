//! The stages of a run, each from the files of the one before.

#[cfg(feature = "parquet")]
mod arctic;
mod batch_plans;
mod by_source;
mod cell_record;
mod checkpoints;
mod cluster;
mod compare;
mod consistent;
mod embed_texts;
mod evaluate;
mod events;
mod hard_negatives;
mod initial;
mod inspect;
mod inspect_plan;
mod masked;
mod mine;
mod model_card;
mod others;
mod plan;
mod propose;
mod propose_margin;
mod recluster;
mod recorder;
#[cfg(feature = "report")]
mod report;
mod search;
mod stages;
mod step_memory;
mod train_arm;
mod training_search;
mod validation;
mod vector_cache;

use std::sync::Arc;

use burn::tensor::backend::AutodiffBackend;
use embed::{Encoder, InferencePrecision, LoadedModel, Precision};
use infonce::{InfoNceConfig, Prefix};
use kmeans::KMeansError;
use serde::{Deserialize, Serialize};

use crate::config::{ClusterOf, Config, DataFormat, JudgedSplit, OtherData, TrainConfig};
use crate::data::{Counts, Dataset};
use crate::device::{beside, on_processor, require_precision};
use crate::error::{PretrainError, Result};
use crate::files::{read_json, write_json};
use crate::memory::release_freed_blocks;
use crate::models::Models;
use crate::parts::{Configured, Parts};
use crate::progress::count;
use crate::run_folder::RunFolder;
use crate::stop::Stop;
use crate::train::Masking;
pub use compare::{ArmKeys, Comparison, Gain, OtherComparison, Row, SourceQueries};
pub use evaluate::Scores;
pub use inspect::ClusterSummary;
pub use inspect_plan::{Hardness, PlanInspection};
pub use mine::{MineConfig, Mined};
pub use propose::{Candidate, Proposal, ProposalConfig};
pub use propose_margin::{FoundMargin, ProposedMargin};
pub use search::{Found, Index};

const SUMMARY: &str = "pairs.json";
const SNAPSHOT: &str = "dataset.json";

/// What `pairs.json` says of the data.
#[derive(Serialize, Deserialize)]
struct Summary {
    hash: String,
    counts: Counts,
    notes: Vec<String>,
}

/// A run: its configuration, its data, the parts that its stages use, and the folder where they leave their files.
pub struct Pipeline<B: AutodiffBackend, P: Parts<B> = Configured> {
    config: Config,
    parts: P,
    run: RunFolder,
    models: Models,
    dataset: Dataset,
    data_hash: String,
    device: B::Device,
    stop: Arc<Stop>,
    /// Whether checkpoints of another training may be removed.
    force: bool,
}

impl<B: AutodiffBackend> Pipeline<B> {
    /// The run that `config` describes, with its data read from the source.
    ///
    /// # Errors
    /// The data is malformed or missing, or the run folder holds another configuration and `force` is not set.
    pub fn create(config: Config, force: bool, device: B::Device) -> Result<Self> {
        Self::create_with(Configured, config, force, device)
    }

    /// The run that `config` describes, with the data that it was made from.
    ///
    /// # Errors
    /// There is no such run, its folder holds another configuration, or its data changed since.
    pub fn open(config: Config, device: B::Device) -> Result<Self> {
        Self::open_with(Configured, config, device)
    }
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// [`create`](Pipeline::create) with parts of one's own.
    ///
    /// # Errors
    /// Those of [`create`](Pipeline::create).
    pub fn create_with(parts: P, config: Config, force: bool, device: B::Device) -> Result<Self> {
        let run = RunFolder::prepare(&config, force)?;
        // Read last, and only where it is not judged on yet.
        config.eval.others.iter().try_for_each(OtherData::check)?;
        let models = Models::of_run(&config, &run, force)?;
        let source = parts.source(&config.data)?;
        let dataset = source.load()?;
        check_split(&config, &dataset)?;
        release_freed_blocks();
        describe(&dataset);
        run.write_config(&config)?;
        models.record(&run)?;
        let snapshot = run.file(SNAPSHOT);
        if source.is_fleeting() {
            write_json(&snapshot, &dataset)?;
        } else if snapshot.exists() {
            std::fs::remove_file(&snapshot).map_err(|source| PretrainError::io(&snapshot, source))?;
        }
        let hash = dataset.content_hash();
        let summary = Summary { hash: hash.clone(), counts: dataset.counts.clone(), notes: dataset.notes.clone() };
        write_json(&run.file(SUMMARY), &summary)?;
        let dataset = judged_on(&config, dataset);
        Ok(Self { config, parts, run, models, dataset, data_hash: hash, device, stop: Arc::default(), force })
    }

    /// [`open`](Pipeline::open) with parts of one's own.
    ///
    /// # Errors
    /// Those of [`open`](Pipeline::open).
    pub fn open_with(parts: P, config: Config, device: B::Device) -> Result<Self> {
        let run = RunFolder::open(&config)?;
        let path = run.file(SUMMARY);
        if !path.exists() {
            return Err(PretrainError::NotARun { dir: run.root().to_owned() });
        }
        let models = Models::of_run(&config, &run, false)?;
        let summary: Summary = read_json(&path)?;
        let snapshot = run.file(SNAPSHOT);
        let dataset = match snapshot.exists() {
            true => read_json(&snapshot)?,
            false => parts.source(&config.data)?.load()?,
        };
        release_freed_blocks();
        let data_hash = dataset.content_hash();
        if data_hash != summary.hash {
            return Err(PretrainError::DataChanged { path: config.data.place(), run: run.root().to_owned() });
        }
        check_split(&config, &dataset)?;
        let dataset = judged_on(&config, dataset);
        Ok(Self { config, parts, run, models, dataset, data_hash, device, stop: Arc::default(), force: false })
    }

    /// All stages, those skipped that are done, and the comparison of the arms; with the feature `report` the report too.
    ///
    /// # Errors
    /// Whatever a stage gives; what is finished stays.
    pub fn run(&self) -> Result<Comparison> {
        self.check()?;
        self.embed()?;
        self.cluster()?;
        self.train()?;
        self.evaluate()?;
        let comparison = self.compare()?;
        #[cfg(feature = "report")]
        tracing::info!("report: {}", self.write_report()?.display());
        Ok(comparison)
    }

    /// The run, whose training ends with a checkpoint and [`PretrainError::Stopped`] after the step during which `stop` was wished for.
    #[must_use]
    pub fn stopped_by(mut self, stop: Arc<Stop>) -> Self {
        self.stop = stop;
        self
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The data.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The parts that its stages use.
    pub(crate) fn parts(&self) -> &P {
        &self.parts
    }

    /// Where it computes.
    pub(crate) fn device(&self) -> &B::Device {
        &self.device
    }

    /// The run folder.
    pub fn folder(&self) -> &RunFolder {
        &self.run
    }

    /// What would stop a later stage is found before the first, which may take long.
    fn check(&self) -> Result<()> {
        self.require_pairs()?;
        self.require_test()?;
        let precision = self.config.embedder.precision;
        if precision != InferencePrecision::F32 && !on_processor::<B::InnerBackend>() {
            let (key, expected) = ("embedder.precision", "f32 on this device");
            return Err(PretrainError::OutOfRange { key, value: precision.to_string(), expected });
        }
        for config in self.run.arms().iter().map(|arm| &arm.config).chain([&self.config]) {
            require_precision::<B::InnerBackend>(&self.device, config.train.precision)?;
        }
        for clusters in self.run.all_clusters() {
            let (rows, k) = (self.clustered_rows(clusters.config.of).items.len(), clusters.config.clusters());
            if let Some(bounds) = clusters.config.balance {
                let failed = |source| PretrainError::Cluster { arm: clusters.name.clone(), source };
                bounds.check(rows, k).map_err(failed)?;
            }
            if rows < k {
                let source = KMeansError::TooFewRows { rows, clusters: k };
                return Err(PretrainError::Cluster { arm: clusters.name.clone(), source });
            }
        }
        let (pairs, seed) = (self.dataset.train.len(), self.config.seeds()[0]);
        for arm in self.run.arms() {
            let sampler = &arm.config.sampler;
            if sampler.drop_last && pairs < sampler.batch_size {
                let batch_size = sampler.batch_size;
                return Err(PretrainError::NoBatches { arm: arm.title.clone(), batch_size, pairs });
            }
            if arm.draws.iter().any(|draw| draw.cluster.of == ClusterOf::Topics) && self.dataset.topics.is_none() {
                return Err(PretrainError::NoTopics { path: self.config.data.place() });
            }
            if arm.config.train.evaluate_every > 0 && self.dataset.validation.is_empty() {
                return Err(PretrainError::NoValidation { path: self.config.data.place() });
            }
            self.check_hard_negatives(&arm.config.loss)?;
            self.beside(&arm.config.train)?;
            let student = &arm.config.student;
            let dim = match student.from {
                Some(_) => {
                    let LoadedModel { encoder, tokenizer, .. } = self.first_model(student, seed)?;
                    if student.mlm.as_ref().is_some_and(|mlm| Masking::new(&tokenizer, mlm.mask).is_none()) {
                        return Err(PretrainError::NotMasked);
                    }
                    encoder.dim()
                }
                None => student.dim(),
            };
            check_prefixes(&arm.config.loss, dim)?;
        }
        Ok(())
    }

    /// The devices that a training encodes on beside the run's.
    fn beside(&self, config: &TrainConfig) -> Result<Vec<B::Device>> {
        beside::<B::InnerBackend>(&self.device, config.devices.map_or(0, |devices| devices - 1))
    }

    /// The encoder as it multiplies while it is trained.
    fn in_precision<E: Encoder<B>>(&self, encoder: E, config: &TrainConfig) -> Result<E> {
        let precision = config.precision;
        require_precision::<B::InnerBackend>(&self.device, precision)?;
        if precision == Precision::Bf16 && on_processor::<B::InnerBackend>() {
            tracing::warn!("train.precision = bf16: the processor rounds as a GPU would, and is slower than in f32");
        }
        Ok(encoder.with_precision(precision))
    }

    fn require_pairs(&self) -> Result<()> {
        if !self.dataset.train.is_empty() {
            return Ok(());
        }
        let path = self.config.data.place();
        Err(match self.config.data.format {
            DataFormat::Beir if self.config.data.sources.is_empty() => PretrainError::NoTrainingJudgements { path },
            _ => PretrainError::NoTrainingPairs { path },
        })
    }

    fn require_test(&self) -> Result<()> {
        match self.dataset.test.is_empty() {
            true => Err(PretrainError::NoTestQueries { path: self.config.data.place() }),
            false => Ok(()),
        }
    }

    fn query_texts(&self) -> Vec<&str> {
        self.dataset.queries.iter().map(|query| query.text).collect()
    }

    fn passage_texts(&self) -> Vec<&str> {
        self.dataset.passage_texts()
    }
}

/// Nothing, where the data have the split that students are judged on.
fn check_split(config: &Config, dataset: &Dataset) -> Result<()> {
    match config.eval.split == JudgedSplit::Validation && dataset.validation.is_empty() {
        true => Err(PretrainError::NoValidation { path: config.data.place() }),
        false => Ok(()),
    }
}

/// The data with the queries that students are judged on in the place of the test's.
fn judged_on(config: &Config, mut dataset: Dataset) -> Dataset {
    if config.eval.split == JudgedSplit::Validation {
        dataset.test.clone_from(&dataset.validation);
    }
    dataset
}

/// Whether a student of this dimension has the columns of every prefix.
fn check_prefixes(loss: &InfoNceConfig, dim: usize) -> Result<()> {
    match loss.matryoshka.iter().find(|prefix| prefix.width > dim) {
        Some(&Prefix { width, .. }) => Err(PretrainError::WidePrefix { width, dim }),
        None => Ok(()),
    }
}

fn describe(dataset: &Dataset) {
    let counts = &dataset.counts;
    tracing::info!(
        "data: {} passages, {} queries; {} training pairs, {} test queries",
        count(counts.passages),
        count(counts.queries),
        count(counts.train_pairs),
        count(counts.test_queries),
    );
    let left_out = counts.documents_empty + counts.documents_repeated + counts.judgements_repeated;
    if left_out > 0 {
        tracing::info!(
            "data: not in training: {} empty documents, {} exact repeats of documents, {} repeated pairs",
            count(counts.documents_empty),
            count(counts.documents_repeated),
            count(counts.judgements_repeated),
        );
    }
    for note in &dataset.notes {
        tracing::info!("data: {note}");
    }
}
