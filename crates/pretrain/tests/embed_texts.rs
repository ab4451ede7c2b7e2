//! `pretrain embed --model --texts --out`: the embedder's rows, ten kills, and one clear error for bad input.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use burn::backend::Flex;
use burn::backend::flex::FlexDevice;
use common::Bench;
use embed::{FolderOptions, Side, load_embedder};
use rand::{RngExt, SeedableRng};
use vectors::NpyVectors;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../embed/tests/golden").join(name)
}

fn rows(path: &Path) -> Vec<f32> {
    NpyVectors::open(path).unwrap().array().unwrap().iter().copied().collect()
}

fn texts(count: usize) -> Vec<String> {
    let words = ["the", "cat", "read", "file", "a", "zzz", "."];
    let word = |at: usize, of: usize| words[(at * 7 + of * (at % 5 + 1)) % words.len()];
    (0..count).map(|at| (0..at % 23).map(|of| word(at, of)).collect::<Vec<_>>().join(" ")).collect()
}

/// The arguments of a model and the bench's `texts.txt`, into `out`.
fn arguments<'a>(model: &'a Path, texts: &'a str, out: &'a str) -> Vec<&'a str> {
    vec!["embed", "--model", model.to_str().unwrap(), "--texts", texts, "--out", out]
}

#[test]
fn rows_are_the_embedders_in_the_order_of_the_texts_in_every_format() {
    let bench = Bench::new();
    let texts = texts(50);
    bench.write("texts.txt", &(texts.join("\n") + "\n"));
    let lines = texts.iter().map(|text| serde_json::json!({"id": 1, "body": text}).to_string());
    bench.write("texts.jsonl", &lines.collect::<Vec<_>>().join("\n"));
    let model = model("folders/st-6.2.0/prompts");
    let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embedder = load_embedder::<Flex>(&model, &FolderOptions::default(), &FlexDevice).unwrap();
    let [text, lines, out] = ["texts.txt", "texts.jsonl", "x.npy"].map(|name| bench.path(name).display().to_string());
    for (side, name) in [(Side::Query, "query"), (Side::Passage, "passage")] {
        let expected = embedder.embed(&refs, side).unwrap();
        let (printed, told) = bench.succeed(&[&arguments(&model, &text, &out)[..], &["--prompt", name]].concat());
        assert_eq!(printed.trim(), out);
        assert!(told.contains("longer than the model takes"), "{told}");
        assert_eq!(rows(Path::new(&out)), expected.as_slice().unwrap());
        bench.succeed(&[&arguments(&model, &lines, &out)[..], &["--field", "body", "--prompt", name]].concat());
        assert_eq!(rows(Path::new(&out)), expected.as_slice().unwrap());
    }
    let options = ["--truncate-dim", "5", "--dtype", "f16", "--prompt-text", "", "--max-tokens", "9"];
    bench.succeed(&[&arguments(&model, &text, &out)[..], &options].concat());
    let short = FolderOptions::default().with_truncate_dim(5).with_limits(9, 9).with_prompts(Default::default());
    let expected = load_embedder::<Flex>(&model, &short, &FlexDevice).unwrap().embed(&refs, Side::Passage).unwrap();
    let found = NpyVectors::open(Path::new(&out)).unwrap();
    assert_eq!((found.len(), found.dim(), found.array().is_none()), (50, 5, true));
    let bytes = std::fs::read(&out).unwrap();
    let halves: Vec<u8> = expected.iter().flat_map(|&value| burn::tensor::f16::from_f32(value).to_le_bytes()).collect();
    assert_eq!(bytes[128..], halves);
    assert_eq!(bench.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn ten_kills_leave_the_file_that_no_kill_leaves() {
    let bench = Bench::new();
    bench.write("texts.txt", &texts(80_000).join("\n"));
    let model = model("tiny_bert");
    let [text, whole, out] = ["texts.txt", "whole.npy", "x.npy"].map(|name| bench.path(name).display().to_string());
    bench.succeed(&arguments(&model, &text, &whole));
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    let mut kills = 0;
    for most in (0..200).map(|at| 400 - at) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pretrain"))
            .args(arguments(&model, &text, &out))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(random.random_range(5..most)));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            std::fs::remove_file(&out).unwrap();
        } else {
            kills += 1;
        }
        if kills == 10 {
            break;
        }
    }
    assert_eq!(kills, 10);
    bench.succeed(&arguments(&model, &text, &out));
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&whole).unwrap());
    assert!(!Path::new(&format!("{out}.partial")).exists());
}

#[test]
fn bad_input_is_one_error_and_nothing_is_written() {
    let bench = Bench::new();
    bench.write("texts.jsonl", "{\"text\": \"a\"}\n{\"body\": \"b\"}\n");
    bench.write("texts.txt", "a\n");
    let [lines, text, out] = ["texts.jsonl", "texts.txt", "x.npy"].map(|name| bench.path(name).display().to_string());
    let good = model("tiny_bert");
    let error = bench.fail(&arguments(&good, &lines, &out));
    assert!(error.contains("texts.jsonl:2") && error.contains("text"), "{error}");
    let error = bench.fail(&arguments(&good, "no/such.txt", &out));
    assert!(error.contains("no/such.txt"), "{error}");
    if cfg!(unix) {
        let error = bench.fail(&arguments(&good, "/dev/null", &out));
        assert!(error.contains("/dev/null") && error.contains("read twice"), "{error}");
    }
    let error = bench.fail(&arguments(&good, &text, &text));
    assert!(error.contains("texts.txt") && error.contains("--out"), "{error}");
    let error = bench.fail(&arguments(Path::new("no/model"), &text, &out));
    assert!(error.contains("no/model"), "{error}");
    let error = bench.fail(&arguments(&good, &text, "no/folder/x.npy"));
    assert!(error.contains("no/folder/x.npy"), "{error}");
    assert!(!Path::new(&out).exists());
}
