//! The folders of the models that a configuration or an option names: on the disk, or by a hub's id.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{Config, EmbedderConfig, EmbedderKind, StudentConfig};
use crate::error::{PretrainError, Result};
use crate::files::{read_json, write_json};
use crate::run_folder::RunFolder;

/// What a model of a hub is named by: everything else is a folder.
const HUB: &str = "hf://";
/// The commits that a run's models of a hub are, and the files that make them.
const FILE: &str = "models.json";

/// Whether `path` names a model of a hub.
pub(crate) fn is_of_hub(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(HUB.as_bytes())
}

/// Nothing, if `path`, the value of `key`, is a folder's or can be a hub's id in this build.
pub(crate) fn check(key: &'static str, path: &Path) -> Result<()> {
    if is_of_hub(path) { hub::check(key, &path.to_string_lossy()) } else { Ok(()) }
}

/// The folder that `path`, the value of `key`, names: of a hub's model after what is missing of it was downloaded.
pub(crate) fn model_folder(key: &'static str, path: &Path) -> Result<PathBuf> {
    if !is_of_hub(path) {
        return Ok(path.to_owned());
    }
    Ok(hub::fetch(key, &path.to_string_lossy(), None)?.folder)
}

/// A model of a hub, on the disk.
#[derive(Debug)]
struct HubFolder {
    folder: PathBuf,
    commit: Commit,
}

/// What a model of a hub was when the run began it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Commit {
    commit: String,
    /// The files that make the model; others may come into the folder.
    files: Vec<String>,
}

/// The models of a hub that a run has, by their names in its configuration.
#[derive(Debug, Default)]
pub(crate) struct Models(BTreeMap<PathBuf, HubFolder>);

impl Models {
    /// The models that the run's embedder and students are from. What a branch stood for when the run began it stands for later too, unless `anew`.
    ///
    /// # Errors
    /// A model cannot be had.
    pub(crate) fn of_run(config: &Config, run: &RunFolder, anew: bool) -> Result<Self> {
        let path = run.file(FILE);
        let recorded: BTreeMap<PathBuf, Commit> =
            if !anew && path.exists() { read_json(&path)? } else { BTreeMap::new() };
        let embedder = (config.embedder.kind != EmbedderKind::Lexical).then_some(&config.embedder.path);
        let students =
            run.arms().iter().map(|arm| &arm.config).chain([config]).filter_map(|of| of.student.from.as_ref());
        let named = embedder.map(|path| ("embedder.path", path)).into_iter();
        let mut models = BTreeMap::new();
        for (key, path) in named.chain(students.map(|path| ("student.from", path))).filter(|(_, path)| is_of_hub(path))
        {
            if !models.contains_key(path) {
                let before = recorded.get(path);
                let commit = before.map(|before| before.commit.as_str());
                let mut model = hub::fetch(key, &path.to_string_lossy(), commit)?;
                if let Some(before) = before {
                    model.commit = before.clone();
                }
                models.insert(path.clone(), model);
            }
        }
        Ok(Self(models))
    }

    /// Writes which commits the models are into the run's folder.
    ///
    /// # Errors
    /// The file cannot be written, or removed where there is no such model.
    pub(crate) fn record(&self, run: &RunFolder) -> Result<()> {
        let path = run.file(FILE);
        if !self.0.is_empty() {
            let commits: BTreeMap<_, _> = self.0.iter().map(|(name, model)| (name, &model.commit)).collect();
            return write_json(&path, &commits);
        }
        match path.exists() {
            true => std::fs::remove_file(&path).map_err(|source| PretrainError::io(&path, source)),
            false => Ok(()),
        }
    }

