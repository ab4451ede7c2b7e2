//! One training of a study: a whole configuration, known by what it computes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{ClusterConfig, Config, DataConfig, EmbedderKind, EvalConfig, Keep, OtherData};
use crate::data::Dataset;
use crate::error::{PretrainError, Result};
use crate::files::model_files;
use crate::memory::release_freed_blocks;
use crate::models::model_folder;
use crate::run_folder;
use crate::student::begins_weighted;

/// Moves when records of before say too little, or other code makes other students of the same settings.
const VERSION: u32 = 1;

/// Keys of `[eval]` that decide nothing of a student or its scores.
const OF_NO_SCORE: [&str; 3] = ["eval.baselines", "eval.resamples", "eval.others"];

/// What a study has to know of some data before it is trained on.
///
/// # Examples
///
/// ```
/// use pretrain::data::{Dataset, Pair};
/// use pretrain::study::DataFacts;
///
/// let dataset = Dataset { train: vec![Pair { query: 0, passage: 0 }], ..Dataset::default() };
/// assert_eq!(DataFacts::of(&dataset).pairs, 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// The hash of its content ([`Dataset::content_hash`](crate::data::Dataset::content_hash)).
    pub hash: String,
    /// The hash of what students are judged on alone: passages, validation and test queries.
    pub judged: String,
    /// Training pairs.
    pub pairs: usize,
}

impl DataFacts {
    /// Those of the data that a configuration names.
    ///
    /// # Errors
    /// The data is missing or malformed.
    pub fn of_source(config: &DataConfig) -> Result<Self> {
        let facts = Self::of(&config.source()?.load()?);
        // The texts are gone, and the trainings want the memory.
        release_freed_blocks();
        Ok(facts)
    }

    /// Those of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        Self { hash: dataset.content_hash(), judged: dataset.judged_hash(), pairs: dataset.train.len() }
    }
}

/// One training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The hash of all that decides its student, 16 hexadecimal digits.
    pub id: String,
    /// Its configuration: one arm, one seed. Not part of the cell as JSON.
    #[serde(skip)]
    pub config: Config,
    /// What it is trained on.
    pub data: DataFacts,
    /// What decides its scores, by name: keys with their values as TOML, and of other data their limits and the hash of their content.
    pub judged_by: BTreeMap<String, String>,
    /// What it is called where it is first of use.
    pub title: String,
}

/// Contents of models and of other data, each read once.
#[derive(Debug, Default)]
pub(super) struct Contents {
    hashes: BTreeMap<PathBuf, String>,
}

impl Contents {
    /// The hash of these files of a folder, names and contents.
    fn hash(
        &mut self,
        known_as: PathBuf,
        folder: &Path,
        files: impl FnOnce() -> Result<Vec<PathBuf>>,
    ) -> Result<String> {
        if let Some(hash) = self.hashes.get(&known_as) {
            return Ok(hash.clone());
        }
        let mut all = blake3::Hasher::new();
        for file in files()? {
            let inside = file.strip_prefix(folder).unwrap_or(&file).as_os_str().as_encoded_bytes();
            let mut content = blake3::Hasher::new();
            content.update_mmap_rayon(&file).map_err(|source| PretrainError::io(&file, source))?;
            all.update(&(inside.len() as u64).to_le_bytes()).update(inside).update(content.finalize().as_bytes());
        }
        let hash = all.finalize().to_hex()[..32].to_owned();
        self.hashes.insert(known_as, hash.clone());
        Ok(hash)
    }

    fn of_model(&mut self, folder: &Path) -> Result<String> {
        self.hash(folder.to_owned(), folder, || model_files(folder))
    }

    /// What decides the scores of the students of `config`.
    pub(super) fn judged_by(&mut self, config: &Config) -> Result<BTreeMap<String, String>> {
        let mut keys = config.identity();
        keys.retain(|key, _| key.starts_with("eval.") && !OF_NO_SCORE.contains(&key.as_str()));
        for other in &config.eval.others {
            other.check()?;
            let source = other.source();
            let OtherData { name, split, max_query_tokens, max_passage_tokens, .. } = other;
            let known_as = source.path.join(split);
            let hash = self.hash(known_as, &source.path, || Ok(source.test_files().into_iter().collect()))?;
            let judged = format!("{split}, {max_query_tokens:?}, {max_passage_tokens:?}, {hash}");
            keys.insert(format!("eval.others.{name}"), judged);
        }
        Ok(keys)
    }

