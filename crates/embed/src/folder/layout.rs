use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read_json;
use crate::{EmbedError, Pooling};

pub(super) const TRANSFORMER: &str = "sentence_transformers.models.Transformer";
pub(super) const STATIC: &str = "sentence_transformers.models.StaticEmbedding";
pub(super) const POOLING: &str = "sentence_transformers.models.Pooling";
pub(super) const NORMALIZE: &str = "sentence_transformers.models.Normalize";

/// One entry of `modules.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ModuleEntry {
    pub(super) idx: usize,
    pub(super) name: String,
    pub(super) path: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// What a model folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A BERT in `weights`, and how it is pooled.
    Bert { weights: PathBuf, pooling: Pooling },
    /// A table of token vectors in `weights`.
    Static { weights: PathBuf },
}

impl Layout {
    /// A folder without `modules.json` is a BERT where it has a `config.json` with a `model_type`, else a static table.
    pub(super) fn of(folder: &Path) -> Result<Self, EmbedError> {
        if folder.join("modules.json").is_file() {
            return Self::of_modules(folder);
        }
        if folder.join("config.json").is_file() {
            let config: Value = read_json(folder, "config.json")?;
            let model2vec = config.get("model_type").and_then(Value::as_str) == Some("model2vec");
            if !model2vec {
                return Ok(Layout::Bert { weights: folder.into(), pooling: Pooling::Mean });
            }
            return Ok(Layout::Static { weights: folder.into() });
        }
        if folder.join("0_StaticEmbedding").is_dir() {
            return Ok(Layout::Static { weights: folder.join("0_StaticEmbedding") });
        }
        Err(EmbedError::MissingFile { folder: folder.into(), file: "modules.json or config.json".into() })
    }

    fn of_modules(folder: &Path) -> Result<Self, EmbedError> {
        let modules: Vec<ModuleEntry> = read_json(folder, "modules.json")?;
        let mut modules = modules.iter();
        let first = modules.next();
        let mut layout = match first.map(|module| (short(&module.kind), folder.join(&module.path))) {
            Some(("Transformer", weights)) => Layout::Bert { weights, pooling: Pooling::Mean },
            Some(("StaticEmbedding", weights)) => Layout::Static { weights },
            _ => return Err(unsupported(first.map_or("nothing", |m| &m.kind), "Transformer and StaticEmbedding")),
        };
        for module in modules {
            match (short(&module.kind), &mut layout) {
                ("Pooling", Layout::Bert { pooling, .. }) => *pooling = read_pooling(&folder.join(&module.path))?,
                // Every vector is scaled to norm 1 here, whether the folder asks for it or not.
                ("Normalize", _) => {}
                _ => return Err(unsupported(&module.kind, "Pooling and Normalize after the first")),
            }
        }
        Ok(layout)
    }
}

/// Last part of a Python class name.
fn short(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}

fn unsupported(kind: &str, supported: &str) -> EmbedError {
    EmbedError::Unsupported { key: "module".into(), value: kind.into(), supported: supported.into() }
}

fn read_pooling(folder: &Path) -> Result<Pooling, EmbedError> {
    let config: Value = read_json(folder, "config.json")?;
    let modes = config.as_object().into_iter().flatten();
    let chosen: Vec<&str> = modes
        .filter(|(key, value)| key.starts_with("pooling_mode_") && value.as_bool() == Some(true))
        .map(|(key, _)| key.as_str())
        .collect();
    match chosen.as_slice() {
        ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::Cls),
        other => Err(EmbedError::Unsupported {
            key: folder.join("config.json").display().to_string(),
            value: format!("[{}]", other.join(", ")),
            supported: "pooling_mode_mean_tokens or pooling_mode_cls_token".into(),
        }),
    }
}
