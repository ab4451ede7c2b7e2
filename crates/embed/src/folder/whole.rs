use std::path::Path;

use super::layout::{Layout, ModelKind};
use crate::EmbedError;
use crate::weights::weight_files;

/// Nothing, if the folder has the files that a model cannot be loaded without.
///
/// # Errors
/// [`EmbedError::MissingFile`] with the first that is not there.
pub(crate) fn require_whole(folder: &Path) -> Result<(), EmbedError> {
    let layout = Layout::of(folder)?;
    let require = |folder: &Path, file: &str| match folder.join(file).is_file() {
        true => Ok(()),
        false => Err(EmbedError::MissingFile { folder: folder.into(), file: file.into() }),
    };
    if layout.kind == ModelKind::Bert {
        require(&layout.weights, "config.json")?;
    }
    require(&layout.weights, "tokenizer.json")?;
    weight_files(&layout.weights, "model.safetensors")?;
    for dense in &layout.dense {
        require(dense, "config.json")?;
        weight_files(dense, "model.safetensors")?;
    }
    Ok(())
}
