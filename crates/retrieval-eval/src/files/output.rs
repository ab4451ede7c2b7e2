use std::io::{self, BufWriter, Write};
use std::path::Path;

use vectors::replace_file;

use super::compression::Compressor;
use super::place::in_file;
use crate::error::EvalError;
use crate::problem::Problem;

/// What writes a text whose ids and numbers its format can hold, so that only the sink can fail.
pub(super) trait Text: FnOnce(&mut dyn Write) -> io::Result<()> {}

impl<F: FnOnce(&mut dyn Write) -> io::Result<()>> Text for F {}

/// Writes a file as a whole or not at all.
pub(super) fn save(path: &Path, text: impl Text) -> Result<(), EvalError> {
    let saved = replace_file(path, |out| {
        // A line is several small writes, of which the file is to see few.
        let mut writer = Compressor::new(path, BufWriter::with_capacity(1 << 20, out));
        text(&mut writer)?;
        writer.finish()?.flush()
    });
    saved.map_err(in_file(path))
}

/// Writes to what is not a file.
pub(super) fn write_to(mut sink: impl Write, text: impl Text) -> Result<(), EvalError> {
    text(&mut sink).map_err(|source| EvalError::Write { source })
}

/// Hands all documents of all queries to `line`: the query, the document's place among those of the query, from 1 on,
/// the document, and its grade or score.
pub(super) fn each_line<Q, N, R: IntoIterator<Item = (D, N)>, D>(
    mut rows: impl Iterator<Item = (Q, R)>,
    mut line: impl FnMut(&Q, usize, D, N) -> io::Result<()>,
) -> io::Result<()> {
    rows.try_for_each(|(query, documents)| {
        (1..).zip(documents).try_for_each(|(place, (document, number))| line(&query, place, document, number))
    })
}

/// Refuses ids that would not read back: empty ones, those with a character that separates columns, and those that
/// start with what a reader takes for a byte order mark.
pub(super) fn check_ids<'i>(
    mut ids: impl Iterator<Item = &'i str>,
    separates: impl Fn(char) -> bool,
) -> Result<(), Problem> {
    match ids.find(|id| id.is_empty() || id.starts_with('\u{feff}') || id.contains(&separates)) {
        None => Ok(()),
        Some(id) => Err(Problem::UnwritableId { id: id.to_owned() }),
    }
}
