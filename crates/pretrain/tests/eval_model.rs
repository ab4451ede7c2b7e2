//! `pretrain eval --model --data`: BEIR's figures, and one clear error for bad input.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::{Path, PathBuf};

use common::Bench;
use retrieval_eval::Report;
use serde_json::Value;

/// The shared folder `name`, or a printed reason to skip the test.
fn shared(name: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let path = std::env::var_os("PRETRAIN_SHARED").map_or_else(default, PathBuf::from).join(name);
    if path.is_dir() {
        return Some(path);
    }
    // Past the capture of a passing test, so that it is seen.
    let reason = format!("skipped: {} does not exist; PRETRAIN_SHARED names its `shared`\n", path.display());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), reason.as_bytes());
    None
}

/// What BEIR says (`tools/golden/scifact.py`).
fn golden(part: &str) -> Value {
    let golden: Value = serde_json::from_str(include_str!("golden/scifact.json")).unwrap();
    golden[part].clone()
}

fn evaluate(bench: &Bench, model: &Path, data: &Path, more: &[&str]) -> Report {
    let [model, data] = [model, data].map(|path| path.display().to_string());
    let arguments = ["eval", "--model", &model, "--data", &data, "--format", "json"];
    serde_json::from_str(&bench.succeed(&[&arguments[..], more].concat()).0).unwrap()
}

/// Vectors differ from sentence-transformers' by 1e-6, which may exchange near ties: hence 5e-4 of a mean.
fn assert_is_golden(data: &Path, model: &Path, part: &str) {
    let golden = golden(part);
    let measures = golden["measures"].as_object().unwrap();
    let names: Vec<&str> = measures.keys().map(String::as_str).collect();
    let more = [&["--max-query-tokens", "256", "--max-passage-tokens", "256", "-m"][..], &names].concat();
    let report = evaluate(&Bench::new(), model, data, &more);
    assert_eq!(Some(report.queries.len() as u64), golden["queries"].as_u64());
    for (name, expected) in measures {
        let (ours, expected) = (report.mean(name).unwrap(), expected.as_f64().unwrap());
        println!("{name}: {ours:.5}, BEIR {expected:.5}");
        assert!((ours - expected).abs() < 5e-4, "{name}: {ours} instead of {expected}");
    }
}

/// The part of SciFact that the golden values of "part" are of.
fn part_of_scifact(bench: &Bench, whole: &Path) -> PathBuf {
    let read = |name: &str| std::fs::read_to_string(whole.join(name)).unwrap();
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["_id"].as_str().unwrap().to_owned();
    let (mut queries, mut judged, mut qrels) = (Vec::new(), Vec::new(), String::new());
    for (at, line) in read("qrels/test.tsv").lines().enumerate() {
        let columns: Vec<&str> = line.split('\t').collect();
        if at > 0 && !queries.iter().any(|query| query == columns[0]) {
            queries.push(columns[0].to_owned());
        }
        if queries.len() > 50 {
            break;
        }
        if at > 0 {
            judged.push(columns[1].to_owned());
        }
        qrels += &format!("{line}\n");
    }
    let corpus = read("corpus.jsonl");
    let kept = corpus.lines().enumerate().filter(|(at, line)| at % 16 == 0 || judged.contains(&id(line)));
    bench.write("part/corpus.jsonl", &kept.map(|(_, line)| format!("{line}\n")).collect::<String>());
    bench.write("part/queries.jsonl", &read("queries.jsonl"));
    bench.write("part/qrels/test.tsv", &qrels);
    bench.path("part")
}

#[test]
fn part_of_scifact_has_beirs_figures() {
    let (Some(data), Some(model)) = (shared("data/scifact"), shared("models/all-MiniLM-L6-v2")) else { return };
    let bench = Bench::new();
    assert_is_golden(&part_of_scifact(&bench, &data), &model, "part");
}

#[test]
#[ignore = "embeds 5,183 abstracts: minutes"]
fn scifact_has_beirs_figures() {
    let (Some(data), Some(model)) = (shared("data/scifact"), shared("models/all-MiniLM-L6-v2")) else { return };
    assert_is_golden(&data, &model, "whole");
}

