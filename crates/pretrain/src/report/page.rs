//! The page: sections in order, a style sheet and a script, all in one file.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::data::{ArmCurves, Fact, ReportData};
use super::figure::swatch;
use super::palette::{Ink, rules};
use super::{clusters, curves, hardness, masked, scores, settings, validation};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// What the browser is held to, whatever is in the page: nothing is loaded from anywhere.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A part of the page: its anchor, its heading and what is in it.
struct Section {
    id: &'static str,
    heading: &'static str,
    body: Markup,
}

/// The report as one HTML file, which loads nothing.
pub fn render(data: &ReportData) -> String {
    let sections = sections(data);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (data.title) }
                style { (PreEscaped(STYLE)) (PreEscaped(rules(data.arms.len()))) (PreEscaped(toggles(data.arms.len()))) }
            }
            body {
                header {
                    h1 { (data.title) }
                    @if !data.facts.is_empty() { ul class="facts" { @for fact in &data.facts { (tile(fact)) } } }
                    nav aria-label="Sections" { @for section in &sections { a href=(format!("#{}", section.id)) { (section.heading) } } }
                }
                main {
                    @for section in &sections { section id=(section.id) { h2 { (section.heading) } (section.body) } }
                    @if sections.is_empty() { p class="none" { "This run has nothing to show yet." } }
                }
                div id="tip" role="status" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn sections(data: &ReportData) -> Vec<Section> {
    let number = |name: &str| data.arms.iter().position(|arm| arm.arm == name);
    let measures = data.scores.as_ref().map_or(&[][..], |board| &board.measures);
    let ink = |name: &str| number(name).map_or(Ink::Grey, Ink::Arm);
    let found = [
        (
            "scores",
            "Scores",
            data.scores.as_ref().filter(|board| !board.systems.is_empty()).map(|board| scores::section(board, &ink)),
        ),
        ("training", "Training", with_legend(&data.arms, "legend-training", curves::section(&data.arms))),
        (
            "validation",
            "Validation",
            with_legend(&data.arms, "legend-validation", validation::section(&data.arms, measures)),
        ),
        ("hardness", "Hardness by stratum", with_legend(&data.arms, "legend-hardness", hardness::section(&data.arms))),
        ("sizes", "Cluster sizes", clusters::sizes(&data.clusters)),
        ("map", "Map of clusters", clusters::maps(&data.clusters)),
        ("masked", "Masked negatives", masked::section(&data.masked)),
        ("settings", "Configuration and hashes", settings::section(&data.settings)),
        ("notes", "Notes on the data", notes(&data.notes)),
    ];
    found.into_iter().filter_map(|(id, heading, body)| Some(Section { id, heading, body: body? })).collect()
}

fn tile(fact: &Fact) -> Markup {
    html! { li { b { (fact.value) } span { (fact.name) } } }
}

fn notes(notes: &[String]) -> Option<Markup> {
    (!notes.is_empty()).then(|| html! { ul { @for note in notes { li { (note) } } } })
}

/// A section under the names of the arms, which hide and show them in its charts.
fn with_legend(arms: &[ArmCurves], id: &str, section: Option<Markup>) -> Option<Markup> {
    let section = section?;
    Some(html! {
        div class="arms" {
            div class="legend" id=(id) {
                @for (number, arm) in arms.iter().enumerate() {
                    label {
                        input type="checkbox" class=(format!("arm-{number}")) checked;
                        span data-stroke=(Ink::Arm(number).key()) { (swatch(Ink::Arm(number))) (arm.arm) }
                    }
                }
            }
            (section)
        }
    })
}

/// The rules by which a legend's box hides what has the arm's ink.
fn toggles(arms: usize) -> String {
    let rule = |number: usize| {
        let (key, hidden) = (Ink::Arm(number).key(), format!(".arms:has(.arm-{number}:not(:checked)) .chart svg"));
        format!("{hidden} [stroke=\"{key}\"],{hidden} [fill=\"{key}\"]{{display:none}}\n")
    };
    (0..arms).map(rule).collect()
}
