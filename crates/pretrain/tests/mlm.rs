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
    let said = run(&bench, "mlm", &[]);
    assert!(said.contains("masked language model: loss"), "{said}");
    let seen = steps(&bench);
    let loss = |steps: &[Value]| steps.iter().map(|step| step["loss"].as_f64().unwrap()).sum::<f64>();
    assert_eq!(seen.len(), 40);
    assert!(loss(&seen[30..]) < 0.8 * loss(&seen[..10]), "{seen:?}");

    // As slow that no weight moves by more than rounding.
    run(&bench, "train", &["train.epochs=1", "train.learning_rate=1e-12"]);
    assert_eq!(steps(&bench), seen, "it is trained once");
    let [first, trained] = ["run/mlm/model", "run/model"].map(|folder| weights(&bench.path(folder)));
    assert_eq!(first.len(), trained.len());
    assert!(first.iter().zip(&trained).all(|(first, trained)| (first - trained).abs() < 1e-9));
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
fn what_cannot_fill_in_tokens_is_refused() {
    let bench = Bench::new();
    let fails = |arguments: &[&str], expected: &str| {
        let output = bench.pretrain(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    };
    fails(&["mlm", "config.toml"], "no student of run has student.mlm");
    fails(&["mlm", "config.toml", "--set", "student.mlm.steps=5"], "student.mlm");
    fails(&["mlm", "config.toml", "--set", "student.kind=bert", "--set", "student.mlm.step=5"], "step");
}
