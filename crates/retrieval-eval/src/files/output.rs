use std::io::{BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::compression::Compressor;
use crate::error::EvalError;
use crate::problem::Problem;

/// Writes a file as a whole or not at all: beside its place, then renamed into it.
pub(crate) fn save(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), EvalError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let save = || {
        let mut file = tempfile::Builder::new();
        #[cfg(unix)]
        file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file: NamedTempFile = file.tempfile_in(folder)?;
        let mut writer = Compressor::new(path, BufWriter::with_capacity(1 << 20, file));
        write(&mut writer)?;
        writer.finish()?.into_inner()?.persist(path)?;
        Ok(())
    };
    save().map_err(|source| EvalError::Io { path: path.to_owned(), source })
}

/// The error of a writer that is not a file.
pub(crate) fn to_writer(result: std::io::Result<()>) -> Result<(), EvalError> {
    result.map_err(|source| EvalError::Write { source })
}

/// Refuses ids that would not read back: empty ones, those with a character that separates columns, and those that
/// start with what a reader takes for a byte order mark.
pub(crate) fn check_columns<'i>(
    mut ids: impl Iterator<Item = &'i str>,
    separates: impl Fn(char) -> bool,
) -> Result<(), Problem> {
    match ids.find(|id| id.is_empty() || id.starts_with('\u{feff}') || id.contains(&separates)) {
        None => Ok(()),
        Some(id) => Err(Problem::UnwritableId { id: id.to_owned() }),
    }
}
