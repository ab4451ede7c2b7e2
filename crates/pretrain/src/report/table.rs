//! Tables that scroll within their own box.

use maud::{Markup, html};

use super::figure::swatch;
use super::format;
use super::palette::Ink;

/// One cell.
pub(super) enum Cell {
    Text(String),
    /// Right-aligned.
    Number(String),
    /// A number with its interval below.
    Measured(String, String),
    /// An arm by its number, with its colour.
    Arm(usize, String),
    /// In letters of one width.
    Code(String),
}

impl Cell {
    pub(super) fn number(number: usize) -> Self {
        Self::Number(format::count(number as u64))
    }
}

/// A table; a column with a number is aligned to the right.
pub(super) fn table<H: AsRef<str>>(head: &[H], rows: Vec<Vec<Cell>>) -> Markup {
    let is_number =
        |column: usize| rows.iter().any(|row| matches!(row.get(column), Some(Cell::Number(_) | Cell::Measured(..))));
    html! {
        // Within reach of the keyboard, so that it can be scrolled by it.
        div class="scroll" tabindex="0" {
            table {
                thead { tr { @for (at, title) in head.iter().enumerate() { th class=[is_number(at).then_some("number")] { (title.as_ref()) } } } }
                tbody { @for row in &rows { tr { @for cell in row { (self::cell(cell)) } } } }
            }
        }
    }
}

fn cell(cell: &Cell) -> Markup {
    html! {
        @match cell {
            Cell::Text(text) => { td { (text) } }
            Cell::Number(number) => { td class="number" { (number) } }
            Cell::Measured(number, interval) => { td class="number" { (number) @if !interval.is_empty() { small { (interval) } } } }
            Cell::Arm(number, name) => { td class="name" { (swatch(Ink::Arm(*number))) " " (name) } }
            Cell::Code(code) => { td { code { (code) } } }
        }
    }
}
