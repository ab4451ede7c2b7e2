//! Fields between tabs or commas, a row a line.

use std::path::Path;

use csv::{ErrorKind, StringRecord};

use super::super::lines::{each_line, open};
use super::{Columns, DataError, PairRow, Place};

/// Calls `each` with every row. A first line that names the columns is a header; without one a query comes first, then its passage,
/// then passages that do not answer it.
pub(super) fn each_row(
    path: &Path,
    delimiter: Delimiter,
    columns: &Columns,
    place: impl Fn(usize) -> Place,
    each: &mut impl FnMut(PairRow) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut order: Option<Order> = None;
    each_record(path, delimiter, |line, fields| {
        if order.is_none() {
            let first = Order::of(fields, columns).map_err(|column| DataError::NoColumn {
                path: path.to_owned(),
                column: column.to_owned(),
                found: fields.iter().map(|&field| field.to_owned()).collect(),
            })?;
            let is_header = first.is_named;
            order = Some(first);
            if is_header {
                return Ok(());
            }
        }
        let Some(order) = &order else { return Ok(()) };
        each(order.row(path, place(line), fields, columns)?)
    })
}

/// What is between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// A tab; a field is what it is.
    Tab,
    /// A comma; fields may be quoted.
    Comma,
}

/// Calls `each` with the line, from 1, and the fields of every record.
fn each_record(
    path: &Path,
    delimiter: Delimiter,
    mut each: impl FnMut(usize, &[&str]) -> Result<(), DataError>,
) -> Result<(), DataError> {
    match delimiter {
        Delimiter::Tab => each_line(path, |line, content| each(line, &content.split('\t').collect::<Vec<_>>())),
        Delimiter::Comma => {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(open(path)?);
            let mut record = StringRecord::new();
            while reader.read_record(&mut record).map_err(|error| failed(path, error))? {
                let line = record.position().map_or(0, |position| position.line() as usize);
                each(line, &record.iter().collect::<Vec<_>>())?;
            }
            Ok(())
        }
    }
}

/// Where in a line the columns are.
struct Order {
    is_named: bool,
    query: usize,
    passage: usize,
    topic: Option<usize>,
    /// Where they are named; else all behind the passage.
    negatives: Vec<usize>,
}

impl Order {
    /// As the first line says, or in the order of old; the name that it lacks, where it should say so as names were given.
    fn of<'c>(first: &[&str], columns: &'c Columns) -> Result<Self, &'c str> {
        let at = |name: &str| first.iter().position(|field| field.trim() == name);
        match (at(&columns.query), at(&columns.passage)) {
            (Some(query), Some(passage)) => Ok(Self {
                is_named: true,
                query,
                passage,
                topic: at(&columns.topic),
                negatives: columns.negatives.iter().filter_map(|name| at(name)).collect(),
            }),
            (None, None) if *columns == Columns::default() => {
                Ok(Self { is_named: false, query: 0, passage: 1, topic: None, negatives: Vec::new() })
            }
            (None, _) => Err(&columns.query),
            (Some(_), None) => Err(&columns.passage),
        }
    }

    fn row(&self, path: &Path, place: Place, fields: &[&str], columns: &Columns) -> Result<PairRow, DataError> {
        let line = place.line;
        let field = |at: usize| fields.get(at).map(|&field| field.to_owned());
        let required = |at: usize, name: &str| field(at).ok_or_else(|| DataError::missing_field(path, line, name));
        let behind = if self.is_named { 0..0 } else { 2..fields.len().max(2) };
        let negatives = self.negatives.iter().copied().chain(behind).filter_map(field);
        Ok(PairRow {
            place,
            query: required(self.query, &columns.query)?,
            passages: vec![required(self.passage, &columns.passage)?],
            topic: self.topic.and_then(field),
            negatives: negatives.filter(|text| !text.is_empty()).collect(),
        })
    }
}

fn failed(path: &Path, error: csv::Error) -> DataError {
    let line = error.position().map_or(0, |position| position.line() as usize);
    match error.into_kind() {
        ErrorKind::Io(error) => DataError::read(path, error),
        _ => DataError::NotUtf8 { path: path.to_owned(), line },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: impl AsRef<[u8]>, columns: &Columns) -> Result<Vec<PairRow>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let delimiter = if name.ends_with("csv") { Delimiter::Comma } else { Delimiter::Tab };
        let mut rows = Vec::new();
        each_row(&path, delimiter, columns, |line| Place { file: None, line }, &mut |row| {
            rows.push(row);
            Ok(())
        })
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))?;
        Ok(rows)
    }

    fn row(line: usize, query: &str, passage: &str, topic: Option<&str>, negatives: &[&str]) -> PairRow {
        PairRow {
            place: Place { file: None, line },
            query: query.into(),
            passages: vec![passage.into()],
            topic: topic.map(Into::into),
            negatives: negatives.iter().map(|&text| text.into()).collect(),
        }
    }

    #[test]
    fn without_a_header_negatives_follow_query_and_passage() {
        let rows = read("a.tsv", "q \"1\tp\n\nq2\tp2\tn\tm\t\n", &Columns::default()).unwrap();
        assert_eq!(rows, [row(1, "q \"1", "p", None, &[]), row(3, "q2", "p2", None, &["n", "m"])]);
    }

    #[test]
    fn a_header_says_where_the_columns_are() {
        let content = "\u{feff}topic,passage,other,query\nt,\"a, b\",x,q\n";
        assert_eq!(read("a.csv", content, &Columns::default()).unwrap(), [row(2, "q", "a, b", Some("t"), &[])]);
        let columns = Columns {
            query: "anchor".into(),
            passage: "positive".into(),
            negatives: vec!["negative_1".into(), "negative_2".into()],
            ..Columns::default()
        };
        let content = "anchor\tpositive\tnegative_2\tnegative_1\nq\tp\ttwo\tone\n";
        assert_eq!(read("a.tsv", content, &columns).unwrap(), [row(2, "q", "p", None, &["one", "two"])]);
        let error = read("a.tsv", "query\tpositive\n", &Columns::default()).unwrap_err();
        assert_eq!(error, "a.tsv: no column `passage` among `query`, `positive`");
        let error = read("a.tsv", "query\tpositive\n", &columns).unwrap_err();
        assert_eq!(error, "a.tsv: no column `anchor` among `query`, `positive`");
    }

    #[test]
    fn what_is_missing_or_broken_is_named_with_its_line() {
        let read = |content: &[u8]| read("a.tsv", content, &Columns::default()).unwrap_err();
        assert_eq!(read(b"q\tp\nq\n"), "a.tsv:2: no field `passage`");
        assert_eq!(read(b"q\tp\nq\t\xff\n"), "a.tsv:2: the line is not UTF-8");
    }
}
