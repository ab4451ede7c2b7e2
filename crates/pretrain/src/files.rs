//! How files are written and read.

mod models;

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vectors::{replace_file, write_array};

pub(crate) use self::models::model_files;
use crate::error::{PretrainError, Result};

/// Writes `path` through `fill`, as a whole and on disk when this returns; its folder is made if it is not there.
pub(crate) fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    make_folder_of(path)?;
    replace_file(path, fill).map_err(|source| PretrainError::io(path, source))
}

/// Makes the folder in which `path` is to be, unless it is there.
pub(crate) fn make_folder_of(path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::create_dir_all(folder).map_err(|source| PretrainError::io(path, source)),
        None => Ok(()),
    }
}

pub(crate) fn write_indices(path: &Path, indices: &[u32]) -> Result<()> {
    write_whole(path, |out| write_array(out, &[indices.len()], indices.iter().copied()))
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| PretrainError::io(path, error.into()))?;
    write_whole(path, |out| out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")))
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let file = File::open(path).map_err(|source| PretrainError::io(path, source))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|source| PretrainError::json(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_made_and_a_failure_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.npy");
        write_indices(&path, &[1, 2]).unwrap();
        assert_eq!(vectors::read_labels(&path).unwrap(), [1, 2]);
        let failed = write_whole(&path, |_| Err(io::Error::other("full")));
        assert!(failed.unwrap_err().to_string().contains("b.npy"));
        assert_eq!(vectors::read_labels(&path).unwrap(), [1, 2]);
    }
}
