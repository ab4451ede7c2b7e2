//! The range of every key, checked before any file is read.

use std::fmt::Display;

use retrieval_eval::Measure;

use super::{Config, DataFormat, EmbedderKind, Keep, SamplerKind, StudentKind};
use crate::error::{PretrainError, Result};

fn require(holds: bool, key: &'static str, value: impl Display, expected: &'static str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(PretrainError::OutOfRange { key, value: value.to_string(), expected })
}

fn at_least(minimum: usize, key: &'static str, value: usize) -> Result<()> {
    let expected = if minimum == 1 { "1 or more" } else { "2 or more" };
    require(value >= minimum, key, value, expected)
}

fn share(key: &'static str, value: f64) -> Result<()> {
    require((0.0..=1.0).contains(&value), key, value, "between 0 and 1")
}

fn without_repeats<T: PartialEq>(key: &'static str, values: &[T]) -> Result<()> {
    let repeated = values.iter().enumerate().any(|(i, value)| values[..i].contains(value));
    require(!repeated, key, "a list with a repeat", "each value once")
}

impl Config {
    pub(super) fn validate(&self) -> Result<()> {
        self.validate_data()?;
        self.validate_sections()?;
        self.validate_eval()?;
        self.arms()?;
        without_repeats("run.seeds", &self.run.seeds)?;
        require(!self.run.dir.as_os_str().is_empty(), "run.dir", "\"\"", "a folder")
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
        require(!data.path.as_os_str().is_empty(), "data.path", "\"\"", "a file or folder")?;
        let inside = data.test_share > 0.0 && data.test_share < 1.0;
        require(inside, "data.test_share", data.test_share, "above 0 and below 1")?;
        if data.format == DataFormat::Beir {
            require(!data.test_split.is_empty(), "data.test_split", "\"\"", "a split's name")?;
        }
        let inside = (0.0..1.0).contains(&data.validation_share);
        require(inside, "data.validation_share", data.validation_share, "0 or more and below 1")?;
        if !data.validation_split.is_empty() {
            let split = &data.validation_split;
            let of_its_own = *split != data.test_split && split != "train";
            require(of_its_own, "data.validation_split", split, "another split than those of training and test")?;
            let only = data.format == DataFormat::Beir && data.validation_share == 0.0;
            require(only, "data.validation_split", split, "nothing but with data.format = \"beir\" and no validation_share")?;
        }
        require(data.sample != Some(0), "data.sample", 0, "1 or more")
    }

    fn validate_clusters(&self) -> Result<()> {
        let (embedder, cluster) = (&self.embedder, &self.cluster);
        match embedder.kind {
            EmbedderKind::Lexical => at_least(1, "embedder.dim", embedder.dim)?,
            EmbedderKind::Bert | EmbedderKind::Static => {
                let given = !embedder.path.as_os_str().is_empty();
                require(given, "embedder.path", "\"\"", "a model's folder, for this embedder.kind")?;
            }
        }
        at_least(1, "cluster.k", cluster.k)?;
        at_least(1, "cluster.runs", cluster.runs)?;
        at_least(1, "cluster.max_iterations", cluster.max_iterations)?;
        let tolerance = cluster.tolerance;
        require(tolerance.is_finite() && tolerance >= 0.0, "cluster.tolerance", tolerance, "0 or more")?;
        require(cluster.max_points_per_centroid != Some(0), "cluster.max_points_per_centroid", 0, "1 or more")?;
        require(cluster.block_bytes != Some(0), "cluster.block_bytes", 0, "1 or more")?;
        let levels = &cluster.levels;
        let rising = levels.first() != Some(&0) && levels.is_sorted_by(|one, next| one < next);
        require(rising, "cluster.levels", format!("{levels:?}"), "rising numbers of 1 or more")?;
        let nested_here = levels.is_empty() || !cluster.on_device;
        require(nested_here, "cluster.levels", format!("{levels:?}"), "none with cluster.on_device")?;
        match cluster.balance {
            Some(bounds) => {
                let ordered = bounds.max.is_none_or(|max| max >= bounds.min.max(1));
                require(ordered, "cluster.balance", format!("{bounds:?}"), "max at least min, and 1 or more")
            }
            None => Ok(()),
        }
    }

