//! A study of which batches are best for some data: what plans say is worth trying, as far as a budget of time goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn::tensor::backend::AutodiffBackend;
use toml::{Table, Value};

use super::file::{ExperimentConfig, StudyConfig, VariantConfig, VariantTable};
use super::record::Steps;
use crate::config::{ClusterOf, Config, SamplerConfig};
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::pipeline::{Candidate, FoundMargin, Pipeline, Proposal, ProposalConfig};
use crate::progress::{count, duration};

/// Steps of the training that foretells how long others take.
const TRIAL: u64 = 24;
/// Fewer arms or seeds than these compare nothing.
const LEAST_ARMS: usize = 3;
const LEAST_SEEDS: usize = 3;
/// More seeds than these tell little more.
const MOST_SEEDS: usize = 5;
/// The paper's number of clusters.
const PAPER: usize = 10;
/// Fewer steps than these train nothing.
const LEAST_STEPS: u64 = 50;

/// How long a study may take, and what is looked at before.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// The time for all trainings together, on this machine.
    pub time: Duration,
    /// What plans are looked at.
    pub proposal: ProposalConfig,
}

/// A study that fits a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendedStudy {
    /// The study's file.
    pub toml: String,
    /// Its trainings.
    pub trainings: usize,
    /// How long they take together, in seconds, by a short training on the same device.
    pub seconds: f64,
}

/// How long a training takes, in seconds.
#[derive(Debug, Clone, Copy)]
struct Cost {
    step: f64,
    /// Tokens before, and judging after.
    rest: f64,
}

impl Cost {
    fn of(self, steps: u64) -> f64 {
        self.step * steps as f64 + self.rest
    }
}

/// How much of it the budget allows.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Extent {
    arms: usize,
    seeds: usize,
    steps: u64,
}

impl<B: AutodiffBackend, P: Parts<B> + Clone> Pipeline<B, P> {
    /// A study of this run's data and student: unclustered batches, the paper's, and those that plans call promising, with as many arms and seeds as the
    /// budget allows, and fewer steps where it does not allow three of each.
    ///
    /// # Errors
    /// Nothing can be clustered or trained, or what the stages give.
    pub fn recommend(&self, budget: &Budget) -> Result<RecommendedStudy> {
        self.embed()?;
        let member = self.folder().find(None, None)?;
        let proposal = self.propose(member, &budget.proposal)?;
        let cost = self.trial()?;
        let (config, pairs) = (self.config(), self.dataset().train.len());
        let an_epoch = (pairs / config.sampler.batch_size) as u64;
        let steps = config.train.steps.unwrap_or(config.train.epochs * an_epoch).max(1);
        let arms = arms(&proposal, budget.proposal.most_false);
        let extent = extent(budget.time.as_secs_f64(), arms.len(), steps, cost);
        let trainings = extent.arms * extent.seeds;
        let seconds = trainings as f64 * cost.of(extent.steps);
        let head = format!(
            "# Which batches are best for these {} pairs: {} arms with {} seeds of {} steps, in about {} on this machine\n\
             # ({} a step, {} beside them).\n{}",
            count(pairs),
            extent.arms,
            extent.seeds,
            count(extent.steps as usize),
            duration(seconds),
            duration(cost.step),
            duration(cost.rest),
            notes(&proposal, extent, steps, arms.len()),
        );
        let text = study(config, arms[..extent.arms].to_vec(), extent, steps)?;
        Ok(RecommendedStudy { toml: format!("{head}\n{text}"), trainings, seconds })
    }

    /// How long a training of unclustered batches takes, by the first steps of one.
    fn trial(&self) -> Result<Cost> {
        let mut config = self.config().clone();
        let dir = config.run.dir.join("trial");
        config.run.dir.clone_from(&dir);
        config.run.seeds.clear();
        config.cluster.of = ClusterOf::None;
        config.sampler.curriculum = None;
        config.train.steps = Some(TRIAL);
        config.eval.baselines = false;
        // What a trial that was killed left would make this one look quick.
        if dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(|source| PretrainError::io(&dir, source))?;
        }
        let begun = Instant::now();
        let run = Self::create_with(self.parts().clone(), config, true, self.device().clone())?;
        run.run()?;
        let seconds = begun.elapsed().as_secs_f64();
        let member = run.folder().members()[0];
        let steps = Steps::read(&run.folder().member(member).join("metrics.jsonl"))?;
        let rest = (seconds - steps.seconds).max(0.0);
        drop(run);
        std::fs::remove_dir_all(&dir).map_err(|source| PretrainError::io(&dir, source))?;
        Ok(Cost { step: steps.pace, rest })
    }
}

