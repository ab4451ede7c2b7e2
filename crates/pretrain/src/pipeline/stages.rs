//! What every stage reads and writes.

use burn::tensor::backend::AutodiffBackend;
use embed::{Precision, Side};
use infonce::{Guide, InfoNceConfig};

use super::evaluate::Baseline;
use super::others::System;
use super::{Pipeline, by_source};
use crate::config::{ClusterOf, EmbedderConfig, EmbedderKind, EvalConfig, Keep, OtherData, StudentConfig, TrainConfig};
use crate::error::Result;
use crate::parts::Parts;
use crate::run_folder::{Clusters, Member, Stage};
use crate::student::begins_weighted;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    pub(super) fn embed_stage(&self) -> Result<Stage> {
        let config = EmbedderConfig { cache: None, ..self.config.embedder.clone() };
        let stage = self
            .stage("embed", "embed")?
            .with_settings("embedder", &config)?
            .with_settings("texts", &"those that are trained on")?
            .reading("data", &self.data_hash)
            .writing([self.embeddings(Side::Query), self.embeddings(Side::Passage)]);
        match config.kind {
            EmbedderKind::Lexical => Ok(stage),
            EmbedderKind::Bert | EmbedderKind::Static => {
                Ok(stage.reading("embedder", self.models.hash(&self.run, &config.path)?))
            }
        }
    }

    pub(super) fn embed_corpus_stage(&self) -> Result<Stage> {
        let stage = self.stage("embed corpus", "eval")?.reading("data", &self.data_hash);
        Ok(stage.after("embeddings", self.embed_stage()?).writing([self.corpus_embeddings()]))
    }

    pub(super) fn cluster_stage(&self, clusters: &Clusters) -> Result<Stage> {
        let (config, folder) = (&clusters.config, &clusters.folder);
        let files = ["labels.npy", "centroids.npy", "clusters.json", "rows.npy", "pair-labels.npy"];
        let stage = self
            .stage(format!("cluster {}", clusters.name), "cluster")?
            .with_settings("cluster", config)?
            .reading("data", &self.data_hash)
            .writing(files.map(|name| folder.join(name)));
        match config.of {
            // Labels that look at no vector.
            ClusterOf::None | ClusterOf::Topics | ClusterOf::Random => Ok(stage),
            _ => Ok(stage.after("embeddings", self.embed_stage()?)),
        }
    }

    pub(super) fn hard_negatives_stage(&self, loss: &InfoNceConfig) -> Result<Stage> {
        let of_guide = match loss.guide {
            None => String::new(),
            Some(Guide { margin, relative: false }) => format!(", margin {margin}"),
            Some(Guide { margin, relative: true }) => format!(", relative margin {margin}"),
        };
        let name = format!("hard negatives, {} each{of_guide}", loss.hard_negatives);
        let file = self.run.file("hard-negatives").join(format!("{}.npy", name.replace(", ", "-").replace(' ', "-")));
        let stage = self
            .stage(name, "train")?
            .with_settings("loss.hard_negatives", &loss.hard_negatives)?
            .with_settings("loss.guide", &loss.guide)?
            .reading("data", &self.data_hash)
            .writing([file]);
        Ok(stage.after("embeddings", self.embed_stage()?))
    }

    pub(super) fn consistent_stage(&self, within: usize) -> Result<Stage> {
        let stage = self
            .stage(format!("consistent pairs, within {within}"), "cluster")?
            .with_settings("sampler.consistent_within", &within)?
            .reading("data", &self.data_hash)
            .writing([self.run.file(&format!("consistent/within-{within}.npy"))]);
        Ok(stage.after("embeddings", self.embed_stage()?))
    }

    pub(super) fn vocabulary_stage(&self, config: &StudentConfig) -> Result<Stage> {
        let (name, file) = match config.vocab_size == self.config.student.vocab_size {
            true => ("vocabulary".to_owned(), "tokenizer.json".to_owned()),
            false => (format!("vocabulary {}", config.vocab_size), format!("tokenizer-{}.json", config.vocab_size)),
        };
        let stage = Stage::new(name, "train").with_settings("student.vocab_size", &config.vocab_size)?;
        Ok(stage.reading("data", &self.data_hash).writing([self.run.file(&file)]))
    }

    /// The masked language model that a student of `config` starts from: the run's own student's, or by the name of the first arm that has it.
    pub(super) fn mlm_stage(&self, config: &StudentConfig) -> Result<Stage> {
        let settings = masked_part(config);
        let is_that = |student: &StudentConfig| masked_part(student) == settings;
        let of_arm = self.run.arms().iter().find(|arm| is_that(&arm.config.student));
        let (name, folder) = match of_arm.filter(|_| !is_that(&self.config.student)) {
            None => ("masked language model".to_owned(), "mlm".to_owned()),
            Some(arm) => (format!("masked language model of {}", arm.title), format!("mlm-{}", arm.name)),
        };
        let stage = Stage::new(name, "mlm").with_settings("student", &settings)?;
        let mut stage = stage.reading("data", &self.data_hash).writing([self.run.file(&folder).join("model")]);
        let precision = self.config.train.precision;
        if precision != Precision::F32 {
            stage = stage.with_settings("train.precision", &precision)?;
        }
        match &config.from {
            Some(folder) => Ok(stage.reading("student to start from", self.models.hash(&self.run, folder)?)),
            None => Ok(stage),
        }
    }

    pub(super) fn train_stage(&self, member: Member<'_>) -> Result<Stage> {
        let (config, folder) = (&member.arm.config, self.run.member(member));
        let mut train = config.training();
        train.seed = member.seed;
        // What changes no weight but by rounding.
        (train.checkpoint_every, train.checkpoints, train.chunk_tokens, train.memory) = (0, 1, 0, 0.0);
        (train.devices, train.tensorboard) = (None, false);
        if train.steps.is_some() {
            train.epochs = TrainConfig::default().epochs;
        }
        let renewed: Vec<_> = member.arm.clusters().filter(|cluster| cluster.of != ClusterOf::Random).collect();
        if renewed.is_empty() {
            train.recluster_every = None;
        }
        let drawn_from: Vec<ClusterOf> = member.arm.draws.iter().map(|draw| draw.cluster.of).collect();
        let mut stage = self
            .stage(format!("train {member}"), "train")?
            .with_settings("cluster.of", &drawn_from)?
            .with_settings("sampler", &config.sampler)?
            .with_settings("loss", &config.loss)?
            .with_settings("train", &train)?
            .reading("data", &self.data_hash)
            .writing(["model", "plan.json"].map(|name| folder.join(name)));
        if train.recluster_every.is_some() {
            stage = stage.with_settings("cluster", &renewed)?;
        }
        if let Some(weights) = by_source::source_weights(&self.config)? {
            stage = stage.with_settings("data.sources.weight", &weights)?;
        }
        for config in member.arm.clusters() {
            let clusters = self.stored_clusters(config)?;
            stage = stage.after(format!("clusters of {}", clusters.name), self.cluster_stage(clusters)?);
        }
        for within in member.arm.draws.iter().filter_map(|draw| draw.sampler.consistent_within) {
            stage = stage.after(format!("consistent pairs, within {within}"), self.consistent_stage(within)?);
        }
        if config.loss.guide.is_some() {
            stage = stage.after("embeddings", self.embed_stage()?);
        }
        if config.loss.hard_negatives > 0 {
            stage = stage.after("hard negatives", self.hard_negatives_stage(&config.loss)?);
        }
        if train.keep == Keep::Best {
            stage = self.with_judgement(stage)?;
        }
        self.with_student(stage, &config.student)
    }

    pub(super) fn evaluate_stage(&self, member: Member<'_>) -> Result<Stage> {
        let folder = self.run.member(member);
        let stage = self
            .stage(format!("evaluate {member}"), "eval")?
            .reading("data", &self.data_hash)
            .after("model", self.train_stage(member)?)
            .writing(["passages.npy", "eval.json"].map(|name| folder.join(name)));
        self.with_judgement(stage)
    }

    pub(super) fn baseline_stage(&self, baseline: Baseline) -> Result<Stage> {
        let stage = self
            .stage(format!("evaluate {}", baseline.title()), "eval")?
            .reading("data", &self.data_hash)
            .writing([self.run.file(&baseline.file())]);
        self.with_judgement(self.with_baseline(stage, baseline)?)
    }

    /// The judgement of a system on other data, which depends on the files there and on what the system is.
    pub(super) fn other_stage(&self, system: System<'_>, other: &OtherData) -> Result<Stage> {
        let source = other.source();
        let hash = self.run.files_hash(&source.path, source.test_files()).map_err(|error| error.of_other(other))?;
        let stage = self
            .stage(format!("evaluate {} on {}", system.name(), other.name), "eval")?
            .reading(&format!("data of {}", other.name), hash)
            .writing([self.other_file(system, other)]);
        let stage = match system {
            System::Student(member) => stage.after("model", self.train_stage(member)?),
            System::Baseline(baseline) => {
                // A vocabulary and the frequencies of words are of the run's data.
                let of_data = baseline == Baseline::Untrained;
                let stage = if of_data { stage.reading("data", &self.data_hash) } else { stage };
                self.with_baseline(stage, baseline)?
            }
        };
        with_judgement_by(stage, self.config.eval.on(other))
    }

    /// The stage with what makes a baseline.
    fn with_baseline(&self, stage: Stage, baseline: Baseline) -> Result<Stage> {
        match baseline {
            #[cfg(feature = "bm25")]
            Baseline::Bm25 => Ok(stage),
            Baseline::Embedder => Ok(stage.after("embeddings", self.embed_stage()?)),
            Baseline::Untrained => {
                let config = self.baseline_config();
                let train = &config.train;
                let limits = [train.max_query_tokens, train.max_passage_tokens];
                // Weights by document frequency are of texts as training cuts them.
                let stage = stage.with_settings("train.limits", &limits)?.with_settings("seed", &self.first_seed())?;
                self.with_student(stage, &config.student)
            }
        }
    }

    /// A stage, with the parts that it is made by where they are not the configuration's.
    fn stage(&self, name: impl Into<String>, command: &'static str) -> Result<Stage> {
        let stage = Stage::new(name, command);
        match self.parts.version() {
            none if none.is_empty() => Ok(stage),
            version => stage.with_settings("parts", &version),
        }
    }

    /// The stage with what makes a student.
    fn with_student(&self, stage: Stage, config: &StudentConfig) -> Result<Stage> {
        // What is absent is recorded as what it stands for, which another version of this program may choose otherwise.
        let (dim, idf) = (Some(config.dim()), Some(begins_weighted(&self.models.student(config))?));
        let stage = stage.with_settings("student", &StudentConfig { dim, idf, ..config.clone() })?;
        match (&config.mlm, &config.from) {
            (Some(_), _) => Ok(stage.after("masked language model", self.mlm_stage(config)?)),
            (None, Some(folder)) => Ok(stage.reading("student to start from", self.models.hash(&self.run, folder)?)),
            (None, None) => Ok(stage),
        }
    }

    /// The stage with what decides scores, which is less than the section `[eval]` says.
    fn with_judgement(&self, stage: Stage) -> Result<Stage> {
        with_judgement_by(stage, self.config.eval.clone())
    }
}

fn with_judgement_by(stage: Stage, eval: EvalConfig) -> Result<Stage> {
    let EvalConfig { baselines, resamples, others, .. } = EvalConfig::default();
    stage.with_settings("eval", &EvalConfig { baselines, resamples, others, ..eval })
}

/// What of a student its masked language model depends on.
pub(super) fn masked_part(config: &StudentConfig) -> StudentConfig {
    let StudentConfig { init_std, .. } = StudentConfig::default();
    let dim = Some(config.dim());
    StudentConfig {
        dim,
        pooling: None,
        query_prompt: None,
        passage_prompt: None,
        idf: None,
        init_std,
        ..config.clone()
    }
}
