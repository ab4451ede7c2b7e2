//! Texts in the order of the data, equal ones known.

use super::row_index::RowIndex;
use super::{DataError, Texts};

/// Texts with their rows, each with the first that equals it but for white space at the ends; and what was met on the way.
#[derive(Default)]
pub(super) struct KnownTexts {
    pub(super) all: Texts,
    first: Vec<u32>,
    /// The first of equal texts, by the text without white space at its ends.
    index: RowIndex,
    pub(super) read: usize,
    pub(super) blank: usize,
    /// Texts that are not blank and came before.
    pub(super) repeated: usize,
}

impl KnownTexts {
    /// The row of the text as one of its own, be it blank or a repeat.
    pub(super) fn push(&mut self, id: &str, text: &str) -> Result<u32, DataError> {
        let row = self.next()?;
        let first = self.meet(text);
        self.append(id, text, first.unwrap_or(row));
        if first.is_none() && !is_blank(text) {
            self.make_known(row);
        }
        Ok(row)
    }

    /// The row of the first text that equals this one; `None` if it is blank.
    pub(super) fn merge(&mut self, id: &str, text: &str) -> Result<Option<u32>, DataError> {
        let row = self.next()?;
        let first = self.meet(text);
        if is_blank(text) {
            return Ok(None);
        }
        if first.is_none() {
            self.append(id, text, row);
            self.make_known(row);
        }
        Ok(Some(first.unwrap_or(row)))
    }

    /// Counts a text; the row of the first that equals it, if one came before.
    fn meet(&mut self, text: &str) -> Option<u32> {
        self.read += 1;
        if is_blank(text) {
            self.blank += 1;
            return None;
        }
        let first = self.index.get(text.trim(), |row| self.all.text(row).trim());
        self.repeated += usize::from(first.is_some());
        first
    }

    fn append(&mut self, id: &str, text: &str, first: u32) {
        self.all.push(id, text);
        self.first.push(first);
    }

    fn make_known(&mut self, row: u32) {
        self.index.insert(row, |row| self.all.text(row).trim());
    }

    fn next(&self) -> Result<u32, DataError> {
        u32::try_from(self.all.len()).map_err(|_| DataError::TooManyTexts)
    }

    /// The row of the first text that equals that of `row`.
    pub(super) fn first(&self, row: u32) -> u32 {
        self.first[row as usize]
    }

    pub(super) fn is_blank(&self, row: u32) -> bool {
        is_blank(self.all.text(row))
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_at_the_ends_makes_no_other_text() {
        let mut texts = KnownTexts::default();
        assert_eq!(texts.merge("", "a b").unwrap(), Some(0));
        assert_eq!(texts.merge("", " a b\n").unwrap(), Some(0));
        assert_eq!(texts.merge("", "a  b").unwrap(), Some(1));
        assert_eq!(texts.repeated, 1);
    }

    #[test]
    fn a_pushed_repeat_has_its_own_row_and_a_merged_one_has_not() {
        let mut texts = KnownTexts::default();
        assert_eq!(texts.push("", "a").unwrap(), 0);
        assert_eq!(texts.push("", "a").unwrap(), 1);
        assert_eq!(texts.merge("", "a").unwrap(), Some(0));
        assert_eq!(texts.merge("", "b").unwrap(), Some(2));
        assert_eq!((texts.first(1), texts.first(2), texts.len()), (0, 2, 3));
        assert_eq!((texts.read, texts.blank, texts.repeated), (4, 0, 2));
    }

    #[test]
    fn a_blank_text_is_kept_or_left_out_and_repeats_nothing() {
        let mut texts = KnownTexts::default();
        assert_eq!(texts.merge("", " ").unwrap(), None);
        assert_eq!((texts.push("", "").unwrap(), texts.push("", "").unwrap()), (0, 1));
        assert!(texts.is_blank(1));
        assert_eq!((texts.first(1), texts.read, texts.blank, texts.repeated), (1, 3, 3, 0));
    }
}
