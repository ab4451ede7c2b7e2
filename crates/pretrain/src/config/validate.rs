//! The range of every key, checked before any file is read: first what the crate says that a setting is for, then what a run
//! can bear.

use std::error::Error;
use std::fmt::Display;

use embed::{Family, InferencePrecision, LexicalConfig, Precision};
use infonce::Similarity;
use retrieval_eval::{BootstrapConfig, Measure};
use stratified_sampler::{Leftovers, SamplerError, Weights};

use super::{
    Config, DataConfig, DataFormat, EmbedderKind, JudgedSplit, Keep, MlmConfig, NamedSource, OtherData, RateDecay,
    SamplerKind, StudentKind, arm::folder_name, overrides,
};
use crate::error::{PretrainError, Result};
use crate::models;

fn require(holds: bool, key: &'static str, value: impl Display, expected: &'static str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(PretrainError::OutOfRange { key, value: value.to_string(), expected })
}

/// Beyond such sizes memory ends before the first step: rows, widths and layers are multiplied with one another.
const MOST: usize = 65_536;
/// Tokens of a text: far beyond any model's positions, and where a longer limit changes nothing any more.
const MOST_TOKENS: usize = 1 << 20;

/// Pairs of a batch: the loss tells so many texts apart.
const MOST_PAIRS: usize = 1 << 24;

/// Hard negatives of a query: each is a text to encode.
const MOST_HARD_NEGATIVES: usize = 1024;

/// Whether `value` is one of 1 to [`MOST`].
fn size(key: &'static str, value: usize) -> Result<()> {
    require((1..=MOST).contains(&value), key, value, "1 to 65536")
}

fn tokens(key: &'static str, value: usize) -> Result<()> {
    require((2..=MOST_TOKENS).contains(&value), key, value, "2 to 1048576")
}

fn share(key: &'static str, value: f64) -> Result<()> {
    require((0.0..=1.0).contains(&value), key, value, "between 0 and 1")
}

impl Config {
    pub(super) fn validate(&self) -> Result<()> {
        self.validate_data()?;
        self.validate_sections()?;
        self.validate_eval()?;
        self.validate_sources()?;
        self.without_repeats("run.seeds", &self.run.seeds)?;
        require(self.run.threads <= 4096, "run.threads", self.run.threads, "0 to 4096")?;
        require(!self.run.dir.as_os_str().is_empty(), "run.dir", "\"\"", "a folder")
    }

    fn without_repeats<T: PartialEq>(&self, key: &'static str, values: &[T]) -> Result<()> {
        let repeated = values.iter().enumerate().any(|(i, value)| values[..i].contains(value));
        require(!repeated, key, self.shown(key), "each value once")
    }

    /// The value of `key` as TOML.
    fn shown(&self, key: &str) -> String {
        overrides::value_of(self, key).unwrap_or_else(|| "absent".to_owned())
    }

    /// The error of a crate that refuses the value of `key`.
    fn refused(&self, key: &str, source: impl Error + Send + Sync + 'static) -> PretrainError {
        let value = overrides::value_of(self, key);
        PretrainError::Refused { key: key.to_owned(), value, source: Box::new(source) }
    }

    /// The error of a crate that refuses a section, or one setting of it.
    fn refused_of(
        &self,
        section: &str,
        setting: Option<&str>,
        source: impl Error + Send + Sync + 'static,
    ) -> PretrainError {
        match setting {
            Some(setting) => self.refused(&format!("{section}.{setting}"), source),
            None => self.refused(section, source),
        }
    }

    /// The sections that an arm may change.
    pub(super) fn validate_sections(&self) -> Result<()> {
        self.validate_clusters()?;
        self.validate_sampler()?;
        self.validate_student()?;
        self.validate_training()
    }

