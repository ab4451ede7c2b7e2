//! The checks of the fuzz target `npy`, of its seeds, of what fuzzing has collected here, and of the seeds with one byte changed.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../fuzz/checks.rs"]
mod checks;

use std::path::Path;

/// Every file that the target starts from; a corpus need not be there.
fn files() -> Vec<Vec<u8>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let folders = ["seeds/npy", "corpus/npy"].map(|folder| fuzz.join(folder));
    assert!(folders[0].read_dir().unwrap().next().is_some());
    let entries = folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| folder.read_dir().unwrap());
    entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn any_bytes_are_opened_or_refused_by_every_reader() {
    files().iter().for_each(|bytes| checks::npy(bytes));
}

#[test]
fn seeds_cut_short_or_with_a_changed_byte_are_opened_or_refused() {
    for bytes in files().iter().filter(|bytes| bytes.len() < 300) {
        (0..bytes.len()).step_by(3).for_each(|length| checks::npy(&bytes[..length]));
        for at in (0..bytes.len()).step_by(3) {
            for byte in [0, 0xff, bytes[at] ^ 1] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                checks::npy(&changed);
            }
        }
    }
}
