use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::EmbedError;

/// A JSON file of a folder.
pub(crate) fn read_json<T: DeserializeOwned>(folder: &Path, file: &str) -> Result<T, EmbedError> {
    let path = folder.join(file);
    if !path.is_file() {
        return Err(EmbedError::MissingFile { folder: folder.into(), file: file.into() });
    }
    let bytes = std::fs::read(&path).map_err(|source| EmbedError::Read { path: path.clone(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| EmbedError::Json { path, source })
}

/// The keys of a settings file, and the file for messages.
pub(crate) struct Settings {
    path: PathBuf,
    map: Map<String, Value>,
}

impl Settings {
    /// The settings of a file; none where there is no such file.
    pub(crate) fn read(folder: &Path, file: &str) -> Result<Self, EmbedError> {
        let path = folder.join(file);
        let map = if path.is_file() { read_json(folder, file)? } else { Map::new() };
        Ok(Settings { path, map })
    }

    /// A key's value; none where the key is missing or null.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, EmbedError> {
        let value = self.map.get(key).filter(|value| !value.is_null());
        value
            .map(|value| serde_json::from_value(value.clone()).map_err(|source| self.wrong(key, value, &source)))
            .transpose()
    }

    /// An error, if a key has another value than the `only` one that is implemented.
    pub(crate) fn require(&self, key: &str, only: &Value) -> Result<(), EmbedError> {
        match self.map.get(key) {
            // 1 is 1.0.
            Some(value) if value.as_f64().is_some() && value.as_f64() == only.as_f64() => Ok(()),
            Some(value) if !is_idle(value) && value != only => Err(self.unsupported(key, value, only)),
            _ => Ok(()),
        }
    }

    pub(crate) fn unsupported(&self, key: &str, value: impl Display, supported: impl Display) -> EmbedError {
        let (path, value, supported) = (Some(self.path.clone()), value.to_string(), supported.to_string());
        EmbedError::Unsupported { path, key: key.into(), value, supported }
    }

    /// Keys, in the order of the file, with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.map.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Warns of every key that is neither among the `read` ones nor among those that are `harmless`, unless it holds nothing.
    pub(crate) fn warn_of_unknown(&self, read: &[&str], harmless: &[&str]) {
        for (key, value) in self.iter() {
            if !read.contains(&key) && !harmless.contains(&key) && !is_idle(value) {
                self.warn(key, "is unknown and not applied");
            }
        }
    }

    pub(crate) fn warn(&self, key: &str, what: &str) {
        tracing::warn!("{}: {key} {what}", self.path.display());
    }

    fn wrong(&self, key: &str, value: &Value, source: &serde_json::Error) -> EmbedError {
        let (path, value, range) = (Some(self.path.clone()), value.to_string(), source.to_string());
        EmbedError::OutOfRange { path, key: key.into(), value, range }
    }
}

/// Whether a value sets nothing.
fn is_idle(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
