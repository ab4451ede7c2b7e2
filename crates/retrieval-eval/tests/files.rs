//! Files on disk: written and read again, absent, or broken.

#![allow(clippy::unwrap_used)]

use retrieval_eval::{EvalError, Problem, Qrels, Run};

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