/// What is worth trying, the most promising first.
fn arms(proposal: &Proposal, most_false: f64) -> Vec<VariantConfig> {
    let mut arms = vec![VariantConfig::Of(ClusterOf::None)];
    let chosen = proposal.chosen.map(|place| &proposal.candidates[place]);
    if let Some(chosen) = chosen {
        arms.push(arm(chosen, proposal.of, None));
    }
    // The paper's, unless it is that.
    if !chosen.is_some_and(|chosen| chosen.clusters == PAPER && chosen.group.is_none()) {
        let keys = [
            ("cluster", "of", proposal.of.name().into()),
            ("cluster", "k", Value::Integer(PAPER as i64)),
            ("sampler", "kind", "stratified".into()),
        ];
        let (name, grid) = (format!("{PAPER} clusters"), BTreeMap::new());
        arms.push(VariantConfig::Table(VariantTable { name, grid, sections: sections(&keys) }));
    }
    if let (Some(chosen), FoundMargin::Margin(found)) = (chosen, proposal.margin) {
        arms.push(arm(chosen, proposal.of, Some(f64::from(found.guide.margin))));
    }
    // Half as hard as the chosen, and harder than it at the price of false negatives.
    let accuracy = |candidate: &Candidate| f64::from(candidate.plan.hardness.accuracy);
    let alike = f64::from(proposal.alike.hardness.accuracy);
    let hardest = chosen.map_or(alike, accuracy);
    let near = |to: f64| {
        let others = proposal
            .candidates
            .iter()
            .filter(|&other| chosen != Some(other) && !(other.clusters == PAPER && other.group.is_none()));
        others.min_by(|a, b| (accuracy(a) - to).abs().total_cmp(&(accuracy(b) - to).abs()))
    };
    let hardest_of_all = proposal.candidates.iter().filter(|other| other.false_in_cluster > most_false);
    let hardest_of_all = hardest_of_all.min_by(|a, b| accuracy(a).total_cmp(&accuracy(b)));
    for candidate in [near(0.5 * (alike + hardest)), hardest_of_all].into_iter().flatten() {
        let more = arm(candidate, proposal.of, None);
        if !arms.contains(&more) {
            arms.push(more);
        }
    }
    arms
}

/// The arm of a candidate.
fn arm(candidate: &Candidate, of: ClusterOf, margin: Option<f64>) -> VariantConfig {
    let mut keys =
        vec![("cluster", "of", of.name().into()), ("cluster", "k", Value::Integer(candidate.clusters as i64))];
    let mut name = format!("{} clusters", candidate.clusters);
    match candidate.group {
        None => keys.push(("sampler", "kind", "stratified".into())),
        Some(group) => {
            name = format!("groups of {group} from {}", candidate.clusters);
            keys.extend([
                ("sampler", "kind", "topic-aware".into()),
                ("sampler", "group", Value::Integer(group as i64)),
            ]);
        }
    }
    if let Some(margin) = margin {
        name += &format!(", guide at {:.2}", 1.0 - margin);
        let margin = (margin * 100.0).round() / 100.0;
        let guide = Table::from_iter([
            ("margin".to_owned(), Value::Float(margin)),
            ("relative".to_owned(), Value::Boolean(true)),
        ]);
        keys.push(("loss", "guide", Value::Table(guide)));
    }
    VariantConfig::Table(VariantTable { name, grid: BTreeMap::new(), sections: sections(&keys) })
}

fn sections(keys: &[(&str, &str, Value)]) -> BTreeMap<String, Table> {
    let mut sections: BTreeMap<String, Table> = BTreeMap::new();
    for (section, key, value) in keys {
        sections.entry((*section).to_owned()).or_default().insert((*key).to_owned(), value.clone());
    }
    sections
}

