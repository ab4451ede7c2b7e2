//! Columns of a Parquet file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::{Columns, DataError, PairRow, Place};

/// Calls `each` with every row.
pub(super) fn each_row(
    path: &Path,
    columns: &Columns,
    place: impl Fn(usize) -> Place,
    each: &mut impl FnMut(PairRow) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let failed = |source: ParquetError| DataError::Parquet { path: path.to_owned(), source: Box::new(source) };
    let file = File::open(path).map_err(|error| DataError::read(path, error))?;
    let reader = SerializedFileReader::new(file).map_err(failed)?;
    let names: Vec<&str> = columns.names().collect();
    let wanted = projection(path, reader.metadata().file_metadata().schema(), &names)?;
    // Of each row's fields, which columns they are.
    let order: Vec<usize> =
        wanted.get_fields().iter().filter_map(|field| names.iter().position(|name| *name == field.name())).collect();
    let rows = reader.get_row_iter(Some(wanted)).map_err(failed)?;
    for (line, row) in (1..).zip(rows) {
        let row = row.map_err(failed)?;
        let mut texts: Vec<Vec<String>> = vec![Vec::new(); names.len()];
        for (&column, (name, field)) in order.iter().zip(row.into_columns()) {
            take(field, &mut texts[column]).map_err(|found| DataError::ColumnType {
                path: path.to_owned(),
                column: name,
                found: found.into(),
            })?;
        }
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        let [query, passages, topic] = [next(), next(), next()];
        let missing = |name: &str| DataError::missing_field(path, line, name);
        let query = query.into_iter().next().ok_or_else(|| missing(&columns.query))?;
        if passages.is_empty() {
            return Err(missing(&columns.passage));
        }
        let (topic, negatives) = (topic.into_iter().next(), texts.flatten().collect());
        each(PairRow { place: place(line), query, passages, topic, negatives })?;
    }
    Ok(())
}

/// Calls `each` with the text of every row.
#[cfg(feature = "cli")]
pub(in crate::data) fn each_text(
    path: &Path,
    column: &str,
    each: &mut impl FnMut(&str) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let failed = |source: ParquetError| DataError::Parquet { path: path.to_owned(), source: Box::new(source) };
    let file = File::open(path).map_err(|error| DataError::read(path, error))?;
    let reader = SerializedFileReader::new(file).map_err(failed)?;
    let wanted = projection(path, reader.metadata().file_metadata().schema(), &[column])?;
    for (line, row) in (1..).zip(reader.get_row_iter(Some(wanted)).map_err(failed)?) {
        let mut texts = Vec::new();
        for (name, field) in row.map_err(failed)?.into_columns() {
            take(field, &mut texts).map_err(|found| DataError::ColumnType {
                path: path.to_owned(),
                column: name,
                found: found.into(),
            })?;
        }
        match texts.as_slice() {
            [text] => each(text)?,
            _ => return Err(DataError::missing_field(path, line, column)),
        }
    }
    Ok(())
}

/// Of the file's columns those that are wanted, in its order.
fn projection(path: &Path, schema: &Type, names: &[&str]) -> Result<Type, DataError> {
    let fields = schema.get_fields();
    let found = |name: &str| fields.iter().any(|field| field.name() == name);
    if let Some(column) = names.iter().take(2).find(|name| !found(name)) {
        return Err(DataError::NoColumn {
            path: path.to_owned(),
            column: (*column).to_owned(),
            found: fields.iter().map(|field| field.name().to_owned()).collect(),
        });
    }
    let wanted = fields.iter().filter(|field| names.contains(&field.name())).map(Arc::clone).collect();
    Type::group_type_builder(schema.name())
        .with_fields(wanted)
        .build()
        .map_err(|source| DataError::Parquet { path: path.to_owned(), source: Box::new(source) })
}

/// Adds a text, a whole number as its text, or all of a list of these; what the field is if it is none.
fn take(field: Field, texts: &mut Vec<String>) -> Result<(), &'static str> {
    let text = match field {
        Field::Null => return Ok(()),
        Field::Str(text) => text,
        Field::Byte(number) => number.to_string(),
        Field::Short(number) => number.to_string(),
        Field::Int(number) => number.to_string(),
        Field::Long(number) => number.to_string(),
        Field::UByte(number) => number.to_string(),
        Field::UShort(number) => number.to_string(),
        Field::UInt(number) => number.to_string(),
        Field::ULong(number) => number.to_string(),
        Field::ListInternal(list) => {
            return list.elements().iter().try_for_each(|element| match element {
                Field::ListInternal(_) => Err("a list of lists"),
                element => take(element.clone(), texts),
            });
        }
        Field::Group(_) => return Err("a struct"),
        Field::MapInternal(_) => return Err("a map"),
        Field::Bytes(_) => return Err("bytes"),
        Field::Bool(_) => return Err("true or false"),
        Field::Float16(_) | Field::Float(_) | Field::Double(_) | Field::Decimal(_) => return Err("a fraction"),
        _ => return Err("a time"),
    };
    texts.push(text);
    Ok(())
}