    fn validate_data(&self) -> Result<()> {
        let data = &self.data;
        if data.sources.is_empty() {
            let default = DataConfig::default();
            let given = [data.columns != default.columns, data.triples.is_some(), data.sample.is_some()];
            return validate_keys(data, given).and_then(|()| validate_source(data, false));
        }
        for (table, source) in data.sources.iter().zip(data.resolved()?) {
            let NamedSource { name, weight, data } = &source;
            let named = !name.is_empty() && !name.contains('/');
            require(named, "data.sources.name", format!("{name:?}"), "a name without a slash")?;
            require(*weight > 0.0 && *weight <= 1e6, "data.sources.weight", weight, "above 0 and at most 1000000")?;
            let wrong = |error| PretrainError::Source { name: name.clone(), source: Box::new(error) };
            let given = ["columns", "triples", "sample"].map(|key| table.keys.contains_key(key));
            validate_keys(data, given).and_then(|()| validate_source(data, true)).map_err(wrong)?;
            let alone = data.sources.is_empty();
            require(alone, "data.sources", "within a source", "no sources of a source").map_err(wrong)?;
        }
        let names: Vec<&String> = data.sources.iter().map(|source| &source.name).collect();
        self.without_repeats("data.sources.name", &names)
    }

    /// Whether each arm's batches can be drawn by source, and by the sources' weights.
    fn validate_sources(&self) -> Result<()> {
        let weighted = self.data.sources.iter().any(|source| source.weight != 1.0);
        for arm in self.arms()? {
            for sampler in arm.draws.iter().map(|draw| &draw.sampler) {
                let stratified = sampler.kind == SamplerKind::Stratified;
                let drawn = !sampler.by_source || !self.data.sources.is_empty() && stratified;
                let expected = "false, or data.sources and sampler.kind = \"stratified\"";
                require(drawn, "sampler.by_source", sampler.by_source, expected)?;
                let streams = matches!(sampler.leftovers, Leftovers::Drop | Leftovers::Carry);
                let shared = stratified && streams && sampler.weights == Weights::Size;
                if weighted && !(sampler.by_source && shared) {
                    return Err(PretrainError::SourceWeights { arm: arm.title.clone() });
                }
            }
        }
        Ok(())
    }

    fn validate_clusters(&self) -> Result<()> {
        let (embedder, cluster) = (&self.embedder, &self.cluster);
        match embedder.kind {
            EmbedderKind::Lexical => {
                let lexical = LexicalConfig::default().with_dim(embedder.dim);
                lexical.validate().map_err(|error| self.refused("embedder.dim", error))?;
                size("embedder.dim", embedder.dim)?;
            }
            EmbedderKind::Bert | EmbedderKind::Static => {
                let given = !embedder.path.as_os_str().is_empty();
                require(given, "embedder.path", "\"\"", "a model's folder, for this embedder.kind")?;
                models::check("embedder.path", &embedder.path)?;
                size("embedder.truncate_dim", embedder.truncate_dim.unwrap_or(1))?;
            }
        }
        let named = embedder.cache.as_ref().is_none_or(|cache| !cache.as_os_str().is_empty());
        require(named, "embedder.cache", "\"\"", "a folder")?;
        let products = embedder.precision == InferencePrecision::F32 || embedder.kind == EmbedderKind::Bert;
        require(products, "embedder.precision", self.shown("embedder.precision"), "f32, or embedder.kind = \"bert\"")?;
        for (key, limit) in [
            ("embedder.max_query_tokens", embedder.max_query_tokens),
            ("embedder.max_passage_tokens", embedder.max_passage_tokens),
        ] {
            require(limit == 0 || (2..=MOST_TOKENS).contains(&limit), key, limit, "0, or 2 to 1048576")?;
        }
        let kmeans = &cluster.kmeans;
        kmeans.validate().map_err(|error| self.refused_of("cluster", error.setting(), error))?;
        size("cluster.runs", kmeans.runs)?;
        size("cluster.max_iterations", kmeans.max_iterations)?;
        require(cluster.block_bytes != Some(0), "cluster.block_bytes", 0, "1 or more")?;
        if let Some(hierarchy) = cluster.hierarchy() {
            hierarchy.validate().map_err(|error| self.refused("cluster.levels", error))?;
            let levels = format!("{:?}", cluster.levels);
            require(!cluster.on_device, "cluster.levels", levels, "none with cluster.on_device")?;
        }
        match cluster.balance {
            Some(bounds) => bounds.validate().map_err(|error| self.refused("cluster.balance", error)),
            None => Ok(()),
        }
    }

