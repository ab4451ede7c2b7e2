use std::collections::BTreeMap;
use std::path::Path;

use super::Settings;
use crate::{EmbedError, Prompts};

const FILE: &str = "config_sentence_transformers.json";
const READ: [&str; 5] = ["model_type", "prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim"];
const HARMLESS: [&str; 2] = ["__version__", "requirements"];

/// Prompts of a sentence-transformers folder, as its `encode_query` and `encode_document` choose them: those named `query` and
/// `document`.
///
/// `default_prompt_name` says which one `encode` takes, of a text whose side is not known; here it always is. A name such as `passage` is
/// never chosen, since `document` is always there, if empty.
pub(super) fn read_prompts(folder: &Path, unit_norm: bool) -> Result<Prompts, EmbedError> {
    let settings = Settings::read(folder, FILE)?;
    settings.require("model_type", &"SentenceTransformer".into())?;
    settings.warn_of_unknown(&READ, &HARMLESS);
    warn_of_similarity(&settings, unit_norm)?;
    let prompts: BTreeMap<String, Option<String>> = settings.get("prompts")?.unwrap_or_default();
    for (name, text) in &prompts {
        if !matches!(name.as_str(), "query" | "document") && text.as_ref().is_some_and(|text| !text.is_empty()) {
            let what =
                "is not applied: queries take the prompt `query`, passages `document`, as in sentence-transformers";
            settings.warn(&format!("prompts.{name}"), what);
        }
    }
    let named = |name: &str| prompts.get(name).cloned().flatten().unwrap_or_default();
    Ok(Prompts::new(named("query"), named("document")))
}

/// How many of a vector's columns a sentence-transformers folder keeps, if not all.
pub(super) fn read_truncate_dim(folder: &Path) -> Result<Option<usize>, EmbedError> {
    let settings = Settings::read(folder, FILE)?;
    match settings.get("truncate_dim")? {
        Some(0) => Err(settings.unsupported("truncate_dim", 0, "1 or more")),
        columns => Ok(columns),
    }
}

/// Vectors here have norm 1, so that inner product and Euclidean distance order texts as the cosine does.
fn warn_of_similarity(settings: &Settings, unit_norm: bool) -> Result<(), EmbedError> {
    let similarity: Option<String> = settings.get("similarity_fn_name")?;
    match similarity.as_deref() {
        None | Some("cosine") => {}
        Some("dot" | "euclidean") if unit_norm => {}
        Some(other) => {
            settings.warn("similarity_fn_name", &format!("= {other} is not applied: vectors have norm 1 here"))
        }
    }
    Ok(())
}
