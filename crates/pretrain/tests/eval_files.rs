//! `pretrain eval --qrels --run` and `pretrain compare`: files in, numbers out, and one clear error for bad input.

mod common;

use std::path::PathBuf;

use common::Bench;
use retrieval_eval::{Qrels, Report, Run, RunTable};

const QRELS: &str = "q1 0 d1 1\nq1 0 d3 2\nq2 0 d1 1\nq3 0 d9 1\n";
const RUN: &str = "q2 Q0 d2 1 2 a\nq2 Q0 d1 2 1 a\nq1 Q0 d1 1 2 a\nq1 Q0 d2 2 1 a\nx Q0 d1 1 1 a\n";
const BETTER: &str = "q1 Q0 d3 1 2 b\nq1 Q0 d1 2 1 b\nq2 Q0 d1 1 2 b\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("qrels.txt", QRELS);
    bench.write("a.run", RUN);
    bench.write("b.run", BETTER);
    bench
}

const EVAL: [&str; 5] = ["eval", "--qrels", "qrels.txt", "--run", "a.run"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    EVAL.iter().chain(more).copied().collect()
}

#[test]
fn measures_are_printed_under_their_names_and_what_is_left_out_is_counted() {
    let (stdout, stderr) = bench().succeed(&with(&["-m", "MRR@10", "recall@1", "-m", "num_rel", "RR@10"]));
    assert_eq!(stdout, "MRR@10    0.7500\nrecall@1  0.2500\nnum_rel   3\n");
    assert!(stderr.contains("a.run: 1 queries without judgements, left out"), "{stderr}");
    assert!(stderr.contains("a.run: 1 judged queries without results, left out; -c counts them as 0"), "{stderr}");
}

#[test]
fn queries_come_before_all_in_the_order_of_the_judgements() {
    let (stdout, _) = bench().succeed(&with(&["-q", "-c", "-m", "MRR@10", "gm_map"]));
    let lines: Vec<&str> = stdout.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "MRR@10  q1   1.0000",
            "MRR@10  q2   0.5000",
            "MRR@10  q3   0.0000",
            "MRR@10  all  0.5000",
            "gm_map  all  0.0136"
        ]
    );
}

#[test]
fn the_relevance_level_is_that_of_the_option_or_of_the_name() {
    let (stdout, _) = bench().succeed(&with(&["-l", "2", "-m", "MRR@10", "MRR(rel=1)@10"]));
    assert_eq!(stdout, "MRR@10         0.0000\nMRR(rel=1)@10  0.7500\n");
}

#[test]
fn the_json_is_the_report() {
    let (stdout, _) = bench().succeed(&with(&["--format", "json", "-m", "MRR@10"]));
    let report: Report = serde_json::from_str(&stdout).unwrap();
    assert_eq!((report.values("MRR@10"), report.without_judgements), (Some(&[1.0, 0.5][..]), 1));
}

#[test]
fn compressed_and_other_formats_give_the_same() {
    let bench = bench();
    let (expected, _) = bench.succeed(&with(&[]));
    let qrels = Qrels::from_file(bench.path("qrels.txt")).unwrap();
    let run = Run::from_file(bench.path("a.run")).unwrap();
    qrels.to_json_file(bench.path("qrels.json")).unwrap();
    qrels.to_beir_file(bench.path("qrels.tsv.gz")).unwrap();
    run.to_trec_file(bench.path("a.zst"), "a").unwrap();
    run.to_json_file(bench.path("a.json.gz")).unwrap();
    run.to_msmarco_file(bench.path("a.tsv")).unwrap();
    for (qrels, run) in [("qrels.json", "a.zst"), ("qrels.tsv.gz", "a.json.gz"), ("qrels.txt", "a.tsv")] {
        assert_eq!(bench.succeed(&["eval", "--qrels", qrels, "--run", run]).0, expected, "{run}");
    }
}

