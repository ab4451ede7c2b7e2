//! Any bytes as the three files of a clustering: `Clustering::load` returns one that holds together, or says why not.
//!
//! An input is `clusters.json`, `labels.npy` and `centroids.npy` with [`BETWEEN`] between them.

#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use kmeans::Clustering;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// No JSON and no `.npy` header has it by chance.
const BETWEEN: &[u8] = b"<=file=>";

/// One for all inputs: the process ends without dropping it.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

fuzz_target!(|bytes: &[u8]| {
    let given = FOLDER.path().join("given");
    write(&given, bytes);
    let Ok(clustering) = Clustering::load(&given) else { return };
    check(&clustering);
    let saved = FOLDER.path().join("saved");
    clustering.save(&saved).expect("a saved clustering");
    assert_eq!(Clustering::load(&saved).expect("what was saved"), clustering);
});

fn write(dir: &Path, bytes: &[u8]) {
    fs::create_dir_all(dir).expect("a folder");
    let mut rest = Some(bytes);
    for name in ["clusters.json", "labels.npy", "centroids.npy"] {
        let (file, after) = rest.map_or((&[][..], None), split);
        fs::write(dir.join(name), file).expect("a written file");
        rest = after;
    }
}

/// What comes before the first separator, and what after it.
fn split(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        Some(at) => (&bytes[..at], Some(&bytes[at + BETWEEN.len()..])),
        None => (bytes, None),
    }
}

fn check(clustering: &Clustering) {
    let clusters = clustering.centroids.nrows();
    let mut sizes = vec![0; clusters];
    clustering.labels.iter().for_each(|&label| sizes[label as usize] += 1);
    assert_eq!(sizes, clustering.sizes);
    assert!(clustering.centroids.iter().all(|value| value.is_finite()));
}
