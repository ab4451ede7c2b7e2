//! `train.recluster_every`: batches of clusters of the student's own embeddings.

#![allow(clippy::unwrap_used)]

mod common;

use common::Bench;
use serde_json::Value;

/// Lines of steps in an arm's metrics.
fn steps(bench: &Bench, arm: &str) -> Vec<Value> {
    let text = bench.read(&format!("run/arms/{arm}/metrics.jsonl"));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line.get("loss").is_some())
        .collect()
}

fn labels(bench: &Bench, folder: &str) -> Vec<u32> {
    vectors::read_labels(&bench.path(&format!("run/arms/{folder}/labels.npy"))).unwrap()
}

const SETTINGS: [&str; 5] = [
    "run.arms=[\"none\",\"passages\",\"both\"]",
    "sampler.leftovers=drop",
    "sampler.batch_size=4",
    "loss.by_stratum=true",
    "train.epochs=2",
];

fn run(bench: &Bench, more: &[&str]) {
    let mut arguments = vec!["run", "config.toml", "--set", "eval.baselines=false"];
    SETTINGS.iter().chain(more).for_each(|setting| arguments.extend(["--set", setting]));
    bench.succeed(&arguments);
}

#[test]
fn batches_are_of_one_new_cluster_after_each_renewal() {
    let bench = Bench::new();
    run(&bench, &["train.recluster_every=9"]);
    for arm in ["passages", "both"] {
        let steps = steps(&bench, arm);
        assert!(steps.len() > 20);
        // One stratum, which the labels of that time name.
        assert!(steps.iter().all(|step| step["by_stratum"].as_array().unwrap().len() == 1), "{arm}");
        let first = labels(&bench, &format!("{arm}/clusters"));
        for step in (9..steps.len()).step_by(9) {
            let renewed = labels(&bench, &format!("{arm}/reclustered/step-{step}/clusters"));
            assert_eq!(renewed.len(), first.len());
            assert_ne!(renewed, first, "{arm}, step {step}");
        }
        let folders = std::fs::read_dir(bench.path(&format!("run/arms/{arm}/reclustered"))).unwrap().count();
        assert_eq!(folders, (steps.len() - 1) / 9);
    }
    assert!(!bench.path("run/arms/none/reclustered").exists());

    // What comes before is as without, what comes after is not.
    let without = Bench::new();
    run(&without, &[]);
    let losses = |bench: &Bench| -> Vec<f64> {
        steps(bench, "passages").iter().map(|step| step["loss"].as_f64().unwrap()).collect()
    };
    let (renewed, kept) = (losses(&bench), losses(&without));
    assert_eq!((&renewed[..9], renewed.len()), (&kept[..9], kept.len()));
    assert_ne!(renewed[9..], kept[9..]);
    assert_eq!(steps(&bench, "none")[3]["loss"], steps(&without, "none")[3]["loss"]);
}

#[test]
fn clusters_that_are_gone_are_named_when_a_training_goes_on() {
    let bench = Bench::new();
    let settings = ["train.recluster_every=5", "train.checkpoint_every=7", "run.arms=[\"passages\"]"];
    run(&bench, &settings);
    std::fs::remove_dir_all(bench.path("run/model")).unwrap();
    std::fs::remove_dir_all(bench.path("run/reclustered")).unwrap();
    let mut arguments = vec!["train", "config.toml", "--set", "eval.baselines=false"];
    SETTINGS.iter().chain(&settings).for_each(|setting| arguments.extend(["--set", setting]));
    let error = bench.fail(&arguments);
    assert!(error.contains("reclustered/step-"), "{error}");
}
