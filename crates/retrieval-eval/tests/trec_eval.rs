//! trec_eval's own test: its qrels and run, and the output that NIST ships with them.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use retrieval_eval::{EvalOptions, Measure, Qrels, Report, Run, evaluate};

/// Lines of the outputs that are strings, not numbers.
const NOT_NUMBERS: [&str; 2] = ["runid", "relstring"];

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

/// A line `measure query value`.
struct Line {
    measure: Measure,
    query: String,
    value: String,
}

/// The lines of all measures; fails at a name that is none.
fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let [name, query, value]: [&str; 3] = line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        if NOT_NUMBERS.contains(&name) {
            continue;
        }
        let measure: Measure = name.parse().unwrap();
        assert_eq!(measure.trec_name(), name);
        lines.push(Line { measure, query: query.to_owned(), value: value.to_owned() });
    }
    lines
}

/// As trec_eval prints it.
fn printed(report: &Report, Line { measure, query, .. }: &Line) -> String {
    let name = measure.to_string();
    let value = match report.queries.iter().position(|id| id == query) {
        Some(place) => report.values(&name).unwrap()[place],
        None => {
            assert_eq!(query, "all");
            report.overall(&name).unwrap()
        }
    };
    format!("{value:.*}", retrieval_eval::Metric::summary(measure).decimals())
}

/// Compares every line of `file`, of which there are `count` with numbers; `set` is what trec_eval was asked for.
fn check(file: &str, set: &str, count: usize) {
    let Some(folder) = folder() else { return };
    let qrels = Qrels::from_trec_file(folder.join("qrels.test")).unwrap();
    let run = Run::from_trec_file(folder.join("results.test")).unwrap();
    let lines = lines(&std::fs::read_to_string(folder.join(file)).unwrap());
    assert_eq!(lines.len(), count, "lines of {file}");
    let measures = Measure::list(set).unwrap();
    let of_all = lines.iter().filter(|line| line.query == "all");
    assert!(of_all.map(|line| line.measure).eq(measures.iter().copied()), "the order of {set}");
    let report = evaluate(&qrels, &run, &measures, EvalOptions::default());
    let differing: Vec<String> = lines
        .iter()
        .filter(|line| printed(&report, line) != line.value)
        .map(|line| format!("{} of {}: {}, not {}", line.measure, line.query, printed(&report, line), line.value))
        .collect();
    assert!(differing.is_empty(), "{file}:\n{}", differing.join("\n"));
}

#[test]
fn default_means_are_those_that_nist_prints() {
    check("out.test", "official", 29);
}

#[test]
fn means_of_all_measures_are_those_that_nist_prints() {
    check("out.test.a", "all_trec", 98);
}

#[test]
fn values_of_each_query_are_those_that_nist_prints() {
    check("out.test.aq", "all_trec", 3 * 95 + 98);
}
