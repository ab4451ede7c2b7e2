//! One JSON object a line.

use std::path::Path;

use super::super::lines::{Field, each_record};
use super::{Columns, DataError, PairRow, Place};

/// Calls `each` with every line's row; how many lone surrogates were read as U+FFFD.
pub(super) fn each_row(
    path: &Path,
    columns: &Columns,
    place: impl Fn(usize) -> Place,
    each: &mut impl FnMut(PairRow) -> Result<(), DataError>,
) -> Result<usize, DataError> {
    let mut fields = vec![Field::one(&columns.query), Field::many(&columns.passage), Field::one(&columns.topic)];
    fields.extend(columns.negatives.iter().map(|name| Field::many(name)));
    each_record(path, &fields, |mut record| {
        let query = record.require(0)?;
        let passages: Vec<String> = record.take_all(1).collect();
        if passages.is_empty() {
            return Err(DataError::missing_field(path, record.line, &columns.passage));
        }
        let topic = record.take(2);
        let negatives = (3..fields.len()).flat_map(|field| record.take_all(field).collect::<Vec<_>>()).collect();
        each(PairRow { place: place(record.line), query, passages, topic, negatives })
    })
}