    fn validate_sampler(&self) -> Result<()> {
        let sampler = &self.sampler;
        require(
            (2..=MOST_PAIRS).contains(&sampler.batch_size),
            "sampler.batch_size",
            sampler.batch_size,
            "2 to 16777216",
        )?;
        self.without_repeats("sampler.unique", &sampler.unique)?;
        let within = sampler.consistent_within.unwrap_or(1);
        require((1..=MOST_PAIRS).contains(&within), "sampler.consistent_within", within, "1 to 16777216")?;
        let topic_aware = sampler.kind == SamplerKind::TopicAware && sampler.curriculum.is_none();
        let said = sampler.strata_per_batch.is_some() != sampler.group.is_some();
        let expected = "either this or sampler.strata_per_batch";
        require(said || !topic_aware, "sampler.group", self.shown("sampler.group"), expected)?;
        let group = sampler.group.unwrap_or(1);
        let divides = group > 0 && sampler.batch_size.is_multiple_of(group);
        require(divides, "sampler.group", group, "a divisor of sampler.batch_size")?;
        let refused = |error: SamplerError| self.refused_of("sampler", error.setting(), error);
        if sampler.strata_per_batch.is_some() {
            sampler.topic_aware(0).validate().map_err(refused)?;
        }
        match &sampler.curriculum {
            None if sampler.kind == SamplerKind::Stratified => sampler.stratified(0).validate().map_err(refused),
            None => Ok(()),
            Some(curriculum) => {
                let one = curriculum.starts.is_empty() != curriculum.knots.is_empty();
                require(one, "sampler.curriculum", self.shown("sampler.curriculum"), "either starts or knots")?;
                let schedule = curriculum.schedule().validate(curriculum.samplers.len());
                schedule.map_err(|error| self.refused("sampler.curriculum", error))
            }
        }
    }

    fn validate_student(&self) -> Result<()> {
        let student = &self.student;
        let layers = student.layers.unwrap_or(1);
        require((1..=1024).contains(&layers), "student.layers", layers, "1 to 1024")?;
        size("student.dim", student.dim())?;
        size("student.heads", student.heads)?;
        let intermediate = student.intermediate;
        require(intermediate <= 4 * MOST, "student.intermediate", intermediate, "0 to 262144")?;
        let std = student.init_std;
        require(std > 0.0 && std <= 100.0, "student.init_std", std, "above 0 and at most 100")?;
        let families = [Family::Bert, Family::DistilBert, Family::ModernBert, Family::NomicBert];
        let known = families.contains(&student.family);
        require(known, "student.family", student.family, "bert, distilbert, modernbert or nomic_bert")?;
        if let Some(mlm) = &student.mlm {
            require(student.kind == StudentKind::Bert, "student.mlm", "a table", "absent, or student.kind = \"bert\"")?;
            validate_mlm(mlm)?;
        }
        if let Some(from) = &student.from {
            return models::check("student.from", from);
        }
        let vocabulary = 256..=1 << 24;
        require(vocabulary.contains(&student.vocab_size), "student.vocab_size", student.vocab_size, "256 to 16777216")?;
        let divides = student.kind == StudentKind::Static || student.dim().is_multiple_of(student.heads);
        require(divides, "student.heads", student.heads, "a divisor of student.dim")
    }