/// A run of the small corpus, with one trained model.
fn trained() -> Bench {
    let bench = Bench::new();
    bench.succeed(&["run", "config.toml", "--set", "run.arms=[\"none\"]", "--set", "eval.baselines=false"]);
    bench
}

#[test]
fn a_trained_model_alone_has_the_figures_of_its_run() {
    let bench = trained();
    let compare: Value = serde_json::from_str(&bench.read("run/compare.json")).unwrap();
    let model = bench.path("run/model");
    let report = evaluate(&bench, &model, &bench.path("data"), &[]);
    for (at, name) in ["nDCG@10", "MRR@10", "recall@100"].into_iter().enumerate() {
        let expected = compare["rows"][0]["means"][at].as_f64().unwrap();
        assert!((report.mean(name).unwrap() - expected).abs() < 1e-9, "{name}");
    }
    let arguments = ["eval", "--model", "run/model", "--data", "data"];
    let (text, _) = bench.succeed(&arguments);
    assert!(text.starts_with(&format!("nDCG@10     {:.4}\n", report.mean("nDCG@10").unwrap())), "{text}");
    let (queries, _) = bench.succeed(&[&arguments[..], &["-q", "-m", "MRR@10"]].concat());
    assert_eq!(queries.lines().count(), report.queries.len() + 1);
    assert!(queries.starts_with(&format!("MRR@10  {}  ", report.queries[0])), "{queries}");
}

#[test]
fn prompts_and_limits_and_the_split_reach_the_model() {
    let bench = trained();
    let (model, data) = (bench.path("run/model"), bench.path("data"));
    let mean = |more: &[&str]| evaluate(&bench, &model, &data, &[&["-m", "MRR"], more].concat()).mean("MRR").unwrap();
    let plain = mean(&[]);
    assert_ne!(mean(&["--prompt-query", "opera opera opera "]), plain);
    assert_ne!(mean(&["--prompt-passage", "oper oper oper "]), plain);
    assert_ne!(mean(&["--max-query-tokens", "1"]), plain);
    assert_eq!(mean(&["--max-query-tokens", "100", "--max-passage-tokens", "100"]), plain);
    let train = evaluate(&bench, &model, &data, &["--split", "train"]);
    assert!(train.queries.len() > 60, "{}", train.queries.len());
}

#[test]
fn a_query_does_not_find_the_passage_of_its_own_id() {
    let bench = trained();
    bench.write("own/corpus.jsonl", "{\"_id\":\"x\",\"text\":\"red river\"}\n{\"_id\":\"y\",\"text\":\"rot fluss\"}\n");
    bench.write("own/queries.jsonl", "{\"_id\":\"x\",\"text\":\"red river\"}\n");
    bench.write("own/qrels/test.tsv", "query-id\tcorpus-id\tscore\nx\ty\t1\n");
    let report = evaluate(&bench, &bench.path("run/model"), &bench.path("own"), &["-m", "MRR"]);
    assert_eq!(report.mean("MRR"), Some(1.0));
}

#[test]
fn bad_input_is_one_clear_error() {
    let bench = trained();
    for (arguments, expected) in [
        (&["--model", "nowhere", "--data", "data"][..], "nowhere"),
        (&["--model", "run/model", "--data", "nowhere"], "nowhere/corpus.jsonl"),
        (&["--model", "run/model", "--data", "data", "--split", "dev"], "qrels/dev.tsv"),
        (&["--model", "run/model", "--data", "data", "-m", "nDCG@0"], r#""nDCG@0" is not a measure"#),
    ] {
        let stderr = bench.fail(&[&["eval"], arguments].concat());
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    for (arguments, expected) in [
        (&["eval", "--model", "m"][..], "--data <DIR>"),
        (&["eval", "--data", "d"], "--model <DIR>"),
        (&["eval", "config.toml", "--model", "m", "--data", "d"], "cannot be used with"),
        (&["eval", "--model", "m", "--data", "d", "--qrels", "q", "--run", "r"], "cannot be used with"),
        (&["eval", "--model", "m", "--data", "d", "-c"], "--qrels <FILE>"),
        (&["eval", "--model", "m", "--data", "d", "--max-query-tokens", "0"], "--max-query-tokens"),
        (&["eval", "config.toml", "--prompt-query", "q"], "--model <DIR>"),
    ] {
        let output = Bench::new().pretrain(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}
