//! Input that is broken, odd or empty: one clear error each, or none where nothing is wrong.

#![allow(clippy::unwrap_used)]

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use flate2::write::GzEncoder;
use retrieval_eval::{
    EvalError, EvalOptions, Hit, IndexedQrels, Measure, Problem, Qrels, Report, Run, evaluate, evaluate_file,
    evaluate_hits, evaluate_results,
};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tempfile::TempDir;

const MEASURES: [Measure; 2] = [Measure::mrr(10), Measure::recall(100)];

fn options() -> EvalOptions {
    EvalOptions::default()
}

/// A file of these bytes; it lives as long as its folder.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The error with its causes, without the folder.
fn message(error: EvalError, path: &std::path::Path) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    assert!(text.contains(&path.display().to_string()), "{text} does not name {}", path.display());
    text.replace(&path.display().to_string(), "input")
}

fn qrels_error(bytes: &[u8]) -> String {
    let (_folder, path) = file(bytes);
    message(Qrels::from_file(&path).unwrap_err(), &path)
}

/// What is wrong with a run, which is the same whether it is held or streamed.
fn run_error(bytes: &[u8]) -> String {
    let (_folder, path) = file(bytes);
    let held = message(Run::from_file(&path).unwrap_err(), &path);
    let streamed = evaluate_file(&Qrels::new(), &path, &MEASURES, options()).unwrap_err();
    assert_eq!(message(streamed, &path), held);
    held
}

fn qrels(text: &str) -> Qrels {
    Qrels::read(text.as_bytes(), "qrels").unwrap()
}

