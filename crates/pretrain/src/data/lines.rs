//! Lines of a text file and the wanted fields of one JSON object a line.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::DataError;
use super::lenient::as_json;

/// U+FEFF in UTF-8, which may stand before a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Calls `each` with the number (from 1) and the content of every line that is not blank.
pub(super) fn each_line(
    path: &Path,
    mut each: impl FnMut(usize, &str) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let file = File::open(path).map_err(|error| DataError::read(path, error))?;
    let mut lines = BufReader::with_capacity(1 << 20, file);
    let mut bytes = Vec::new();
    let mut number = 0;
    loop {
        bytes.clear();
        if lines.read_until(b'\n', &mut bytes).map_err(|error| DataError::read(path, error))? == 0 {
            return Ok(());
        }
        number += 1;
        let line = bytes.strip_prefix(BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(&bytes);
        let line = str::from_utf8(line).map_err(|_| DataError::NotUtf8 { path: path.to_owned(), line: number })?;
        if !line.trim().is_empty() {
            each(number, line.trim_end_matches(['\n', '\r']))?;
        }
    }
}

/// One object of a JSONL file: the wanted fields that are there.
pub(super) struct Record<'a, const N: usize> {
    path: &'a Path,
    /// Counted from 1.
    pub(super) line: usize,
    names: &'a [&'static str; N],
    values: [Option<String>; N],
}

impl<const N: usize> Record<'_, N> {
    /// Takes the value of the wanted field with this index, if it is there and not null.
    pub(super) fn take(&mut self, index: usize) -> Option<String> {
        self.values[index].take()
    }

    /// Takes the value of a field that must be there.
    pub(super) fn require(&mut self, index: usize) -> Result<String, DataError> {
        self.values[index].take().ok_or_else(|| DataError::MissingField {
            path: self.path.to_owned(),
            line: self.line,
            field: self.names[index],
        })
    }
}

/// Calls `each` with the fields `names` of every line's object; how many lone surrogates were read as U+FFFD.
///
/// Other fields are skipped unread; of a repeated field the last value counts, as in Python; a number is taken as its
/// text, and one that JSON has not (`NaN`) as null.
pub(super) fn each_record<const N: usize>(
    path: &Path,
    names: &[&'static str; N],
    mut each: impl FnMut(Record<'_, N>) -> Result<(), DataError>,
) -> Result<usize, DataError> {
    let mut surrogates = 0;
    each_line(path, |line, content| {
        let values = fields(content, names).or_else(|source| -> Result<_, DataError> {
            // Few lines need it, so that a second pass costs nothing.
            let lenient = as_json(content).and_then(|(json, lone)| Some((fields(&json, names).ok()?, lone)));
            let (values, lone) = lenient.ok_or_else(|| DataError::Json { path: path.to_owned(), line, source })?;
            surrogates += lone;
            Ok::<_, DataError>(values)
        })?;
        each(Record { path, line, names, values })
    })?;
    Ok(surrogates)
}

fn fields<const N: usize>(json: &str, names: &[&'static str; N]) -> serde_json::Result<[Option<String>; N]> {
    let mut json = serde_json::Deserializer::from_str(json);
    let values = Fields(names).deserialize(&mut json)?;
    json.end().map(|()| values)
}

struct Fields<'a, const N: usize>(&'a [&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Fields<'_, N> {
    type Value = [Option<String>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Fields<'_, N> {
    type Value = [Option<String>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [const { None }; N];
        while let Some(Key(key)) = map.next_key()? {
            match self.0.iter().position(|name| *name == key) {
                Some(index) => values[index] = map.next_value_seed(Scalar(self.0[index]))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(values)
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A string, a number as its text, or nothing for null.
struct Scalar(&'static str);

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string as `{}`", self.0)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: impl AsRef<[u8]>) -> Result<Vec<(usize, Option<String>)>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, content).unwrap();
        let mut all = Vec::new();
        each_record(&path, &["a"], |mut record| {
            all.push((record.line, record.take(0)));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn blank_lines_are_counted_but_not_read() {
        let all = read("{\"a\": \"x\"}\r\n\n  \n{\"a\": \"y\"}").unwrap();
        assert_eq!(all, [(1, Some("x".into())), (4, Some("y".into()))]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_start_alone() {
        assert_eq!(read("\u{feff}{\"a\": \"\u{feff}x\"}").unwrap(), [(1, Some("\u{feff}x".into()))]);
        assert!(matches!(read("{}\n\u{feff}{}"), Err(DataError::Json { line: 2, .. })));
    }

    #[test]
    fn what_python_writes_and_json_has_not_is_read_as_python_reads_it() {
        let content = "{\"m\": NaN, \"a\": \"x\"}\n{\"a\": \"\\ud800y\", \"m\": [-Infinity]}\n{\"a\": NaN}\n";
        let all = read(content).unwrap();
        assert_eq!(all, [(1, Some("x".into())), (2, Some("\u{fffd}y".into())), (3, None)]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, content).unwrap();
        assert_eq!(each_record(&path, &["a"], |_| Ok(())).unwrap(), 1);
    }

    #[test]
    fn a_line_that_is_broken_otherwise_too_has_the_first_error() {
        let error = read("{\"m\": NaN, \"a\": }").unwrap_err();
        let DataError::Json { line: 1, source, .. } = error else { panic!("{error}") };
        assert_eq!(source.column(), 7);
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_named() {
        let error = read(b"{}\n\n{\"a\": \"\xff\"}").unwrap_err();
        assert!(error.to_string().ends_with("a.jsonl:3: the line is not UTF-8"), "{error}");
    }

    #[test]
    fn the_last_of_a_repeated_field_counts() {
        assert_eq!(read(r#"{"a": "x", "a": "y"}"#).unwrap(), [(1, Some("y".into()))]);
    }

    #[test]
    fn numbers_are_their_text_and_null_is_absent() {
        assert_eq!(read("{\"a\": 7}\n{\"a\": null}").unwrap(), [(1, Some("7".into())), (2, None)]);
    }

    #[test]
    fn other_fields_and_escaped_keys_are_read_over() {
        assert_eq!(read(r#"{"b": [{"a": 1}], "\u0061": "x"}"#).unwrap(), [(1, Some("x".into()))]);
    }

    #[test]
    fn a_line_that_is_not_one_object_is_an_error() {
        for bad in ["[1]", "{\"a\": \"x\"", "{\"a\": [1]}", "{} {}", "{\"a\": true}"] {
            let error = read(format!("{{}}\n{bad}\n")).unwrap_err();
            assert!(matches!(error, DataError::Json { line: 2, .. }), "{bad}: {error}");
        }
    }
}
