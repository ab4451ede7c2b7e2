use std::path::Path;

use super::Settings;
use crate::EmbedError;

/// How a model was made, or what is in its other files. Vectors are scaled to norm 1 here, whether `normalize` asks for it or not.
const HARMLESS: [&str; 16] = [
    "model_type",
    "architectures",
    "normalize",
    "max_length",
    "tokenizer_name",
    "apply_pca",
    "apply_zipf",
    "sif_coefficient",
    "hidden_dim",
    "seq_length",
    "pooling",
    "embedding_dtype",
    "vocabulary_quantization",
    "head_config",
    "token_remove_pattern",
    "subword",
];

/// Warns of settings in a static table's `config.json`. sentence-transformers reads none: `max_length` is applied as the truncation in
/// `tokenizer.json`.
pub(super) fn check(folder: &Path) -> Result<(), EmbedError> {
    Settings::read(folder, "config.json")?.warn_of_unknown(&[], &HARMLESS);
    Ok(())
}
