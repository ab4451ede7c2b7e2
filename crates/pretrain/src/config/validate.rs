//! The range of every key, checked before any file is read.

use std::fmt::Display;

use retrieval_eval::Measure;

use super::{Config, DataFormat, EmbedderKind, StudentKind};
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
        self.validate_clusters()?;
        self.validate_student()?;
        self.validate_training()?;
        self.validate_eval()?;
        without_repeats("run.arms", &self.run.arms)?;
        without_repeats("run.seeds", &self.run.seeds)?;
        require(!self.run.dir.as_os_str().is_empty(), "run.dir", "\"\"", "a folder")
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
            require(
                only,
                "data.validation_split",
                split,
                "nothing but with data.format = \"beir\" and no validation_share",
            )?;
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
        at_least(2, "sampler.batch_size", self.sampler.batch_size)
    }

    fn validate_student(&self) -> Result<()> {
        let student = &self.student;
        require(student.layers != Some(0), "student.layers", 0, "1 or more")?;
        at_least(1, "student.dim", student.dim)?;
        at_least(1, "student.heads", student.heads)?;
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
