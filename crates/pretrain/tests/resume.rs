//! A training that is killed goes on to the weights of one that is not.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Bench;

/// What makes every kind of state: a learned temperature, an average, the best of several validations, dropout, chunks, clusters made anew.
const SETTINGS: [&str; 16] = [
    "run.arms=[\"passages\"]",
    "student.kind=bert",
    "student.layers=1",
    "student.dim=16",
    "student.heads=2",
    "loss.learn_temperature=true",
    "train.dropout=0.1",
    "train.tensorboard=true",
    "train.ema=0.9",
    "train.chunk_tokens=64",
    "train.epochs=60",
    "train.checkpoint_every=7",
    "train.evaluate_every=25",
    "train.keep=best",
    "train.recluster_every=37",
    "data.validation_share=0.2",
];

fn arguments<'a>(command: &'a str, of: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let settings = SETTINGS.iter().chain(more).flat_map(|setting| ["--set", setting]);
    [command, of, "--threads", "2"].into_iter().chain(settings).collect()
}

/// `metrics.jsonl` without what a clock and the system's memory say.
fn metrics(bench: &Bench) -> Vec<serde_json::Value> {
    let text = bench.read("run/metrics.jsonl");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .map(|mut line: serde_json::Value| {
            let is_step = line.get("loss").is_some();
            for key in ["seconds", "waiting", "memory_mb"] {
                let told = line.as_object_mut().unwrap().remove(key);
                assert!(!is_step || told.is_some_and(|value| value.as_f64().unwrap() >= 0.0), "{key} of {line}");
            }
            line
        })
        .collect()
}

fn weights(bench: &Bench) -> Vec<u8> {
    std::fs::read(bench.path("run/model/model.safetensors")).unwrap()
}

fn start(bench: &Bench) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pretrain"))
        .args(arguments("train", "config.toml", &[]))
        .current_dir(bench.path(""))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Steps that `metrics.jsonl` tells of, complete or not.
fn lines(bench: &Bench) -> usize {
    let path = bench.path("run/metrics.jsonl");
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Waits until the training has done so many steps; whether it is still running.
fn runs_until(bench: &Bench, child: &mut Child, steps: usize) -> bool {
    let begin = Instant::now();
    while lines(bench) < steps {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "step {steps} is not reached");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.try_wait().unwrap().is_none()
}

fn prepared() -> Bench {
    let bench = Bench::new();
    for stage in ["embed", "cluster"] {
        bench.succeed(&arguments(stage, "config.toml", &[]));
    }
    bench
}

#[test]
fn killed_at_any_moment_a_training_ends_with_the_bits_of_one_that_was_not() {
    let (whole, killed) = (prepared(), prepared());
    whole.succeed(&arguments("train", "config.toml", &[]));
    let steps = metrics(&whole).iter().filter(|line| line.get("loss").is_some()).count();
    let mut kills = 0;
    for kill in 0..10 {
        let mut child = start(&killed);
        // Not at the same place of a step, nor always before or after a checkpoint.
        let running = runs_until(&killed, &mut child, (kill + 1) * steps / 11);
        std::thread::sleep(Duration::from_micros(700 * kill as u64 * kill as u64));
        child.kill().unwrap();
        kills += usize::from(running);
        child.wait().unwrap();
    }
    assert!(kills >= 8, "{kills} of 10 were while it ran");
    let (_, stderr) = killed.succeed(&arguments("train", "config.toml", &[]));
    assert!(stderr.contains("goes on after step"), "{stderr}");
    assert_eq!(metrics(&killed), metrics(&whole));
    assert!(weights(&killed) == weights(&whole));
    let folders: Vec<String> = std::fs::read_dir(killed.path("run/checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!((2..=3).contains(&folders.len()), "{folders:?}");
}

#[test]
fn a_signal_ends_a_training_after_its_step_with_a_checkpoint() {
    let (whole, stopped) = (prepared(), prepared());
    whole.succeed(&arguments("train", "config.toml", &[]));
    for signal in ["-INT", "-TERM"] {
        let mut child = start(&stopped);
        let done = lines(&stopped);
        assert!(runs_until(&stopped, &mut child, done + 10));
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let said = stderr.lines().last().unwrap();
        assert!(said.starts_with("stopped after step") && said.contains("checkpoints/step-"), "{stderr}");
    }
    stopped.succeed(&arguments("train", "config.toml", &[]));
    // Each process writes events of its own.
    assert_eq!(std::fs::read_dir(stopped.path("run/tensorboard")).unwrap().count(), 3);
    assert_eq!(metrics(&stopped), metrics(&whole));
    assert!(weights(&stopped) == weights(&whole));
}

/// Stops a training near its middle.
fn interrupted() -> Bench {
    let bench = prepared();
    let mut child = start(&bench);
    assert!(runs_until(&bench, &mut child, 60));
    child.kill().unwrap();
    child.wait().unwrap();
    bench
}

#[test]
fn a_damaged_checkpoint_is_found_and_the_one_before_is_gone_on_from() {
    let (whole, damaged) = (prepared(), interrupted());
    whole.succeed(&arguments("train", "config.toml", &[]));
    let mut steps: Vec<u64> = std::fs::read_dir(damaged.path("run/checkpoints"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_prefix("step-")?.parse().ok())
        .collect();
    steps.sort_unstable();
    let [.., before, last] = steps[..] else { panic!("{steps:?}") };
    let state = damaged.path(&format!("run/checkpoints/step-{last}/state.safetensors"));
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&state, bytes).unwrap();
    let (_, stderr) = damaged.succeed(&arguments("train", "config.toml", &[]));
    assert!(stderr.contains(&format!("checkpoint step-{last} is damaged (state.safetensors has another hash)")));
    assert!(stderr.contains(&format!("goes on after step {before}")), "{stderr}");
    assert_eq!(metrics(&damaged), metrics(&whole));
    assert!(weights(&damaged) == weights(&whole));
}

#[test]
fn checkpoints_of_another_training_are_not_gone_on_from() {
    let bench = interrupted();
    let refused = bench.fail(&arguments("train", "config.toml", &["train.learning_rate=1e-3"]));
    assert!(refused.contains("train.learning_rate"), "{refused}");
    let mut forced = arguments("train", "config.toml", &["train.learning_rate=1e-3"]);
    forced.push("--force");
    let (_, stderr) = bench.succeed(&forced);
    assert!(stderr.contains("the checkpoints there are of another training"), "{stderr}");
    let fresh = prepared();
    fresh.succeed(&[&["train", "config.toml"], &forced[2..]].concat());
    assert_eq!(metrics(&bench), metrics(&fresh));
    assert!(weights(&bench) == weights(&fresh));
}

/// A stage that is run again goes on from its last checkpoint to the same end.
#[test]
fn a_finished_training_whose_files_are_gone_is_made_again() {
    let bench = prepared();
    bench.succeed(&arguments("train", "config.toml", &[]));
    let (expected, steps) = (weights(&bench), metrics(&bench));
    std::fs::remove_dir_all(bench.path("run/model")).unwrap();
    let (_, stderr) = bench.succeed(&arguments("train", "config.toml", &[]));
    assert!(stderr.contains("goes on after step"), "{stderr}");
    assert!(weights(&bench) == expected && metrics(&bench) == steps);

    for file in ["run/model", "run/metrics.jsonl"] {
        let path = bench.path(file);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }
    let (_, stderr) = bench.succeed(&arguments("train", "config.toml", &[]));
    assert!(stderr.contains("metrics.jsonl: it lacks some of the steps"), "{stderr}");
    assert!(weights(&bench) == expected && metrics(&bench).len() < steps.len());
}