/// As many arms with three seeds as the time allows, then more seeds; with too little time for three of each, fewer steps.
fn extent(time: f64, arms: usize, steps: u64, cost: Cost) -> Extent {
    let least = arms.min(LEAST_ARMS);
    let trainings = (time / cost.of(steps)) as usize;
    if trainings < least * LEAST_SEEDS {
        let each = (time / (least * LEAST_SEEDS) as f64 - cost.rest).max(0.0);
        let fewer = (each / cost.step) as u64;
        return Extent { arms: least, seeds: LEAST_SEEDS, steps: fewer.clamp(LEAST_STEPS.min(steps), steps) };
    }
    let arms = (trainings / LEAST_SEEDS).clamp(least, arms);
    Extent { arms, seeds: (trainings / arms).min(MOST_SEEDS), steps }
}

/// What a reader of the study should know of it.
fn notes(proposal: &Proposal, extent: Extent, steps: u64, arms: usize) -> String {
    let mut notes = String::new();
    if extent.steps < steps {
        notes += &format!(
            "# The time does not suffice for {} steps each: which batches are best may change with more.\n",
            count(steps as usize)
        );
    }
    if extent.arms < arms {
        notes += &format!("# With more time {} arms are worth trying.\n", arms);
    }
    if proposal.chosen.is_none() {
        notes += "# Plans call no batches promising: all draw too few pairs, or have too many negatives that may be false.\n";
    }
    let found = 100.0 * proposal.alike.hardness.accuracy;
    notes
        + &format!(
            "# The clustering embedder finds a pair's own passage nearest in {found:.0}% of cases among pairs alike.\n"
        )
}

/// The file of a study of `config` with these arms.
fn study(config: &Config, arms: Vec<VariantConfig>, extent: Extent, steps: u64) -> Result<String> {
    let text = |source| PretrainError::ConfigText { source: Box::new(source) };
    let mut base = config.clone();
    // How batches are drawn every arm says.
    let drawn = SamplerConfig::default();
    (base.sampler.kind, base.sampler.curriculum) = (drawn.kind, drawn.curriculum);
    (base.sampler.group, base.sampler.strata_per_batch) = (drawn.group, drawn.strata_per_batch);
    if extent.steps < steps {
        base.train.steps = Some(extent.steps);
    }
    let (mut whole, default) =
        (Table::try_from(&base).map_err(text)?, Table::try_from(Config::default()).map_err(text)?);
    whole.remove("run");
    for (section, keys) in &mut whole {
        if let (Value::Table(keys), Some(Value::Table(default))) = (keys, default.get(section)) {
            keys.retain(|key, value| default.get(key) != Some(value));
        }
    }
    // What is clustered every arm says too.
    if let Some(Value::Table(keys)) = whole.get_mut("cluster") {
        keys.remove("of");
    }
    whole.retain(|_, keys| keys.as_table().is_some_and(|keys| !keys.is_empty()));
    let seeds: Vec<u64> = (0..extent.seeds as u64).collect();
    let section = StudyConfig { seeds, ..StudyConfig::default() };
    let experiment = ExperimentConfig {
        name: "batches".to_owned(),
        title: String::new(),
        arms,
        settings: Vec::new(),
        baseline: None,
        seeds: None,
        vary: None,
        along: None,
    };
    let seeds = Table::from_iter([("seeds".to_owned(), Value::try_from(section.seeds).map_err(text)?)]);
    let mut document = Table::from_iter([("study".to_owned(), Value::Table(seeds))]);
    document.extend(whole);
    document.insert("experiment".to_owned(), Value::Array(vec![Value::try_from(experiment).map_err(text)?]));
    toml::to_string_pretty(&document).map_err(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { step: 1.0, rest: 10.0 };

    #[test]
    fn arms_come_before_seeds_and_both_before_steps() {
        let of = |time: f64| extent(time, 6, 100, COST);
        assert_eq!(of(110.0 * 9.0), Extent { arms: 3, seeds: 3, steps: 100 });
        assert_eq!(of(110.0 * 18.0), Extent { arms: 6, seeds: 3, steps: 100 });
        assert_eq!(of(110.0 * 600.0), Extent { arms: 6, seeds: 5, steps: 100 });
        assert_eq!(of(90.0 * 9.0), Extent { arms: 3, seeds: 3, steps: 80 });
        assert_eq!(of(1.0), Extent { arms: 3, seeds: 3, steps: 50 });
        assert_eq!(extent(1e9, 2, 20, COST), Extent { arms: 2, seeds: 5, steps: 20 });
    }
}
