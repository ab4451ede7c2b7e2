//! What a search found, as a person reads it.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use terminal_size::{Width, terminal_size_of};

use crate::pipeline::Found;

/// The columns of the terminal that stdout is, 100 where it is none.
pub(super) fn columns() -> u16 {
    terminal_size_of(std::io::stdout()).map_or(100, |(Width(columns), _)| columns)
}

/// A paragraph for each passage, beside its score: what it is called, then its first sentences.
pub(super) fn render(found: &[Found], columns: u16) -> String {
    // Narrower than this there is no room beside the score.
    const LEAST_COLUMNS: u16 = 24;
    if found.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(columns.max(LEAST_COLUMNS));
    table.add_rows(found.iter().map(|found| {
        let paragraph = format!("{}\n{}", found.title, found.summary).trim_end().to_owned();
        [format!("{:.3}", found.score), paragraph]
    }));
    for (column, padding) in table.column_iter_mut().zip([(0, 2), (0, 0)]) {
        column.set_padding(padding);
    }
    if let Some(scores) = table.column_mut(0) {
        scores.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> [Found; 2] {
        let found = |score, title: &str, summary: &str| Found {
            id: "id".into(),
            title: title.into(),
            summary: summary.into(),
            text: "text".into(),
            score,
        };
        [
            found(
                0.7124,
                "unicode_segmentation::UnicodeSegmentation::graphemes  (unicode-segmentation 1.13.3)",
                "Returns an iterator over the grapheme clusters of self, which are what a reader takes for one character. \
                 Extended ones are the default.",
            ),
            found(-0.05, "d17  (Rome)", "Größe und Länge zählen in Zeichen, nicht in Bytes."),
        ]
    }

    #[test]
    fn a_search_is_wrapped_to_60_columns() {
        let expected = "\
0.712   unicode_segmentation::UnicodeSegmentation::graphemes
        (unicode-segmentation 1.13.3)
        Returns an iterator over the grapheme clusters of
        self, which are what a reader takes for one
        character. Extended ones are the default.
-0.050  d17  (Rome)
        Größe und Länge zählen in Zeichen, nicht in Bytes.
";
        assert_eq!(render(&found(), 60), expected);
    }

    #[test]
    fn a_search_is_wrapped_to_100_columns() {
        let expected = "\
0.712   unicode_segmentation::UnicodeSegmentation::graphemes  (unicode-segmentation 1.13.3)
        Returns an iterator over the grapheme clusters of self, which are what a reader takes for
        one character. Extended ones are the default.
-0.050  d17  (Rome)
        Größe und Länge zählen in Zeichen, nicht in Bytes.
";
        assert_eq!(render(&found(), 100), expected);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in 24..200 {
            for line in render(&found(), columns).lines() {
                assert!(line.chars().count() <= columns.into(), "{columns}: {line}");
            }
        }
        assert!(render(&[], 60).is_empty());
    }
}
