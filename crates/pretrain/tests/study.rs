//! `pretrain experiment`: every arm with every seed once, whatever is added, killed or asked for again.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Bench;
use pretrain::study::{Study, StudyResults};
use serde_json::Value;

const STUDY: &str = r#"
[study]
config = "config.toml"
dir = "study"
seeds = [0, 1]
pages = ["page.md"]
recommended = { experiment = "main", arm = "passage clusters" }

[run-is-no-section-here]
"#;

const EXPERIMENTS: &str = r#"
[train]
epochs = 3
learning_rate = 2e-3

[eval]
resamples = 200

[[experiment]]
name = "main"
title = "Clusters or none"
arms = ["none", "passages"]

[[experiment]]
name = "sizes"
along = "cluster.k"
arms = ["none", { name = "passages", cluster.of = "passages", grid = { "cluster.k" = [2, 4] } }]
settings = [{ name = "batches of 8", sampler.batch_size = 8 }, { name = "batches of 16", sampler.batch_size = 16 }]
"#;

fn study() -> String {
    STUDY.replace("[run-is-no-section-here]\n", "") + EXPERIMENTS
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("study.toml", &study());
    bench.write("page.md", "Before.\n<!-- study study: main, short -->\n<!-- end of study -->\nAfter.\n");
    bench
}

const RUN: [&str; 6] = ["experiment", "study.toml", "--jobs", "2", "--threads", "1"];

fn results(bench: &Bench) -> Value {
    serde_json::from_str(&bench.read("study/results.json")).unwrap()
}

/// The results without what a clock says, and with how many threads they were computed.
fn timeless(mut results: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("seconds");
                map.remove("machine");
                map.values_mut().for_each(strip);
            }
            Value::Array(all) => all.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut results);
    results
}

/// The ids of the trainings that are recorded, and when each record was written.
fn records(bench: &Bench) -> Vec<(String, std::time::SystemTime)> {
    let files = std::fs::read_dir(bench.path("study/cells")).unwrap().map(|entry| entry.unwrap().path());
    let records = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut records: Vec<_> = records
        .map(|path| {
            (path.file_stem().unwrap().to_string_lossy().into_owned(), path.metadata().unwrap().modified().unwrap())
        })
        .collect();
    records.sort();
    records
}

#[test]
fn every_training_is_done_once_and_results_tables_figures_and_pages_say_what_came_of_it() {
    let bench = bench();
    let (stdout, stderr) = bench.succeed(&RUN);
    // Of two settings with three arms and two seeds, and of two arms with two seeds: k = 4 and batches of 8 are the configuration's own.
    let study = in_folder(&bench, || Study::load("study.toml".as_ref(), &[]).unwrap());
    assert_eq!(study.experiments.iter().flat_map(|of| &of.settings).flat_map(|of| &of.arms).count(), 8);
    assert_eq!(study.cells.len(), 12);
    assert_eq!(records(&bench).len(), study.cells.len());
    assert!(stderr.contains(&format!("[{0}/{0}]", study.cells.len())), "{stderr}");
    assert!(stdout.contains("## Clusters or none") && stdout.contains("| batches of 16 | passages, k 2"), "{stdout}");

    let results = results(&bench);
    let of_study = &results["studies"][0];
    let (relative, low) =
        (results["recommended"]["relative_gain"].as_f64().unwrap(), results["recommended"]["low"].as_f64());
    let main = &of_study["experiments"][0]["settings"][0]["sets"][0];
    assert_eq!(main["arms"][1]["gain"]["relative"].as_f64().unwrap(), relative);
    assert!(low.unwrap() <= relative);
    let means = [0, 1].map(|arm| main["arms"][arm]["means"][0].as_f64().unwrap());
    assert!((means[1] / means[0] - 1.0 - relative).abs() < 1e-12, "{means:?} {relative}");
    let runs = of_study["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 16);
    for run in runs {
        let record: Value =
            serde_json::from_str(&bench.read(&format!("study/cells/{}.json", run["cell"].as_str().unwrap()))).unwrap();
        assert_eq!(record["scores"][0][1]["means"][0], run["scores"]["test"][0]);
        assert_eq!(run["per_query"]["test"].as_str().unwrap().len(), 16);
        assert!(run["seconds"].as_f64().unwrap() > 0.0 && run["steps"].as_u64().unwrap() > 0);
    }
    // Equal steps, whatever an arm's own epochs hold.
    let steps = |arm: usize| main["arms"][arm]["steps"].as_u64().unwrap();
    assert_eq!(steps(0), steps(1));

    let page = bench.read("page.md");
    assert!(
        page.starts_with("Before.\n<!-- study study: main, short -->\n\n|") && page.ends_with("After.\n"),
        "{page}"
    );
    assert!(page.contains("| passage clusters "), "{page}");
    for figure in ["study-main.svg", "study-sizes.svg"] {
        assert!(bench.read(&format!("study/figures/{figure}")).starts_with("<svg"), "{figure}");
    }
    assert_eq!(bench.leftovers(), [] as [std::path::PathBuf; 0]);

    // Once more: nothing is trained, and nothing changes.
    let (before, report) = (records(&bench), bench.read("study/report.md"));
    bench.succeed(&RUN);
    assert_eq!((records(&bench), bench.read("study/report.md")), (before.clone(), report));

    // An arm more: what is done stays.
    let more = study_with("arms = [\"none\", \"passages\"]", "arms = [\"none\", \"passages\", \"queries\"]");
    bench.write("study.toml", &more);
    bench.succeed(&RUN);
    let after = records(&bench);
    assert_eq!(after.len(), before.len() + 2);
    assert!(before.iter().all(|record| after.contains(record)));

    // Another measure: judged anew by the models that are there, and trained never again.
    bench.write("study.toml", &more.replace("resamples = 200", "resamples = 200\nmeasures = [\"MRR@10\"]"));
    let models = weights_of_all(&bench);
    let (stdout, _) = bench.succeed(&RUN);
    assert!(stdout.contains("gain in MRR@10"), "{stdout}");
    assert_eq!(weights_of_all(&bench), models);
}

fn study_with(from: &str, to: &str) -> String {
    let text = study();
    assert!(text.contains(from));
    text.replacen(from, to, 1)
}

/// When each model was written.
fn weights_of_all(bench: &Bench) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    let runs = std::fs::read_dir(bench.path("study/runs")).unwrap();
    let mut files: Vec<_> =
        runs.map(|run| run.unwrap().path().join("model/0_StaticEmbedding/model.safetensors")).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let written = file.metadata().unwrap().modified().unwrap();
            (file, written)
        })
        .collect()
}

