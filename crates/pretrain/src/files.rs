//! Files that appear whole or not at all: each is written beside its place and renamed into it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2};
use npyz::WriterBuilder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{PretrainError, Result};

/// Writes `path` through `fill`; where that fails, nothing is left behind.
pub(crate) fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let at = |source| PretrainError::io(path, source);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(at)?;
    }
    let beside = beside(path);
    let written = File::create(&beside)
        .and_then(|file| {
            let mut writer = BufWriter::new(file);
            fill(&mut writer)?;
            writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
        })
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&beside);
        at(source)
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|source| PretrainError::json(path, source))?;
    write_whole(path, |out| out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")))
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let file = File::open(path).map_err(|source| PretrainError::io(path, source))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|source| PretrainError::json(path, source))
}

pub(crate) fn write_rows(path: &Path, rows: ArrayView2<'_, f32>) -> Result<()> {
    let shape = [rows.nrows() as u64, rows.ncols() as u64];
    write_array(path, &shape, rows.iter().copied())
}

pub(crate) fn write_indices(path: &Path, indices: &[u32]) -> Result<()> {
    write_array(path, &[indices.len() as u64], indices.iter().copied())
}

fn write_array<T: npyz::AutoSerialize>(path: &Path, shape: &[u64], values: impl Iterator<Item = T>) -> Result<()> {
    write_whole(path, |out| {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(out).begin_nd()?;
        writer.extend(values)?;
        writer.finish()
    })
}

/// The `[n, dim]` f32 rows of a `.npy` file.
pub(crate) fn read_rows(path: &Path) -> Result<Array2<f32>> {
    let npy = |problem: String| PretrainError::Npy { path: path.to_owned(), problem };
    let file = File::open(path).map_err(|source| PretrainError::io(path, source))?;
    let header = npyz::NpyFile::new(BufReader::new(file)).map_err(|error| npy(error.to_string()))?;
    let &[rows, dim] = header.shape() else {
        return Err(npy(format!("{} dimensions where 2 are expected", header.shape().len())));
    };
    let values = header.into_vec::<f32>().map_err(|error| npy(error.to_string()))?;
    Array2::from_shape_vec((rows as usize, dim as usize), values).map_err(|error| npy(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.npy");
        let rows = Array2::from_shape_fn((3, 2), |(i, j)| (10 * i + j) as f32);
        write_rows(&path, rows.view()).unwrap();
        assert_eq!(read_rows(&path).unwrap(), rows);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        write_json(&path, &1).unwrap();
        let failed = write_whole(&path, |out| {
            out.write_all(b"half")?;
            Err(std::io::Error::other("full"))
        });
        assert!(failed.unwrap_err().to_string().contains("x.json"));
        assert_eq!(read_json::<i32>(&path).unwrap(), 1);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_vector_is_no_matrix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.npy");
        write_indices(&path, &[1, 2]).unwrap();
        assert!(read_rows(&path).unwrap_err().to_string().contains("1 dimensions"));
    }
}
