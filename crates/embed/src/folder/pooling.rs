use std::path::Path;

use serde_json::Value;

use super::Settings;
use crate::{EmbedError, Pooling};

const FILE: &str = "config.json";
const READ: [&str; 8] = [
    "pooling_mode",
    "pooling_mode_cls_token",
    "pooling_mode_mean_tokens",
    "pooling_mode_max_tokens",
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
    "pooling_mode_lasttoken",
    "include_prompt",
];
const MEAN: &str = "pooling_mode_mean_tokens";
const HARMLESS: [&str; 2] = ["word_embedding_dimension", "embedding_dimension"];

/// What sentence-transformers' `Pooling` module sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FolderPooling {
    pub(super) mode: Pooling,
    pub(super) include_prompt: bool,
}

impl Default for FolderPooling {
    fn default() -> Self {
        FolderPooling { mode: Pooling::Mean, include_prompt: true }
    }
}

impl FolderPooling {
    /// Up to version 5.3 a flag for each mode, since then one key.
    pub(super) fn read(folder: &Path) -> Result<Self, EmbedError> {
        let settings = Settings::read(folder, FILE)?;
        if !folder.join(FILE).is_file() {
            return Err(EmbedError::MissingFile { folder: folder.into(), file: FILE.into() });
        }
        settings.warn_of_unknown(&READ, &HARMLESS);
        let mode = match settings.get::<Value>("pooling_mode")? {
            Some(mode) => named(&settings, &mode)?,
            None => flagged(&settings)?,
        };
        let include_prompt = settings.get("include_prompt")?.unwrap_or(true);
        if mode == Pooling::Cls && !include_prompt {
            // Up to version 5.3 this is the first token, since then the first after the prompt.
            return Err(settings.unsupported("include_prompt", "false", "true with CLS pooling"));
        }
        Ok(FolderPooling { mode, include_prompt })
    }
}

/// The modes by the names of both forms. Vectors have norm 1, so that the mean times the root of the count is the mean.
const MODES: [(&str, &str, Pooling); 6] = [
    ("mean", MEAN, Pooling::Mean),
    ("cls", "pooling_mode_cls_token", Pooling::Cls),
    ("lasttoken", "pooling_mode_lasttoken", Pooling::LastToken),
    ("max", "pooling_mode_max_tokens", Pooling::Max),
    ("weightedmean", "pooling_mode_weightedmean_tokens", Pooling::WeightedMean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", Pooling::Mean),
];

/// The key of the flag of a mode.
pub(super) fn flag(pooling: Pooling) -> &'static str {
    MODES.iter().find(|mode| mode.2 == pooling).map_or(MEAN, |mode| mode.1)
}

fn named(settings: &Settings, mode: &Value) -> Result<Pooling, EmbedError> {
    let one = match mode {
        Value::Array(modes) if modes.len() == 1 => &modes[0],
        other => other,
    };
    let known = one.as_str().and_then(|name| MODES.iter().find(|mode| mode.0 == name));
    let supported = || MODES.map(|(name, ..)| format!("\"{name}\"")).join(", ");
    known.map(|mode| mode.2).ok_or_else(|| settings.unsupported("pooling_mode", mode, supported()))
}

fn flagged(settings: &Settings) -> Result<Pooling, EmbedError> {
    // The only one that is on where it is not named.
    let mean = settings.get(MEAN)?.unwrap_or(true);
    let flags =
        settings.iter().filter(|(key, value)| key.starts_with("pooling_mode_") && value.as_bool() == Some(true));
    let others = flags.map(|(key, _)| key).filter(|key| *key != MEAN);
    let chosen: Vec<&str> = mean.then_some(MEAN).into_iter().chain(others).collect();
    let known = match chosen.as_slice() {
        [one] => MODES.iter().find(|mode| mode.1 == *one),
        _ => None,
    };
    let supported = || format!("one of {}", MODES.map(|(_, flag, _)| flag).join(", "));
    known
        .map(|mode| mode.2)
        .ok_or_else(|| settings.unsupported("pooling_mode", format!("[{}]", chosen.join(", ")), supported()))
}
