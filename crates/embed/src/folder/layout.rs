use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::pooling::FolderPooling;
use super::{Settings, read_json, replace};
use crate::EmbedError;

pub(super) const TRANSFORMER: &str = "sentence_transformers.models.Transformer";
pub(super) const STATIC: &str = "sentence_transformers.models.StaticEmbedding";
pub(super) const POOLING: &str = "sentence_transformers.models.Pooling";
pub(super) const DENSE: &str = "sentence_transformers.models.Dense";
pub(super) const NORMALIZE: &str = "sentence_transformers.models.Normalize";

const FILE: &str = "modules.json";
/// Where a static table is if nothing says so.
const STATIC_FOLDER: &str = "0_StaticEmbedding";

/// One entry of `modules.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ModuleEntry {
    pub(super) idx: usize,
    pub(super) name: String,
    pub(super) path: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Whatever else the entry has.
    #[serde(flatten)]
    pub(super) extra: Map<String, Value>,
}

impl ModuleEntry {
    /// Name of the class, if it is one of sentence-transformers: a folder's own class may bear the same name.
    fn class(&self) -> Option<&str> {
        self.kind.strip_prefix("sentence_transformers.")?.rsplit('.').next()
    }
}

/// What a model folder holds.
///
/// # Examples
/// ```
/// assert!(embed::ModelKind::of("no/such/folder").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelKind {
    /// A BERT or one of its relatives ([`Family`](crate::Family)).
    Bert,
    /// A table of token vectors.
    Static,
}

impl ModelKind {
    /// The kind of a folder.
    ///
    /// # Errors
    /// [`EmbedError::MissingFile`] for a folder without `modules.json` and `config.json`, [`EmbedError::Unsupported`] for modules that
    /// this crate does not know.
    pub fn of(folder: impl AsRef<Path>) -> Result<Self, EmbedError> {
        Ok(Layout::of(folder.as_ref())?.kind)
    }
}

/// Where the parts of a model are in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) kind: ModelKind,
    /// The folder of weights and tokenizer.
    pub(super) weights: PathBuf,
    /// How a BERT's tokens are pooled.
    pub(super) pooling: FolderPooling,
    /// The folders of the dense layers behind pooling.
    pub(super) dense: Vec<PathBuf>,
    /// The folders of all modules.
    all: Vec<PathBuf>,
    /// Whether the folder has its vectors scaled to norm 1.
    pub(super) unit_norm: bool,
    /// Whether the folder is one of sentence-transformers, which alone has prompts.
    pub(super) modules: bool,
}

/// The folders of the modules of the model that `folder` holds, by their paths in it, itself left out.
#[cfg(feature = "hub")]
pub(crate) fn module_paths(folder: &Path) -> Result<Vec<String>, EmbedError> {
    if !folder.join(FILE).is_file() {
        return Ok(vec![STATIC_FOLDER.into()]);
    }
    let entries: Vec<ModuleEntry> = read_json(folder, FILE)?;
    let paths = entries.into_iter().map(|entry| entry.path.trim_matches('/').to_owned());
    Ok(paths.filter(|path| !path.is_empty()).collect())
}

/// The folder of weights of the model that `folder` holds.
pub(crate) fn weights_of(folder: &Path) -> Result<PathBuf, EmbedError> {
    Ok(Layout::of(folder)?.weights)
}

impl Layout {
    /// The folders of the modules, that of the weights among them.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.all.iter().map(PathBuf::as_path)
    }

    /// A folder without `modules.json` is a BERT where it has a `config.json`, but model2vec's, else a static table.
    pub(super) fn of(folder: &Path) -> Result<Self, EmbedError> {
        replace::recover(folder)?;
        if folder.join(FILE).is_file() {
            return Self::of_modules(folder);
        }
        if folder.join("config.json").is_file() {
            let model: Option<String> = Settings::read(folder, "config.json")?.get("model_type")?;
            let kind = if model.as_deref() == Some("model2vec") { ModelKind::Static } else { ModelKind::Bert };
            return Ok(Self::plain(kind, folder.into()));
        }
        if folder.join(STATIC_FOLDER).is_dir() {
            return Ok(Self::plain(ModelKind::Static, folder.join(STATIC_FOLDER)));
        }
        Err(EmbedError::MissingFile { folder: folder.into(), file: "modules.json or config.json".into() })
    }

    fn plain(kind: ModelKind, weights: PathBuf) -> Self {
        Layout {
            kind,
            all: vec![weights.clone()],
            weights,
            pooling: FolderPooling::default(),
            dense: Vec::new(),
            unit_norm: false,
            modules: false,
        }
    }

    fn of_modules(folder: &Path) -> Result<Self, EmbedError> {
        let entries: Vec<ModuleEntry> = read_json(folder, FILE)?;
        let path = folder.join(FILE);
        for entry in entries.iter().filter(|entry| !entry.extra.is_empty()) {
            let keys: Vec<&str> = entry.extra.keys().map(String::as_str).collect();
            tracing::warn!(
                "{}: {} of module {} is unknown and not applied",
                path.display(),
                keys.join(", "),
                entry.name
            );
        }
        let classes: Vec<&str> = entries.iter().map(|entry| entry.class().unwrap_or(&entry.kind)).collect();
        let (kind, rest) = match classes.as_slice() {
            ["Transformer", "Pooling", rest @ ..] => (ModelKind::Bert, rest),
            ["StaticEmbedding", rest @ ..] => (ModelKind::Static, rest),
            _ => return Err(unsupported(&path, &classes)),
        };
        let dense = rest.iter().take_while(|class| kind == ModelKind::Bert && **class == "Dense").count();
        let (first_dense, rest) = (entries.len() - rest.len(), &rest[dense..]);
        if !matches!(rest, [] | ["Normalize"]) {
            return Err(unsupported(&path, &classes));
        }
        if let (["Normalize"], Some(entry)) = (rest, entries.last()) {
            check_normalize(&folder.join(&entry.path))?;
        }
        let mut layout = Self::plain(kind, folder.join(&entries[0].path));
        (layout.unit_norm, layout.modules) = (!rest.is_empty(), true);
        layout.all = entries.iter().map(|entry| folder.join(&entry.path)).collect();
        layout.dense = entries[first_dense..][..dense].iter().map(|entry| folder.join(&entry.path)).collect();
        if kind == ModelKind::Bert {
            layout.pooling = FolderPooling::read(&folder.join(&entries[1].path))?;
        }
        Ok(layout)
    }
}

/// Version 6 can scale the vectors of tokens instead of the text's.
fn check_normalize(folder: &Path) -> Result<(), EmbedError> {
    let settings = Settings::read(folder, "config.json")?;
    let keys = ["module_input_name", "module_output_name"];
    for key in keys {
        settings.require(key, &"sentence_embedding".into())?;
    }
    settings.warn_of_unknown(&keys, &[]);
    Ok(())
}

fn unsupported(path: &Path, classes: &[&str]) -> EmbedError {
    EmbedError::Unsupported {
        path: Some(path.into()),
        key: "modules".into(),
        value: format!("[{}]", classes.join(", ")),
        supported: "Transformer with Pooling and Dense, or StaticEmbedding, and Normalize after them".into(),
    }
}
