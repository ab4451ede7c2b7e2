//! What the finished stages of a run read and wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::stage::Stage;
use crate::difference::Difference;
use crate::error::{PretrainError, Result};
use crate::files::{read_json, write_json};
use crate::stale::Stale;

const FILE: &str = "stages.json";

/// Moves when records of before say too little, or other code makes other files of the same inputs.
pub(crate) const VERSION: u64 = 2;

/// What a finished stage read and wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// The settings that its files depend on, by key.
    pub settings: BTreeMap<String, String>,
    /// The hashes of what it read, by what it is called.
    pub read: BTreeMap<String, String>,
    /// The BLAKE3 hashes of the files that it wrote, by their path in the run folder.
    pub wrote: BTreeMap<String, String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl StageRecord {
    /// The hash of all that the stage wrote.
    pub fn content(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for (file, content) in &self.wrote {
            hash.update(&(file.len() as u64).to_le_bytes()).update(file.as_bytes()).update(content.as_bytes());
        }
        hash.finalize().to_hex().to_string()
    }

    /// How the settings and the content from outside that this was made of differ from those of `stage`.
    pub(super) fn difference(&self, stage: &Stage) -> Option<Stale> {
        let settings = keys_that_differ(&self.settings, &stage.settings);
        if !settings.is_empty() {
            return Some(Stale::Settings(settings));
        }
        let changed = stage.read.iter().find(|(what, hash)| self.read.get(*what) != Some(hash));
        changed.map(|(what, _)| Stale::Content { what: what.clone() })
    }
}

/// The keys of either map with both values, where these differ.
fn keys_that_differ(then: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<Difference> {
    let only_now = now.keys().filter(|key| !then.contains_key(*key));
    let value = |map: &BTreeMap<String, String>, key: &str| map.get(key).map_or("absent", String::as_str).to_owned();
    then.keys()
        .chain(only_now)
        .map(|key| Difference { key: key.clone(), left: value(then, key), right: value(now, key) })
        .filter(|difference| difference.left != difference.right)
        .collect()
}

/// The records of a run folder, in `stages.json`.
#[derive(Debug)]
pub(super) struct Records {
    path: PathBuf,
    stages: BTreeMap<String, StageRecord>,
}

#[derive(Serialize, Deserialize)]
struct Document<S> {
    version: u64,
    stages: S,
}

impl Records {
    /// No records yet of the run in `root`.
    pub(super) fn none(root: &Path) -> Self {
        Self { path: root.join(FILE), stages: BTreeMap::new() }
    }

    /// The records of the run in `root`; none where there is no run, or one of another version.
    ///
    /// # Errors
    /// The file is damaged.
    pub(super) fn of_run(root: &Path) -> Result<Self> {
        let path = root.join(FILE);
        let stages = match path.exists() {
            true => Self::read(&path)?,
            false => BTreeMap::new(),
        };
        Ok(Self { path, stages })
    }

    fn read(path: &Path) -> Result<BTreeMap<String, StageRecord>> {
        let document: serde_json::Value = read_json(path)?;
        if document["version"] != VERSION {
            tracing::warn!("{}: of another version of this program; all stages count as not done", path.display());
            return Ok(BTreeMap::new());
        }
        let document: Document<_> =
            serde_json::from_value(document).map_err(|source| PretrainError::json(path, source))?;
        Ok(document.stages)
    }

    /// The record of a finished stage.
    pub(super) fn get(&self, name: &str) -> Option<&StageRecord> {
        self.stages.get(name)
    }

    /// Records that a stage is finished.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn insert(&mut self, name: &str, record: StageRecord) -> Result<()> {
        self.stages.insert(name.to_owned(), record);
        self.write()
    }

    /// Records that a stage is not finished any more.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn forget(&mut self, name: &str) -> Result<()> {
        match self.stages.remove(name) {
            Some(_) => self.write(),
            None => Ok(()),
        }
    }

    fn write(&self) -> Result<()> {
        write_json(&self.path, &Document { version: VERSION, stages: &self.stages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> StageRecord {
        let map = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        StageRecord { settings: map("cluster.k", "10"), read: map("data", "d"), wrote: map("x", "h"), seconds: 0.5 }
    }

    #[test]
    fn a_difference_names_every_key_with_both_values_or_what_was_read() {
        let stage = |k: usize, data: &str| {
            let cluster = BTreeMap::from([("k", k)]);
            Stage::new("cluster", "cluster").with_settings("cluster", &cluster).unwrap().reading("data", data)
        };
        assert_eq!(record().difference(&stage(10, "d")), None);
        assert_eq!(record().difference(&stage(20, "d")).unwrap().to_string(), "was made with cluster.k = 10, not 20");
        assert_eq!(record().difference(&stage(10, "e")).unwrap().to_string(), "was made from other data");
        let more = stage(10, "d").with_settings("seed", &3).unwrap();
        assert_eq!(record().difference(&more).unwrap().to_string(), "was made with seed = absent, not 3");
    }

    #[test]
    fn records_survive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::of_run(folder.path()).unwrap();
        records.insert("cluster", record()).unwrap();
        assert_eq!(Records::of_run(folder.path()).unwrap().get("cluster"), Some(&record()));
        records.forget("cluster").unwrap();
        assert_eq!(Records::of_run(folder.path()).unwrap().get("cluster"), None);
    }

    #[test]
    fn records_of_another_version_count_as_not_done_and_damaged_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for other in [r#"{"embed": {"inputs": "0f", "seconds": 1.5}}"#, r#"{"version": 1, "stages": [1]}"#, "[]"] {
            std::fs::write(&path, other).unwrap();
            assert!(Records::of_run(folder.path()).unwrap().stages.is_empty(), "{other}");
        }
        for damaged in ["{", r#"{"version": 2, "stages": {"embed": {}}}"#] {
            std::fs::write(&path, damaged).unwrap();
            assert!(Records::of_run(folder.path()).unwrap_err().to_string().contains(FILE), "{damaged}");
        }
    }

    #[test]
    fn content_moves_with_every_file_and_hash() {
        let base = record();
        let wrote = |file: &str, hash: &str| StageRecord {
            wrote: BTreeMap::from([(file.to_owned(), hash.to_owned())]),
            ..record()
        };
        assert_eq!(base.content(), StageRecord { seconds: 9.0, ..record() }.content());
        assert_ne!(base.content(), wrote("y", "h").content());
        assert_ne!(base.content(), wrote("x", "g").content());
    }
}
