//! Which batches are best for some pairs: arms, in settings, with seeds, each a training of its own, compared with intervals.
//!
//! A [`Study`] is read from a file: a configuration as of a run, and experiments on it. Every combination of arm, setting and seed is a [`Cell`],
//! a run of one arm and one seed in a folder of its own. Cells are known by what they compute, so that what two experiments have in common is
//! trained once, and what is done stays done whatever is added to the file. [`CellRecord`] says what came of a cell, and [`StudyResults`] what
//! came of the study.

mod builder;
mod cell;
mod correlation;
#[cfg(feature = "report")]
mod figure;
mod file;
mod markdown;
mod outcome;
mod pages;
mod recommend;
mod record;
mod results;
mod variant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::builder::Builder;
pub use self::cell::{Cell, DataFacts};
use self::file::Given;
pub use self::file::{Equal, ExperimentConfig, Kept, Recommended, StudyConfig, VariantConfig, VariantTable};
pub use self::outcome::{ArmOutcome, Judged, Needed, SettingOutcome, StudyGain};
pub use self::recommend::{Budget, RecommendedStudy};
pub(crate) use self::record::Steps;
pub use self::record::{CellRecord, CellSeconds, StepMeans, TEST};
pub use self::results::{ArmGain, ArmPlan, CellResult, ExperimentOutcome, Prediction, StudyResults};
use crate::config::{Config, DataConfig, folder_name};
use crate::error::{PretrainError, Result};
use crate::files::{make_folder_of, read_json, write_json};

/// A study: what its file says, and the trainings that it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// The section `[study]`, with its name.
    pub config: StudyConfig,
    /// Where its trainings and their records lie.
    pub dir: PathBuf,
    /// The configuration that arms and settings change.
    pub base: Config,
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// The trainings, each once: the first seeds of all arms before the second ones.
    pub cells: Vec<Cell>,
}

/// One experiment of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Its name in files, figures and pages.
    pub name: String,
    /// A heading.
    pub title: String,
    /// What its arms are compared in: one without a name where the file names none.
    pub settings: Vec<Setting>,
    /// The key that a figure has along its axis.
    pub along: Option<String>,
}

/// Arms that are compared with each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its name; empty where the experiment has no settings.
    pub name: String,
    /// The arms.
    pub arms: Vec<StudyArm>,
    /// The place of the arm that gains are over.
    pub baseline: usize,
}

/// An arm, with a training for each seed.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyArm {
    /// The name in tables.
    pub name: String,
    /// Each seed, and the place of its training among the study's.
    pub replicates: Vec<(u64, usize)>,
    /// The value of the experiment's [`along`](Experiment::along), where that is a number.
    pub along: Option<f64>,
}

impl Study {
    /// The study in the file `path`, with `section.key=value` overrides of its sections.
    ///
    /// # Errors
    /// A key is unknown, a value is out of range, a name is there twice or not at all, or data or a model cannot be read.
    pub fn load(path: &Path, settings: &[String]) -> Result<Self> {
        Self::load_with(path, settings, "", &mut DataFacts::of_source)
    }

    /// [`load`](Self::load) for parts of one's own: their [version](crate::Parts::version), and facts of data that come from elsewhere than their
    /// configuration.
    ///
    /// # Errors
    /// Those of [`load`](Self::load), and of `facts`.
    pub fn load_with(
        path: &Path,
        settings: &[String],
        parts: &str,
        facts: &mut dyn FnMut(&DataConfig) -> Result<DataFacts>,
    ) -> Result<Self> {
        let Given { study: config, experiments, base } = Given::load(path, settings)?;
        file_name("study", &config.name)?;
        if base.eval.others.iter().any(|other| other.name == TEST) {
            let (what, problem) = ("eval.others".to_owned(), "the study's own queries are called so");
            return Err(PretrainError::StudyName { what, name: TEST.to_owned(), problem });
        }
        let dir = config.dir.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
        let mut builder = Builder::new(&config, &dir, &base, parts, facts);
        let experiments: Vec<Experiment> =
            experiments.iter().map(|experiment| builder.experiment(experiment)).collect::<Result<_>>()?;
        let cells = builder.cells();
        check_names("experiments", experiments.iter().map(|experiment| &experiment.name))?;
        let mut study = Self { config, dir, base, experiments, cells };
        study.sort_cells();
        study.check_recommended()?;
        Ok(study)
    }

    /// Where the run of a cell lies.
    pub fn run_folder(&self, cell: &Cell) -> PathBuf {
        self.dir.join("runs").join(&cell.id)
    }

