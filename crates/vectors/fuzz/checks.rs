//! What the fuzz target `npy` checks of any bytes; `tests/fuzz_seeds.rs` checks it of the seeds.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use tempfile::TempDir;
use vectors::{NpyOptions, NpyVectors, read_array, read_labels};

/// One for all inputs: the process ends without dropping it.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// A file is opened or refused, by every reader. What is opened has no more values than the file has room for; rows that are mapped,
/// and those that are converted in one block or row by row, are the same.
pub(crate) fn npy(bytes: &[u8]) {
    // A new file each time: the one before may still be mapped.
    let path: PathBuf = FOLDER.path().join(format!("{:?}.npy", std::thread::current().id()));
    let _ = fs::remove_file(&path);
    fs::write(&path, bytes).expect("a written file");

    if let Ok(labels) = read_labels(&path) {
        assert!(labels.len() <= bytes.len(), "more labels than the file has");
        if let Ok(read) = read_array::<u32>(&path, &[labels.len()]) {
            assert_eq!(read, labels);
        }
    }
    let options = NpyOptions::new(FOLDER.path());
    let mapped = NpyVectors::open(&path);
    let any = options.open(&path);
    let row_by_row = options.clone().with_block_bytes(0).open(&path);
    assert_eq!(any.is_ok(), row_by_row.is_ok());
    assert!(any.is_ok() || mapped.is_err(), "only the mapped file is opened");
    let Ok(any) = any else { return };
    let expected = values(&any, bytes.len());
    for other in [mapped, row_by_row].into_iter().flatten() {
        assert_eq!(values(&other, bytes.len()), expected);
    }
    let Ok(unit) = options.with_normalise(true).open(&path) else { return };
    assert_eq!((unit.len(), unit.dim()), (any.len(), any.dim()));
    assert!(unit.dim() == 0 || unit.vectors().unit_rows().is_ok(), "no unit rows");
}

/// The bits of the values: NaN is no equal of itself.
fn values(rows: &NpyVectors, bytes: usize) -> Vec<u32> {
    let vectors = rows.vectors();
    assert_eq!(vectors.dim(), rows.dim());
    assert!(rows.dim() == 0 || vectors.len() == rows.len());
    let values = vectors.len() as u128 * vectors.dim() as u128;
    assert!(2 * values <= bytes as u128, "more values than the file has");
    vectors.to_f32().iter().map(|value| value.to_bits()).collect()
}