    fn validate_training(&self) -> Result<()> {
        let train = &self.train;
        let loss = &self.loss;
        loss.validate().map_err(|error| self.refused_of("loss", error.setting(), error))?;
        let cosines = loss.matryoshka.is_empty() || loss.similarity == Similarity::Cosine;
        // Prefixes of unit vectors are none.
        require(cosines, "loss.similarity", "dot", "cosine, with loss.matryoshka")?;
        let hard = loss.hard_negatives;
        require(hard <= MOST_HARD_NEGATIVES, "loss.hard_negatives", hard, "0 to 1024")?;
        require((1..=1_000_000).contains(&train.epochs), "train.epochs", train.epochs, "1 to 1000000")?;
        let steps = train.steps.unwrap_or(1);
        require((1..=100_000_000).contains(&steps), "train.steps", steps, "1 to 100000000")?;
        // A step of AdamW moves a value by up to the rate: below, f32 rounds it to nothing; above, nothing is learned.
        let rate = train.learning_rate.unwrap_or_else(|| self.student.learning_rate());
        require((1e-12..=10.0).contains(&rate), "train.learning_rate", rate, "1e-12 to 10")?;
        share("train.warmup", train.warmup)?;
        share("train.final_rate", train.final_rate)?;
        let falls = train.cooldown > 0.0 && train.cooldown + train.warmup <= 1.0;
        let scheduled = train.schedule == RateDecay::WarmupStableDecay;
        require(
            falls || !scheduled && (0.0..=1.0).contains(&train.cooldown),
            "train.cooldown",
            train.cooldown,
            "above 0 and at most 1 together with train.warmup",
        )?;
        share("train.weight_decay", train.weight_decay.into())?;
        let shrinks = rate * f64::from(train.weight_decay) < 1.0;
        require(
            shrinks,
            "train.weight_decay",
            train.weight_decay,
            "less than 1 when multiplied by train.learning_rate",
        )?;
        for (key, beta) in [("train.beta1", train.beta1), ("train.beta2", train.beta2)] {
            require((0.0..1.0).contains(&beta), key, beta, "0 or more and below 1")?;
        }
        // With less, a gradient whose square underflows moves a value by more than the rate.
        require((1e-12..=1.0).contains(&train.epsilon), "train.epsilon", train.epsilon, "1e-12 to 1")?;
        let clip = train.clip_norm;
        require(clip.is_finite() && clip >= 0.0, "train.clip_norm", clip, "0 or more")?;
        require((0.0..1.0).contains(&train.dropout), "train.dropout", train.dropout, "0 or more and below 1")?;
        let drops = train.dropout == 0.0 || self.student.kind == StudentKind::Bert;
        require(drops, "train.dropout", train.dropout, "0, or student.kind = \"bert\"")?;
        let products = train.precision == Precision::F32 || self.student.kind == StudentKind::Bert;
        require(products, "train.precision", "bf16", "f32, or student.kind = \"bert\"")?;
        require((0.0..1.0).contains(&train.ema), "train.ema", train.ema, "0 or more and below 1")?;
        let memory = train.memory;
        require(memory.is_finite() && memory >= 0.0, "train.memory", memory, "0 or more")?;
        require(train.checkpoints >= 1, "train.checkpoints", train.checkpoints, "1 or more")?;
        let evaluates = train.evaluate_every > 0;
        let splits = |data: &DataConfig| data.validation_share > 0.0 || !data.validation_split.is_empty();
        let validation = match self.data.sources.is_empty() {
            true => splits(&self.data),
            false => self.data.resolved()?.iter().any(|source| splits(&source.data)),
        };
        let expected = "0, or a validation split: data.validation_share or data.validation_split";
        require(validation || !evaluates, "train.evaluate_every", train.evaluate_every, expected)?;
        require(
            evaluates || train.keep == Keep::Last,
            "train.keep",
            "best",
            "last, or train.evaluate_every of 1 or more",
        )?;
        require(
            train.devices.is_none_or(|devices| (1..=1024).contains(&devices)),
            "train.devices",
            train.devices.unwrap_or(0),
            "1 to 1024",
        )?;
        require(train.recluster_every != Some(0), "train.recluster_every", 0, "1 or more")?;
        tokens("train.max_query_tokens", train.max_query_tokens)?;
        tokens("train.max_passage_tokens", train.max_passage_tokens)
    }

    fn validate_eval(&self) -> Result<()> {
        let eval = &self.eval;
        let one = eval.split == JudgedSplit::Test || self.data.sources.is_empty();
        require(one, "eval.split", "validation", "test, with data.sources")?;
        require(!eval.measures.is_empty(), "eval.measures", "[]", "one measure or more")?;
        for name in &eval.measures {
            let known = name.parse::<Measure>().is_ok();
            require(known, "eval.measures", name, "names such as nDCG@10, MRR@10, recall@100")?;
        }
        self.without_repeats("eval.measures", &eval.measures)?;
        require(eval.depth >= 1, "eval.depth", eval.depth, "1 or more")?;
        for name in &eval.measures {
            let cut = name.parse().ok().and_then(|measure: Measure| measure.cut());
            let value = format!("{} with {name}", eval.depth);
            require(cut.is_none_or(|cut| cut <= eval.depth), "eval.depth", value, "at least the cut of every measure")?;
        }
        let bootstrap = BootstrapConfig::default().with_resamples(eval.resamples);
        bootstrap.validate().map_err(|error| self.refused("eval.resamples", error))?;
        require(eval.resamples <= 10_000_000, "eval.resamples", eval.resamples, "1 to 10000000")?;
        tokens("eval.max_query_tokens", eval.max_query_tokens)?;
        tokens("eval.max_passage_tokens", eval.max_passage_tokens)?;
        validate_others(&eval.others)
    }
}

