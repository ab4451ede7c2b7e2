//! Section: what students in training reached on the validation split.

use maud::{Markup, html};

use super::chart::{Chart, WIDTH};
use super::data::{ArmCurves, SeedCurves};
use super::figure::{figure_of_curves, without_values};
use super::mark::Mark;
use super::over_seeds::{Spread, over_seeds};
use super::palette::Ink;
use super::scale::Scale;

/// The section, if an arm was validated; its charts are in the order of `known` measures.
pub(super) fn section(arms: &[ArmCurves], known: &[String]) -> Option<Markup> {
    let mut measures = measures(arms);
    measures.sort_by_key(|measure| known.iter().position(|one| one == measure).unwrap_or(known.len()));
    (!measures.is_empty()).then(|| {
        html! { div class="grid" { @for measure in &measures { (figure(measure, arms)) } } }
    })
}

/// The measures in the order in which they come.
fn measures(arms: &[ArmCurves]) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let points = arms.iter().flat_map(|arm| &arm.runs).flat_map(|run| &run.validation);
    for (measure, _) in points.flat_map(|point| &point.means) {
        if !found.contains(&measure.as_str()) {
            found.push(measure);
        }
    }
    found
}

fn figure(measure: &str, arms: &[ArmCurves]) -> Markup {
    let of = |run: &SeedCurves| -> Vec<(usize, f64)> {
        let means = run.validation.iter().flat_map(|point| point.means.iter().map(|mean| (point.step, mean)));
        means.filter(|(_, (name, _))| name == measure).map(|(step, &(_, mean))| (step, mean)).collect()
    };
    let spreads: Vec<Vec<Spread>> = arms.iter().map(|arm| over_seeds(&arm.runs, of)).collect();
    let all = || spreads.iter().flatten();
    let x = Scale::around(all().map(|spread| spread.step), false);
    let y = Scale::around(all().flat_map(|spread| [spread.low, spread.high]), false);
    let (Some(x), Some(y)) = (x, y) else { return without_values(measure) };
    let mut marks = Vec::new();
    for (number, (spreads, arm)) in spreads.iter().zip(arms).enumerate() {
        let ink = Ink::Arm(number);
        let along = |value: fn(&Spread) -> f64| -> Vec<(f64, f64)> {
            spreads.iter().map(|spread| (spread.step, value(spread))).collect()
        };
        if arm.runs.len() > 1 {
            marks.push(Mark::Band { ink, low: along(|spread| spread.low), high: along(|spread| spread.high) });
        }
        let points = along(|spread| spread.mean);
        let dot = |&at: &(f64, f64)| Mark::Dot { ink, at, radius: 10, title: String::new() };
        marks.extend(points.iter().map(dot));
        marks.push(Mark::Line { ink, width: 6, opacity: 1.0, points });
    }
    let chart = Chart { width: WIDTH, height: 250, x, x_title: "step", y, y_title: Some(measure), marks };
    figure_of_curves(measure, "Mean over the validation queries.", &chart)
}
