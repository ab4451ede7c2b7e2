//! A study's file turned into arms with their trainings.

use std::path::Path;

use super::cell::{Contents, of_one_arm};
use super::file::{Equal, ExperimentConfig, StudyConfig, VariantConfig};
use super::variant::Variant;
use super::{Cell, DataFacts, Experiment, Setting, StudyArm, check_names, file_name};
use crate::config::{Config, DataConfig};
use crate::error::{PretrainError, Result};

/// Sections that an arm or a setting may not have: what a run is for, and what all are judged alike by.
const OF_STUDY: [&str; 2] = ["eval", "run"];

/// What is gathered while a study's experiments are read.
pub(super) struct Builder<'a> {
    study: &'a StudyConfig,
    dir: &'a Path,
    base: &'a Config,
    parts: &'a str,
    facts: &'a mut dyn FnMut(&DataConfig) -> Result<DataFacts>,
    /// What is known of data already.
    known: Vec<(DataConfig, DataFacts)>,
    contents: Contents,
    cells: Vec<Cell>,
}

/// An arm of a setting, as it is read.
struct Read {
    arm: StudyArm,
    is_unclustered: bool,
    judged: String,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        study: &'a StudyConfig,
        dir: &'a Path,
        base: &'a Config,
        parts: &'a str,
        facts: &'a mut dyn FnMut(&DataConfig) -> Result<DataFacts>,
    ) -> Self {
        let (known, contents, cells) = (Vec::new(), Contents::default(), Vec::new());
        Self { study, dir, base, parts, facts, known, contents, cells }
    }

    /// The trainings of all experiments so far, each once.
    pub(super) fn cells(self) -> Vec<Cell> {
        self.cells
    }

    pub(super) fn experiment(&mut self, config: &ExperimentConfig) -> Result<Experiment> {
        file_name("experiment", &config.name)?;
        let in_experiment = |error| PretrainError::Experiment { name: config.name.clone(), source: Box::new(error) };
        self.read_experiment(config).map_err(in_experiment)
    }

    fn read_experiment(&mut self, config: &ExperimentConfig) -> Result<Experiment> {
        let seeds = config.seeds.as_ref().unwrap_or(&self.study.seeds);
        let repeated = seeds.iter().enumerate().any(|(at, seed)| seeds[..at].contains(seed));
        if seeds.is_empty() || repeated {
            let (key, value) = ("seeds", format!("{seeds:?}"));
            return Err(PretrainError::OutOfRange { key, value, expected: "one or more, each once" });
        }
        let (arms, mut settings) = (variants(&config.arms)?, variants(&config.settings)?);
        check_names("arms", arms.iter().map(|arm| &arm.name))?;
        check_names("settings", settings.iter().map(|setting| &setting.name))?;
        if settings.is_empty() {
            settings.push(Variant::default());
        }
        let settings: Vec<Setting> =
            settings.iter().map(|setting| self.setting(config, setting, &arms, seeds)).collect::<Result<_>>()?;
        if let Some(key) = &config.along
            && settings.iter().flat_map(|of| &of.arms).all(|arm| arm.along.is_none())
        {
            let problem = "no arm or setting gives this key a number";
            return Err(PretrainError::StudyName { what: "along".to_owned(), name: key.clone(), problem });
        }
        let title = if config.title.is_empty() { &config.name } else { &config.title }.clone();
        Ok(Experiment { name: config.name.clone(), title, settings, along: config.along.clone() })
    }

    fn setting(
        &mut self,
        config: &ExperimentConfig,
        setting: &Variant,
        arms: &[Variant],
        seeds: &[u64],
    ) -> Result<Setting> {
        let arms: Vec<Read> = arms.iter().map(|arm| self.arm(config, setting, arm, seeds)).collect::<Result<_>>()?;
        if let Some(other) = arms.iter().find(|arm| arm.judged != arms[0].judged) {
            let problem = "its data have other passages or queries to be judged on than the first arm's";
            return Err(PretrainError::StudyName { what: "arm".to_owned(), name: other.arm.name.clone(), problem });
        }
        let is_baseline = |read: &Read| match &config.baseline {
            Some(name) => read.arm.name == *name,
            None => read.is_unclustered,
        };
        let baseline = arms.iter().position(is_baseline).ok_or_else(|| {
            let problem = "no arm is called so; gains are over the baseline, by default the arm without clusters";
            let name = config.baseline.clone().unwrap_or_default();
            PretrainError::StudyName { what: "baseline".to_owned(), name, problem }
        })?;
        let arms = arms.into_iter().map(|read| read.arm).collect();
        Ok(Setting { name: setting.name.clone(), arms, baseline })
    }

    /// An arm in a setting.
    fn arm(&mut self, experiment: &ExperimentConfig, setting: &Variant, arm: &Variant, seeds: &[u64]) -> Result<Read> {
        let in_arm = |source| PretrainError::Arm { arm: arm.name.clone(), source: Box::new(source) };
        let sections: Vec<_> = setting.sections().into_iter().chain(arm.sections()).collect();
        if let Some((section, _)) = sections.iter().find(|(section, _)| OF_STUDY.contains(section)) {
            let expected = "no such section: all arms are judged alike, and each training is a run of its own";
            return Err(PretrainError::StudyKey { variant: arm.name.clone(), key: (*section).to_owned(), expected });
        }
        let vary = experiment.vary.as_ref().unwrap_or(&self.study.vary);
        let varied: Vec<&String> = vary.iter().filter(|key| !setting.gives(key) && !arm.gives(key)).collect();
        let mut replicates: Vec<(u64, usize)> = Vec::new();
        let (mut is_unclustered, mut along, mut judged) = (false, None, String::new());
        for &seed in seeds {
            let seeded: Vec<String> = varied.iter().map(|key| format!("{key}={seed}")).collect();
            let mut config = self.base.with(&sections, &seeded).map_err(in_arm)?;
            if arm.is_none() {
                config.sampler.curriculum = None;
            }
            let given = experiment.along.as_ref().filter(|key| setting.gives(key) || arm.gives(key));
            along = given.and_then(|key| config.identity().get(key)?.parse().ok());
            let config = of_one_arm(self.with_steps(config)?).map_err(in_arm)?;
            is_unclustered = config.arms()?[0].is_unclustered();
            judged = self.facts(&config.data)?.judged;
            let names =
                [experiment.name.as_str(), &setting.name, &arm.name].into_iter().filter(|name| !name.is_empty());
            let cell = self.cell(config, format!("{} seed {seed}", names.collect::<Vec<_>>().join(", ")))?;
            // Where nothing varies, seeds are one training, and no replicates.
            if replicates.iter().all(|&(_, other)| other != cell) {
                replicates.push((seed, cell));
            }
        }
        Ok(Read { arm: StudyArm { name: arm.name.clone(), replicates, along }, is_unclustered, judged })
    }

    /// With as many steps as passes over all pairs take, where all arms are to have these.
    fn with_steps(&mut self, mut config: Config) -> Result<Config> {
        let pairs = self.facts(&config.data)?.pairs;
        let size = config.sampler.batch_size;
        let an_epoch = if config.sampler.drop_last { pairs / size } else { pairs.div_ceil(size) } as u64;
        if self.study.equal == Equal::Steps && config.train.steps.is_none() && an_epoch > 0 {
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
        let id = self.contents.cell_id(&config, &data, self.parts)?;
        if let Some(place) = self.cells.iter().position(|cell| cell.id == id) {
            return Ok(place);
        }
        config.run.dir = self.dir.join("runs").join(&id);
        if config.embedder.cache.is_none() {
            config.embedder.cache = Some(self.dir.join("embeddings"));
        }
        let judged_by = self.contents.judged_by(&config)?;
        self.cells.push(Cell { id, config, data, judged_by, title });
        Ok(self.cells.len() - 1)
    }
}

fn variants(all: &[VariantConfig]) -> Result<Vec<Variant>> {
    let all: Vec<Vec<Variant>> = all.iter().map(Variant::all_of).collect::<Result<_>>()?;
    Ok(all.into_iter().flatten().collect())
}
