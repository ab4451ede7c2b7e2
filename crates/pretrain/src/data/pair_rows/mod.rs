//! Rows of files of pairs, in whatever format these are.

mod columns;
mod delimited;
mod files;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;

use std::path::{Path, PathBuf};

pub use columns::Columns;
#[cfg(all(feature = "parquet", feature = "cli"))]
pub(super) use parquet::each_text as each_text_of_parquet;

use super::DataError;
use files::Layout;

/// A query with its passages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PairRow {
    /// In which file.
    pub(super) place: Place,
    pub(super) query: String,
    /// One at least.
    pub(super) passages: Vec<String>,
    pub(super) topic: Option<String>,
    /// Passages that do not answer it.
    pub(super) negatives: Vec<String>,
}

/// Where a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file's number, where there are several.
    pub(super) file: Option<usize>,
    /// The line, or the row of a Parquet file, counted from 1.
    pub(super) line: usize,
}

impl Place {
    /// The id of a row's text, given with its number among those of its kind.
    pub(super) fn id(&self, kind: char, number: usize) -> String {
        let file = self.file.map(|file| format!("{file}-")).unwrap_or_default();
        let number = if number > 0 { format!(".{number}") } else { String::new() };
        format!("{kind}{file}{}{number}", self.line)
    }
}

/// What calls come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Lone surrogates in JSON, read as U+FFFD.
    pub(super) surrogates: usize,
}

/// Calls `each` with every row of a file, or of all files of a folder in the order of their names, and its file.
pub(super) fn each_row(
    path: &Path,
    columns: &Columns,
    mut each: impl FnMut(&Path, PairRow) -> Result<(), DataError>,
) -> Result<Read, DataError> {
    let files: Vec<(PathBuf, Layout)> = files::of(path)?;
    let several = files.len() > 1;
    let mut read = Read::default();
    for (number, (file, layout)) in files.iter().enumerate() {
        let place = |line| Place { file: several.then_some(number), line };
        let mut each = |row| each(file, row);
        match layout {
            Layout::JsonLines => read.surrogates += jsonl::each_row(file, columns, place, &mut each)?,
            Layout::Delimited(delimiter) => delimited::each_row(file, *delimiter, columns, place, &mut each)?,
            #[cfg(feature = "parquet")]
            Layout::Parquet => parquet::each_row(file, columns, place, &mut each)?,
            #[cfg(not(feature = "parquet"))]
            Layout::Parquet => return Err(DataError::NoParquet { path: file.clone() }),
        }
    }
    Ok(read)
}
