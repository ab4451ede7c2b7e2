//! A chart with its heading, in the page.

use maud::{Markup, PreEscaped, html};
use plotters::coord::ranged1d::Ranged;

use super::chart::Chart;
use super::palette::Ink;
use super::scale::Scale;

/// A chart under its heading, with a sentence on how to read it.
pub(super) fn figure(heading: &str, note: &str, chart: &Chart<'_>) -> Markup {
    html! {
        figure class="chart" aria-label=(heading) {
            (caption(heading, note))
            @match chart.draw() {
                Ok(drawn) => { (PreEscaped(drawn.svg)) }
                Err(error) => { p class="none" { "not drawn: " (error) } }
            }
        }
    }
}

/// The same, with what the page's script needs to read values off its curves.
pub(super) fn figure_of_curves(heading: &str, note: &str, chart: &Chart<'_>) -> Markup {
    let drawn = match chart.draw() {
        Ok(drawn) => drawn,
        Err(_) => return figure(heading, note, chart),
    };
    let [x0, x1, y0, y1] = drawn.frame;
    html! {
        figure class="chart curves" aria-label=(heading) data-x=(axis(&chart.x, x0, x1)) data-y=(axis(&chart.y, y0, y1)) {
            (caption(heading, note))
            (PreEscaped(drawn.svg))
        }
    }
}

/// `from to first last log`: the values and the places in the picture where an axis begins and ends.
fn axis(scale: &Scale, first: i32, last: i32) -> String {
    let range = scale.range();
    format!("{} {} {first} {last} {}", range.start, range.end, u8::from(scale.is_logarithmic()))
}

fn caption(heading: &str, note: &str) -> Markup {
    html! {
        figcaption {
            b { (heading) }
            @if !note.is_empty() { " " span { (note) } }
        }
    }
}

/// A heading without a chart, for there is no value to draw.
pub(super) fn without_values(heading: &str) -> Markup {
    html! {
        figure class="chart" aria-label=(heading) {
            (caption(heading, ""))
            p class="none" { "no finite value" }
        }
    }
}

/// A short line in an ink, for legends and tables.
pub(super) fn swatch(ink: Ink) -> Markup {
    html! {
        svg class="swatch" viewBox="0 0 96 32" aria-hidden="true" {
            line x1="0" y1="16" x2="96" y2="16" stroke=(ink.key()) stroke-width="14" {}
        }
    }
}
