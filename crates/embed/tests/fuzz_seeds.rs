//! The check of the fuzz target `folder`, of every golden model as it is and with changed numbers, words and bytes; the memory that it takes.

#![allow(clippy::unwrap_used)]

#[path = "../fuzz/checks.rs"]
mod checks;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use proptest::prelude::*;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// Megabytes that a golden model of 100 kB may take, its texts among them.
const MOST_MB: f32 = 64.0;

/// In the place of a number or a word.
const HOSTILE: [&str; 16] = [
    "0",
    "1",
    "-1",
    "3",
    "65536",
    "4294967296",
    "18446744073709551615",
    "1e999",
    "-1e-400",
    "0.5",
    "null",
    "true",
    "[]",
    "\"\"",
    "\"max\"",
    "{}",
];

/// Every golden model, packed.
fn models() -> Vec<Vec<u8>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folders = [golden.clone(), golden.join("families")];
    let entries = folders.iter().flat_map(|folder| folder.read_dir().unwrap()).map(|entry| entry.unwrap().path());
    let mut models: Vec<_> = entries.map(|folder| checks::pack(&folder)).filter(|model| !model.is_empty()).collect();
    models.sort();
    models
}

#[track_caller]
fn check(model: &[u8]) -> bool {
    // Memory is the process's.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage_as_mb();
    let read = checks::folder(model);
    let taken = PEAK.peak_usage_as_mb() - before;
    assert!(taken < MOST_MB, "{taken} MB");
    read
}

/// Where a number or a word stands in what is text: the configurations, and the header before the tensors.
fn values(model: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_value = |byte: u8| byte.is_ascii_alphanumeric() || b".-_\"".contains(&byte);
    let tensors = model.windows(16).position(|window| window.iter().filter(|byte| !byte.is_ascii()).count() > 6);
    let text = &model[..tensors.unwrap_or(model.len())];
    let mut found = Vec::new();
    let mut start = None;
    for (at, &byte) in text.iter().enumerate() {
        match (is_value(byte), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_golden_models_are_read() {
    let models = models();
    let read = models.iter().filter(|model| check(model)).count();
    // Not those whose special tokens are others than the one tokenizer's, nor a masked model without pooling.
    assert!(read >= 10, "{read} of {}", models.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn changed_models_are_read_or_refused(
        model in any::<prop::sample::Selector>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
        byte in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        length in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut model = model.select(models());
        for (place, by) in changes {
            let values = values(&model);
            model.splice(values[place.index(values.len())].clone(), HOSTILE[by.index(HOSTILE.len())].bytes());
        }
        if let Some((at, byte)) = byte {
            let at = at.index(model.len());
            model[at] = byte;
        }
        if let Some(length) = length {
            model.truncate(length.index(model.len()));
        }
        check(&model);
    }
}