/// What `work` gives in the folder's place, on whose paths the study's are relative.
fn in_folder<T>(bench: &Bench, work: impl FnOnce() -> T) -> T {
    // The only test of this file that changes it.
    let before = std::env::current_dir().unwrap();
    std::env::set_current_dir(bench.path("")).unwrap();
    let made = work();
    std::env::set_current_dir(before).unwrap();
    made
}

#[cfg(unix)]
#[test]
fn a_study_that_is_stopped_or_killed_goes_on_to_the_same_results() {
    let [whole, broken] = [bench(), bench()];
    whole.succeed(&RUN);
    let mut seen = 0;
    for signal in ["-TERM", "-KILL", "-INT"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pretrain"))
            .args(RUN)
            .current_dir(broken.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let count = || {
            std::fs::read_dir(broken.path("study/cells")).map_or(0, |files| {
                files
                    .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "json"))
                    .count()
            })
        };
        while count() < seen + 2 && child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(20));
        }
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success() || signal == "-INT", "{signal}");
        seen = count();
    }
    assert!(seen >= 4, "{seen}");
    broken.succeed(&RUN);
    assert!(timeless(results(&whole)) == timeless(results(&broken)));
    assert_eq!(broken.leftovers(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn a_training_that_fails_is_named_with_what_it_said_and_the_others_are_done() {
    let bench = bench();
    let hopeless = study_with(
        "arms = [\"none\", \"passages\"]",
        "arms = [\"none\", \"passages\", { name = \"hopeless\", cluster = { of = \"passages\", k = 4000 } }]",
    );
    bench.write("study.toml", &hopeless);
    let stderr = bench.fail(&[&RUN[..], &["--only", "main"]].concat());
    assert!(stderr.contains("main, hopeless seed 0") && stderr.contains("4000"), "{stderr}");
    assert!(stderr.contains("2 of 6 trainings failed"), "{stderr}");
    let results = results(&bench);
    assert_eq!(results["studies"][0]["done"], serde_json::json!([4, records_wanted(&bench)]));
}

fn records_wanted(bench: &Bench) -> usize {
    results(bench)["studies"][0]["done"][1].as_u64().unwrap() as usize
}

#[test]
fn mistakes_are_one_clear_error_before_anything_is_trained() {
    let bench = bench();
    for (from, to, parts) in [
        ("seeds = [0, 1]", "seed = 3", &["study.toml", "line 5", "seed"][..]),
        ("seeds = [0, 1]", "seeds = []", &["main", "seeds"]),
        ("arms = [\"none\", \"passages\"]", "arms = [\"passages\"]", &["experiment `main`", "baseline"]),
        (
            "arms = [\"none\", \"passages\"]",
            "arms = [\"none\", \"none\"]",
            &["experiment `main`", "unclustered", "twice"],
        ),
        (
            "arms = [\"none\", \"passages\"]",
            "arms = [\"none\", { name = \"a\", clusters.k = 3 }]",
            &["`a`", "clusters"],
        ),
        ("arms = [\"none\", \"passages\"]", "arms = [\"none\", { name = \"a\", cluster.kk = 3 }]", &["`a`", "kk"]),
        (
            "arms = [\"none\", \"passages\"]",
            "arms = [\"none\", { name = \"a\", grid = { k = [3] } }]",
            &["`a`", "section.key"],
        ),
        ("arm = \"passage clusters\"", "arm = \"fine\"", &["study.recommended", "fine"]),
        ("name = \"sizes\"", "name = \"main\"", &["experiments", "main", "twice"]),
        ("epochs = 3", "epochs = 0", &["train.epochs"]),
        ("seeds = [0, 1]", "seeds = [1, 1]", &["seeds = [1, 1]"]),
        ("sampler.batch_size = 8 }", "eval.depth = 9 }", &["experiment `sizes`", "eval", "judged alike"]),
        ("along = \"cluster.k\"", "along = \"cluster.kk\"", &["along `cluster.kk`"]),
        ("name = \"sizes\"", "name = \"a/b\"", &["experiment `a/b`"]),
        ("config = \"config.toml\"", "config = \"no.toml\"", &["no.toml"]),
    ] {
        bench.write("study.toml", &study_with(from, to));
        let error = bench.fail(&RUN);
        assert!(parts.iter().all(|part| error.contains(part)), "{to}: {error}");
        assert!(!bench.path("study").exists(), "{to}");
    }
    bench.write("study.toml", &study());
    assert!(bench.fail(&[&RUN[..], &["--only", "man"]].concat()).contains("`man`"));
    bench.write("page.md", "<!-- study study: mian -->\n<!-- end of study -->\n");
    let error = bench.fail(&["experiment", "study.toml", "--no-training"]);
    assert!(error.contains("page.md:1") && error.contains("mian"), "{error}");
}

#[test]
fn results_of_a_study_of_which_nothing_is_done_are_empty_and_say_so() {
    let bench = bench();
    let (stdout, _) = bench.succeed(&["experiment", "study.toml", "--no-training"]);
    assert!(stdout.contains("0 of ") && stdout.contains("No arm is told"), "{stdout}");
    let document = results(&bench);
    let of_study: StudyResults = serde_json::from_value(document["studies"][0].clone()).unwrap();
    assert_eq!((of_study.done.0, of_study.runs.len(), of_study.best), (0, 0, None));
    assert!(document["recommended"].is_null());
}

/// Batches that ten clusters fill.
const SMALL: [&str; 2] = ["--set", "sampler.batch_size=4"];

#[test]
fn a_recommended_study_fits_its_budget_and_runs() {
    let bench = Bench::new();
    let (stdout, _) = bench
        .succeed(&[&["recommend", "config.toml", "--budget", "0.02", "--out", "advice.toml"][..], &SMALL].concat());
    assert!(stdout.contains("pretrain experiment advice.toml"), "{stdout}");
    let text = bench.read("advice.toml");
    assert!(text.starts_with("# Which batches are best for these "), "{text}");
    let last = stdout.lines().last().unwrap();
    let trainings: usize = last.split(' ').next().unwrap().parse().unwrap();
    assert!(trainings >= 9 && text.contains("name = \"batches\""), "{stdout}");
    let (stdout, _) = bench.succeed(&["experiment", "advice.toml"]);
    assert!(stdout.contains(&format!("{trainings} of {trainings} trainings.")), "{stdout}");
    assert!(stdout.contains("| unclustered ") && stdout.contains("clusters "), "{stdout}");
    assert!(bench.fail(&["recommend", "config.toml", "--out", "advice.toml"]).contains("advice.toml"));
    assert!(bench.fail(&["recommend", "config.toml", "--budget", "0", "--out", "b.toml"]).contains("--budget"));
    // The same of the data alone, by what its folder holds.
    let settings = ["--set", "sampler.batch_size=4", "--set", "student.dim=32", "--set", "student.vocab_size=400"];
    bench.succeed(&[&["recommend", "data", "--budget", "0.00001", "--out", "c.toml"][..], &settings].concat());
    let text = bench.read("c.toml");
    assert!(
        text.contains("format = \"beir\"") && text.contains("batch_size = 4") && text.contains("does not suffice"),
        "{text}"
    );
}

#[test]
fn students_are_judged_on_the_validation_split_where_that_is_asked_for() {
    let bench = Bench::new();
    let arguments = ["run", "config.toml", "--set", "run.arms=[\"none\"]", "--set", "eval.split=validation"];
    assert!(bench.fail(&arguments).contains("validation"));
    bench.succeed(&[&arguments[..], &["--set", "data.validation_share=0.3"]].concat());
    let comparison: Value = serde_json::from_str(&bench.read("run/compare.json")).unwrap();
    let pairs: Value = serde_json::from_str(&bench.read("run/pairs.json")).unwrap();
    assert_eq!(comparison["queries"], pairs["counts"]["validation_queries"]);
    assert_ne!(comparison["queries"], pairs["counts"]["test_queries"]);
}
