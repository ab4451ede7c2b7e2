use std::path::{Path, PathBuf};

use super::layout::Layout;
use crate::EmbedError;

/// Files that say what a model is.
const ENDINGS: [&str; 3] = ["json", "safetensors", "txt"];

/// A hash of what makes a model folder's vectors: names and contents of the configurations, tokenizers and weights in it and in the folders of its modules.
///
/// # Errors
/// [`EmbedError::Read`] with the file or folder; what is wrong with `modules.json`.
///
/// # Examples
/// ```
/// let folder = std::env::temp_dir().join("embed-folder-hash");
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("config.json"), "{}")?;
/// let before = embed::folder_hash(&folder)?;
/// std::fs::write(folder.join("README.md"), "about it")?;
/// assert_eq!(embed::folder_hash(&folder)?, before);
/// std::fs::write(folder.join("config.json"), "{\"vocab_size\": 5}")?;
/// assert_ne!(embed::folder_hash(&folder)?, before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn folder_hash(folder: impl AsRef<Path>) -> Result<String, EmbedError> {
    let folder = folder.as_ref();
    let mut files = files_of(folder)?;
    // A module without settings may have no folder.
    for inner in Layout::of(folder)?.folders().filter(|inner| *inner != folder && inner.is_dir()) {
        files.extend(files_of(inner)?);
    }
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in files {
        let failed = |source| EmbedError::Read { path: file.clone(), source };
        let name = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy();
        let size = file.metadata().map_err(failed)?.len();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(&size.to_le_bytes());
        hasher.update_mmap_rayon(&file).map_err(failed)?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, EmbedError> {
    let is_model = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        path.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending))
    };
    Ok(entries(folder)?.into_iter().filter(is_model).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, EmbedError> {
    let failed = |source| EmbedError::Read { path: folder.into(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}
