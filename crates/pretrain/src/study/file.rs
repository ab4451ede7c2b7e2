//! A study as its file says it: a configuration, and experiments on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

use crate::config::{
    ClusterConfig, ClusterOf, Config, DataConfig, EmbedderConfig, EvalConfig, Preset, SamplerConfig, StudentConfig,
    TrainConfig,
};
use crate::error::{PretrainError, Result};

/// Keys that every replicate sets to its seed, where nothing is said.
const VARIED: [&str; 2] = ["train.seed", "cluster.seed"];

/// The section `[study]`.
///
/// # Examples
///
/// ```
/// use pretrain::study::{Equal, StudyConfig};
///
/// let study = StudyConfig::default();
/// assert_eq!((study.seeds, study.equal), (vec![0, 1, 2], Equal::Steps));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudyConfig {
    /// What its tables and files are called; empty: as the file is.
    pub name: String,
    /// Where its trainings and their records lie; absent: `runs/NAME`.
    pub dir: Option<PathBuf>,
    /// A configuration that the file's sections are put over, by its path from the file's folder.
    pub config: Option<PathBuf>,
    /// The seeds, one a replicate.
    pub seeds: Vec<u64>,
    /// The keys that are set to a replicate's seed, but where an arm or a setting gives them.
    pub vary: Vec<String>,
    /// What all arms have alike.
    pub equal: Equal,
    /// What is kept of a finished training.
    pub keep: Kept,
    /// The folder that `results.json` and `figures/` are written to; absent: the study's own.
    pub publish: Option<PathBuf>,
    /// Markdown files whose marked blocks are written anew.
    pub pages: Vec<PathBuf>,
    /// The experiment and the arm whose gain is the result of the method as a whole.
    pub recommended: Option<Recommended>,
}

impl Default for StudyConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            dir: None,
            config: None,
            seeds: vec![0, 1, 2],
            vary: VARIED.map(String::from).to_vec(),
            equal: Equal::Steps,
            keep: Kept::Models,
            publish: None,
            pages: Vec::new(),
            recommended: None,
        }
    }
}

/// What all arms have alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Equal {
    /// As many steps as `train.epochs` passes over all pairs take, whatever an arm's own epochs hold.
    #[default]
    Steps,
    /// As many of their own epochs: what fills no batch costs an arm steps.
    Epochs,
}

/// What is kept of a finished training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// The run folder, without checkpoints: another measure or data set is judged without training anew.
    #[default]
    Models,
    /// The record alone.
    Records,
}

/// The arm that stands for the method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recommended {
    /// The experiment's name.
    pub experiment: String,
    /// The setting's name; empty where the experiment has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub setting: String,
    /// The arm's name in it.
    pub arm: String,
}

/// One experiment: arms, repeated in every setting, with every seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentConfig {
    /// Its name in files, figures and pages.
    pub name: String,
    /// A heading; empty: the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What is compared.
    #[serde(alias = "arm")]
    pub arms: Vec<VariantConfig>,
    /// What the arms are compared in, each a comparison of its own: gains are within one.
    #[serde(default, alias = "setting", skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<VariantConfig>,
    /// The arm that gains are over; absent: the first whose batches look at no clusters.
    #[serde(default)]
    pub baseline: Option<String>,
    /// Seeds, where they are others than the study's.
    #[serde(default)]
    pub seeds: Option<Vec<u64>>,
    /// Varied keys, where they are others than the study's.
    #[serde(default)]
    pub vary: Option<Vec<String>>,
    /// A key that a figure has along its axis.
    #[serde(default)]
    pub along: Option<String>,
}

/// An arm or a setting: a name of what is clustered, or a table of keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum VariantConfig {
    /// What is clustered, the rest as in the sections.
    Of(ClusterOf),
    /// A name, and keys that differ from the sections.
    Table(VariantTable),
}

/// Keys that differ from the sections, and lists of values for some of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantTable {
    /// The name in tables; `{section.key}` in it stands for a value of the grid.
    pub name: String,
    /// Values of keys, of which every combination is a variant of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grid: BTreeMap<String, Vec<Value>>,
    /// Sections with their keys.
    #[serde(flatten)]
    pub sections: BTreeMap<String, Table>,
}

/// By hand, since an untagged enum says only that nothing matched.
impl<'de> Deserialize<'de> for VariantConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Table(table) => table.try_into().map(Self::Table).map_err(D::Error::custom),
            of => of.try_into().map(Self::Of).map_err(D::Error::custom),
        }
    }
}

/// The whole file; its sections are read a second time with what they are put over.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct StudyFile {
    study: StudyConfig,
    #[serde(rename = "preset")]
    _preset: Option<Preset>,
    #[serde(alias = "experiment")]
    experiments: Vec<ExperimentConfig>,
    #[serde(rename = "data")]
    _data: DataConfig,
    #[serde(rename = "embedder")]
    _embedder: EmbedderConfig,
    #[serde(rename = "cluster")]
    _cluster: ClusterConfig,
    #[serde(rename = "sampler")]
    _sampler: SamplerConfig,
    #[serde(rename = "student")]
    _student: StudentConfig,
    #[serde(rename = "loss")]
    _loss: infonce::InfoNceConfig,
    #[serde(rename = "train")]
    _train: TrainConfig,
    #[serde(rename = "eval")]
    _eval: EvalConfig,
}

/// What a study's file says, with the configuration that its experiments change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Given {
    pub(super) study: StudyConfig,
    pub(super) experiments: Vec<ExperimentConfig>,
    pub(super) base: Config,
}

impl Given {
    /// What the file `path` says, with `section.key=value` overrides of its sections.
    pub(super) fn load(path: &Path, settings: &[String]) -> Result<Self> {
        let read = |path: &Path| std::fs::read_to_string(path).map_err(|source| PretrainError::io(path, source));
        let (text, name) = (read(path)?, path.display().to_string());
        let in_file = |error: toml::de::Error| PretrainError::config(&name, &text, &error);
        let StudyFile { mut study, experiments, .. } = toml::from_str(&text).map_err(in_file)?;
        let mut sections: Table = toml::from_str(&text).map_err(in_file)?;
        sections.retain(|section, _| !["study", "experiment", "experiments"].contains(&section));
        let base = match &study.config {
            None => Config::from_table(&sections, settings)?,
            Some(below) => {
                let below = path.parent().unwrap_or(Path::new("")).join(below);
                Config::over(&read(&below)?, &below.display().to_string(), &sections, settings)?
            }
        };
        if study.name.is_empty() {
            study.name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        }
        Ok(Self { study, experiments, base })
    }
}
