//! Which files a path names, and how they are laid out.

use std::path::{Path, PathBuf};

use super::DataError;
use super::delimited::Delimiter;

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One JSON object a line.
    JsonLines,
    /// Fields between tabs or commas.
    Delimited(Delimiter),
    Parquet,
}

impl Layout {
    /// By the name's ending, before that of a compression; `None` if it says nothing.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            "tsv" => Some(Self::Delimited(Delimiter::Tab)),
            "csv" => Some(Self::Delimited(Delimiter::Comma)),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// The file, JSON lines where its name says nothing else; or those of a folder whose names say what they are, in the order of these.
pub(super) fn of(path: &Path) -> Result<Vec<(PathBuf, Layout)>, DataError> {
    if !path.is_dir() {
        return Ok(vec![(path.to_owned(), Layout::of(path).unwrap_or(Layout::JsonLines))]);
    }
    let failed = |error| DataError::read(path, error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if let Some(layout) = Layout::of(&file).filter(|_| file.is_file()) {
            files.push((file, layout));
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    match files.is_empty() {
        true => Err(DataError::NoFiles { path: path.to_owned() }),
        false => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_how_a_file_is_laid_out() {
        let layout = |name: &str| Layout::of(Path::new(name));
        assert_eq!(layout("a/pairs.jsonl.gz"), Some(Layout::JsonLines));
        assert_eq!(layout("pairs.TSV"), Some(Layout::Delimited(Delimiter::Tab)));
        assert_eq!(layout("pairs.csv.zst"), Some(Layout::Delimited(Delimiter::Comma)));
        assert_eq!(layout("train-00000-of-00001.parquet"), Some(Layout::Parquet));
        assert_eq!((layout("README.md"), layout("pairs")), (None, None));
    }

    #[test]
    fn a_folder_s_files_are_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(of(folder.path()), Err(DataError::NoFiles { .. })));
        for name in ["b.jsonl", "a.tsv", "README.md"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let files = of(folder.path()).unwrap();
        let names: Vec<&str> = files.iter().filter_map(|(file, _)| file.file_name()?.to_str()).collect();
        assert_eq!(names, ["a.tsv", "b.jsonl"]);
    }
}
