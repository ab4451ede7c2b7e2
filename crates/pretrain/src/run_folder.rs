//! The run folder: where every stage leaves its files, and how a stage knows that it is done.

mod hashes;
mod lock;
mod records;
mod stage;
mod stages;

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};

use vectors::remove_drafts;

use self::hashes::FileHashes;
use self::lock::RunLock;
use self::records::Records;
pub use self::records::StageRecord;
pub(crate) use self::records::VERSION;
pub use self::stage::Stage;
use crate::config::{Arm, ClusterConfig, Config};
use crate::error::{PretrainError, Result};
use crate::files::write_whole;

const CONFIG: &str = "config.toml";

/// The folder of one run.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    arms: Vec<Arm>,
    seeds: Vec<u64>,
    clusters: Vec<Clusters>,
    records: RefCell<Records>,
    hashes: FileHashes,
    lock: OnceCell<RunLock>,
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
        run.read_records()?;
        Ok(run)
    }

    fn new(config: &Config) -> Result<Self> {
        let root = config.run.dir.clone();
        let (arms, seeds) = (config.arms()?, config.seeds());
        let clusters = distinct_clusters(&root, &arms);
        let (records, hashes) = (RefCell::new(Records::none(&root)), FileHashes::of_run(&root));
        Ok(Self { root, arms, seeds, clusters, records, hashes, lock: OnceCell::new() })
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
        // Only where a run was: other programs' drafts are theirs.
        if self.root.join(CONFIG).exists() {
            for draft in remove_drafts(&self.root) {
                tracing::info!("{}: removed, half-written by a process that ended", draft.display());
            }
        }
        self.read_records()?;
        Ok(self.lock.set(lock).is_ok())
    }

    fn read_records(&self) -> Result<()> {
        *self.records.borrow_mut() = Records::of_run(&self.root)?;
        Ok(())
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
    /// [`PretrainError::NoSuchArm`], [`PretrainError::NoSuchSeed`].
    pub fn find(&self, arm: Option<&str>, seed: Option<u64>) -> Result<Member<'_>> {
        let seed = seed.unwrap_or(self.seeds[0]);
        let named = |member: &Member<'_>| arm.is_none_or(|arm| member.arm.name == arm || member.arm.title == arm);
        let members = self.members();
        let found = members.iter().rev().find(|member| named(member) && member.seed == seed);
        found.copied().ok_or_else(|| {
            let arms = members.iter().map(Member::to_string).collect::<Vec<_>>().join(", ");
            match arm.filter(|_| !members.iter().any(named)) {
                Some(arm) => PretrainError::NoSuchArm { arm: arm.to_owned(), arms },
                None => PretrainError::NoSuchSeed { seed, arms },
            }
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
        assert_eq!(RunFolder::config(folder.path(), &[]).unwrap().cluster.kmeans.k, 7);
    }

    #[test]
    fn a_folder_is_held_by_one_process_and_open_to_readers() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder.path().join("run"), &[]);
        let (first, second) =
            (RunFolder::prepare(&config, false).unwrap(), RunFolder::prepare(&config, false).unwrap());
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
        let folders: Vec<_> =
            run.all_clusters().iter().map(|clusters| (clusters.name.as_str(), &clusters.folder)).collect();
        let arms = folder.path().join("arms");
        assert_eq!(
            folders,
            [
                ("passages", &arms.join("passages/clusters")),
                ("fine", &arms.join("fine/clusters")),
                ("rising 2", &arms.join("rising/clusters-2")),
            ]
        );
        assert_eq!(
            run.find(Some("groups"), None).unwrap().arm.draws[0].clusters(),
            Some(&run.all_clusters()[0].config)
        );
        let error = |arm, seed| run.find(arm, seed).unwrap_err().to_string();
        assert!(error(Some("coarse"), None).starts_with("no arm coarse in this run; its arms are none seed 0, "));
        assert!(error(Some("fine"), Some(7)).starts_with("no seed 7 in this run; its arms are none seed 0, "));
    }
}
