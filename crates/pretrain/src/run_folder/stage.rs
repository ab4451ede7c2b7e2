//! What a stage reads and writes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use toml::{Table, Value};

use crate::error::{PretrainError, Result};

/// A stage of a run: the settings and the content that it reads, and the files that it writes.
///
/// Two runs of a stage that agree in settings and content read are the same run of it, wherever its configuration came
/// from.
///
/// # Examples
///
/// ```
/// use pretrain::{Config, RunFolder, Stage};
///
/// let folder = tempfile::tempdir()?;
/// let config = Config::parse("", &[format!("run.dir={}", folder.path().display())])?;
/// let run = RunFolder::prepare(&config, false)?;
/// let lengths = run.file("lengths.json");
/// let stage = |k: usize| Stage::new("lengths", "embed").writing([lengths.clone()]).with_settings("k", &k);
///
/// run.stage(&stage(3)?, || Ok(std::fs::write(&lengths, "[1, 2, 3]").unwrap()))?;
/// assert_eq!(run.finished(&stage(3)?)?.len(), 64);
/// let error = run.finished(&stage(4)?).unwrap_err().to_string();
/// assert!(error.ends_with("was made with k = 3, not 4: run `pretrain embed` again"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name in records and messages.
    pub name: String,
    /// The command that runs it.
    pub command: &'static str,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) read: BTreeMap<String, String>,
    pub(super) after: Vec<(String, Stage)>,
    pub(super) outputs: Vec<PathBuf>,
}

impl Stage {
    /// The stage `name`, which `pretrain COMMAND` runs, of no settings and no files yet.
    pub fn new(name: impl Into<String>, command: &'static str) -> Self {
        Self {
            name: name.into(),
            command,
            settings: BTreeMap::new(),
            read: BTreeMap::new(),
            after: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The stage with settings that its files depend on: one value, or a section of the configuration.
    ///
    /// # Errors
    /// `settings` cannot be written as TOML.
    pub fn with_settings(mut self, section: &str, settings: &impl Serialize) -> Result<Self> {
        let text = toml::to_string(&BTreeMap::from([(section, settings)]));
        let text = text.map_err(|source| PretrainError::ConfigText { source: Box::new(source) })?;
        // Through text, where an f32 is as short as in the configuration.
        let table: Table = text.parse().map_err(|error| PretrainError::config(section, &text, &error))?;
        flatten("", table, &mut self.settings);
        Ok(self)
    }

    /// The stage with content from outside the run that it reads, by what to call it and by its hash.
    pub fn reading(mut self, what: &str, hash: impl Into<String>) -> Self {
        self.read.insert(what.to_owned(), hash.into());
        self
    }

    /// The stage with one before it whose files it reads, by what to call them.
    pub fn after(mut self, what: impl Into<String>, stage: Self) -> Self {
        self.after.push((what.into(), stage));
        self
    }

    /// The files that it writes, and the model folders.
    pub fn outputs(&self) -> &[PathBuf] {
        &self.outputs
    }

    /// The stage with the files that it writes; of a model folder those count that decide its vectors.
    pub fn writing(mut self, outputs: impl IntoIterator<Item = PathBuf>) -> Self {
        self.outputs.extend(outputs);
        self
    }
}

/// Every leaf of a table under its dotted key.
fn flatten(prefix: &str, table: Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(table) => flatten(&key, table, into),
            value => {
                into.insert(key, value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infonce::InfoNceConfig;

    #[test]
    fn settings_are_keys_as_in_the_configuration() {
        let stage = Stage::new("train", "train").with_settings("loss", &InfoNceConfig::default()).unwrap();
        let stage = stage.with_settings("seed", &7).unwrap();
        assert_eq!(stage.settings["loss.temperature"], "0.02");
        assert_eq!(stage.settings["seed"], "7");
        let nested = BTreeMap::from([("caps", BTreeMap::from([("most", 3)]))]);
        let stage = Stage::new("x", "x").with_settings("sampler", &nested).unwrap();
        assert_eq!(stage.settings, BTreeMap::from([("sampler.caps.most".into(), "3".into())]));
    }
}
