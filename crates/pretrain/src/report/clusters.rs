//! Sections: how large the clusters are, and where they lie.

use maud::{Markup, html};

use super::chart::{Chart, WIDTH};
use super::data::{ClusterMap, ClusterNote, ClusterSet};
use super::figure::{figure, swatch};
use super::format::{count, excerpt, percent};
use super::mark::Mark;
use super::palette::Ink;
use super::scale::Scale;
use super::table::{Cell, table};

/// Clusters of a map with a colour of their own: as many as there are colours.
const COLOURED: usize = 8;

/// Characters of a text beside a point: three lines.
const LONGEST_TEXT: usize = 170;

/// The sizes, if there are clusters.
pub(super) fn sizes(sets: &[ClusterSet]) -> Option<Markup> {
    let sets: Vec<&ClusterSet> = sets.iter().filter(|set| !set.sizes.is_empty()).collect();
    (!sets.is_empty()).then(|| {
        html! {
            div class="grid" { @for set in &sets { (size_chart(set)) } }
            (size_table(&sets))
        }
    })
}

fn size_chart(set: &ClusterSet) -> Markup {
    let sizes = largest_first(set);
    let most = sizes.first().map_or(1, |&(_, size)| size).max(1) as f64;
    let gap = if sizes.len() > 100 { 0.0 } else { 0.1 };
    let bars = sizes.iter().enumerate().map(|(rank, &(_, size))| Mark::Bar {
        ink: Ink::Arm(0),
        from: rank as f64 + 0.5 + gap,
        to: rank as f64 + 1.5 - gap,
        height: size as f64,
    });
    let x = Scale::linear(0.5..sizes.len() as f64 + 0.5);
    let y = Scale::linear(0.0..1.05 * most);
    let y_title = set.of.as_str();
    let chart = Chart {
        width: WIDTH,
        height: 230,
        x,
        x_title: "clusters, largest first",
        y,
        y_title: Some(y_title),
        marks: bars.collect(),
    };
    figure(&set.name, &format!("Drawn from by {}.", listed(&set.arms)), &chart)
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "no arm".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join("; ")),
    }
}

/// Label and size; of equal sizes the lower label first.
fn largest_first(set: &ClusterSet) -> Vec<(u32, u64)> {
    let mut sizes: Vec<(u32, u64)> = (0..).zip(set.sizes.iter().copied()).collect();
    sizes.sort_by_key(|&(label, size)| (std::cmp::Reverse(size), label));
    sizes
}

fn size_table(sets: &[&ClusterSet]) -> Markup {
    let head = ["clusters", "of", "number", "empty", "least", "median", "largest", "mean cosine"];
    let row = |set: &&ClusterSet| {
        let sizes = largest_first(set);
        let size = |place: usize| Cell::Number(count(sizes[place].1));
        vec![
            Cell::Text(set.name.clone()),
            Cell::Text(set.of.clone()),
            Cell::number(sizes.len()),
            Cell::number(sizes.iter().filter(|(_, size)| *size == 0).count()),
            size(sizes.len() - 1),
            size(sizes.len() / 2),
            size(0),
            Cell::Number(format!("{:.4}", set.objective)),
        ]
    };
    table(&head, sets.iter().map(row).collect())
}

/// The maps, if there are any.
pub(super) fn maps(sets: &[ClusterSet]) -> Option<Markup> {
    let with_map: Vec<(&ClusterSet, &ClusterMap)> =
        sets.iter().filter_map(|set| Some((set, set.map.as_ref().filter(|map| !map.points.is_empty())?))).collect();
    (!with_map.is_empty()).then(|| {
        html! {
            p {
                "A sample of what was clustered, in the plane where its vectors vary most. A pointer over a point, or a tap, shows its text "
                "and brings out its cluster."
            }
            @for (set, map) in &with_map { (map_of(set, map)) }
        }
    })
}

fn map_of(set: &ClusterSet, map: &ClusterMap) -> Markup {
    let largest = largest_first(set);
    let coloured: Vec<u32> = largest.iter().take(COLOURED).map(|&(label, _)| label).collect();
    let ink = |label: u32| coloured.iter().position(|&one| one == label).map_or(Ink::Grey, Ink::Arm);
    let x = Scale::around(map.points.iter().map(|point| point.x), false);
    let y = Scale::around(map.points.iter().map(|point| point.y), false);
    let (Some(x), Some(y)) = (x, y) else { return html! {} };
    // Colours over grey.
    let (front, back): (Vec<_>, Vec<_>) = map.points.iter().partition(|point| coloured.contains(&point.label));
    let dots = back.into_iter().chain(front).map(|point| Mark::Dot {
        ink: ink(point.label),
        at: (point.x, point.y),
        radius: if coloured.contains(&point.label) { 10 } else { 8 },
        title: format!("cluster {}\n{}", point.label, excerpt(&point.text, LONGEST_TEXT)).trim_end().to_owned(),
    });
    let [first, second] = map.explained.map(percent);
    let (x_title, y_title) =
        (format!("first component ({first} of the variance)"), format!("second component ({second})"));
    let marks = dots.collect();
    let chart = Chart { width: 440, height: 380, x, x_title: &x_title, y, y_title: Some(&y_title), marks };
    let note = format!("{} of {} {}.", count(map.points.len() as u64), count(map.rows as u64), set.of);
    html! {
        div class="map" {
            (figure(&set.name, &note, &chart))
            (key(set, &largest, map))
        }
    }
}

/// What the colours of a map mean, and what the clusters are about.
fn key(set: &ClusterSet, largest: &[(u32, u64)], map: &ClusterMap) -> Markup {
    let note = |label: u32| set.notes.iter().find(|note| note.label == label);
    let others = largest.len().saturating_sub(COLOURED);
    let shown = |label: u32| map.points.iter().filter(|point| point.label == label).count();
    html! {
        ul class="key" {
            @for (number, &(label, size)) in largest.iter().take(COLOURED).enumerate() {
                li {
                    (swatch(Ink::Arm(number)))
                    div {
                        b { "cluster " (label) } " · " (count(size)) " " (set.of) " (" (count(shown(label) as u64)) " shown)"
                        @if let Some(note) = note(label) { (about(note)) }
                    }
                }
            }
            @if others > 0 { li { (swatch(Ink::Grey)) div { (count(others as u64)) " other clusters" } } }
        }
    }
}

fn about(note: &ClusterNote) -> Markup {
    html! {
        @if !note.terms.is_empty() { div { (note.terms.join(", ")) } }
        @if !note.example.is_empty() { div class="example" { "“" (excerpt(&note.example, LONGEST_TEXT)) "”" } }
    }
}