fn validate_others(others: &[OtherData]) -> Result<()> {
    let expected = "a file's name: letters, digits, spaces and any of -_.,= within, at most 64 in all";
    for (at, OtherData { name, path, split, max_query_tokens, max_passage_tokens }) in others.iter().enumerate() {
        let in_files = folder_name(name);
        require(in_files.is_some(), "eval.others.name", name, expected)?;
        let repeated = others[..at].iter().any(|before| folder_name(&before.name) == in_files);
        require(!repeated, "eval.others.name", name, "each name once")?;
        require(!path.as_os_str().is_empty(), "eval.others.path", "\"\"", "a folder")?;
        require(!split.is_empty(), "eval.others.split", "\"\"", "a split's name")?;
        tokens("eval.others.max_query_tokens", max_query_tokens.unwrap_or(MOST_TOKENS))?;
        tokens("eval.others.max_passage_tokens", max_passage_tokens.unwrap_or(MOST_TOKENS))?;
    }
    Ok(())
}

/// Keys that a format does not read: of `columns`, `triples` and `sample` which are given.
fn validate_keys(data: &DataConfig, [columns, triples, sample]: [bool; 3]) -> Result<()> {
    let is = |format: DataFormat| data.format == format;
    require(!columns || is(DataFormat::Pairs), "data.columns", "given", "none, or data.format = \"pairs\"")?;
    require(!triples || is(DataFormat::MsMarco), "data.triples", "given", "none, or data.format = \"ms-marco\"")?;
    require(!sample || is(DataFormat::RustDocs), "data.sample", "given", "none, or data.format = \"rust-docs\"")
}

/// What a source of data is read by; of several one may lack a test.
fn validate_source(data: &DataConfig, is_one_of_several: bool) -> Result<()> {
    require(!data.path.as_os_str().is_empty(), "data.path", "\"\"", "a file or folder")?;
    let inside = (data.test_share > 0.0 || is_one_of_several && data.test_share == 0.0) && data.test_share < 1.0;
    require(inside, "data.test_share", data.test_share, "above 0 and below 1")?;
    let has_splits = matches!(data.format, DataFormat::Beir | DataFormat::MsMarco);
    if has_splits && !is_one_of_several {
        require(!data.test_split.is_empty(), "data.test_split", "\"\"", "a split's name")?;
    }
    let inside = (0.0..1.0).contains(&data.validation_share);
    require(inside, "data.validation_share", data.validation_share, "0 or more and below 1")?;
    if !data.validation_split.is_empty() {
        let split = &data.validation_split;
        let of_its_own = *split != data.test_split && split != "train";
        require(of_its_own, "data.validation_split", split, "another split than those of training and test")?;
        let only = has_splits && data.validation_share == 0.0;
        require(
            only,
            "data.validation_split",
            split,
            "nothing but with data.format = \"beir\" or \"ms-marco\" and no validation_share",
        )?;
    }
    require(data.sample != Some(0), "data.sample", 0, "1 or more")?;
    require(data.limit != Some(0), "data.limit", 0, "1 or more")?;
    match data.columns.fault() {
        Some(name) => require(false, "data.columns", format!("{name:?}"), "a name for each, no two alike"),
        None => Ok(()),
    }
}

fn validate_mlm(mlm: &MlmConfig) -> Result<()> {
    require((1..=100_000_000).contains(&mlm.steps), "student.mlm.steps", mlm.steps, "1 to 100000000")?;
    size("student.mlm.batch_size", mlm.batch_size)?;
    // Two special tokens, and one between them.
    require((3..=MOST_TOKENS).contains(&mlm.max_tokens), "student.mlm.max_tokens", mlm.max_tokens, "3 to 1048576")?;
    require(mlm.mask > 0.0 && mlm.mask <= 1.0, "student.mlm.mask", mlm.mask, "above 0 and at most 1")?;
    let rate = mlm.learning_rate;
    require((1e-12..=10.0).contains(&rate), "student.mlm.learning_rate", rate, "1e-12 to 10")?;
    let decay = f64::from(mlm.weight_decay);
    let shrinks = (0.0..=1.0).contains(&decay) && rate * decay < 1.0;
    require(
        shrinks,
        "student.mlm.weight_decay",
        decay,
        "0 to 1, and less than 1 when multiplied by student.mlm.learning_rate",
    )?;
    let dropout = mlm.dropout;
    require((0.0..1.0).contains(&dropout), "student.mlm.dropout", dropout, "0 or more and below 1")
}
