//! Lines of a text file and the wanted fields of one JSON object a line.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::BufRead;
use std::path::Path;

use retrieval_eval::decompressed;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use super::DataError;
use super::lenient::as_json;

/// U+FEFF in UTF-8, which may stand before a text.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What a file holds, decompressed if it is gzip or zstd.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, DataError> {
    File::open(path).and_then(decompressed).map_err(|error| DataError::read(path, error))
}

/// Calls `each` with the number (from 1) and the content of every line that is not blank.
pub(super) fn each_line(
    path: &Path,
    mut each: impl FnMut(usize, &str) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut lines = open(path)?;
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

/// A field that is wanted of every object.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'a str,
    many: bool,
}

impl<'a> Field<'a> {
    /// A field of one value.
    pub(super) const fn one(name: &'a str) -> Self {
        Self { name, many: false }
    }

    /// A field that may be a list of values.
    pub(super) const fn many(name: &'a str) -> Self {
        Self { name, many: true }
    }
}

/// One object of a JSONL file: of the wanted fields what is there.
pub(super) struct Record<'a> {
    path: &'a Path,
    /// Counted from 1.
    pub(super) line: usize,
    fields: &'a [Field<'a>],
    /// Of each field, in reverse.
    values: &'a mut [Vec<String>],
}

impl Record<'_> {
    /// Takes the value of the wanted field with this index, if it is there and not null; of several the first.
    pub(super) fn take(&mut self, index: usize) -> Option<String> {
        self.values[index].pop()
    }

    /// Takes all values of a field.
    pub(super) fn take_all(&mut self, index: usize) -> impl Iterator<Item = String> {
        self.values[index].drain(..).rev()
    }

    /// Takes the value of a field that must be there.
    pub(super) fn require(&mut self, index: usize) -> Result<String, DataError> {
        let missing = || DataError::missing_field(self.path, self.line, self.fields[index].name);
        self.values[index].pop().ok_or_else(missing)
    }
}

/// Calls `each` with the fields `names` of every line's object; how many lone surrogates were read as U+FFFD.
///
/// Other fields are skipped unread; of a repeated field the last value counts, as in Python; a number is taken as its
/// text, and one that JSON has not (`NaN`) as null.
pub(super) fn each_record(
    path: &Path,
    fields: &[Field<'_>],
    mut each: impl FnMut(Record<'_>) -> Result<(), DataError>,
) -> Result<usize, DataError> {
    let mut surrogates = 0;
    let mut values = vec![Vec::new(); fields.len()];
    each_line(path, |line, content| {
        if let Err(source) = read_fields(content, fields, &mut values) {
            // Few lines need it, so that a second pass costs nothing.
            let lenient = as_json(content)
                .and_then(|(json, lone)| read_fields(&json, fields, &mut values).is_ok().then_some(lone));
            surrogates += lenient.ok_or_else(|| DataError::Json { path: path.to_owned(), line, source })?;
        }
        each(Record { path, line, fields, values: &mut values })
    })?;
    Ok(surrogates)
}

fn read_fields(json: &str, fields: &[Field<'_>], values: &mut [Vec<String>]) -> serde_json::Result<()> {
    values.iter_mut().for_each(Vec::clear);
    let mut json = serde_json::Deserializer::from_str(json);
    Object { fields, values: &mut *values }.deserialize(&mut json)?;
    json.end()?;
    values.iter_mut().for_each(|values| values.reverse());
    Ok(())
}

struct Object<'a> {
    fields: &'a [Field<'a>],
    values: &'a mut [Vec<String>],
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let wanted = self.fields.iter().zip(&mut *self.values).find(|(field, _)| field.name == key);
            match wanted {
                Some((&field, values)) => {
                    values.clear();
                    map.next_value_seed(Values { field, values })?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A string, a number as its text, nothing for null, or all of a list of these where the field may be one.
struct Values<'a> {
    field: Field<'a>,
    values: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.field.many { "a string or a list of strings" } else { "a string" };
        write!(f, "{what} as `{}`", self.field.name)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<(), E> {
        self.values.push(value);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_string(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_string(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.visit_string(value.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if !self.field.many {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let field = Field { many: false, ..self.field };
        while list.next_element_seed(Values { field, values: self.values })?.is_some() {}
        Ok(())
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
        each_record(&path, &[Field::one("a")], |mut record| {
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
        assert_eq!(each_record(&path, &[Field::one("a")], |_| Ok(())).unwrap(), 1);
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
    fn a_field_that_may_be_a_list_is_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let lines = ["{\"a\": [\"x\", 7, null, \"y\"]}", "{\"a\": \"z\"}", "{\"a\": []}", "{\"b\": 1}"];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let mut all: Vec<Vec<String>> = Vec::new();
        let mut read = |record: &mut Record<'_>| all.push(record.take_all(0).collect());
        each_record(&path, &[Field::many("a")], |mut record| {
            read(&mut record);
            Ok(())
        })
        .unwrap();
        assert_eq!(all, [vec!["x", "7", "y"], vec!["z"], vec![], vec![]]);
        std::fs::write(&path, "{\"a\": [[1]]}").unwrap();
        let error = each_record(&path, &[Field::many("a")], |_| Ok(())).unwrap_err();
        let DataError::Json { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().starts_with("invalid type: sequence, expected a string as `a`"), "{source}");
    }

    #[test]
    fn a_line_that_is_not_one_object_is_an_error() {
        for bad in ["[1]", "{\"a\": \"x\"", "{\"a\": [1]}", "{} {}", "{\"a\": true}"] {
            let error = read(format!("{{}}\n{bad}\n")).unwrap_err();
            assert!(matches!(error, DataError::Json { line: 2, .. }), "{bad}: {error}");
        }
    }
}
