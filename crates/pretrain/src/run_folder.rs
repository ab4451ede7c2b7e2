//! The run folder: where every stage leaves its files, and how a stage knows that it is done.

mod hashes;
mod lock;
mod records;
mod stage;
mod stages;

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};

pub use self::records::StageRecord;
pub use self::stage::Stage;
use self::hashes::FileHashes;
use self::lock::RunLock;
use self::records::Records;
use crate::config::{ClusterOf, Config};
use crate::error::{PretrainError, Result};
use crate::files::{remove_drafts, write_whole};

const CONFIG: &str = "config.toml";

/// The folder of one run.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    arms: Vec<ClusterOf>,
    seeds: Vec<u64>,
    records: RefCell<Records>,
    hashes: FileHashes,
    lock: OnceCell<RunLock>,
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
    /// The folder `config.run.dir` for stages to be run in; held by this process alone where it is there, else nothing is
    /// written yet.
    ///
    /// # Errors
    /// Another process holds it, it holds a run of another configuration and `force` is not set, or it is damaged.
    pub fn prepare(config: &Config, force: bool) -> Result<Self> {
        let run = Self::new(config)?;
        if run.root.exists() {
            run.hold()?;
        }
        if !force {
            run.refuse_another(config)?;
        }
        Ok(run)
    }

    /// The folder `config.run.dir` to be read, whoever else holds it.
    ///
    /// # Errors
    /// It holds a run of another configuration, or is damaged.
    pub fn open(config: &Config) -> Result<Self> {
        let run = Self::new(config)?;
        run.refuse_another(config)?;
        Ok(run)
    }

    fn new(config: &Config) -> Result<Self> {
        let root = config.run.dir.clone();
        let (records, hashes) = (RefCell::new(Records::of_run(&root)?), FileHashes::of_run(&root));
        Ok(Self { root, arms: config.arms(), seeds: config.seeds(), records, hashes, lock: OnceCell::new() })
    }

    /// Refuses the run of another configuration.
    fn refuse_another(&self, config: &Config) -> Result<()> {
        let path = self.root.join(CONFIG);
        if !path.exists() {
            return Ok(());
        }
        let differences = Config::load(&path, &[])?.differences(config);
        match differences.is_empty() {
            true => Ok(()),
            false => Err(PretrainError::OtherConfiguration { dir: self.root.clone(), differences }),
        }
    }

    /// Holds the folder, which is made where it is missing, until this is dropped; whether it was not held before.
    fn hold(&self) -> Result<bool> {
        if self.lock.get().is_some() {
            return Ok(false);
        }
        std::fs::create_dir_all(&self.root).map_err(|source| PretrainError::io(&self.root, source))?;
        let lock = RunLock::take(&self.root)?;
        remove_drafts(&self.root);
        // What another process did until now.
        *self.records.borrow_mut() = Records::of_run(&self.root)?;
        Ok(self.lock.set(lock).is_ok())
    }

    /// Writes the configuration into the folder, which is made where it is missing.
    ///
    /// # Errors
    /// Another process holds the folder or made a run of another configuration in it by now, or the file cannot be written.
    pub fn write_config(&self, config: &Config) -> Result<()> {
        if self.hold()? {
            self.refuse_another(config)?;
        }
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
    fn a_folder_is_held_by_one_process_and_open_to_readers() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder.path().join("run"), &[]);
        let (first, second) = (RunFolder::prepare(&config, false).unwrap(), RunFolder::prepare(&config, false).unwrap());
        assert!(!first.root().exists());
        first.write_config(&config).unwrap();
        assert!(matches!(second.write_config(&config).unwrap_err(), PretrainError::RunInUse { .. }));
        assert!(matches!(RunFolder::prepare(&config, true).unwrap_err(), PretrainError::RunInUse { .. }));
        RunFolder::open(&config).unwrap();
        drop(first);
        second.write_config(&config).unwrap();
    }

    #[test]
    fn another_configuration_that_came_meanwhile_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        let (one, other) = (config(&dir, &[]), config(&dir, &["cluster.k=7"]));
        let late = RunFolder::prepare(&other, false).unwrap();
        RunFolder::prepare(&one, false).unwrap().write_config(&one).unwrap();
        assert!(matches!(late.write_config(&other).unwrap_err(), PretrainError::OtherConfiguration { .. }));
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