    /// The hash of all that decides the student of `config`: settings that have an effect, the content of the data and of the models that it begins
    /// with, wherever these lie, and the parts that it is made by.
    pub(super) fn cell_id(&mut self, config: &Config, data: &DataFacts, parts: &str) -> Result<String> {
        let mut decides = config.clone();
        // What is absent is what it stands for, which another version of this program may choose otherwise.
        decides.train = config.training();
        decides.student.dim = Some(config.student.dim());
        decides.student.idf = Some(begins_weighted(&config.student)?);
        if decides.train.steps.is_some() {
            decides.train.epochs = 1;
        }
        let EvalConfig { baselines, resamples, others, .. } = EvalConfig::default();
        (decides.eval.baselines, decides.eval.resamples, decides.eval.others) = (baselines, resamples, others);
        let mut identity = decides.identity();
        let chosen = config.train.keep == Keep::Best;
        let of_paths = ["embedder.path", "student.from"];
        identity.retain(|key, _| {
            let elsewhere = key.starts_with("run.") || key.starts_with("data.") || of_paths.contains(&key.as_str());
            !elsewhere && (chosen || !key.starts_with("eval."))
        });
        let weights: Vec<String> =
            config.data.sources.iter().map(|source| format!("{} {}", source.name, source.weight)).collect();
        identity.insert("sources".to_owned(), weights.join(", "));
        identity.insert("version".to_owned(), format!("{VERSION}.{}", run_folder::VERSION));
        identity.insert("parts".to_owned(), parts.to_owned());
        identity.insert("data".to_owned(), data.hash.clone());
        if config.embedder.kind != EmbedderKind::Lexical {
            identity.insert("embedder".to_owned(), self.of_model(&config.embedder.path)?);
        }
        if let Some(folder) = &config.student.from {
            identity.insert("student".to_owned(), self.of_model(folder)?);
        }
        let mut hash = blake3::Hasher::new();
        for (key, value) in &identity {
            for text in [key, value] {
                hash.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
        }
        Ok(hash.finalize().to_hex()[..16].to_owned())
    }
}

/// A configuration as that of a run of one arm and one seed, its models on the disk, and without what is of no effect in it.
pub(super) fn of_one_arm(mut config: Config) -> Result<Config> {
    (config.run.arms, config.run.seeds) = (Vec::new(), Vec::new());
    if config.embedder.kind != EmbedderKind::Lexical {
        config.embedder.path = model_folder("embedder.path", &config.embedder.path)?;
    }
    if let Some(from) = &config.student.from {
        config.student.from = Some(model_folder("student.from", from)?);
    }
    let arms = config.arms()?;
    // Seeds and numbers of clusters that are never made would tell equal trainings apart.
    if arms[0].clusters().next().is_none() {
        config.cluster = ClusterConfig { of: config.cluster.of, ..ClusterConfig::default() };
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(hash: &str) -> DataFacts {
        DataFacts { hash: hash.into(), judged: String::new(), pairs: 9 }
    }

    fn id(settings: &[&str]) -> String {
        id_of(settings, "d", "")
    }

    fn id_of(settings: &[&str], data: &str, parts: &str) -> String {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let config = of_one_arm(Config::parse("", &settings).unwrap()).unwrap();
        Contents::default().cell_id(&config, &facts(data), parts).unwrap()
    }

    #[test]
    fn a_cell_is_known_by_what_decides_its_student_alone() {
        let base = id(&[]);
        for same in [
            &["data.path=elsewhere"][..],
            &["eval.depth=200"],
            &["eval.split=validation"],
            &["run.dir=x", "run.threads=3", "train.checkpoint_every=7", "embedder.cache=c"],
            &["run.arms=[\"none\"]", "run.seeds=[1,2]"],
            // What it is anyway.
            &["train.learning_rate=1e-2", "student.dim=768", "student.idf=true"],
        ] {
            assert_eq!(id(same), base, "{same:?}");
        }
        for other in [
            "cluster.k=9",
            "cluster.seed=1",
            "train.seed=1",
            "train.steps=7",
            "loss.temperature=0.1",
            "embedder.dim=64",
        ] {
            assert_ne!(id(&[other]), base, "{other}");
        }
        assert_ne!(id_of(&[], "e", ""), base);
        assert_ne!(id_of(&[], "d", "mine"), base);
    }

    #[test]
    fn clusters_that_are_never_made_tell_nothing_apart() {
        let none = id(&["cluster.of=none"]);
        assert_eq!(id(&["cluster.of=none", "cluster.seed=3", "cluster.k=7"]), none);
        let topics = id(&["cluster.of=topics"]);
        assert_eq!(id(&["cluster.of=topics", "cluster.seed=3"]), topics);
        assert_ne!(topics, none);
        let random = id(&["cluster.of=random"]);
        assert_ne!(id(&["cluster.of=random", "cluster.seed=3"]), random);
        let curriculum =
            "sampler.curriculum={clock=\"steps\",starts=[0,2],samplers=[{},{cluster={of=\"passages\",k=3}}]}";
        assert_ne!(id(&["cluster.of=none", curriculum]), none);
    }

    #[test]
    fn steps_make_epochs_nothing_and_a_chosen_student_depends_on_how_it_is_judged() {
        assert_eq!(id(&["train.steps=7", "train.epochs=9"]), id(&["train.steps=7"]));
        let best = ["data.validation_share=0.1", "train.evaluate_every=5", "train.keep=best"];
        let with = |more: &'static str| id(&[&best[..], &[more]].concat());
        assert_eq!(with("eval.resamples=9"), id(&best));
        assert_ne!(with("eval.measures=[\"MRR@10\"]"), id(&best));
    }

    #[test]
    fn a_model_is_known_by_its_content() {
        let folders = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(folders.path().join(name)).unwrap();
            std::fs::write(folders.path().join(name).join("model.safetensors"), text).unwrap();
        };
        write("a", "weights");
        write("b", "weights");
        write("c", "others");
        let hash = |name: &str| Contents::default().of_model(&folders.path().join(name)).unwrap();
        assert_eq!(hash("a"), hash("b"));
        assert_ne!(hash("a"), hash("c"));
    }
}