    fn validate_sampler(&self) -> Result<()> {
        let sampler = &self.sampler;
        at_least(2, "sampler.batch_size", sampler.batch_size)?;
        require(sampler.cap != Some(0), "sampler.cap", 0, "1 or more")?;
        without_repeats("sampler.unique", &sampler.unique)?;
        let topic_aware = sampler.kind == SamplerKind::TopicAware && sampler.curriculum.is_none();
        let said = sampler.strata_per_batch.is_some() != sampler.group.is_some();
        let keys = format!("{:?}, strata_per_batch = {:?}", sampler.group, sampler.strata_per_batch);
        require(said || !topic_aware, "sampler.group", keys, "one of sampler.group and sampler.strata_per_batch")?;
        let (group, strata) = (sampler.group.unwrap_or(1), sampler.strata_per_batch.unwrap_or(1));
        let divides = |part: usize| part > 0 && sampler.batch_size.is_multiple_of(part);
        require(divides(group), "sampler.group", group, "a divisor of sampler.batch_size")?;
        require(divides(strata), "sampler.strata_per_batch", strata, "a divisor of sampler.batch_size")?;
        match &sampler.curriculum {
            Some(curriculum) => {
                let samplers = curriculum.samplers.len();
                require(samplers > 0, "sampler.curriculum", "no samplers", "samplers")?;
                let one = curriculum.starts.is_empty() != curriculum.knots.is_empty();
                require(one, "sampler.curriculum", "starts and knots", "one of the two")?;
                let starts = curriculum.starts.len();
                require(starts == 0 || starts == samplers, "sampler.curriculum", starts, "a start for each sampler")
            }
            None => Ok(()),
        }
    }

    fn validate_student(&self) -> Result<()> {
        let student = &self.student;
        require(student.layers != Some(0), "student.layers", 0, "1 or more")?;
        at_least(1, "student.dim", student.dim)?;
        at_least(1, "student.heads", student.heads)?;
        let std = student.init_std;
        require(std > 0.0 && std <= 100.0, "student.init_std", std, "above 0 and at most 100")?;
        if student.from.is_some() {
            return Ok(());
        }
        require(student.vocab_size >= 256, "student.vocab_size", student.vocab_size, "256 or more")?;
        let divides = student.kind == StudentKind::Static || student.dim.is_multiple_of(student.heads);
        require(divides, "student.heads", student.heads, "a divisor of student.dim")
    }

    fn validate_training(&self) -> Result<()> {
        let (loss, train) = (&self.loss, &self.train);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let rate = train.learning_rate;
        require(positive(loss.temperature.into()), "loss.temperature", loss.temperature, "above 0")?;
        require(train.epochs >= 1, "train.epochs", train.epochs, "1 or more")?;
        require(positive(rate), "train.learning_rate", rate, "above 0")?;
        share("train.warmup", train.warmup)?;
        share("train.final_rate", train.final_rate)?;
        share("train.weight_decay", train.weight_decay.into())?;
        for (key, beta) in [("train.beta1", train.beta1), ("train.beta2", train.beta2)] {
            require((0.0..1.0).contains(&beta), key, beta, "0 or more and below 1")?;
        }
        require(positive(train.epsilon.into()), "train.epsilon", train.epsilon, "above 0")?;
        let clip = train.clip_norm;
        require(clip.is_finite() && clip >= 0.0, "train.clip_norm", clip, "0 or more")?;
        let evaluates = train.evaluate_every > 0;
        let validation = self.data.validation_share > 0.0 || !self.data.validation_split.is_empty();
        let expected = "0, or a validation split: data.validation_share or data.validation_split";
        require(validation || !evaluates, "train.evaluate_every", train.evaluate_every, expected)?;
        require(evaluates || train.keep == Keep::Last, "train.keep", "best", "last, or train.evaluate_every of 1 or more")?;
        at_least(2, "train.max_query_tokens", train.max_query_tokens)?;
        at_least(2, "train.max_passage_tokens", train.max_passage_tokens)
    }

    fn validate_eval(&self) -> Result<()> {
        let eval = &self.eval;
        require(!eval.measures.is_empty(), "eval.measures", "[]", "one measure or more")?;
        for name in &eval.measures {
            let known = name.parse::<Measure>().is_ok();
            require(known, "eval.measures", name, "names such as nDCG@10, MRR@10, recall@100")?;
        }
        without_repeats("eval.measures", &eval.measures)?;
        at_least(1, "eval.depth", eval.depth)?;
        at_least(1, "eval.resamples", eval.resamples)?;
        at_least(2, "eval.max_query_tokens", eval.max_query_tokens)?;
        at_least(2, "eval.max_passage_tokens", eval.max_passage_tokens)
    }
}
