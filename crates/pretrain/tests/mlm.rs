//! A student that fills in masked tokens first: trained once, gone on with, and what training on pairs begins from.

#![cfg(feature = "cpu")]
#![allow(clippy::unwrap_used, reason = "each test is a command or two")]

mod common;

use std::path::Path;

use common::Bench;
use serde_json::Value;

const MLM: [&str; 5] = [
    "student.kind=bert",
    "student.dim=32",
    "student.mlm={ steps = 40, batch_size = 16, learning_rate = 1e-2 }",
    "train.checkpoint_every=8",
    "run.arms=[\"none\"]",
];

fn run(bench: &Bench, command: &str, more: &[&str]) -> String {
    let settings = MLM.iter().chain(more).flat_map(|setting| ["--set", setting]);
    bench.succeed(&[command, "config.toml"].into_iter().chain(settings).collect::<Vec<_>>()).1
}

fn weights(folder: &Path) -> Vec<f32> {
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect()
}

fn steps(bench: &Bench) -> Vec<Value> {
    bench.read("run/mlm/metrics.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn it_learns_and_training_on_pairs_begins_from_it() {
    let bench = Bench::new();
    // As slow that no weight moves by more than rounding.
    let slow = ["train.epochs=1", "train.learning_rate=1e-12"];
    let said = run(&bench, "mlm", &slow);
    assert!(said.contains("masked language model: loss"), "{said}");
    let seen = steps(&bench);
    let loss = |steps: &[Value]| steps.iter().map(|step| step["loss"].as_f64().unwrap()).sum::<f64>();
    assert_eq!(seen.len(), 40);
    assert!(loss(&seen[30..]) < 0.8 * loss(&seen[..10]), "{seen:?}");

    run(&bench, "run", &slow);
    assert_eq!(steps(&bench), seen, "it is trained once");
    let [first, trained] = ["run/mlm/model", "run/model"].map(|folder| weights(&bench.path(folder)));
    assert_eq!(first.len(), trained.len());
    assert!(first.iter().zip(&trained).all(|(first, trained)| (first - trained).abs() < 1e-9));
    let card = bench.read("run/model/README.md");
    assert!(card.contains("then 40 steps of 16 texts as a masked language model"), "{card}");
}

#[test]
fn it_goes_on_to_the_same_bits() {
    let bench = Bench::new();
    run(&bench, "mlm", &[]);
    let (seen, whole) = (steps(&bench), weights(&bench.path("run/mlm/model")));
    // As if it had been killed after step 32.
    std::fs::remove_dir_all(bench.path("run/mlm/model")).unwrap();
    let said = run(&bench, "mlm", &[]);
    assert!(said.contains("goes on after step 32"), "{said}");
    assert_eq!(weights(&bench.path("run/mlm/model")), whole);
    let without_time = |steps: Vec<Value>| -> Vec<Value> {
        let untimed = steps.into_iter().map(|mut step| {
            step.as_object_mut().unwrap().remove("seconds");
            step
        });
        untimed.collect()
    };
    assert_eq!(without_time(steps(&bench)), without_time(seen));
    assert!(bench.leftovers().is_empty(), "{:?}", bench.leftovers());
}

#[test]
fn chunks_change_rounding_alone() {
    let first_step = |chunk_tokens: &str| {
        let bench = Bench::new();
        run(&bench, "mlm", &["student.mlm.steps=1", "student.mlm.dropout=0.2", chunk_tokens]);
        steps(&bench).remove(0)
    };
    let [whole, chunked] = ["train.chunk_tokens=0", "train.chunk_tokens=12"].map(first_step);
    assert_eq!((&whole["masked"], &whole["tokens"]), (&chunked["masked"], &chunked["tokens"]));
    for number in ["loss", "gradient_norm"] {
        let [whole, chunked] = [&whole, &chunked].map(|step| step[number].as_f64().unwrap());
        assert!((whole / chunked - 1.0).abs() < 1e-5, "{number}: {whole} {chunked}");
    }
}

#[test]
fn arms_of_the_same_texts_and_layers_share_one() {
    let bench = Bench::new();
    let arms = r#"run.arms=["none", { name = "cls", cluster = { of = "none" }, student = { pooling = "cls" } }, { name = "wide", cluster = { of = "none" }, student = { dim = 48 } }]"#;
    run(&bench, "mlm", &["student.mlm.steps=2", arms]);
    let mut made: Vec<String> = std::fs::read_dir(bench.path("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("mlm"))
        .collect();
    made.sort();
    assert_eq!(made, ["mlm", "mlm-wide"]);
}

#[test]
fn what_cannot_fill_in_tokens_is_refused() {
    let bench = Bench::new();
    let fails = |arguments: &[&str], expected: &str| {
        let output = bench.pretrain(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    };
    fails(&["mlm", "config.toml"], "no student of run has student.mlm");
    fails(&["mlm", "config.toml", "--set", "student.mlm.steps=5"], "student.mlm");
    fails(&["mlm", "config.toml", "--set", "student.kind=bert", "--set", "student.mlm.step=5"], "unknown field `step`");
}
