//! Which batches are best for some pairs: arms, in settings, with seeds, each a training of its own, compared with intervals.
//!
//! A [`Study`] is read from a file: a configuration as of a run, and experiments on it. Every combination of arm, setting and seed is a [`Cell`],
//! a run of one arm and one seed in a folder of its own. Cells are known by what they compute, so that what two experiments have in common is
//! trained once, and what is done stays done whatever is added to the file. [`CellRecord`] says what came of a cell, and [`StudyResults`] what
//! came of the study.

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

pub use self::cell::{Cell, DataFacts};
use self::cell::{ModelHashes, cell_id};
use self::file::Given;
pub use self::file::{Equal, ExperimentConfig, Kept, Recommended, StudyConfig, VariantConfig, VariantTable};
pub use self::outcome::{ArmOutcome, Judged, Needed, SettingOutcome, StudyGain};
pub use self::recommend::{Budget, RecommendedStudy};
pub(crate) use self::record::Steps;
pub use self::record::{CellRecord, CellSeconds, StepMeans, TEST};
pub use self::results::{ArmPlan, Best, CellResult, ExperimentOutcome, Prediction, StudyResults};
use self::variant::Variant;
use crate::config::{ClusterConfig, ClusterOf, Config, DataConfig, SamplerKind};
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
        Self::load_with(path, settings, &mut DataFacts::of_source)
    }

    /// [`load`](Self::load), with facts of data that come from elsewhere than its configuration: of a source of one's own.
    ///
    /// # Errors
    /// Those of [`load`](Self::load), and of `facts`.
    pub fn load_with(
        path: &Path,
        settings: &[String],
        facts: &mut dyn FnMut(&DataConfig) -> Result<DataFacts>,
    ) -> Result<Self> {
        let Given { study: config, experiments, base } = Given::load(path, settings)?;
        let dir = config.dir.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
        let mut builder = Builder {
            config: &config,
            dir: &dir,
            base: &base,
            facts,
            known: Vec::new(),
            models: ModelHashes::default(),
            cells: Vec::new(),
        };
        let experiments: Vec<Experiment> =
            experiments.iter().map(|experiment| builder.experiment(experiment)).collect::<Result<_>>()?;
        let cells = builder.cells;
        check_names("experiments", experiments.iter().map(|experiment| &experiment.name))?;
        let mut study = Self { config, dir, base, experiments, cells };
        if study.base.eval.others.iter().any(|other| other.name == TEST) {
            let (what, problem) = ("eval.others".to_owned(), "the study's own test split is called so");
            return Err(PretrainError::StudyName { what, name: TEST.to_owned(), problem });
        }
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
        Ok(record.is_of(cell).then_some(record))
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
        let Some(Recommended { experiment, arm }) = &self.config.recommended else { return Ok(()) };
        let named = self.experiments.iter().filter(|of| of.name == *experiment);
        let mut arms = named.flat_map(|of| &of.settings).flat_map(|of| &of.arms);
        match arms.any(|of| of.name == *arm) {
            true => Ok(()),
            false => Err(PretrainError::StudyName {
                what: "study.recommended".to_owned(),
                name: format!("{experiment}, {arm}"),
                problem: "no arm of an experiment is called so",
            }),
        }
    }
}

/// What is gathered while a study's experiments are read.
struct Builder<'a> {
    config: &'a StudyConfig,
    dir: &'a Path,
    base: &'a Config,
    facts: &'a mut dyn FnMut(&DataConfig) -> Result<DataFacts>,
    /// What is known of data already.
    known: Vec<(DataConfig, DataFacts)>,
    models: ModelHashes,
    cells: Vec<Cell>,
}

