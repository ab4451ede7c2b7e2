//! What came of a study: every training, the experiments' comparisons, and how well plans foretold them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::correlation::spearman;
use super::outcome::{Finished, Judged, SettingOutcome, StudyGain, correct, outcome};
use super::record::{CellRecord, StepMeans, TEST};
use super::{Experiment, Recommended, Setting, Study};
use crate::config::Config;
use crate::error::Result;
use crate::files::{read_json, write_json};
use crate::models::is_of_hub;

/// What came of a study so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyResults {
    /// The study's name.
    pub study: String,
    /// The measures, by name; gains are of the first.
    pub measures: Vec<String>,
    /// The keys in which the study's configuration differs from the defaults, each with its value as TOML.
    pub config: BTreeMap<String, String>,
    /// Trainings that are done, and how many there are.
    pub done: (usize, usize),
    /// The experiments.
    pub experiments: Vec<ExperimentOutcome>,
    /// Every training that is done, once for each arm that it is of.
    pub runs: Vec<CellResult>,
    /// How well each statistic of the batches orders the arms, before anything is trained.
    pub predictions: Vec<Prediction>,
    /// Of all arms the one whose interval of the gain on the test split begins highest, if above 0 and significant by both tests.
    pub best: Option<ArmGain>,
    /// The gain of the arm that the study names (`study.recommended`), on the test split.
    pub recommended: Option<ArmGain>,
}

/// An arm and its gain over the baseline of its setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmGain {
    /// The experiment's name.
    pub experiment: String,
    /// The setting's name.
    pub setting: String,
    /// The arm's name.
    pub arm: String,
    /// Its gain over the baseline of its setting.
    #[serde(flatten)]
    pub gain: StudyGain,
}

/// An experiment's comparisons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentOutcome {
    /// Its name.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// The key that figures have along their axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub along: Option<String>,
    /// What its arms are compared in.
    pub settings: Vec<SettingOutcome>,
    /// What the arms' batches were like, by setting and arm.
    pub plans: Vec<ArmPlan>,
}

impl ExperimentOutcome {
    /// The data sets that its arms are judged on, as the first setting has them of which anything is done.
    pub fn sets(&self) -> &[Judged] {
        self.settings.iter().map(|setting| setting.sets.as_slice()).find(|sets| !sets.is_empty()).unwrap_or_default()
    }
}

/// What the batches of an arm were like: means over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmPlan {
    /// The setting's name.
    pub setting: String,
    /// The arm's name.
    pub arm: String,
    /// By the clustering embedder, before training: each statistic by name; none of a curriculum.
    pub plan: BTreeMap<String, f64>,
    /// By the student, over its first steps.
    pub first_steps: StepMeans,
    /// By the student, over its last steps.
    pub last_steps: StepMeans,
}

/// One training of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellResult {
    /// The experiment's name.
    pub experiment: String,
    /// The setting's name.
    pub setting: String,
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// The cell's id.
    pub cell: String,
    /// The keys in which it differs from the study's configuration, each with its value as TOML.
    pub config: BTreeMap<String, String>,
    /// For each data set the mean of each measure.
    pub scores: BTreeMap<String, Vec<f64>>,
    /// For each data set the hash of the values of every query.
    pub per_query: BTreeMap<String, String>,
    /// Steps of the training.
    pub steps: usize,
    /// Seconds of clustering and training.
    pub seconds: f64,
    /// Where it was computed.
    pub machine: String,
}

/// How a statistic of batches orders arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// The statistic's name.
    pub statistic: String,
    /// Arms that are ordered, in all settings together, the baselines among them.
    pub arms: usize,
    /// Spearman's correlation of the statistic with the gain, both over the setting's baseline.
    pub correlation: f64,
}

impl StudyResults {
    /// What came of `study` so far.
    ///
    /// # Errors
    /// A record is damaged, or does not fit the others.
    pub fn of(study: &Study) -> Result<Self> {
        let records: Vec<Option<CellRecord>> =
            study.cells.iter().map(|cell| study.record(cell)).collect::<Result<_>>()?;
        let experiments: Vec<ExperimentOutcome> =
            study.experiments.iter().map(|of| experiment(study, of, &records)).collect::<Result<_>>()?;
        let runs = study.experiments.iter().flat_map(|of| runs(study, of, &records)).collect();
        let named = |named: &Recommended| {
            let is_it = |of: &ArmGain| {
                (&of.experiment, &of.setting, &of.arm) == (&named.experiment, &named.setting, &named.arm)
            };
            gains(&experiments).find(is_it)
        };
        Ok(Self {
            study: study.config.name.clone(),
            measures: study.base.eval.measures.clone(),
            config: differing(&shown(&study.base), &shown(&Config::default())),
            done: (records.iter().flatten().count(), records.len()),
            predictions: predictions(&experiments),
            best: best(&experiments),
            recommended: study.config.recommended.as_ref().and_then(named),
            experiments,
            runs,
        })
    }

