//! What the trainings came to, as a table.

use maud::{Markup, html};

use super::curves::SMOOTHED;
use super::data::{ArmCurves, SeedCurves, StepPoint};
use super::format::{count, duration};
use super::table::{Cell, table};

/// One row for each arm with steps.
pub(super) fn table_of(arms: &[ArmCurves]) -> Markup {
    let head = ["arm", "seeds", "steps", "loss (nats)", "accuracy", "time a seed", "pairs a second"];
    let rows = arms.iter().enumerate().filter(|(_, arm)| arm.runs.iter().any(|run| !run.steps.is_empty()));
    html! {
        (table(&head, rows.map(|(number, arm)| row(number, arm)).collect()))
        p class="note" { "Loss and accuracy are means over the last " (SMOOTHED) "th of the steps." }
    }
}

fn row(number: usize, arm: &ArmCurves) -> Vec<Cell> {
    let steps = || arm.runs.iter().flat_map(|run| &run.steps);
    let seconds: f64 = steps().map(|step| step.seconds).sum();
    let pairs: usize = steps().map(|step| step.pairs).sum();
    let pace = if seconds > 0.0 { count((pairs as f64 / seconds) as u64) } else { String::new() };
    vec![
        Cell::Arm(number, arm.arm.clone()),
        Cell::number(arm.runs.len()),
        Cell::number(arm.runs.iter().map(|run| run.steps.len()).max().unwrap_or(0)),
        Cell::Number(at_the_end(&arm.runs, |step| step.loss.into())),
        Cell::Number(at_the_end(&arm.runs, |step| step.accuracy.into())),
        Cell::Number(duration(seconds / arm.runs.len() as f64)),
        Cell::Number(pace),
    ]
}

/// The mean of a value over the last steps of all trainings.
fn at_the_end(runs: &[SeedCurves], value: fn(&StepPoint) -> f64) -> String {
    let last = runs.iter().flat_map(|run| run.steps.iter().rev().take(run.steps.len().div_ceil(SMOOTHED)));
    let values: Vec<f64> = last.map(value).filter(|value| value.is_finite()).collect();
    match values.len() {
        0 => String::new(),
        many => format!("{:.4}", values.iter().sum::<f64>() / many as f64),
    }
}
