//! The fuzz targets' checks of their seeds, and of what fuzzing has collected here.

#![allow(clippy::unwrap_used)]

#[path = "../fuzz/checks.rs"]
mod checks;

use std::path::Path;

/// Every file that `target` starts from; a corpus need not be there.
fn files(target: &str) -> Vec<Vec<u8>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let folders = ["seeds", "corpus"].map(|kind| fuzz.join(kind).join(target));
    assert!(folders[0].read_dir().unwrap().next().is_some());
    let entries = folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| folder.read_dir().unwrap());
    entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn judgements_of_any_bytes_are_read_or_refused() {
    files("qrels").iter().for_each(|bytes| checks::qrels(bytes));
}

#[test]
fn results_of_any_bytes_are_read_or_refused_and_have_the_same_values_in_every_way() {
    files("run").iter().for_each(|bytes| checks::run(bytes));
}
