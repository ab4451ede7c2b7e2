//! The run folder: where every stage leaves its files, and how a stage knows that it is done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::config::{ClusterOf, Config};
use crate::error::{PretrainError, Result};
use crate::files::{read_json, write_json, write_whole};
use crate::progress::duration;

const CONFIG: &str = "config.toml";
const RECORDS: &str = "stages.json";

/// The folder of one run.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    arms: Vec<ClusterOf>,
    seeds: Vec<u64>,
    records: RefCell<BTreeMap<String, StageRecord>>,
}

/// What a finished stage was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The hash of all that the stage's output depends on.
    pub inputs: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// One arm trained with one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// What is clustered.
    pub arm: ClusterOf,
    /// The seed of initial weights and batches.
    pub seed: u64,
}

impl RunFolder {
    /// The folder `config.run.dir`; nothing is written yet.
    ///
    /// # Errors
    /// The folder holds a run of another configuration and `force` is not set, or is damaged.
    pub fn prepare(config: &Config, force: bool) -> Result<Self> {
        let root = config.run.dir.clone();
        let path = root.join(CONFIG);
        if path.exists() && !force {
            let differences = Config::load(&path, &[])?.differences(config);
            if !differences.is_empty() {
                return Err(PretrainError::OtherConfiguration { dir: root, differences });
            }
        }
        let path = root.join(RECORDS);
        let records = if path.exists() { read_json(&path)? } else { BTreeMap::new() };
        Ok(Self { root, arms: config.arms(), seeds: config.seeds(), records: RefCell::new(records) })
    }

    /// Writes the configuration into the folder, which is made where it is missing.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_config(&self, config: &Config) -> Result<()> {
        let text = config.to_toml()?;
        write_whole(&self.root.join(CONFIG), |out| out.write_all(text.as_bytes()))
    }

    /// The configuration that the run in `dir` was made with, with overrides.
    ///
    /// # Errors
    /// `dir` is no run folder, or its configuration is damaged.
    pub fn config(dir: &Path, settings: &[String]) -> Result<Config> {
        let path = dir.join(CONFIG);
        if !path.exists() {
            return Err(PretrainError::NotARun { dir: dir.to_owned() });
        }
        let mut config = Config::load(&path, settings)?;
        config.run.dir = dir.to_owned();
        Ok(config)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file that all arms share.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Every arm with every seed, in the order of training.
    pub fn members(&self) -> Vec<Member> {
        let of = |&arm: &ClusterOf| self.seeds.iter().map(move |&seed| Member { arm, seed });
        self.arms.iter().flat_map(of).collect()
    }

    /// The folder of an arm's clusters.
    pub fn clusters(&self, arm: ClusterOf) -> PathBuf {
        self.arm(arm).join("clusters")
    }

    /// The folder of one training; with one arm and one seed, the run folder itself.
    pub fn member(&self, member: Member) -> PathBuf {
        match self.seeds.len() {
            1 => self.arm(member.arm),
            _ => self.arm(member.arm).join(format!("seed-{}", member.seed)),
        }
    }

    fn arm(&self, arm: ClusterOf) -> PathBuf {
        match self.arms.len() {
            1 => self.root.clone(),
            _ => self.root.join("arms").join(arm.name()),
        }
    }

    /// Runs `work` unless the stage `name` is done from the same inputs and its `outputs` are there.
    ///
    /// # Errors
    /// Whatever `work` gives; the stage then counts as not done.
    pub fn stage(
        &self,
        name: &str,
        inputs: &InputHash,
        outputs: &[PathBuf],
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        match self.stage_quietly(name, inputs, outputs, work)? {
            Some(seconds) => tracing::info!("{name}: done in {}", duration(seconds)),
            None => tracing::info!("{name}: unchanged, skipped"),
        }
        Ok(())
    }

    /// As [`stage`](Self::stage), without a message; the seconds that the work took, or none if it was skipped.
    pub(crate) fn stage_quietly(
        &self,
        name: &str,
        inputs: &InputHash,
        outputs: &[PathBuf],
        work: impl FnOnce() -> Result<()>,
    ) -> Result<Option<f64>> {
        let inputs = inputs.hex();
        let done = self.records.borrow().get(name).is_some_and(|record| record.inputs == inputs);
        if done && outputs.iter().all(|path| path.exists()) {
            return Ok(None);
        }
        self.forget(name)?;
        let start = Instant::now();
        work()?;
        let seconds = start.elapsed().as_secs_f64();
        self.records.borrow_mut().insert(name.to_owned(), StageRecord { inputs, seconds });
        self.write_records()?;
        Ok(Some(seconds))
    }

    /// The record of a finished stage.
    pub fn record(&self, name: &str) -> Option<StageRecord> {
        self.records.borrow().get(name).cloned()
    }

    fn forget(&self, name: &str) -> Result<()> {
        if self.records.borrow_mut().remove(name).is_none() {
            return Ok(());
        }
        self.write_records()
    }

    fn write_records(&self) -> Result<()> {
        write_json(&self.file(RECORDS), &*self.records.borrow())
    }
}

