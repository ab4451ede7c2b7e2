use std::io;

use comfy_table::{CellAlignment, Table, TableComponent, presets};
use serde::Serialize;

use super::{RunRow, RunTable, escape};
use crate::statistics::Interval;

const COLUMNS: usize = 8;
/// Names stand at the left of their columns and numbers at the right.
const NAMES: usize = 2;
const UNDEFINED: &str = "undefined";

type Line = [String; COLUMNS];

pub(super) fn text(table: &RunTable) -> String {
    let mut lines = Table::new();
    lines.load_preset(presets::NOTHING).set_style(TableComponent::HeaderLines, '-');
    lines.set_style(TableComponent::MiddleHeaderIntersections, '-');
    lines.set_header(header(table).map(|cell| escape::text(&cell)));
    lines.add_rows(table.rows.iter().map(|row| cells(row).map(|cell| escape::text(&cell))));
    for (place, column) in lines.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        column.set_cell_alignment(if place < NAMES { CellAlignment::Left } else { CellAlignment::Right });
    }
    lines.trim_fmt() + "\n"
}

pub(super) fn markdown(table: &RunTable) -> String {
    let line = |cells: Line| format!("| {} |\n", cells.join(" | "));
    let rule: [&str; COLUMNS] = std::array::from_fn(|place| if place < NAMES { "---" } else { "---:" });
    let mut lines = line(header(table)) + &format!("| {} |\n", rule.join(" | "));
    lines.extend(table.rows.iter().map(|row| line(escaped(cells(row), escape::markdown, str::to_owned))));
    lines
}

pub(super) fn latex(table: &RunTable) -> String {
    let line = |cells: Line| format!("{} \\\\\n", cells.join(" & "));
    let columns = "l".repeat(NAMES) + &"r".repeat(COLUMNS - NAMES);
    let mut lines = format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n");
    lines += &line(header(table).map(|cell| escape::latex(&cell)));
    lines += "\\midrule\n";
    lines.extend(table.rows.iter().map(|row| line(escaped(cells(row), escape::latex, escape::latex_number))));
    lines + "\\bottomrule\n\\end{tabular}\n"
}

/// A line with its names and its numbers escaped.
fn escaped(line: Line, name: fn(&str) -> String, number: fn(&str) -> String) -> Line {
    let mut places = 0..COLUMNS;
    line.map(|cell| if places.next() < Some(NAMES) { name(&cell) } else { number(&cell) })
}

pub(super) fn csv(table: &RunTable, sink: impl io::Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(sink);
    for row in &table.rows {
        writer.serialize(Record::new(table.queries, row))?;
    }
    writer.flush()
}

/// A row of numbers as they are; what is undefined is left empty.
#[derive(Serialize)]
struct Record<'a> {
    measure: &'a str,
    run: &'a str,
    queries: usize,
    level: f64,
    mean: f64,
    mean_lower: f64,
    mean_upper: f64,
    difference: Option<f64>,
    difference_lower: Option<f64>,
    difference_upper: Option<f64>,
    relative_gain: Option<f64>,
    relative_gain_lower: Option<f64>,
    relative_gain_upper: Option<f64>,
    p: Option<f64>,
    p_holm: Option<f64>,
    t: Option<f64>,
    t_test_p: Option<f64>,
    t_test_p_holm: Option<f64>,
    cohens_d: Option<f64>,
    wins: Option<usize>,
    ties: Option<usize>,
    losses: Option<usize>,
}

impl<'a> Record<'a> {
    fn new(queries: usize, row: &'a RunRow) -> Self {
        let corrected = row.against_baseline;
        let comparison = corrected.map(|corrected| corrected.comparison);
        let difference = comparison.map(|comparison| comparison.difference);
        let gain = comparison.and_then(|comparison| comparison.relative_gain);
        let t_test = comparison.and_then(|comparison| comparison.t_test);
        let outcomes = comparison.map(|comparison| comparison.outcomes);
        Self {
            measure: &row.measure,
            run: &row.run,
            queries,
            level: row.mean.level,
            mean: row.mean.estimate,
            mean_lower: row.mean.lower,
            mean_upper: row.mean.upper,
            difference: difference.map(|interval| interval.estimate),
            difference_lower: difference.map(|interval| interval.lower),
            difference_upper: difference.map(|interval| interval.upper),
            relative_gain: gain.map(|interval| interval.estimate),
            relative_gain_lower: gain.map(|interval| interval.lower),
            relative_gain_upper: gain.map(|interval| interval.upper),
            p: comparison.map(|comparison| comparison.p_value),
            p_holm: corrected.map(|corrected| corrected.p_holm),
            t: t_test.map(|test| test.t),
            t_test_p: t_test.map(|test| test.p_value),
            t_test_p_holm: corrected.and_then(|corrected| corrected.t_test_p_holm),
            cohens_d: comparison.and_then(|comparison| comparison.cohens_d),
            wins: outcomes.map(|outcomes| outcomes.wins),
            ties: outcomes.map(|outcomes| outcomes.ties),
            losses: outcomes.map(|outcomes| outcomes.losses),
        }
    }
}

fn header(table: &RunTable) -> Line {
    // Six digits: 100 · 0.29 is not 29.
    let level = table.rows.first().map(|row| (1e6 * row.mean.level).round() / 1e4);
    let with_level = |name: &str| level.map_or(name.to_owned(), |level| format!("{name} [{level}%]"));
    let names = ["p (Holm)", "t-test p (Holm)", "Cohen's d", "win/tie/loss"].map(str::to_owned);
    let [p, t_test, effect, outcomes] = names;
    ["measure".into(), "run".into(), with_level("mean"), with_level("difference"), p, t_test, effect, outcomes]
}

fn cells(row: &RunRow) -> Line {
    let Interval { estimate, lower, upper, .. } = row.mean;
    let mean = format!("{estimate:.4} [{lower:.4}, {upper:.4}]");
    let (measure, run) = (row.measure.clone(), row.run.clone());
    let Some(corrected) = row.against_baseline else {
        return [measure, run, mean, String::new(), String::new(), String::new(), String::new(), String::new()];
    };
    let comparison = corrected.comparison;
    let Interval { estimate, lower, upper, .. } = comparison.difference;
    [
        measure,
        run,
        mean,
        format!("{} [{}, {}]", signed(estimate), signed(lower), signed(upper)),
        probability(corrected.p_holm),
        corrected.t_test_p_holm.map_or_else(|| UNDEFINED.to_owned(), probability),
        comparison.cohens_d.map_or_else(|| UNDEFINED.to_owned(), signed),
        comparison.outcomes.to_string(),
    ]
}

/// Four decimals and a sign; never `-0.0000`.
fn signed(value: f64) -> String {
    let rounded = (1e4 * value).round() / 1e4;
    format!("{:+.4}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// Four decimals; what would round to 0 is less than the least that does not.
fn probability(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_round_without_a_minus_zero_or_a_p_of_zero() {
        assert_eq!([signed(-0.000_04), signed(-0.000_06), signed(0.5)], ["+0.0000", "-0.0001", "+0.5000"]);
        assert_eq!([probability(1e-9), probability(0.0001), probability(1.0)], ["<0.0001", "0.0001", "1.0000"]);
    }
}