    /// Where the record of a cell lies.
    pub fn record_file(&self, cell: &Cell) -> PathBuf {
        self.dir.join("cells").join(format!("{}.json", cell.id))
    }

    /// The record of a cell, where it is done and judged as the study asks.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn record(&self, cell: &Cell) -> Result<Option<CellRecord>> {
        let path = self.record_file(cell);
        if !path.exists() {
            return Ok(None);
        }
        let record: CellRecord = read_json(&path)?;
        let lacks = cell.config.eval.baselines && self.judges_baselines(cell) && record.baselines.is_empty();
        Ok((record.is_of(cell) && !lacks).then_some(record))
    }

    /// Whether the run of a cell judges the baselines too: one of each experiment does.
    pub fn judges_baselines(&self, cell: &Cell) -> bool {
        let settings = self.experiments.iter().filter_map(|of| of.settings.first());
        let mut firsts = settings.filter_map(|setting| setting.arms[setting.baseline].replicates.first());
        firsts.any(|&(_, place)| self.cells[place].id == cell.id)
    }

    /// Writes the record of a cell, and removes what the study does not keep of its run.
    ///
    /// # Errors
    /// The record cannot be written, or a folder not be removed.
    pub fn keep(&self, cell: &Cell, record: &CellRecord) -> Result<()> {
        let path = self.record_file(cell);
        make_folder_of(&path)?;
        write_json(&path, record)?;
        self.tidy(cell)
    }

    /// Removes what the study does not keep of a finished cell's run.
    ///
    /// # Errors
    /// A folder cannot be removed.
    pub fn tidy(&self, cell: &Cell) -> Result<()> {
        let folder = self.run_folder(cell);
        let gone = match self.config.keep {
            Kept::Models => folder.join("checkpoints"),
            Kept::Records => folder,
        };
        match gone.exists() {
            true => std::fs::remove_dir_all(&gone).map_err(|source| PretrainError::io(&gone, source)),
            false => Ok(()),
        }
    }

    /// The first seeds of all arms first, so that arms can be compared long before the study ends.
    fn sort_cells(&mut self) {
        let replicates = self.experiments.iter().flat_map(|of| &of.settings).flat_map(|of| &of.arms);
        let mut first = vec![usize::MAX; self.cells.len()];
        for arm in replicates {
            for (place, &(_, cell)) in arm.replicates.iter().enumerate() {
                first[cell] = first[cell].min(place);
            }
        }
        let mut order: Vec<usize> = (0..self.cells.len()).collect();
        order.sort_by_key(|&cell| first[cell]);
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &cell)| place[cell] = at);
        self.cells = order.iter().map(|&cell| self.cells[cell].clone()).collect();
        let arms = self.experiments.iter_mut().flat_map(|of| &mut of.settings).flat_map(|of| &mut of.arms);
        arms.flat_map(|arm| &mut arm.replicates).for_each(|(_, cell)| *cell = place[*cell]);
    }

    fn check_recommended(&self) -> Result<()> {
        let Some(Recommended { experiment, setting, arm }) = &self.config.recommended else { return Ok(()) };
        let named = self.experiments.iter().filter(|of| of.name == *experiment);
        let settings = named.flat_map(|of| &of.settings).filter(|of| of.name == *setting);
        let mut arms =
            settings.flat_map(|of| of.arms.iter().enumerate().map(move |(place, arm)| (place != of.baseline, arm)));
        match arms.any(|(gains, of)| gains && of.name == *arm) {
            true => Ok(()),
            false => Err(PretrainError::StudyName {
                what: "study.recommended".to_owned(),
                name: [experiment, setting, arm].map(String::as_str).join(", "),
                problem: "no arm of an experiment and its setting that may gain is called so",
            }),
        }
    }
}

/// Refuses a name that files and blocks of pages cannot have.
fn file_name(what: &str, name: &str) -> Result<()> {
    let problem = "a name has letters, digits, spaces and any of -_.,= within, at most 64 in all";
    match folder_name(name) {
        Some(_) => Ok(()),
        None => Err(PretrainError::StudyName { what: what.to_owned(), name: name.to_owned(), problem }),
    }
}

fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeMap::new();
    for name in names {
        let wrong = |problem| PretrainError::StudyName { what: what.to_owned(), name: name.clone(), problem };
        if name.contains(['\n', '\r', '|']) || name.contains("--") {
            return Err(wrong("a name is one line, without | and --"));
        }
        if seen.insert(name, ()).is_some() {
            return Err(wrong("it is there twice"));
        }
    }
    Ok(())
}