/// The hash of all that a stage's output depends on.
#[derive(Debug, Clone, Default)]
pub struct InputHash(blake3::Hasher);

impl InputHash {
    /// The hash of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hash with another part, as its JSON.
    ///
    /// # Errors
    /// `part` cannot be written as JSON.
    pub fn with(mut self, part: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_vec(part).map_err(|source| PretrainError::json(Path::new("stage inputs"), source))?;
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(&text);
        Ok(self)
    }

    /// The hash with the bytes of the files of a model folder that decide its vectors.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn with_model(mut self, folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect_files(folder, &mut files)?;
        files.sort();
        for file in files {
            self.0.update(file.strip_prefix(folder).unwrap_or(&file).as_os_str().as_encoded_bytes());
            self.0.update_mmap(&file).map_err(|source| PretrainError::io(&file, source))?;
        }
        Ok(self)
    }

    fn hex(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// The safetensors and JSON files below `folder`, at most one folder down, as model folders are laid out.
fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let at = |source| PretrainError::io(folder, source);
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "safetensors" || extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path, settings: &[&str]) -> Config {
        let mut settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        settings.push(format!("run.dir={}", dir.display()));
        Config::parse("", &settings).unwrap()
    }

    #[test]
    fn another_configuration_is_refused_with_the_key_and_both_values() {
        let folder = tempfile::tempdir().unwrap();
        let first = config(folder.path(), &[]);
        RunFolder::prepare(&first, false).unwrap().write_config(&first).unwrap();
        let other = config(folder.path(), &["cluster.k=7"]);
        let message = RunFolder::prepare(&other, false).unwrap_err().to_string();
        assert!(message.contains("cluster.k = 10 there, 7 here"), "{message}");
        RunFolder::prepare(&other, true).unwrap().write_config(&other).unwrap();
        assert_eq!(RunFolder::config(folder.path(), &[]).unwrap().cluster.k, 7);
    }

    #[test]
    fn a_stage_runs_once_for_the_same_inputs_and_again_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &[]);
        let output = folder.path().join("out");
        let mut runs = 0;
        let mut go = |k: usize, keep: bool| {
            let run = RunFolder::prepare(&config, false).unwrap();
            let hash = InputHash::new().with(&k).unwrap();
            run.stage("embed", &hash, std::slice::from_ref(&output), || {
                runs += 1;
                std::fs::write(&output, "x").unwrap();
                Ok(())
            })
            .unwrap();
            if !keep {
                std::fs::remove_file(&output).unwrap();
            }
            runs
        };
        assert_eq!(go(1, true), 1);
        assert_eq!(go(1, true), 1);
        assert_eq!(go(2, false), 2);
        assert_eq!(go(2, true), 3);
    }

    #[test]
    fn a_failed_stage_counts_as_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::prepare(&config(folder.path(), &[]), false).unwrap();
        let hash = InputHash::new();
        run.stage("train", &hash, &[], || Ok(())).unwrap();
        assert!(run.record("train").is_some());
        let other = InputHash::new().with(&1).unwrap();
        let failed = run.stage("train", &other, &[], || Err(PretrainError::Setting { setting: "x".into() }));
        assert!(failed.is_err() && run.record("train").is_none());
    }

    #[test]
    fn one_arm_lives_in_the_run_folder_itself() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::prepare(&config(folder.path(), &[]), false).unwrap();
        assert_eq!(run.member(run.members()[0]), folder.path());
        let several = tempfile::tempdir().unwrap();
        let run =
            RunFolder::prepare(&config(several.path(), &["run.arms=[\"none\",\"queries\"]", "run.seeds=[0,1]"]), false)
                .unwrap();
        assert_eq!(run.member(run.members()[3]), several.path().join("arms/queries/seed-1"));
        assert_eq!(run.clusters(ClusterOf::Queries), several.path().join("arms/queries/clusters"));
    }
}
