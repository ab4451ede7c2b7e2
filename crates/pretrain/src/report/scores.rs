//! Section: what every system reached.

use maud::{Markup, html};
use plotters::coord::ranged1d::Ranged;

use super::chart::{Chart, WIDTH};
use super::data::{GainInterval, MeasureScore, Scoreboard, SystemScore};
use super::figure::figure;
use super::format::{count, excerpt, probability, signed_percent};
use super::mark::Mark;
use super::palette::Ink;
use super::scale::Scale;
use super::table::{Cell, table};

/// Of a name in a chart, as many characters as fit.
const LONGEST_NAME: usize = 52;

/// The height of a system in a chart, in CSS pixels.
const ROW: i32 = 36;

/// A row of a chart: a name, its ink, and the low end, the middle and the high end of its interval.
type Interval<'a> = (&'a str, Ink, [f64; 3]);

/// The section; `ink` gives the ink of a system by its name.
pub(super) fn section(board: &Scoreboard, ink: &dyn Fn(&str) -> Ink) -> Markup {
    html! {
        @if let Some(sentence) = headline(board) { p class="headline" { (sentence) } }
        div class="grid" {
            (gains(board, ink))
            @for (at, measure) in board.measures.iter().enumerate() { (means(board, at, measure, ink)) }
        }
        (scores_table(board, ink))
        p class="note" {
            "Means over " (count(board.queries as u64)) " test queries. Intervals are 95 %, by a bootstrap over queries and seeds; "
            "± is the standard deviation over seeds. Gains are relative, paired by query; "
            "p is of a t-test, corrected for the number of arms (Holm)."
        }
    }
}

/// The arm with the largest gain, in a sentence.
fn headline(board: &Scoreboard) -> Option<String> {
    let measure = board.measures.first()?;
    let gains = board.systems.iter().filter_map(|system| Some((system, system.gain?)));
    let (system, gain) = gains.max_by(|a, b| a.1.relative.total_cmp(&b.1.relative))?;
    let begins = match gain.low > 0.0 {
        true => "Best gain over the arm without clusters",
        false => "No gain over the arm without clusters is clear of 0; the largest",
    };
    let p = gain.p_holm.map_or_else(String::new, |p| format!(", p {}", probability(p)));
    Some(format!(
        "{begins}: {}, {measure} {:.4}, {} [{}, {}]{p}.",
        system.name,
        system.scores.first()?.mean,
        signed_percent(gain.relative),
        signed_percent(gain.low),
        signed_percent(gain.high),
    ))
}

/// A chart of one interval a row, under the row's name.
pub(super) fn intervals<'a>(rows: &[Interval<'_>], x_title: &'a str, through: Option<f64>) -> Option<Chart<'a>> {
    let values = rows.iter().flat_map(|row| row.2).chain(through);
    let x = Scale::around(values, false)?;
    let start = x.range().start;
    let bottom = rows.len() as f64;
    let mut marks = Vec::new();
    if let Some(at) = through {
        marks.push(Mark::Line { ink: Ink::Axis, width: 6, opacity: 1.0, points: vec![(at, 0.0), (at, bottom)] });
    }
    for (row, &(name, ink, [low, middle, high])) in rows.iter().enumerate() {
        let top = bottom - row as f64;
        marks.push(Mark::Name { at: (start, top - 0.5), text: excerpt(name, LONGEST_NAME) });
        marks.push(Mark::Interval { ink, y: top - 0.72, low, middle, high });
    }
    let height = 54 + ROW * rows.len() as i32;
    Some(Chart { width: WIDTH, height, x, x_title, y: Scale::linear(0.0..bottom), y_title: None, marks })
}

fn gains(board: &Scoreboard, ink: &dyn Fn(&str) -> Ink) -> Markup {
    let with_gain = board.systems.iter().filter_map(|system| Some((system.name.as_str(), system.gain?)));
    let ends = |gain: GainInterval| [gain.low, gain.relative, gain.high].map(|share| 100.0 * share);
    let rows: Vec<Interval<'_>> = with_gain.map(|(name, gain)| (name, ink(name), ends(gain))).collect();
    let measure = board.measures.first().map_or("", String::as_str);
    html! {
        @if let Some(chart) = intervals(&rows, "relative gain (%)", Some(0.0)) {
            (figure(&format!("Gain in {measure}"), "Over the arm without clusters.", &chart))
        }
    }
}

fn means(board: &Scoreboard, at: usize, measure: &str, ink: &dyn Fn(&str) -> Ink) -> Markup {
    let row = |system: &SystemScore| {
        let score = *system.scores.get(at)?;
        let (low, high) = score.interval.unwrap_or((score.mean, score.mean));
        Some([low, score.mean, high])
    };
    let with_score = board.systems.iter().filter_map(|system| Some((system.name.as_str(), row(system)?)));
    let rows: Vec<Interval<'_>> = with_score.map(|(name, ends)| (name, ink(name), ends)).collect();
    html! { @if let Some(chart) = intervals(&rows, measure, None) { (figure(measure, "Mean over the test queries.", &chart)) } }
}

fn scores_table(board: &Scoreboard, ink: &dyn Fn(&str) -> Ink) -> Markup {
    let gains = board.systems.iter().any(|system| system.gain.is_some());
    let mut head = vec!["system".to_owned()];
    head.extend(board.measures.iter().cloned());
    if gains {
        head.extend([format!("gain in {}", board.measures.first().map_or("", String::as_str)), "p (Holm)".to_owned()]);
    }
    let row = |system: &SystemScore| {
        let name = match ink(&system.name) {
            Ink::Arm(number) => Cell::Arm(number, system.name.clone()),
            _ => Cell::Text(system.name.clone()),
        };
        let mut cells = vec![name];
        cells.extend(system.scores.iter().map(measured));
        if gains {
            let gain = system.gain;
            cells.push(gain.map_or_else(|| Cell::Text(String::new()), gained));
            cells.push(Cell::Number(gain.and_then(|gain| gain.p_holm).map_or_else(String::new, probability)));
        }
        cells
    };
    table(&head, board.systems.iter().map(row).collect())
}

fn measured(score: &MeasureScore) -> Cell {
    let deviation = score.deviation.map_or_else(String::new, |deviation| format!(" ± {deviation:.4}"));
    let interval = score.interval.map_or_else(String::new, |(low, high)| format!("[{low:.4}, {high:.4}]"));
    Cell::Measured(format!("{:.4}{deviation}", score.mean), interval)
}

fn gained(gain: GainInterval) -> Cell {
    let interval = format!("[{}, {}]", signed_percent(gain.low), signed_percent(gain.high));
    Cell::Measured(signed_percent(gain.relative), interval)
}
