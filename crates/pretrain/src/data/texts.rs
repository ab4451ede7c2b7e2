//! Many texts in little memory.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Texts with their ids, numbered from 0: a row of vectors each, an index of a [`Pair`](super::Pair).
///
/// They lie one after another, 16 bytes beside their own each, where two `String`s take 64 and more: half a gigabyte less for
/// 8.8 million passages.
///
/// ```
/// use pretrain::data::Texts;
///
/// let mut texts: Texts = [("q1", "who wrote Faust"), ("q2", "who painted it")].into_iter().collect();
/// texts.push("q3", "when");
/// assert_eq!((texts.len(), texts.id(2), texts.text(1)), (3, "q3", "who painted it"));
/// assert_eq!(texts.iter().map(|text| text.text.len()).sum::<usize>(), 33);
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// All but the last hold [`CHUNK`] texts: none is copied again as the others come.
    chunks: Vec<Chunk>,
}

/// Texts that are allocated together.
const CHUNK: usize = 1 << 12;

#[derive(Clone, PartialEq, Eq, Default)]
struct Chunk {
    /// Each id and, behind it, its text.
    joined: String,
    /// Of each, where its id and its text end in `joined`.
    ends: Vec<Ends>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    id: usize,
    text: usize,
}

impl Chunk {
    fn push(&mut self, id: &str, text: &str) {
        self.joined.push_str(id);
        let id = self.joined.len();
        self.joined.push_str(text);
        self.ends.push(Ends { id, text: self.joined.len() });
    }

    #[track_caller]
    fn get(&self, place: usize) -> Text<'_> {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before].text);
        let Ends { id, text } = self.ends[place];
        Text { id: &self.joined[start..id], text: &self.joined[id..text] }
    }

    /// Gives back what was allocated ahead of its use.
    fn shrink_to_fit(&mut self) {
        self.joined.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// A text and the id that it has in the data; of merged texts the id of the first.
///
/// ```
/// let text = pretrain::data::Text { id: "q1", text: "who wrote Faust" };
/// assert_eq!(text.text.split(' ').count(), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Text<'a> {
    /// The id in the data.
    pub id: &'a str,
    /// The text as it is embedded; in the corpus and the test queries of a BEIR folder it may be blank.
    pub text: &'a str,
}

impl Texts {
    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.ends.len())
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Puts a text behind the others.
    pub fn push(&mut self, id: &str, text: &str) {
        match self.chunks.last_mut() {
            Some(last) if last.ends.len() < CHUNK => last.push(id, text),
            full => {
                full.into_iter().for_each(Chunk::shrink_to_fit);
                let mut chunk = Chunk::default();
                chunk.push(id, text);
                self.chunks.push(chunk);
            }
        }
    }

    /// The text with this number, and its id.
    ///
    /// # Panics
    /// If there is no such text.
    #[track_caller]
    pub fn get(&self, row: u32) -> Text<'_> {
        let row = row as usize;
        self.chunks[row / CHUNK].get(row % CHUNK)
    }

    /// The id of the text with this number.
    ///
    /// # Panics
    /// If there is no such text.
    #[track_caller]
    pub fn id(&self, row: u32) -> &str {
        self.get(row).id
    }

    /// The text with this number.
    ///
    /// # Panics
    /// If there is no such text.
    #[track_caller]
    pub fn text(&self, row: u32) -> &str {
        self.get(row).text
    }

    /// All texts in order.
    pub fn iter(&self) -> TextsIter<'_> {
        TextsIter { texts: self, rows: 0..self.len() }
    }
}

/// The iterator of [`Texts::iter`].
#[derive(Debug, Clone)]
pub struct TextsIter<'a> {
    texts: &'a Texts,
    rows: Range<usize>,
}

impl<'a> Iterator for TextsIter<'a> {
    type Item = Text<'a>;

    fn next(&mut self) -> Option<Text<'a>> {
        self.rows.next().map(|row| self.texts.get(row as u32))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl ExactSizeIterator for TextsIter<'_> {}

impl<'a> IntoIterator for &'a Texts {
    type Item = Text<'a>;
    type IntoIter = TextsIter<'a>;

    fn into_iter(self) -> TextsIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Ids and texts.
impl<I: AsRef<str>, T: AsRef<str>> FromIterator<(I, T)> for Texts {
    fn from_iter<A: IntoIterator<Item = (I, T)>>(all: A) -> Self {
        let mut texts = Self::default();
        texts.extend(all);
        texts
    }
}

/// Ids and texts.
impl<I: AsRef<str>, T: AsRef<str>> Extend<(I, T)> for Texts {
    fn extend<A: IntoIterator<Item = (I, T)>>(&mut self, all: A) {
        all.into_iter().for_each(|(id, text)| self.push(id.as_ref(), text.as_ref()));
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("texts with their ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
        #[derive(Deserialize)]
        struct Owned {
            id: String,
            text: String,
        }

        let mut texts = Texts::default();
        while let Some(Owned { id, text }) = seq.next_element()? {
            texts.push(&id, &text);
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_are_what_was_pushed_and_json_keeps_them(all in prop::collection::vec((".{0,5}", ".{0,9}"), 0..20)) {
            let texts: Texts = all.iter().map(|(id, text)| (id, text)).collect();
            let read: Vec<(String, String)> = texts.iter().map(|text| (text.id.into(), text.text.into())).collect();
            prop_assert_eq!(&read, &all);
            let json = serde_json::to_string(&texts).unwrap();
            prop_assert_eq!(serde_json::from_str::<Texts>(&json).unwrap(), texts);
        }
    }

    #[test]
    fn json_is_a_list_of_objects() {
        let texts: Texts = [("q", "a \"b\"")].into_iter().collect();
        let json = r#"[{"id":"q","text":"a \"b\""}]"#;
        assert_eq!(serde_json::to_string(&texts).unwrap(), json);
        assert!(serde_json::from_str::<Texts>(r#"[{"id": "q"}]"#).is_err());
    }

    #[test]
    fn chunks_make_no_difference() {
        let number = |row: usize| (row.to_string(), format!("text {row}"));
        for count in [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let texts: Texts = (0..count).map(number).collect();
            assert_eq!((texts.len(), texts.iter().len()), (count, count));
            assert!(texts.iter().enumerate().all(|(row, text)| number(row) == (text.id.into(), text.text.into())));
        }
    }

    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn a_row_past_the_end_panics() {
        let texts: Texts = [("q", "a")].into_iter().collect();
        texts.text(1);
    }
}
