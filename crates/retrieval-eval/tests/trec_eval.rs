//! trec_eval's own test: its qrels and run, and the output that NIST ships with them.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use retrieval_eval::{EvalOptions, Measure, Qrels, Report, Run, evaluate};

/// The folder of NIST's files, if this machine has it.
fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("PRETRAIN_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let folder = shared.join("data/trec_eval");
    if folder.is_dir() {
        return Some(folder);
    }
    // Past the capture of a passing test, so that it is seen.
    let reason = format!("skipped: {} does not exist; PRETRAIN_SHARED names its `shared`\n", folder.display());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), reason.as_bytes());
    None
}

/// Lines `measure query value` whose measure this crate has.
fn expected(text: &str) -> Vec<(Measure, String, String)> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let [name, query, value]: [&str; 3] = line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        if let Ok(measure) = name.parse() {
            lines.push((measure, query.to_owned(), value.to_owned()));
        }
    }
    lines
}

fn value(report: &Report, measure: Measure, query: &str) -> f64 {
    let name = measure.to_string();
    match report.queries.iter().position(|id| id == query) {
        Some(place) => report.values(&name).unwrap()[place],
        None => {
            assert_eq!(query, "all");
            report.mean(&name).unwrap()
        }
    }
}

fn check(file: &str, least: usize) {
    let Some(folder) = folder() else { return };
    let qrels = Qrels::from_trec_file(folder.join("qrels.test")).unwrap();
    let run = Run::from_trec_file(folder.join("results.test")).unwrap();
    let lines = expected(&std::fs::read_to_string(folder.join(file)).unwrap());
    assert!(lines.len() >= least, "{} lines of {file} are of a known measure", lines.len());
    let measures: Vec<Measure> = lines.iter().map(|(measure, ..)| *measure).collect();
    let report = evaluate(&qrels, &run, &measures, EvalOptions::default());
    for (measure, query, printed) in lines {
        let ours = value(&report, measure, &query);
        assert_eq!(format!("{ours:.4}"), printed, "{measure} of {query}");
    }
}

#[test]
fn default_means_are_those_that_nist_prints() {
    check("out.test", 11);
}

#[test]
fn means_of_all_measures_are_those_that_nist_prints() {
    check("out.test.a", 39);
}

#[test]
fn values_of_each_query_are_those_that_nist_prints() {
    check("out.test.aq", 4 * 39);
}