    /// The folder that a path of the configuration names.
    pub(crate) fn folder<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.0.get(path).map_or(path, |model| &model.folder)
    }

    /// The hash of what decides the vectors of the model that a path of the configuration names.
    ///
    /// # Errors
    /// Its folder or a file cannot be read.
    pub(crate) fn hash(&self, run: &RunFolder, path: &Path) -> Result<String> {
        match self.0.get(path) {
            Some(HubFolder { folder, commit }) => {
                run.files_hash(folder, commit.files.iter().map(|file| folder.join(file)))
            }
            None => run.model_hash(path),
        }
    }

    /// The section with the embedder's folder.
    pub(crate) fn embedder(&self, config: &EmbedderConfig) -> EmbedderConfig {
        EmbedderConfig { path: self.folder(&config.path).to_owned(), ..config.clone() }
    }

    /// The section with the folder that the student is from.
    pub(crate) fn student(&self, config: &StudentConfig) -> StudentConfig {
        let from = config.from.as_deref().map(|path| self.folder(path).to_owned());
        StudentConfig { from, ..config.clone() }
    }
}

#[cfg(feature = "hub")]
mod hub {
    use embed::EmbedError;
    use embed::hub::{HubId, HubModel, HubOptions};

    use super::{Commit, HubFolder};
    use crate::error::{PretrainError, Result};

    pub(super) fn check(key: &'static str, name: &str) -> Result<()> {
        parse(key, name).map(|_| ())
    }

    pub(super) fn fetch(key: &'static str, name: &str, commit: Option<&str>) -> Result<HubFolder> {
        let id = parse(key, name)?;
        let id = match commit {
            Some(commit) => id.with_revision(commit)?,
            None => id,
        };
        let HubModel { path: folder, commit, files, .. } = embed::hub::fetch(&id, &HubOptions::default())?;
        tracing::info!("{key}: {name} is commit {commit}");
        Ok(HubFolder { folder, commit: Commit { commit, files } })
    }

    fn parse(key: &str, name: &str) -> Result<HubId> {
        name.parse().map_err(|error: EmbedError| PretrainError::Refused {
            key: key.to_owned(),
            value: None,
            source: Box::new(error),
        })
    }
}

#[cfg(not(feature = "hub"))]
mod hub {
    use super::{Commit, HubFolder};
    use crate::error::{PretrainError, Result};

    pub(super) fn check(key: &'static str, name: &str) -> Result<()> {
        let expected = "a folder: this build has no feature `hub`, which downloads models \
                        (cargo build --release -p pretrain --features hub)";
        Err(PretrainError::OutOfRange { key, value: name.to_owned(), expected })
    }

    pub(super) fn fetch(key: &'static str, name: &str, _commit: Option<&str>) -> Result<HubFolder> {
        // Never both: a name of a hub is always refused.
        let commit = Commit { commit: String::new(), files: Vec::new() };
        check(key, name).map(|()| HubFolder { folder: name.into(), commit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scheme_means_a_hub() {
        assert!(is_of_hub(Path::new("hf://owner/name@v1.0")));
        for path in ["owner/name", "models/hf", "hf:/owner/name", "/hf://x", ""] {
            assert!(!is_of_hub(Path::new(path)), "{path}");
            assert!(check("embedder.path", Path::new(path)).is_ok());
        }
    }

    #[test]
    fn what_is_no_id_is_refused_by_its_key() {
        for key in ["embedder.path", "student.from"] {
            let settings = ["embedder.kind=bert".into(), "embedder.path=x".into(), format!("{key}=hf://a/b/c")];
            let error = Config::parse("", &settings).unwrap_err();
            assert!(crate::error::one_line(&error).contains(key), "{error}");
        }
    }

    #[cfg(not(feature = "hub"))]
    #[test]
    fn without_the_feature_a_hub_is_refused_by_its_key_with_the_way_to_get_it() {
        let settings = ["embedder.kind=bert".into(), "embedder.path=hf://owner/name".into()];
        let error = Config::parse("", &settings).unwrap_err().to_string();
        assert!(error.contains("embedder.path = hf://owner/name") && error.contains("--features hub"), "{error}");
    }
}
