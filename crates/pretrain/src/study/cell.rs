//! One training of a study: a whole configuration, known by what it computes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::{Config, DataConfig, EmbedderKind, Keep, OtherData};
use crate::data::Dataset;
use crate::error::{PretrainError, Result};
use crate::files::model_files;
use crate::models::is_of_hub;

/// Moves when records of before say too little, or other code makes other students of the same settings.
const VERSION: u32 = 1;

/// What a study has to know of some data before it is trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// The hash of its content ([`Dataset::content_hash`](crate::data::Dataset::content_hash)).
    pub hash: String,
    /// Training pairs.
    pub pairs: usize,
}

impl DataFacts {
    /// Those of the data that a configuration names.
    ///
    /// # Errors
    /// The data is missing or malformed.
    pub fn of_source(config: &DataConfig) -> Result<Self> {
        Ok(Self::of(&config.source()?.load()?))
    }

    /// Those of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        Self { hash: dataset.content_hash(), pairs: dataset.train.len() }
    }
}

/// One training.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The hash of all that decides its student, 16 hexadecimal digits.
    pub id: String,
    /// Its configuration: one arm, one seed.
    pub config: Config,
    /// What it is called where it is first of use.
    pub title: String,
}

impl Cell {
    /// The keys by which a student is judged, each with its value as TOML; of other data their names and limits, wherever they lie.
    pub(crate) fn judged_by(&self) -> BTreeMap<String, String> {
        let mut keys = self.config.identity();
        let of_others = ["eval.baselines", "eval.resamples", "eval.others"];
        keys.retain(|key, _| key.starts_with("eval.") && !of_others.contains(&key.as_str()));
        for OtherData { name, split, max_query_tokens, max_passage_tokens, .. } in &self.config.eval.others {
            let judged = format!("{split}, {max_query_tokens:?}, {max_passage_tokens:?}");
            keys.insert(format!("eval.others.{name}"), judged);
        }
        keys
    }
}

/// Hashes of model folders that were read already.
#[derive(Debug, Default)]
pub(super) struct ModelHashes(BTreeMap<String, String>);

impl ModelHashes {
    /// The hash of a model's content; the id of a hub's model stands for itself.
    fn of(&mut self, path: &Path) -> Result<String> {
        let name = path.display().to_string();
        if is_of_hub(path) {
            return Ok(name);
        }
        if let Some(hash) = self.0.get(&name) {
            return Ok(hash.clone());
        }
        let mut all = blake3::Hasher::new();
        for file in model_files(path)? {
            let inside = file.strip_prefix(path).unwrap_or(&file).as_os_str().as_encoded_bytes();
            let mut content = blake3::Hasher::new();
            content.update_mmap_rayon(&file).map_err(|source| PretrainError::io(&file, source))?;
            all.update(&(inside.len() as u64).to_le_bytes()).update(inside).update(content.finalize().as_bytes());
        }
        let hash = all.finalize().to_hex().to_string();
        self.0.insert(name, hash.clone());
        Ok(hash)
    }
}

/// The hash of all that decides the student of `config`: its settings, the data, and the models that it begins with, wherever these lie.
pub(super) fn cell_id(config: &Config, data: &DataFacts, models: &mut ModelHashes) -> Result<String> {
    let mut identity = config.identity();
    let of_paths = ["data.path", "embedder.path", "student.from"];
    let chosen = config.train.keep == Keep::Best;
    identity.retain(|key, _| {
        !key.starts_with("run.") && (chosen || !key.starts_with("eval.")) && !of_paths.contains(&key.as_str())
    });
    identity.insert("version".to_owned(), VERSION.to_string());
    identity.insert("data".to_owned(), data.hash.clone());
    if config.embedder.kind != EmbedderKind::Lexical {
        identity.insert("embedder".to_owned(), models.of(&config.embedder.path)?);
    }
    if let Some(folder) = &config.student.from {
        identity.insert("student".to_owned(), models.of(folder)?);
    }
    let mut hash = blake3::Hasher::new();
    for (key, value) in &identity {
        for text in [key, value] {
            hash.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
    }
    Ok(hash.finalize().to_hex()[..16].to_owned())
}
