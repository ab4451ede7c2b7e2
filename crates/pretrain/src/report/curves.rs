//! Section: how the arms trained.

use maud::{Markup, html};

use super::chart::{Chart, WIDTH};
use super::data::{ArmCurves, SeedCurves};
use super::figure::{figure_of_curves, without_values};
use super::mark::Mark;
use super::metric::{METRICS, Metric};
use super::over_seeds::{Spread, over_seeds, running_mean};
use super::palette::Ink;
use super::scale::Scale;
use super::summary;

/// The share of the steps that a line is a running mean of: single batches differ by more than arms do.
pub(super) const SMOOTHED: usize = 40;

/// The section, if an arm has a step.
pub(super) fn section(arms: &[ArmCurves]) -> Option<Markup> {
    let has_steps = |arm: &ArmCurves| arm.runs.iter().any(|run| !run.steps.is_empty());
    if !arms.iter().any(has_steps) {
        return None;
    }
    let several = arms.iter().any(|arm| arm.runs.len() > 1);
    Some(html! {
        p {
            "Strong lines are running means over a " (SMOOTHED) "th of the steps, "
            @if several { "of the mean over seeds; the area spans all seeds. " } @else { "faint lines the steps themselves. " }
            "Names in the legend hide and show an arm; a pointer over a chart reads its values."
        }
        div class="grid" { @for metric in METRICS.iter().filter(|metric| metric.is_shown(arms)) { (metric.figure(arms)) } }
        h3 { "At the end" }
        (summary::table_of(arms))
    })
}

impl Metric {
    fn figure(&self, arms: &[ArmCurves]) -> Markup {
        let curves: Vec<Curve> = arms.iter().enumerate().map(|(number, arm)| self.curve(number, arm)).collect();
        let steps = curves.iter().flat_map(|curve| &curve.spreads).map(|spread| spread.step);
        let spread = curves.iter().flat_map(|curve| &curve.spreads).flat_map(|spread| [spread.low, spread.high]);
        // A mean over steps with a share of 0 is below all that a logarithmic axis shows of them.
        let smooth = curves.iter().flat_map(|curve| &curve.smooth).map(|point| point.1);
        let (x, y) = (Scale::around(steps, false), Scale::around(spread.chain(smooth), self.logarithmic));
        let (Some(x), Some(y)) = (x, y) else { return without_values(self.heading) };
        let mut marks: Vec<Mark> = curves.iter().map(Curve::behind).collect();
        let line = |curve: Curve| Mark::Line { ink: curve.ink, width: 7, opacity: 1.0, points: curve.smooth };
        marks.extend(curves.into_iter().map(line));
        let chart = Chart { width: WIDTH, height: 250, x, x_title: "step", y, y_title: Some(self.unit), marks };
        figure_of_curves(self.heading, self.note, &chart)
    }

    fn curve(&self, number: usize, arm: &ArmCurves) -> Curve {
        let value_of = |run: &SeedCurves| run.steps.iter().map(|step| (step.step, (self.value)(step))).collect();
        let spreads = over_seeds(&arm.runs, value_of);
        let mean: Vec<(f64, f64)> = spreads.iter().map(|spread| (spread.step, spread.mean)).collect();
        let smooth = running_mean(&mean, (mean.len() / SMOOTHED).max(1));
        Curve { ink: Ink::Arm(number), spreads, smooth, seeds: arm.runs.len() }
    }
}

/// What one arm has in a chart.
struct Curve {
    ink: Ink,
    /// Every step, over several seeds their mean, with least and greatest value.
    spreads: Vec<Spread>,
    smooth: Vec<(f64, f64)>,
    seeds: usize,
}

impl Curve {
    fn along(&self, value: fn(&Spread) -> f64) -> Vec<(f64, f64)> {
        self.spreads.iter().map(|spread| (spread.step, value(spread))).collect()
    }

    fn behind(&self) -> Mark {
        let ink = self.ink;
        match self.seeds {
            0 | 1 => Mark::Line { ink, width: 4, opacity: 0.25, points: self.along(|spread| spread.mean) },
            _ => Mark::Band { ink, low: self.along(|spread| spread.low), high: self.along(|spread| spread.high) },
        }
    }
}
