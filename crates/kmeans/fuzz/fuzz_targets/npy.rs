//! Any bytes as a `.npy` file: `NpyVectors::open` opens it or says why not, and what it opens can be read and predicted.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use kmeans::{Clusterer, NpyVectors, SphericalKMeansConfig};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// One for all inputs: the process ends without dropping it.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

fuzz_target!(|bytes: &[u8]| {
    // A new file each time: the one before may still be mapped.
    let path: PathBuf = FOLDER.path().join("rows.npy");
    let _ = fs::remove_file(&path);
    fs::write(&path, bytes).expect("a written file");
    let Ok(file) = NpyVectors::open(&path) else { return };
    let vectors = file.vectors();
    assert_eq!(vectors.dim(), file.dim());
    assert!(file.dim() == 0 || vectors.len() == file.len());
    let values = vectors.len() as u128 * vectors.dim() as u128;
    assert!(2 * values <= bytes.len() as u128, "more values than the file has");
    let clusterer = SphericalKMeansConfig::new(1).with_max_iterations(1).build().expect("a valid configuration");
    if let Ok(clustering) = clusterer.fit_with(&vectors, &mut |_| ()) {
        assert_eq!(clustering.labels, vec![0; file.len()]);
    }
});
