//! Texts in the order of the data, equal ones known.

use rustc_hash::FxHashMap;

use super::{DataError, Text};

/// Texts with their rows, each with the first that equals it but for white space at the ends, found by hash; and what was met on the way.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) all: Vec<Text>,
    first: Vec<u32>,
    of_digest: FxHashMap<[u8; 16], u32>,
    pub(super) read: usize,
    pub(super) blank: usize,
    /// Texts that are not blank and came before.
    pub(super) repeated: usize,
}

impl Texts {
    /// The row of the text as one of its own, be it blank or a repeat.
    pub(super) fn push(&mut self, text: Text) -> Result<u32, DataError> {
        let first = self.meet(&text)?;
        self.append(text, first)
    }

    /// The row of the first text that equals this one; `None` if it is blank.
    pub(super) fn merge(&mut self, text: Text) -> Result<Option<u32>, DataError> {
        let first = self.meet(&text)?;
        if is_blank(&text.text) {
            return Ok(None);
        }
        if first == self.next()? {
            self.append(text, first)?;
        }
        Ok(Some(first))
    }

    /// Counts a text; the row of the first that equals it, which may be its own to come.
    fn meet(&mut self, text: &Text) -> Result<u32, DataError> {
        self.read += 1;
        let next = self.next()?;
        if is_blank(&text.text) {
            self.blank += 1;
            return Ok(next);
        }
        let first = *self.of_digest.entry(digest(&[text.text.trim()])).or_insert(next);
        self.repeated += usize::from(first < next);
        Ok(first)
    }

    fn append(&mut self, text: Text, first: u32) -> Result<u32, DataError> {
        let row = self.next()?;
        self.all.push(text);
        self.first.push(first);
        Ok(row)
    }

    fn next(&self) -> Result<u32, DataError> {
        u32::try_from(self.all.len()).map_err(|_| DataError::TooManyTexts)
    }

    /// The row of the first text that equals that of `row`.
    pub(super) fn first(&self, row: u32) -> u32 {
        self.first[row as usize]
    }

    pub(super) fn is_blank(&self, row: u32) -> bool {
        is_blank(&self.all[row as usize].text)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// 128 bits of the BLAKE3 hash of some texts: equal for equal texts only.
pub(super) fn digest(texts: &[&str]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text { id: text.into(), text: text.into() }
    }

    #[test]
    fn texts_that_join_to_the_same_string_have_different_digests() {
        assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
    }

    #[test]
    fn white_space_at_the_ends_makes_no_other_text() {
        let mut texts = Texts::default();
        assert_eq!(texts.merge(text("a b")).unwrap(), Some(0));
        assert_eq!(texts.merge(text(" a b\n")).unwrap(), Some(0));
        assert_eq!(texts.merge(text("a  b")).unwrap(), Some(1));
        assert_eq!(texts.repeated, 1);
    }

    #[test]
    fn a_pushed_repeat_has_its_own_row_and_a_merged_one_has_not() {
        let mut texts = Texts::default();
        assert_eq!(texts.push(text("a")).unwrap(), 0);
        assert_eq!(texts.push(text("a")).unwrap(), 1);
        assert_eq!(texts.merge(text("a")).unwrap(), Some(0));
        assert_eq!(texts.merge(text("b")).unwrap(), Some(2));
        assert_eq!((texts.first(1), texts.first(2), texts.len()), (0, 2, 3));
        assert_eq!((texts.read, texts.blank, texts.repeated), (4, 0, 2));
    }

    #[test]
    fn a_blank_text_is_kept_or_left_out_and_repeats_nothing() {
        let mut texts = Texts::default();
        assert_eq!(texts.merge(text(" ")).unwrap(), None);
        assert_eq!((texts.push(text("")).unwrap(), texts.push(text("")).unwrap()), (0, 1));
        assert!(texts.is_blank(1));
        assert_eq!((texts.first(1), texts.read, texts.blank, texts.repeated), (1, 3, 3, 0));
    }
}