impl Builder<'_> {
    fn experiment(&mut self, config: &ExperimentConfig) -> Result<Experiment> {
        let seeds = config.seeds.as_ref().unwrap_or(&self.config.seeds);
        let vary = config.vary.as_ref().unwrap_or(&self.config.vary);
        let in_experiment = |error| PretrainError::Experiment { name: config.name.clone(), source: Box::new(error) };
        if seeds.is_empty() || config.name.is_empty() || config.arms.is_empty() {
            let problem = "an experiment needs a name, arms and seeds";
            return Err(PretrainError::StudyName { what: "experiment".into(), name: config.name.clone(), problem });
        }
        let variants = |all: &[VariantConfig]| -> Result<Vec<Variant>> {
            let all: Vec<Vec<Variant>> = all.iter().map(Variant::all_of).collect::<Result<_>>()?;
            Ok(all.into_iter().flatten().collect())
        };
        let (arms, mut settings) =
            (variants(&config.arms).map_err(in_experiment)?, variants(&config.settings).map_err(in_experiment)?);
        check_names("arms", arms.iter().map(|arm| &arm.name)).map_err(in_experiment)?;
        check_names("settings", settings.iter().map(|setting| &setting.name)).map_err(in_experiment)?;
        if settings.is_empty() {
            settings.push(Variant::default());
        }
        let settings = settings.iter().map(|setting| {
            let arms = arms.iter().map(|arm| self.arm(config, setting, arm, seeds, vary));
            let arms: Vec<(StudyArm, bool)> = arms.collect::<Result<_>>().map_err(in_experiment)?;
            let is_baseline = |(arm, unclustered): &(StudyArm, bool)| match &config.baseline {
                Some(name) => arm.name == *name,
                None => *unclustered,
            };
            let baseline = arms.iter().position(is_baseline).ok_or_else(|| {
                let problem = "no arm is called so; gains are over the baseline, by default the arm without clusters";
                let name = config.baseline.clone().unwrap_or_default();
                in_experiment(PretrainError::StudyName { what: "baseline".to_owned(), name, problem })
            })?;
            let arms = arms.into_iter().map(|(arm, _)| arm).collect();
            Ok(Setting { name: setting.name.clone(), arms, baseline })
        });
        let settings = settings.collect::<Result<_>>()?;
        let title = if config.title.is_empty() { &config.name } else { &config.title }.clone();
        Ok(Experiment { name: config.name.clone(), title, settings, along: config.along.clone() })
    }

    /// An arm in a setting, and whether its batches look at no clusters.
    fn arm(
        &mut self,
        experiment: &ExperimentConfig,
        setting: &Variant,
        arm: &Variant,
        seeds: &[u64],
        vary: &[String],
    ) -> Result<(StudyArm, bool)> {
        let sections: Vec<_> = setting.sections().into_iter().chain(arm.sections()).collect();
        let varied = vary.iter().filter(|key| !setting.gives(key) && !arm.gives(key));
        let varied: Vec<&String> = varied.collect();
        let (mut replicates, mut unclustered, mut along) = (Vec::new(), false, None);
        for &seed in seeds {
            let seeded: Vec<String> = varied.iter().map(|key| format!("{key}={seed}")).collect();
            let config = self.base.with(&sections, &seeded);
            let config =
                config.map_err(|source| PretrainError::Arm { arm: arm.name.clone(), source: Box::new(source) })?;
            let config = self.of_one_arm(config)?;
            unclustered = is_unclustered(&config);
            along = experiment.along.as_ref().and_then(|key| config.identity().get(key)?.parse().ok());
            let title =
                [experiment.name.as_str(), &setting.name, &arm.name].into_iter().filter(|name| !name.is_empty());
            let title = format!("{} seed {seed}", title.collect::<Vec<_>>().join(", "));
            replicates.push((seed, self.cell(config, title)?));
        }
        Ok((StudyArm { name: arm.name.clone(), replicates, along }, unclustered))
    }

    /// The configuration as that of a run of one arm and one seed, without keys that are of no effect in it.
    fn of_one_arm(&mut self, mut config: Config) -> Result<Config> {
        (config.run.arms, config.run.seeds) = (Vec::new(), Vec::new());
        if is_unclustered(&config) {
            // Seeds and numbers of clusters that are never made would tell equal trainings apart.
            config.cluster = ClusterConfig { of: ClusterOf::None, ..ClusterConfig::default() };
        }
        let pairs = self.facts(&config.data)?.pairs;
        let size = config.sampler.batch_size;
        let an_epoch = if config.sampler.drop_last { pairs / size } else { pairs.div_ceil(size) } as u64;
        if self.config.equal == Equal::Steps && config.train.steps.is_none() && an_epoch > 0 {
            config.train.steps = Some(config.train.epochs * an_epoch);
        }
        Ok(config)
    }

    fn facts(&mut self, data: &DataConfig) -> Result<DataFacts> {
        if let Some((_, facts)) = self.known.iter().find(|(known, _)| known == data) {
            return Ok(facts.clone());
        }
        let facts = (self.facts)(data)?;
        self.known.push((data.clone(), facts.clone()));
        Ok(facts)
    }

    /// The place of the cell of a configuration, which is added where it is new.
    fn cell(&mut self, mut config: Config, title: String) -> Result<usize> {
        let data = self.facts(&config.data)?;
        let id = cell_id(&config, &data, &mut self.models)?;
        if let Some(place) = self.cells.iter().position(|cell| cell.id == id) {
            return Ok(place);
        }
        config.run.dir = self.dir.join("runs").join(&id);
        if config.embedder.cache.is_none() {
            config.embedder.cache = Some(self.dir.join("embeddings"));
        }
        self.cells.push(Cell { id, config, title });
        Ok(self.cells.len() - 1)
    }
}

/// Whether the batches of a configuration without arms look at no clusters.
fn is_unclustered(config: &Config) -> bool {
    config.sampler.curriculum.is_none()
        && (config.cluster.of == ClusterOf::None || config.sampler.kind == SamplerKind::Uniform)
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
