//! The files of a model folder.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::error::{PretrainError, Result};

/// Endings of the files that decide a model's vectors: weights, configurations, vocabularies.
const DECIDING: [&str; 3] = ["safetensors", "json", "txt"];

/// The files in `folder` and below that decide a model's vectors, sorted; hidden ones are left out.
///
/// Links are followed, as the caches of model hubs are made of them; one that leads back to a folder above itself adds
/// nothing.
///
/// # Errors
/// `folder` or a file in it cannot be read.
pub(crate) fn model_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let hidden = |entry: &DirEntry| entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(|e| !hidden(e)) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && decides(entry.path()) => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) if error.loop_ancestor().is_some() => {}
            // A link to nowhere matters only where a file is wanted.
            Err(error) if error.depth() > 0 && error.path().is_some_and(|path| path.is_symlink() && !decides(path)) => {
            }
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                return Err(PretrainError::io(&path, error.into()));
            }
        }
    }
    Ok(files)
}

fn decides(path: &Path) -> bool {
    path.extension().is_some_and(|extension| DECIDING.iter().any(|&ending| extension == ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(folder: &Path) -> Vec<String> {
        let files = model_files(folder).unwrap();
        files.iter().map(|file| file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn weights_configurations_and_vocabularies_are_found_at_every_depth() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("1_Pooling")).unwrap();
        std::fs::create_dir_all(folder.path().join(".cache")).unwrap();
        for name in ["model.safetensors", "vocab.txt", "README.md", "1_Pooling/config.json", ".cache/x.json"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(relative(folder.path()), ["1_Pooling/config.json", "model.safetensors", "vocab.txt"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        assert!(model_files(Path::new("no/such/model")).unwrap_err().to_string().contains("no/such/model"));
    }

    #[cfg(unix)]
    #[test]
    fn linked_files_count_and_links_in_a_circle_end() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (model, blobs) = (folder.path().join("model"), folder.path().join("blobs"));
        std::fs::create_dir_all(model.join("inner")).unwrap();
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::write(blobs.join("9f86d0"), "weights").unwrap();
        symlink("../blobs/9f86d0", model.join("model.safetensors")).unwrap();
        symlink("..", model.join("inner/up")).unwrap();
        symlink(".", model.join("self")).unwrap();
        symlink("nowhere", model.join("pytorch_model.bin")).unwrap();
        assert_eq!(relative(&model), ["model.safetensors"]);
        symlink("nowhere", model.join("config.json")).unwrap();
        assert!(model_files(&model).unwrap_err().to_string().contains("config.json"));
    }
}
