//! Section: examples of what was not counted as a negative.

use maud::{Markup, html};

use super::data::MaskedNegative;
use super::format::excerpt;
use super::table::{Cell, table};

/// Characters of a text in the table.
const LONGEST: usize = 240;

/// The section, if there are examples.
pub(super) fn section(examples: &[MaskedNegative]) -> Option<Markup> {
    if examples.is_empty() {
        return None;
    }
    let head = ["query", "its own passage", "masked passage", "why", "similarity"];
    let row = |example: &MaskedNegative| {
        let [query, positive, masked] =
            [&example.query, &example.positive, &example.masked].map(|text| Cell::Text(excerpt(text, LONGEST)));
        let similarity = example.similarity.map_or_else(String::new, |similarity| format!("{similarity:.3}"));
        vec![query, positive, masked, Cell::Text(example.reason.clone()), Cell::Number(similarity)]
    };
    Some(html! {
        p { "Passages of a query's batch that do not count as its negatives." }
        div class="texts" { (table(&head, examples.iter().map(row).collect())) }
    })
}
