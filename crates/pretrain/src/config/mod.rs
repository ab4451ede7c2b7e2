//! The whole configuration of a run: one TOML file, every key overridable.

mod overrides;
mod sections;
mod validate;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use sections::{
    ClusterConfig, ClusterOf, DataConfig, DataFormat, EmbedderConfig, EmbedderKind, EvalConfig, LossConfig,
    PoolingKind, RunConfig, SamplerConfig, SplitBy, StudentConfig, StudentKind, TrainConfig,
};

use crate::error::{PretrainError, Result};

/// The configuration of a run, checked as a whole.
///
/// # Examples
///
/// ```
/// let config = pretrain::Config::parse("[cluster]\nk = 4", &["train.epochs=1".into()])?;
/// assert_eq!(config.cluster.k, 4);
/// assert_eq!(config.train.epochs, 1);
/// assert!(pretrain::Config::parse("", &["train.epoch=1".into()]).is_err());
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where pairs, corpus and test queries come from.
    pub data: DataConfig,
    /// The pretrained embedder whose vectors are clustered.
    pub embedder: EmbedderConfig,
    /// What is clustered, and how.
    pub cluster: ClusterConfig,
    /// How batches are drawn.
    pub sampler: SamplerConfig,
    /// The encoder that is trained.
    pub student: StudentConfig,
    /// InfoNCE over the batch.
    pub loss: LossConfig,
    /// The optimisation.
    pub train: TrainConfig,
    /// How the trained encoder is judged.
    pub eval: EvalConfig,
    /// Where the run lives and what it compares.
    pub run: RunConfig,
}

impl Config {
    /// The configuration in the file `path`, with `section.key=value` overrides.
    ///
    /// # Errors
    /// The file cannot be read, a key is unknown, or a value is out of range.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| PretrainError::io(path, source))?;
        Self::parse_named(&text, &path.display().to_string(), overrides)
    }

    /// The configuration in `text`, with `section.key=value` overrides.
    ///
    /// # Errors
    /// A key is unknown, or a value is out of range.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        Self::parse_named(text, "configuration", overrides)
    }

    fn parse_named(text: &str, name: &str, settings: &[String]) -> Result<Self> {
        // First alone: errors of the file then carry its line.
        let in_file = |error: toml::de::Error| PretrainError::config(name, text, &error);
        toml::from_str::<Self>(text).map_err(in_file)?;
        let mut table: toml::Table = toml::from_str(text).map_err(in_file)?;
        for setting in settings {
            overrides::apply(&mut table, setting)?;
        }
        let config: Self = table.try_into().map_err(|error| PretrainError::config("--set", "", &error))?;
        config.validate()?;
        Ok(config)
    }

    /// The arms that are trained, in order.
    pub fn arms(&self) -> Vec<ClusterOf> {
        match self.run.arms.as_slice() {
            [] => vec![self.cluster.of],
            arms => arms.to_vec(),
        }
    }

    /// The seeds that every arm is trained with.
    pub fn seeds(&self) -> Vec<u64> {
        match self.run.seeds.as_slice() {
            [] => vec![self.train.seed],
            seeds => seeds.to_vec(),
        }
    }

    /// The TOML text that parses to this configuration.
    ///
    /// # Errors
    /// A value that TOML cannot hold, such as a seed above `i64::MAX`.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|source| PretrainError::ConfigText { source: Box::new(source) })
    }

    /// The keys whose values differ and change what a run computes, with both values.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        overrides::differences(self, other)
    }
}

/// A key with two different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `section.key`.
    pub key: String,
    /// The first configuration's value, as TOML.
    pub left: String,
    /// The second configuration's value, as TOML.
    pub right: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {} there, {} here", self.key, self.left, self.right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, settings: &[&str]) -> String {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let error = Config::parse(text, &settings).unwrap_err();
        crate::error::one_line(&error)
    }

    #[test]
    fn every_default_is_valid_and_survives_toml() {
        let config = Config::parse("", &[]).unwrap();
        let again = Config::parse(&config.to_toml().unwrap(), &[]).unwrap();
        assert_eq!(config, again);
    }

    #[test]
    fn an_unknown_key_in_the_file_is_named_with_its_line() {
        let message = error("[train]\nepochs = 1\nlearning_rat = 2", &[]);
        assert!(message.contains("learning_rat") && message.contains("line 3"), "{message}");
    }

    #[test]
    fn an_unknown_key_of_a_setting_is_named() {
        assert!(error("", &["train.epoch=1"]).contains("epoch"));
        assert!(error("", &["trian.epochs=1"]).contains("trian"));
    }

    #[test]
    fn a_setting_without_a_value_is_an_error() {
        assert!(error("", &["train.epochs"]).contains("section.key=value"));
        assert!(error("", &["epochs=3"]).contains("section.key=value"));
    }

    #[test]
    fn values_out_of_range_name_their_key() {
        for (setting, key) in [
            ("cluster.k=0", "cluster.k"),
            ("sampler.batch_size=1", "sampler.batch_size"),
            ("loss.temperature=0.0", "loss.temperature"),
            ("loss.temperature=nan", "loss.temperature"),
            ("train.learning_rate=-1.0", "train.learning_rate"),
            ("train.warmup=1.5", "train.warmup"),
            ("data.test_share=1.0", "data.test_share"),
            ("data.validation_share=-0.1", "data.validation_share"),
            ("data.validation_split=dev", "data.validation_split"),
            ("eval.measures=[]", "eval.measures"),
            ("eval.measures=[\"nDCG@ten\"]", "eval.measures"),
            ("run.arms=[\"none\",\"none\"]", "run.arms"),
            ("embedder.kind=bert", "embedder.path"),
        ] {
            let message = error("", &[setting]);
            assert!(message.contains(key), "{setting}: {message}");
        }
    }

    #[test]
    fn settings_take_bare_words_numbers_and_lists() {
        let settings =
            ["cluster.of=queries", "train.learning_rate=1e-3", "run.arms=[\"none\",\"both\"]", "data.path=../x y"]
                .map(String::from);
        let config = Config::parse("", &settings).unwrap();
        assert_eq!(config.cluster.of, ClusterOf::Queries);
        assert_eq!(config.train.learning_rate, 1e-3);
        assert_eq!(config.arms(), [ClusterOf::None, ClusterOf::Both]);
        assert_eq!(config.data.path.to_str(), Some("../x y"));
    }

    #[test]
    fn only_keys_that_change_results_differ() {
        let a = Config::default();
        let b = Config::parse("", &["run.threads=1".into(), "run.dir=elsewhere".into()]).unwrap();
        assert!(a.differences(&b).is_empty());
        let c = Config::parse("", &["student.layers=2".into()]).unwrap();
        assert_eq!(a.differences(&c)[0].to_string(), "student.layers = absent there, 2 here");
    }
}