    /// Those of a study of which nothing is done.
    pub(super) fn empty(study: &Study) -> Self {
        let experiment = |of: &Experiment| ExperimentOutcome {
            name: of.name.clone(),
            title: of.title.clone(),
            along: of.along.clone(),
            settings: Vec::new(),
            plans: Vec::new(),
        };
        Self {
            study: study.config.name.clone(),
            measures: study.base.eval.measures.clone(),
            config: BTreeMap::new(),
            done: (0, study.cells.len()),
            experiments: study.experiments.iter().map(experiment).collect(),
            runs: Vec::new(),
            predictions: Vec::new(),
            best: None,
            recommended: None,
        }
    }

    /// Writes the results into the file `path`, in the place of those of the same study there.
    ///
    /// # Errors
    /// The file is damaged or cannot be written.
    pub fn write_into(&self, path: &Path) -> Result<()> {
        let mut document: Document = if path.exists() { read_json(path)? } else { Document::default() };
        document.studies.retain(|study| study.study != self.study);
        document.studies.push(self.clone());
        document.studies.sort_by(|a, b| a.study.cmp(&b.study));
        let recommended = document.studies.iter().find_map(|study| study.recommended.as_ref());
        document.recommended =
            recommended.map(|of| Gained { relative_gain: of.gain.relative, low: of.gain.low, high: of.gain.high });
        write_json(path, &document)
    }
}

/// The file of all studies' results.
#[derive(Default, Serialize, Deserialize)]
struct Document {
    /// What the recommended batches gain over unclustered ones.
    recommended: Option<Gained>,
    studies: Vec<StudyResults>,
}

#[derive(Serialize, Deserialize)]
struct Gained {
    relative_gain: f64,
    low: f64,
    high: f64,
}

fn finished<'a>(setting: &'a Setting, records: &'a [Option<CellRecord>]) -> Vec<Finished<'a>> {
    let of_arm = |arm: &'a super::StudyArm| {
        let records = arm.replicates.iter().filter_map(|&(seed, cell)| Some((seed, records[cell].as_ref()?)));
        Finished { arm, records: records.collect() }
    };
    setting.arms.iter().map(of_arm).collect()
}

fn experiment(study: &Study, of: &Experiment, records: &[Option<CellRecord>]) -> Result<ExperimentOutcome> {
    let (mut settings, mut plans) = (Vec::new(), Vec::new());
    for setting in &of.settings {
        let arms = finished(setting, records);
        settings.push(outcome(setting, &arms, study.base.eval.resamples)?);
        plans.extend(arms.iter().filter_map(|arm| plan(study, setting, arm)));
    }
    correct(&mut settings)?;
    Ok(ExperimentOutcome { name: of.name.clone(), title: of.title.clone(), along: of.along.clone(), settings, plans })
}

