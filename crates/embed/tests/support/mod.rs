#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use burn_flex::{Flex, FlexDevice};
use embed::{Embedder, FolderOptions, Side, load_embedder};
use ndarray::Array2;
use serde::de::DeserializeOwned;

pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(golden(name)).unwrap()).unwrap()
}

pub fn load(folder: impl AsRef<Path>, options: &FolderOptions) -> Box<dyn Embedder> {
    load_embedder::<Flex>(folder, options, &FlexDevice).unwrap()
}

pub fn vectors(embedder: &dyn Embedder, texts: &[String]) -> Array2<f32> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    embedder.embed(&texts, Side::Passage).unwrap()
}

#[track_caller]
pub fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "place {at}: {a}, expected {b}");
    }
}

#[track_caller]
pub fn assert_rows(found: &Array2<f32>, expected: &[Vec<f32>], tolerance: f32) {
    assert_eq!(found.dim(), (expected.len(), expected[0].len()));
    assert_close(found.as_slice().unwrap(), &expected.concat(), tolerance);
}

/// A copy of a golden folder that a test may spoil.
pub fn copy_of(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_into(&golden(name), copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            std::fs::write(target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// Says, past the capture of a passing test, that a test is skipped.
pub fn skipped(reason: &str) {
    let _ = std::io::stderr().write_all(format!("skipped: {reason}\n").as_bytes());
}

/// The unit vectors that sentence-transformers gives, of each folder in turn.
pub fn python_vectors(python: &OsStr, folders: &[&Path], texts: &[String]) -> Vec<Vec<Vec<f32>>> {
    const SCRIPT: &str = "
import json, sys
from sentence_transformers import SentenceTransformer
folders, texts = json.load(sys.stdin)
encode = lambda folder: SentenceTransformer(folder, device='cpu').encode(texts, normalize_embeddings=True).tolist()
print(json.dumps([encode(folder) for folder in folders]))
";
    let mut run = Command::new(python);
    let mut run = run.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(run.stdin.take().unwrap(), &(folders, texts)).unwrap();
    serde_json::from_slice(&run.wait_with_output().unwrap().stdout).unwrap()
}

/// What `run` warns of through `tracing`.
pub fn warnings(run: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.with_max_level(tracing::Level::WARN).finish(), run);
    let lines = lines.0.lock().unwrap();
    String::from_utf8(lines.clone()).unwrap()
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
