//! A study's tables in Markdown.

use comfy_table::{CellAlignment, Table, presets};

use super::outcome::{ArmOutcome, Judged, StudyGain};
use super::record::TEST;
use super::results::{ArmGain, ExperimentOutcome, Prediction, StudyResults};
use crate::progress::duration;

impl StudyResults {
    /// Everything that there is to read of a study: its experiments' tables, how well plans foretold gains, and what it comes to.
    pub fn to_markdown(&self) -> String {
        let (done, all) = self.done;
        let mut text = format!("# {}\n\n{done} of {all} trainings.", self.study);
        for of in &self.experiments {
            text += &format!("\n\n## {}\n\n{}", of.title, self.experiment(of));
        }
        if !self.predictions.is_empty() {
            text += &format!("\n\n## What plans foretell\n\n{}", prediction(&self.predictions));
        }
        text + &format!("\n\n{}\n", self.verdict())
    }

    /// The tables of an experiment, one for each data set, and what its batches were like.
    pub fn experiment(&self, of: &ExperimentOutcome) -> String {
        let mut parts: Vec<String> = Vec::new();
        for Judged { set, queries, .. } in of.sets() {
            let table = self.table(of, set, false);
            match set == TEST {
                true => parts.push(table),
                false => parts.push(format!("On {set}, {queries} queries, without training on it:\n\n{table}")),
            }
        }
        if let Some(note) = seeds_needed(of) {
            parts.push(note);
        }
        parts.push(batches(of));
        parts.join("\n\n")
    }

    /// The table of an experiment on one data set; a short one has the first measure, gains and seeds alone.
    pub fn table(&self, of: &ExperimentOutcome, set: &str, short: bool) -> String {
        let several = of.settings.len() > 1;
        let measures = if short { 1 } else { self.measures.len() };
        let mut head: Vec<String> =
            if several { vec!["in".into(), "batches of".into()] } else { vec!["batches of".into()] };
        head.extend(self.measures.iter().take(measures).cloned());
        head.push(format!("gain in {} (95%)", self.measures[0]));
        if !short {
            head.extend(["p, seeds and queries", "p, queries", "steps", "time"].map(String::from));
        }
        head.push("seeds".into());
        let first = if several { 2 } else { 1 };
        let mut rows = Vec::new();
        let judged = of.settings.iter().flat_map(|setting| setting.sets.iter().map(move |judged| (setting, judged)));
        for (setting, judged) in judged.filter(|(_, judged)| judged.set == set) {
            for arm in &judged.arms {
                let mut cells = if several { vec![setting.name.clone()] } else { Vec::new() };
                cells.extend(row(arm, measures, short));
                rows.push(cells);
            }
            for (system, means) in &judged.baselines {
                let mut cells = if several { vec![setting.name.clone()] } else { Vec::new() };
                cells.push(system.clone());
                cells.extend(means.iter().take(measures).map(|mean| format!("{mean:.4}")));
                cells.resize(head.len(), String::new());
                rows.push(cells);
            }
        }
        render(head, rows, first)
    }

    /// What the study comes to, in a sentence or two.
    pub fn verdict(&self) -> String {
        let shown = |ArmGain { experiment, setting, arm, gain }: &ArmGain| {
            let within = [experiment.as_str(), setting].into_iter().filter(|name| !name.is_empty());
            format!("{arm} ({}), {}", within.collect::<Vec<_>>().join(", "), percent(gain))
        };
        let best = match &self.best {
            Some(best) => format!(
                "Best told from its baseline: {}. It is the best of several: on other queries it will gain rather less.",
                shown(best)
            ),
            None => {
                "No arm is told from its baseline by both tests: take unclustered batches, or more seeds.".to_owned()
            }
        };
        let (done, all) = self.done;
        let so_far = if done < all { format!("So far, {done} of {all} trainings: ") } else { String::new() };
        match &self.recommended {
            Some(of) => format!("{so_far}{best} Recommended: {}.", shown(of)),
            None => so_far + &best,
        }
    }
}