#[test]
fn trec_evals_output_is_that_of_nist() {
    let shared = std::env::var_os("PRETRAIN_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let folder = shared.join("data/trec_eval");
    if !folder.is_dir() {
        // Past the capture of a passing test, so that it is seen.
        let reason = format!("skipped: {} does not exist; PRETRAIN_SHARED names its `shared`\n", folder.display());
        let _ = std::io::Write::write_all(&mut std::io::stderr(), reason.as_bytes());
        return;
    }
    let file = |name: &str| folder.join(name).display().to_string();
    let (qrels, run) = (file("qrels.test"), file("results.test"));
    let arguments = ["eval", "--qrels", &qrels, "--run", &run, "--format", "trec"];
    for (more, expected) in
        [(&[][..], "out.test"), (&["-m", "all_trec"][..], "out.test.a"), (&["-q", "-m", "all_trec"][..], "out.test.aq")]
    {
        let (stdout, _) = bench().succeed(&[&arguments[..], more].concat());
        let text = std::fs::read_to_string(folder.join(expected)).unwrap();
        let strings = |line: &&str| line.starts_with("runid ") || line.starts_with("relstring");
        let lines: Vec<&str> = text.lines().filter(|line| !strings(line)).collect();
        assert_eq!(stdout.lines().collect::<Vec<_>>(), lines, "{expected}");
    }
}

#[test]
fn a_comparison_is_a_table_in_every_format() {
    let bench = bench();
    let compare = |more: &[&str]| {
        let arguments = ["compare", "--qrels", "qrels.txt", "a.run", "b.run", "-m", "MRR@10"];
        bench.succeed(&[&arguments[..], more].concat()).0
    };
    let table: RunTable = serde_json::from_str(&compare(&["--format", "json"])).unwrap();
    let means: Vec<(&str, f64)> = table.rows.iter().map(|row| (row.run.as_str(), row.mean.estimate)).collect();
    assert_eq!(means, [("a.run", 0.75), ("b.run", 1.0)]);
    assert_eq!(table.queries, 2);
    let options =
        ["--format", "json", "--confidence", "0.9", "--seed", "7", "--resamples", "50", "--permutations", "50"];
    let table: RunTable = serde_json::from_str(&compare(&options)).unwrap();
    assert_eq!(table.rows[0].mean.level, 0.9);
    for (format, start) in [("text", ""), ("markdown", "|"), ("latex", "\\begin{tabular}"), ("csv", "measure,run,")] {
        let text = compare(&["--format", format]);
        assert!(text.starts_with(start) && text.contains("b.run"), "{format}: {text}");
    }
}

#[test]
fn bad_input_is_one_clear_error() {
    let bench = bench();
    bench.write("empty", "");
    bench.write("other.run", "x Q0 d1 1 1 t\n");
    bench.write("twice.run", "q1 Q0 d1 1 2 t\nq1 Q0 d1 2 1 t\n");
    bench.write("one.run", "q1 Q0 d1 1 2 t\n");
    for (arguments, expected) in [
        (&["eval", "--qrels", "empty", "--run", "a.run"][..], "empty has no judgements"),
        (&["eval", "--qrels", "qrels.txt", "--run", "empty"], "empty has no results for any query that is judged"),
        (&["eval", "--qrels", "qrels.txt", "--run", "empty", "-c"], "empty has no results for any query"),
        (&["eval", "--qrels", "qrels.txt", "--run", "other.run"], "other.run has no results for any query"),
        (&["eval", "--qrels", "qrels.txt", "--run", "twice.run"], r#"twice.run:2: query "q1": document "d1" occurs"#),
        (&["eval", "--qrels", "absent", "--run", "a.run"], "cannot read or write absent"),
        (&["eval", "--qrels", "a.run", "--run", "a.run"], "a.run:1: 6 columns where 4 are expected"),
        (&["eval", "--qrels", "qrels.txt", "--run", "a.run", "-m", "nDCG@0"], r#""nDCG@0" is not a measure"#),
        (&["compare", "--qrels", "qrels.txt", "a.run", "one.run"], "a.run and one.run have results for different"),
        (&["compare", "--qrels", "qrels.txt", "a.run", "b.run", "--confidence", "1"], "confidence level 1"),
        (&["compare", "--qrels", "qrels.txt", "a.run", "b.run", "--format", "pdf"], "is not a table format"),
    ] {
        let stderr = bench.fail(arguments);
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    bench.succeed(&["compare", "-c", "--qrels", "qrels.txt", "a.run", "one.run"]);
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    for (arguments, expected) in [
        (&["eval", "--qrels", "qrels.txt"][..], "--run <FILE>"),
        (&["eval", "--run", "a.run"], "--qrels <FILE>"),
        (&["eval", "config.toml", "-m", "map"], "--qrels <FILE>"),
        (&["eval", "config.toml", "--qrels", "qrels.txt", "--run", "a.run"], "cannot be used with"),
        (&["compare", "--qrels", "qrels.txt", "a.run"], "2 values required"),
    ] {
        let output = bench().pretrain(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}