/// What an arm's batches were like. The first epoch, which plans are of, stands for no curriculum.
fn plan(study: &Study, setting: &Setting, arm: &Finished<'_>) -> Option<ArmPlan> {
    let &(_, cell) = arm.arm.replicates.first()?;
    let is_alike = study.cells[cell].config.sampler.curriculum.is_none();
    let of = |value: &dyn Fn(&CellRecord) -> Option<f64>| mean(arm.records.iter().map(|(_, record)| value(record)));
    let hardness = |name: &str, value: &dyn Fn(&CellRecord) -> Option<f64>| Some((name.to_owned(), of(value)?));
    let plan = [
        hardness("negative", &|record| record.plan.hardness.negative.map(f64::from)),
        hardness("negative, 95th percentile", &|record| record.plan.hardness.negative_p95.map(f64::from)),
        hardness("harder than the own passage", &|record| record.plan.hardness.harder.map(f64::from)),
        hardness("own passage not nearest", &|record| Some(1.0 - f64::from(record.plan.hardness.accuracy))),
        hardness("false negatives", &|record| Some(record.plan.hardness.false_negatives.into())),
    ];
    let steps = |of_record: &dyn Fn(&CellRecord) -> StepMeans| StepMeans {
        loss: of(&|record| Some(of_record(record).loss)).unwrap_or_default(),
        accuracy: of(&|record| Some(of_record(record).accuracy)).unwrap_or_default(),
        negative: of(&|record| of_record(record).negative),
        negative_p95: of(&|record| of_record(record).negative_p95),
        harder: of(&|record| of_record(record).harder),
        masked: of(&|record| of_record(record).masked),
    };
    (!arm.records.is_empty()).then(|| ArmPlan {
        setting: setting.name.clone(),
        arm: arm.arm.name.clone(),
        plan: plan.into_iter().flatten().filter(|_| is_alike).collect(),
        first_steps: steps(&|record| record.first_steps),
        last_steps: steps(&|record| record.last_steps),
    })
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn runs(study: &Study, of: &Experiment, records: &[Option<CellRecord>]) -> Vec<CellResult> {
    let base = shown(&study.base);
    let mut runs = Vec::new();
    for setting in &of.settings {
        for arm in finished(setting, records) {
            for (seed, record) in &arm.records {
                let cell = study.cells.iter().find(|cell| cell.id == record.cell);
                runs.push(CellResult {
                    experiment: of.name.clone(),
                    setting: setting.name.clone(),
                    arm: arm.arm.name.clone(),
                    seed: *seed,
                    cell: record.cell.clone(),
                    config: cell.map_or_else(BTreeMap::new, |cell| differing(&shown(&cell.config), &base)),
                    scores: record.scores.iter().map(|(set, scores)| (set.clone(), scores.means.clone())).collect(),
                    per_query: record
                        .scores
                        .iter()
                        .filter_map(|(set, _)| Some((set.clone(), record.hash_of_values(set)?)))
                        .collect(),
                    steps: record.steps,
                    seconds: record.seconds.own(),
                    machine: record.machine.clone(),
                });
            }
        }
    }
    runs
}

/// The keys of a configuration, models and data by their names alone: results are to be read elsewhere.
fn shown(config: &Config) -> BTreeMap<String, String> {
    let mut config = config.clone();
    let name = |path: &mut PathBuf| {
        if let Some(name) = path.file_name().filter(|_| !is_of_hub(path)) {
            *path = name.into();
        }
    };
    name(&mut config.data.path);
    name(&mut config.embedder.path);
    config.student.from.as_mut().map(name);
    config.eval.others.iter_mut().for_each(|other| name(&mut other.path));
    let mut keys = config.identity();
    if !config.data.sources.is_empty() {
        let names: Vec<&str> = config.data.sources.iter().map(|source| source.name.as_str()).collect();
        keys.insert("data.sources".to_owned(), names.join(", "));
    }
    keys
}

/// The keys of one configuration whose values another has not, without those of the run.
fn differing(of: &BTreeMap<String, String>, from: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let differs = |(key, value): &(&String, &String)| !key.starts_with("run.") && from.get(*key) != Some(*value);
    of.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The gains of all arms on the test split.
fn gains(experiments: &[ExperimentOutcome]) -> impl Iterator<Item = ArmGain> {
    let settings = experiments.iter().flat_map(|of| of.settings.iter().map(move |setting| (of, setting)));
    settings.flat_map(|(of, setting)| {
        let arms = setting.sets.iter().filter(|set| set.set == TEST).flat_map(|set| &set.arms);
        arms.filter_map(move |arm| {
            let (experiment, setting) = (of.name.clone(), setting.name.clone());
            Some(ArmGain { experiment, setting, arm: arm.arm.clone(), gain: arm.gain? })
        })
    })
}

fn best(experiments: &[ExperimentOutcome]) -> Option<ArmGain> {
    let significant = |p: Option<f64>| p.is_some_and(|p| p < 0.05);
    let real = |best: &ArmGain| {
        best.gain.low > 0.0 && significant(best.gain.p_holm) && significant(best.gain.p_randomised_holm)
    };
    gains(experiments).filter(real).max_by(|a, b| a.gain.low.total_cmp(&b.gain.low))
}

/// The correlations over all settings, each arm once.
fn predictions(experiments: &[ExperimentOutcome]) -> Vec<Prediction> {
    let mut pairs: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for of in experiments {
        for setting in &of.settings {
            let Some(judged) = setting.sets.iter().find(|set| set.set == TEST) else { continue };
            let plan_of = |arm: &str| of.plans.iter().find(|plan| plan.setting == setting.name && plan.arm == arm);
            let Some(baseline) = plan_of(&setting.baseline) else { continue };
            for arm in &judged.arms {
                let gain = if arm.arm == setting.baseline { Some(0.0) } else { arm.gain.map(|gain| gain.relative) };
                let (Some(plan), Some(gain)) = (plan_of(&arm.arm), gain) else { continue };
                for (statistic, value) in &plan.plan {
                    if let Some(base) = baseline.plan.get(statistic) {
                        let pair = (value - base, gain);
                        let all = pairs.entry(statistic).or_default();
                        // What two experiments have in common is one training.
                        if !all.contains(&pair) {
                            all.push(pair);
                        }
                    }
                }
            }
        }
    }
    let correlated = |(statistic, pairs): (&str, Vec<(f64, f64)>)| {
        let correlation = spearman(&pairs)?;
        Some(Prediction { statistic: statistic.to_owned(), arms: pairs.len(), correlation })
    };
    pairs.into_iter().filter_map(correlated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_name_models_and_data_and_not_where_they_lie() {
        let settings = [
            "data.path=/a/b/squad",
            "student.from=/a/model",
            "embedder.kind=static",
            "embedder.path=/a/model",
            "eval.others=[{name=\"scifact\",path=\"/a/scifact\"}]",
        ];
        let config = Config::parse("", &settings.map(String::from)).unwrap();
        let keys = shown(&config);
        assert_eq!((keys["data.path"].as_str(), keys["embedder.path"].as_str()), ("\"squad\"", "\"model\""));
        assert!(keys.values().all(|value| !value.contains("/a/")), "{keys:?}");
    }
}
