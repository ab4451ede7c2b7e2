//! The run folder: where every stage leaves its files, and how a stage knows that it is done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::config::{Arm, ClusterConfig, Config};
use crate::error::{PretrainError, Result};
use crate::files::{read_json, write_json, write_whole};
use crate::progress::duration;

const CONFIG: &str = "config.toml";
const RECORDS: &str = "stages.json";

/// The folder of one run.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    arms: Vec<Arm>,
    seeds: Vec<u64>,
    clusters: Vec<Clusters>,
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    /// How batches are drawn, and what is trained.
    pub arm: &'a Arm,
    /// The seed of initial weights and batches.
    pub seed: u64,
}

impl std::fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} seed {}", self.arm.name, self.seed)
    }
}

/// Clusters that one arm or several draw from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters {
    /// The name in stage records and messages.
    pub(crate) name: String,
    pub(crate) config: ClusterConfig,
    pub(crate) folder: PathBuf,
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
        let arms = config.arms()?;
        let clusters = distinct_clusters(&root, &arms);
        Ok(Self { root, arms, seeds: config.seeds(), clusters, records: RefCell::new(records) })
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

    /// The arms, in the order of training.
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// Every arm with every seed, in the order of training.
    pub fn members(&self) -> Vec<Member<'_>> {
        self.arms.iter().flat_map(|arm| self.seeds.iter().map(move |&seed| Member { arm, seed })).collect()
    }

    /// The member of the arm that `arm` names, as in files or in tables, and of `seed`; by default the last arm and the first seed.
    ///
    /// # Errors
    /// [`PretrainError::NoSuchArm`].
    pub fn find(&self, arm: Option<&str>, seed: Option<u64>) -> Result<Member<'_>> {
        let seed = seed.unwrap_or(self.seeds[0]);
        let named = |member: &Member<'_>| arm.is_none_or(|arm| member.arm.name == arm || member.arm.title == arm);
        let members = self.members();
        let found = members.iter().rev().find(|member| named(member) && member.seed == seed);
        found.copied().ok_or_else(|| PretrainError::NoSuchArm {
            arm: arm.unwrap_or("with that seed").to_owned(),
            arms: members.iter().map(Member::to_string).collect::<Vec<_>>().join(", "),
        })
    }

    /// The clusters that the stage `cluster` makes, each once, however many arms draw from them.
    pub(crate) fn all_clusters(&self) -> &[Clusters] {
        &self.clusters
    }

    /// The clusters that `config` describes, if an arm draws from such.
    pub(crate) fn clusters_of(&self, config: &ClusterConfig) -> Option<&Clusters> {
        self.clusters.iter().find(|clusters| clusters.config == *config)
    }

    /// The folder of one training; with one arm and one seed, the run folder itself.
    pub fn member(&self, member: Member<'_>) -> PathBuf {
        let arm = arm_folder(&self.root, &self.arms, &member.arm.name);
        match self.seeds.len() {
            1 => arm,
            _ => arm.join(format!("seed-{}", member.seed)),
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

/// With one arm, the run folder itself.
fn arm_folder(root: &Path, arms: &[Arm], name: &str) -> PathBuf {
    match arms.len() {
        1 => root.to_owned(),
        _ => root.join("arms").join(name),
    }
}

/// The clusters of all arms in the folder of the first arm that draws from them.
fn distinct_clusters(root: &Path, arms: &[Arm]) -> Vec<Clusters> {
    let mut found: Vec<Clusters> = Vec::new();
    for arm in arms {
        for (at, config) in arm.clusters().enumerate() {
            if found.iter().any(|clusters| clusters.config == *config) {
                continue;
            }
            let (name, folder) = match at {
                0 => (arm.name.clone(), "clusters".to_owned()),
                at => (format!("{} {}", arm.name, at + 1), format!("clusters-{}", at + 1)),
            };
            let folder = arm_folder(root, arms, &arm.name).join(folder);
            found.push(Clusters { name, config: config.clone(), folder });
        }
    }
    found
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

    pub(crate) fn hex(&self) -> String {
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
        assert_eq!(run.all_clusters()[0].folder, several.path().join("arms/queries/clusters"));
    }

    #[test]
    fn arms_that_draw_from_the_same_clusters_share_them() {
        let folder = tempfile::tempdir().unwrap();
        let arms = r#"run.arms=["none", "passages",
            { name = "groups", sampler = { kind = "topic-aware", group = 2 } },
            { name = "fine", cluster = { k = 50 } },
            { name = "rising", sampler = { curriculum = { clock = "epochs", starts = [0.0, 1.0],
                samplers = [{ cluster = { k = 50 } }, { cluster = { k = 60 } }] } } }]"#;
        let run = RunFolder::prepare(&config(folder.path(), &[arms]), false).unwrap();
        let folders: Vec<_> = run.all_clusters().iter().map(|clusters| (clusters.name.as_str(), &clusters.folder)).collect();
        let arms = folder.path().join("arms");
        assert_eq!(
            folders,
            [
                ("passages", &arms.join("passages/clusters")),
                ("fine", &arms.join("fine/clusters")),
                ("rising 2", &arms.join("rising/clusters-2")),
            ]
        );
        assert_eq!(run.find(Some("groups"), None).unwrap().arm.draws[0].clusters(), Some(&run.all_clusters()[0].config));
        assert!(run.find(Some("coarse"), None).unwrap_err().to_string().contains("fine seed 0"));
    }
}
