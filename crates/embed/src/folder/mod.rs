//! sentence-transformers folders: which modules they have, and how to load and save them.

mod layout;
mod load;
mod save;

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::EmbedError;

pub use load::{FolderOptions, ModelKind, load_bert, load_embedder, load_static};

/// A JSON file of a folder.
pub(crate) fn read_json<T: DeserializeOwned>(folder: &Path, file: &str) -> Result<T, EmbedError> {
    let path = folder.join(file);
    if !path.is_file() {
        return Err(EmbedError::MissingFile { folder: folder.into(), file: file.into() });
    }
    let bytes = std::fs::read(&path).map_err(|source| EmbedError::Read { path: path.clone(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| EmbedError::Json { path, source })
}
