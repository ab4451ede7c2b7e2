//! Files on disk: written and read again, absent, or broken.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use retrieval_eval::{EvalError, EvalOptions, Measure, Problem, Qrels, Run, evaluate, evaluate_file};
use tempfile::TempDir;

#[test]
fn a_run_survives_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.run");
    let mut run = Run::new();
    run.insert("q1", [("d1", 0.1), ("d2", 0.1), ("d3", 1.0 / 3.0)]).unwrap();
    run.to_trec_file(&path, "ours").unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().nth(1), Some("q1 Q0 d2 2 0.1 ours"));
    let back = Run::from_trec_file(&path).unwrap();
    assert!(back.results("q1").eq(run.results("q1")));
}

#[test]
fn an_error_names_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.tsv");
    std::fs::write(&path, "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\tyes\n").unwrap();
    let error = Qrels::from_beir_file(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("{}:3: the grade \"yes\" is not a whole number", path.display()));
    assert!(matches!(error, EvalError::Line { line: 3, problem: Problem::Grade { .. }, .. }));
}

#[test]
fn an_absent_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent");
    let errors = [Run::from_trec_file(&path).unwrap_err(), Qrels::from_trec_file(&path).unwrap_err()];
    for error in errors {
        assert!(error.to_string().ends_with(&path.display().to_string()), "{error}");
        assert!(matches!(error, EvalError::Io { .. }));
    }
}

#[test]
fn a_writer_that_fails_is_no_file() {
    let mut run = Run::new();
    run.insert("q1", [("d1", 0.5)]).unwrap();
    let mut no_room: [u8; 0] = [];
    let error = run.write_trec(&mut no_room[..], "ours").unwrap_err();
    assert!(matches!(error, EvalError::Write { .. }), "{error}");
}

/// A file of this text; it lives as long as its folder.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn judgements(qrels: &Qrels) -> Vec<(&str, &str, i32)> {
    let of_query = |query| qrels.judgements(query).map(move |(document, grade)| (query, document, grade));
    qrels.queries().flat_map(of_query).collect()
}

#[test]
fn a_byte_order_mark_before_judgements_is_no_part_of_the_first_id() {
    for text in [
        "q1 0 d1 2\nq2 0 d1 1\n",
        "query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td1\t1\n",
        r#"{"q1": {"d1": 2}, "q2": {"d1": 1}}"#,
    ] {
        let (_folder, path) = file(&format!("\u{feff}{text}"));
        assert_eq!(judgements(&Qrels::from_file(&path).unwrap()), [("q1", "d1", 2), ("q2", "d1", 1)], "{text}");
    }
    let read = |qrels: Result<Qrels, EvalError>| qrels.unwrap().grade("q1", "d1");
    assert_eq!(read(Qrels::read_trec("\u{feff}q1 0 d1 2\n".as_bytes(), "qrels")), Some(2));
    assert_eq!(read(Qrels::read_beir("\u{feff}query-id\tcorpus-id\tscore\nq1\td1\t2".as_bytes(), "qrels")), Some(2));
    assert_eq!(read(Qrels::read_json("\u{feff}{\"q1\": {\"d1\": 2}}".as_bytes(), "qrels")), Some(2));
}

#[test]
fn a_byte_order_mark_before_results_is_no_part_of_the_first_id() {
    let qrels = Qrels::read_trec("q1 0 d1 1\n".as_bytes(), "qrels").unwrap();
    for text in ["q1 Q0 d1 1 0.5 t\n", "q1\td1\t1\n", r#"{"q1": {"d1": 0.5}}"#] {
        let (_folder, path) = file(&format!("\u{feff}{text}"));
        let run = Run::from_file(&path).unwrap();
        assert_eq!(run.queries().collect::<Vec<_>>(), ["q1"], "{text}");
        let streamed = evaluate_file(&qrels, &path, &[Measure::mrr(10)], EvalOptions::default()).unwrap();
        assert_eq!(streamed.mean("MRR@10"), Some(1.0), "{text}");
        assert_eq!(streamed, evaluate(&qrels, &run, &[Measure::mrr(10)], EvalOptions::default()));
    }
    let run = Run::read_trec("\u{feff}q1 Q0 d1 1 0.5 t\n".as_bytes(), "run").unwrap();
    assert_eq!(run.queries().collect::<Vec<_>>(), ["q1"]);
}

#[test]
fn an_id_that_starts_with_a_mark_is_not_written_where_it_would_be_lost() {
    let qrels = Qrels::read_json("{\"\u{feff}q\": {\"d\": 1}}".as_bytes(), "qrels").unwrap();
    assert!(matches!(qrels.write_trec(Vec::new()), Err(EvalError::Entry(Problem::UnwritableId { .. }))));
    let mut text = Vec::new();
    qrels.write_json(&mut text).unwrap();
    assert_eq!(Qrels::read_json(text.as_slice(), "text").unwrap().grade("\u{feff}q", "d"), Some(1));
}

#[test]
fn ids_in_quotes_are_those_that_python_s_csv_writes_and_reads() {
    let text = "query-id\tcorpus-id\tscore\n\"q\t1\"\t\"the \"\"d\"\"\"\t1\n";
    let qrels = Qrels::read_beir(text.as_bytes(), "test.tsv").unwrap();
    assert_eq!(judgements(&qrels), [("q\t1", "the \"d\"", 1)]);
    let mut written = Vec::new();
    qrels.write_beir(&mut written).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), text);
}

#[test]
fn grades_of_floats_that_are_whole_are_integers() {
    for text in ["q 0 d 2.0\n", "query-id\tcorpus-id\tscore\nq\td\t2.0\n", r#"{"q": {"d": 2.0}}"#] {
        assert_eq!(judgements(&Qrels::read(text.as_bytes(), "qrels").unwrap()), [("q", "d", 2)], "{text}");
    }
}