fn run(text: &str) -> Run {
    Run::read(text.as_bytes(), "run").unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_broken_line_of_judgements_is_named_with_what_is_wrong() {
    for (text, expected) in [
        ("q 0 d 1\nq 0 e\n", "input:2: 3 columns where 4 are expected (query iteration document grade)"),
        ("q 0 d 1 x\n", "input:1: 5 columns where 4 are expected (query iteration document grade)"),
        ("\n\r\nq 0 d 1.5\n", r#"input:3: the grade "1.5" is not a whole number"#),
        ("q 0 d 2147483648\n", r#"input:1: the grade "2147483648" is not a whole number"#),
        ("q 0 d -2147483649", r#"input:1: the grade "-2147483649" is not a whole number"#),
        ("q 0 d 1\nq 0 e 1\nq 0 d 2\n", r#"input:3: query "q": document "d" has grade 1 and grade 2"#),
        ("query-id\tcorpus-id\tscore\nq\td\n", "input:2: 2 columns where 3 are expected (query-id corpus-id score)"),
        (
            "query-id\tcorpus-id\tscore\r\nq\td\t\r\n",
            "input:2: 2 columns where 3 are expected (query-id corpus-id score)",
        ),
        (
            "query-id\tcorpus-id\tscore\nq\td\t \t1\n",
            "input:2: 4 columns where 3 are expected (query-id corpus-id score)",
        ),
        ("query-id\tcorpus-id\tscore\nq\t\"d\t1\np\td\t1\n", "input:2: a quoted column does not end"),
        ("query-id\tcorpus-id\tscore\nq\td\t1.5\n", r#"input:2: the grade "1.5" is not a whole number"#),
    ] {
        assert_eq!(qrels_error(text.as_bytes()), expected);
    }
    assert_eq!(qrels_error(b"q 0 d 1\nq 0 \xff 1\n"), "input:2: the line is not UTF-8");
}

#[test]
fn a_beir_file_without_its_header_is_named_with_its_first_line() {
    let (_folder, path) = file(b"q1\td1\t1\n");
    let error = Qrels::from_beir_file(&path).unwrap_err();
    let expected = r#"input:1: the header is "q1\td1\t1", not "query-id\tcorpus-id\tscore""#;
    assert_eq!(message(error, &path), expected);
}

#[test]
fn a_broken_line_of_results_is_named_with_what_is_wrong() {
    for (text, expected) in [
        ("q Q0 d 1 2\n", "input:1: 5 columns where 6 are expected (query Q0 document rank score tag)"),
        ("q Q0 d 1 2 a b\n", "input:1: 7 columns where 6 are expected (query Q0 document rank score tag)"),
        ("q Q0 d 1 2 t\n\nq Q0 e 2 high t\n", r#"input:3: the score "high" is not a number"#),
        ("q Q0 d 1 0x10 t\n", r#"input:1: the score "0x10" is not a number"#),
        ("q Q0 d 1 1,5 t\n", r#"input:1: the score "1,5" is not a number"#),
        ("q Q0 d 1 2 t\nq Q0 e 2 NaN t\n", r#"input:2: query "q": the score of document "e" is NaN"#),
        ("p Q0 d 1 2 t\nq Q0 d 1 2 t\nq Q0 d 2 1 t\n", r#"input:3: query "q": document "d" occurs twice"#),
        ("q Q0 d 1 2 t\np Q0 d 1 2 t\nq Q0 d 2 1 t\n", r#"input:3: query "q": document "d" occurs twice"#),
        ("q\td\t1\nq\te\n", "input:2: 2 columns where 3 are expected (query document rank)"),
        ("q\td\t0\n", r#"input:1: the rank "0" is not a whole number from 1 on"#),
        ("q\td\t1.5\n", r#"input:1: the rank "1.5" is not a whole number from 1 on"#),
    ] {
        assert_eq!(run_error(text.as_bytes()), expected);
    }
    assert_eq!(run_error(b"q Q0 d 1 2 t\nq Q0 \xc3( 2 1 t\n"), "input:2: the line is not UTF-8");
}

#[test]
fn broken_json_is_named_with_its_line() {
    let start = "input is not an object of queries, each an object of documents with numbers: ";
    for (text, place) in [
        ("{\"q\":\n {\"d\": \"high\"}}", "line 2 column"),
        ("{\"q\": {\"d\": 1},\n\n \"p\": [1]}", "line 3 column"),
        ("{\"q\": {\"d\": 1}", "line 1 column"),
        ("{\"q\": {\"d\": 1}}\nq", "line 2 column"),
        ("{\"q\": {\"d\": null}}", "line 1 column"),
        ("{\"q\": 1}", "line 1 column"),
    ] {
        for error in [run_error(text.as_bytes()), qrels_error(text.as_bytes())] {
            assert!(error.starts_with(start) && error.contains(place), "{text}: {error}");
        }
    }
    let repeated = run_error(b"{\"q\": {\"d\": 1,\n\"d\": 2}}");
    assert!(repeated.contains(r#"query "q": document "d" occurs twice"#), "{repeated}");
    let repeated = run_error(b"{\"q\": {\"d\": 1},\n\"q\": {\"e\": 2}}");
    assert!(repeated.contains(r#"query "q" already has results"#), "{repeated}");
    let conflicting = qrels_error(b"{\"q\": {\"d\": 1,\n\"d\": 2}}");
    assert!(conflicting.contains(r#"document "d" has grade 1 and grade 2"#), "{conflicting}");
    for grade in ["2147483648", "1.5"] {
        assert!(qrels_error(format!("{{\"q\": {{\"d\": {grade}}}}}").as_bytes()).starts_with(start), "{grade}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("absent"), folder.path().to_owned()] {
        for error in [
            Qrels::from_file(&path).unwrap_err(),
            Run::from_file(&path).unwrap_err(),
            evaluate_file(&Qrels::new(), &path, &MEASURES, options()).unwrap_err(),
        ] {
            assert!(matches!(error, EvalError::Io { .. }) && error.source().is_some());
            assert!(message(error, &path).starts_with("cannot read or write input: "));
        }
    }
}

#[test]
fn a_compressed_file_that_ends_too_early_is_an_error() {
    let text: String =
        (0..20_000_u32).map(|n| format!("q{} Q0 d{} 1 {n} t\n", n / 10, n.wrapping_mul(2_654_435_761))).collect();
    for bytes in [gzip(text.as_bytes()), compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)] {
        for end in [bytes.len() - 1, bytes.len() / 2, 9] {
            assert!(run_error(&bytes[..end]).starts_with("cannot read or write input: "));
        }
    }
    let text = "q 0 d 1\n".repeat(1000);
    let bytes = gzip(text.as_bytes());
    assert!(qrels_error(&bytes[..bytes.len() - 1]).starts_with("cannot read or write input: "));
}

#[test]
fn what_follows_a_compressed_file_is_not_passed_over() {
    let text = b"q Q0 d 1 2 t\n";
    for bytes in [gzip(text), compress_to_vec(&text[..], CompressionLevel::Fastest)] {
        assert!(run_error(&[&bytes[..], b"garbage"].concat()).starts_with("cannot read or write input: "));
    }
}

#[test]
fn windows_line_ends_blank_lines_and_a_missing_last_line_end_are_no_errors() {
    let odd = "\r\nq1 Q0 d1 1 2 t\r\n \t\r\nq1\tQ0\td2  2 1 t  \r\n\r\nq2 Q0 d1 1 1 t";
    let plain = "q1 Q0 d1 1 2 t\nq1 Q0 d2 2 1 t\nq2 Q0 d1 1 1 t\n";
    let judged = qrels("\r\nq1 0 d2 1\r\n\r\nq2 0 d1 1");
    let expected = evaluate(&judged, &run(plain), &MEASURES, options());
    assert_eq!(expected.values("MRR@10"), Some(&[0.5, 1.0][..]));
    assert_eq!(evaluate(&judged, &run(odd), &MEASURES, options()), expected);
    let (_folder, path) = file(odd.as_bytes());
    assert_eq!(evaluate_file(&judged, &path, &MEASURES, options()).unwrap(), expected);
    assert_eq!(qrels("query-id\tcorpus-id\tscore\r\n\r\nq\td\t1\r\n\r\n").grade("q", "d"), Some(1));
}

#[test]
fn infinite_scores_have_their_place() {
    let run = run("q Q0 a 1 -inf t\nq Q0 b 1 0 t\nq Q0 c 1 inf t\nq Q0 d 1 -1e308 t\n");
    let order: Vec<&str> = run.results("q").map(|(document, _)| document).collect();
    assert_eq!(order, ["c", "b", "d", "a"]);
}

#[test]
fn the_largest_grades_are_allowed() {
    let judged = qrels("q 0 a 2147483647\nq 0 b -2147483648\n");
    let report =
        evaluate(&judged, &run("q Q0 a 1 1 t\nq Q0 b 1 2 t\n"), &Measure::list("all_trec").unwrap(), options());
    assert!(report.measures.iter().all(|measure| measure.values[0].is_finite()));
    assert_eq!(report.mean("MRR"), Some(0.5));
}

#[test]
fn a_query_without_judgements_is_left_out_and_counted() {
    let judged = qrels("q1 0 d1 1\n");
    let text = "q1 Q0 d1 1 1 t\nq2 Q0 d1 1 1 t\nq3 Q0 d1 1 1 t\n";
    let rows = ["q1", "q2", "q3"].map(|query| (query, [("d1", 1.0)]));
    let (_folder, path) = file(text.as_bytes());
    for complete in [false, true] {
        let chosen = options().with_complete(complete);
        let report = evaluate(&judged, &run(text), &MEASURES, chosen);
        assert_eq!((report.queries.len(), report.without_judgements, report.without_results), (1, 2, 0));
        assert_eq!(evaluate_results(&judged, &rows, &MEASURES, chosen).unwrap(), report);
        assert_eq!(evaluate_file(&judged, &path, &MEASURES, chosen).unwrap(), report);
    }
}

#[test]
fn no_judgements_or_no_results_have_no_mean() {
    let undefined = |report: &Report| {
        assert_eq!((report.queries.len(), report.mean("MRR@10")), (0, None));
        assert_eq!(report.to_string(), "MRR@10      undefined\nrecall@100  undefined\n");
    };
    let (_folder, empty) = file(b"");
    let none: [(&str, Vec<(&str, f64)>); 0] = [];
    for judged in [Qrels::from_file(&empty).unwrap(), qrels("q 0 d 1\n")] {
        let report = evaluate(&judged, &Run::from_file(&empty).unwrap(), &MEASURES, options());
        undefined(&report);
        assert_eq!(report.without_results, judged.len());
        assert_eq!(evaluate_results(&judged, &none, &MEASURES, options()).unwrap(), report);
        assert_eq!(evaluate_file(&judged, &empty, &MEASURES, options()).unwrap(), report);
    }
    undefined(&evaluate(&Qrels::new(), &run("q Q0 d 1 1 t\n"), &MEASURES, options().with_complete(true)));
    let report = evaluate_file(&qrels("q 0 d 1\n"), &empty, &MEASURES, options().with_complete(true)).unwrap();
    assert_eq!(report.mean("MRR@10"), Some(0.0));
}

#[test]
fn no_measures_make_an_empty_report() {
    let report = evaluate(&qrels("q 0 d 1\n"), &run("q Q0 d 1 1 t\n"), &[] as &[Measure], options());
    assert_eq!((report.queries.len(), report.measures.len()), (1, 0));
    let (_folder, path) = file(b"q Q0 d 1 1 t\n");
    assert_eq!(evaluate_file(&qrels("q 0 d 1\n"), &path, &[] as &[Measure], options()).unwrap(), report);
}

#[test]
fn results_in_memory_are_refused_as_lines_are() {
    let judged = qrels("q 0 d 1\n");
    let error = |rows: &[(&str, Vec<(&str, f64)>)]| match evaluate_results(&judged, rows, &MEASURES, options()) {
        Err(EvalError::Entry(problem)) => problem,
        other => panic!("{other:?}"),
    };
    let (query, document) = ("q".to_owned(), "d".to_owned());
    assert_eq!(
        error(&[("q", vec![("d", f64::NAN)])]),
        Problem::NanScore { query: query.clone(), document: document.clone() }
    );
    assert_eq!(
        error(&[("q", vec![("d", 1.0), ("e", 1.0), ("d", 0.5)])]),
        Problem::DuplicateDocument { query: query.clone(), document }
    );
    assert_eq!(error(&[("q", vec![("d", 1.0)]), ("q", vec![("e", 1.0)])]), Problem::DuplicateQuery { query });
    // Those of queries that are not judged too, whose values nobody sees.
    assert!(matches!(error(&[("x", vec![("d", 1.0), ("d", 1.0)])]), Problem::DuplicateDocument { .. }));
}

#[test]
fn hits_are_refused_as_lines_are() {
    let judged = IndexedQrels::new([vec![(0, 1)]]).unwrap();
    let error = |hits: &[Vec<Hit>]| evaluate_hits(&judged, hits, &MEASURES, options()).unwrap_err().to_string();
    let hit = |score| Hit { index: 0, score };
    assert_eq!(error(&[vec![hit(f32::NAN)]]), r#"query "0": the score of document "0" is NaN"#);
    assert_eq!(error(&[vec![hit(1.0), hit(0.5)]]), r#"query "0": document "0" occurs twice"#);
    assert_eq!(error(&[]), "0 lists of results for 1 queries");
}

#[test]
fn a_cut_of_zero_and_names_of_no_measure_are_refused() {
    for name in
        ["nDCG@0", "P@0", "recall_0", "map_cut_0", "nDCG@", "nDCG@1e3", "nDCG@99999999999999999999", "ndgc@10", ""]
    {
        let error = name.parse::<Measure>().unwrap_err();
        assert!(error.to_string().starts_with(&format!("{name:?} is not a measure")), "{error}");
        assert!(Measure::list(name).is_err(), "{name}");
    }
}

#[test]
fn a_query_with_an_empty_list_is_one_without_results() {
    let mut run = Run::new();
    for query in ["judged", "unjudged"] {
        run.insert(query, Vec::<(&str, f64)>::new()).unwrap();
    }
    let mut qrels = Qrels::new();
    qrels.insert("judged", "d1", 1).unwrap();
    let report = evaluate(&qrels, &run, &[Measure::mrr(10)], EvalOptions::default());
    assert_eq!((report.queries.len(), report.without_judgements, report.without_results), (0, 0, 1));
}
