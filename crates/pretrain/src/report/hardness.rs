//! Section: how hard the negatives of each stratum were.

use maud::{Markup, html};

use super::chart::{Chart, WIDTH};
use super::data::{ArmCurves, StratumHardness};
use super::figure::{figure, without_values};
use super::format::{count, percent};
use super::mark::Mark;
use super::palette::Ink;
use super::scale::Scale;
use super::table::{Cell, table};

/// Rows of the table of hardest strata, for each arm.
const HARDEST: usize = 5;

/// The section, if the metrics of an arm are by stratum.
pub(super) fn section(arms: &[ArmCurves]) -> Option<Markup> {
    if arms.iter().all(|arm| arm.strata.is_empty()) {
        return None;
    }
    let note = "A point is a stratum; to the right its negatives are more similar to its queries, further down more queries miss their passage.";
    Some(html! {
        p { "Of the steps of the last epoch, over all seeds, weighted by pairs." }
        div class="grid" {
            (scatter(arms, "Accuracy by hardness", note, "accuracy (share of queries)", |stratum| Some(stratum.accuracy), false))
            (scatter(
                arms,
                "Negatives above the positive",
                "A point is a stratum. A share of 0 has no place on a logarithmic axis.",
                "share of negatives",
                |stratum| stratum.harder,
                true,
            ))
        }
        h3 { "Hardest strata" }
        (hardest(arms))
    })
}

fn scatter(
    arms: &[ArmCurves],
    heading: &str,
    note: &str,
    y_title: &str,
    value: fn(&StratumHardness) -> Option<f64>,
    logarithmic: bool,
) -> Markup {
    let all = || arms.iter().flat_map(|arm| &arm.strata);
    let x = Scale::around(all().filter_map(|stratum| stratum.negative), false);
    let y = Scale::around(all().filter_map(value), logarithmic);
    let (Some(x), Some(y)) = (x, y) else { return without_values(heading) };
    let dots = arms.iter().enumerate().flat_map(|(number, arm)| {
        arm.strata.iter().filter_map(move |stratum| {
            let at = (stratum.negative?, value(stratum)?);
            let title = format!("{}: stratum {}, {} pairs", arm.arm, stratum.stratum, count(stratum.pairs as u64));
            Some(Mark::Dot { ink: Ink::Arm(number), at, radius: 14, title })
        })
    });
    let marks = dots.collect();
    let x_title = "mean similarity of a query and a negative";
    figure(heading, note, &Chart { width: WIDTH, height: 280, x, x_title, y, y_title: Some(y_title), marks })
}

fn hardest(arms: &[ArmCurves]) -> Markup {
    let head = ["arm", "stratum", "pairs drawn", "accuracy", "positives", "negatives", "above the positive"];
    let rows = arms.iter().enumerate().flat_map(|(number, arm)| {
        let mut strata: Vec<&StratumHardness> = arm.strata.iter().filter(|one| one.negative.is_some()).collect();
        strata.sort_by(|a, b| b.negative.partial_cmp(&a.negative).unwrap_or(std::cmp::Ordering::Equal));
        strata.into_iter().take(HARDEST).map(move |stratum| row(number, arm, stratum))
    });
    table(&head, rows.collect())
}

fn row(number: usize, arm: &ArmCurves, stratum: &StratumHardness) -> Vec<Cell> {
    let optional = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    vec![
        Cell::Arm(number, arm.arm.clone()),
        Cell::number(stratum.stratum as usize),
        Cell::number(stratum.pairs),
        Cell::Number(percent(stratum.accuracy)),
        Cell::Number(format!("{:.3}", stratum.positive)),
        Cell::Number(optional(stratum.negative)),
        Cell::Number(stratum.harder.map_or_else(String::new, |share| format!("{:.2} %", 100.0 * share))),
    ]
}