fn row(arm: &ArmOutcome, measures: usize, short: bool) -> Vec<String> {
    let mut cells = vec![arm.arm.clone()];
    for measure in 0..measures {
        let mean = arm.means[measure];
        cells.push(match &arm.deviations {
            Some(deviations) => format!("{mean:.4} ± {:.4}", deviations[measure]),
            None => format!("{mean:.4}"),
        });
    }
    let gain = arm.gain.as_ref();
    cells.push(gain.map_or_else(String::new, percent));
    if !short {
        cells.push(gain.and_then(|gain| gain.p_holm).map_or_else(String::new, probability));
        cells.push(gain.and_then(|gain| gain.p_randomised_holm).map_or_else(String::new, probability));
        cells.extend([arm.steps.to_string(), duration(arm.seconds)]);
    }
    cells.push(arm.seeds.len().to_string());
    cells
}

/// How many seeds a difference of 1% wants, in a sentence.
fn seeds_needed(of: &ExperimentOutcome) -> Option<String> {
    let judged = of.settings.iter().filter_map(|setting| setting.sets.iter().find(|set| set.set == TEST));
    let needed = judged.flat_map(|set| &set.arms).filter_map(|arm| arm.gain?.needed);
    let all: Vec<_> = needed.collect();
    let most = |value: &dyn Fn(usize) -> f64| (0..all.len()).map(value).fold(0.0, f64::max);
    if all.is_empty() {
        return None;
    }
    let of_seed = 100.0 * most(&|at| all[at].of_seed);
    let of_queries = 100.0 * most(&|at| all[at].of_queries);
    let seeds: Option<Vec<usize>> = all.iter().map(|needed| needed.seeds_for_one_percent).collect();
    let wanted = match seeds.and_then(|seeds| seeds.into_iter().max()) {
        Some(seeds) => format!("{seeds} seeds"),
        None => "more queries, whatever the seeds".to_owned(),
    };
    Some(format!(
        "A seed moves a gain by up to {of_seed:.2}% (standard deviation), the queries by up to {of_queries:.2}% (standard error): a \
         difference of 1% is found four times in five, at the level .05, with {wanted}."
    ))
}

/// What the arms' batches were like.
fn batches(of: &ExperimentOutcome) -> String {
    let several = of.settings.len() > 1;
    let mut head: Vec<String> =
        if several { vec!["in".into(), "batches of".into()] } else { vec!["batches of".into()] };
    let names = [
        "negative",
        "harder",
        "not nearest",
        "false?",
        "student, first: negative",
        "harder",
        "last: negative",
        "harder",
        "top-1",
        "masked",
    ];
    head.extend(names.map(String::from));
    let rows = of.plans.iter().map(|plan| {
        let mut cells = if several { vec![plan.setting.clone(), plan.arm.clone()] } else { vec![plan.arm.clone()] };
        let of_plan = |name: &str| plan.plan.get(name).copied();
        cells.extend([
            number(of_plan("negative")),
            share(of_plan("harder than the own passage")),
            share(of_plan("own passage not nearest")),
            share(of_plan("false negatives")),
            number(plan.first_steps.negative),
            share(plan.first_steps.harder),
            number(plan.last_steps.negative),
            share(plan.last_steps.harder),
            share(Some(plan.last_steps.accuracy)),
            share(plan.last_steps.masked),
        ]);
        cells
    });
    render(head, rows.collect(), if several { 2 } else { 1 })
}

/// How well each statistic orders arms.
pub(super) fn prediction(all: &[Prediction]) -> String {
    let head = ["statistic of the batches, by the clustering embedder", "rank correlation with the gain", "arms"];
    let row = |of: &Prediction| vec![of.statistic.clone(), format!("{:+.2}", of.correlation), of.arms.to_string()];
    render(head.map(String::from).to_vec(), all.iter().map(row).collect(), 1)
}

/// A table whose columns from `numbers` on are numbers.
fn render(head: Vec<String>, rows: Vec<Vec<String>>, numbers: usize) -> String {
    let mut table = Table::new();
    let columns = head.len();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(head);
    table.add_rows(rows);
    for column in numbers..columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn percent(StudyGain { relative, low, high, .. }: &StudyGain) -> String {
    format!("{:+.2}% ({:+.2}% to {:+.2}%)", 100.0 * relative, 100.0 * low, 100.0 * high)
}

/// Three decimals; what would round to 0 is less than the least that does not.
fn probability(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.3}"))
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| match 100.0 * value {
        small if small != 0.0 && small.abs() < 0.1 => format!("{small:.3}%"),
        large => format!("{large:.1}%"),
    })
}
