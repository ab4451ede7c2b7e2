//! How files are written and read.

mod models;
mod npy;
mod whole;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::models::model_files;
#[cfg(feature = "cli")]
pub(crate) use self::npy::read_labels;
pub(crate) use self::npy::{read_rows, write_array, write_indices, write_rows};
pub(crate) use self::whole::{remove_drafts, write_whole};
use crate::error::{PretrainError, Result};

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| PretrainError::io(path, error.into()))?;
    write_whole(path, |out| out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")))
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let file = File::open(path).map_err(|source| PretrainError::io(path, source))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|source| PretrainError::json(path, source))
}
