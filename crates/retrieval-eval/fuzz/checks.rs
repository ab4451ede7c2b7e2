//! What the fuzz targets check of any bytes; `tests/fuzz_seeds.rs` checks it of the seeds.

#![allow(dead_code, reason = "each target has one of the two")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use retrieval_eval::{
    EvalError, EvalOptions, Gain, Measure, Problem, Qrels, Run, evaluate, evaluate_file, evaluate_results,
};
use tempfile::TempDir;

const MEASURES: [Measure; 6] = [
    Measure::Ndcg { k: None, gain: Gain::Exponential },
    Measure::ndcg(3),
    Measure::Ap { k: None },
    Measure::Bpref,
    Measure::InfAp,
    Measure::Retrieved,
];

/// One for all inputs: the process ends without dropping it.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

fn path(bytes: &[u8]) -> PathBuf {
    let path = FOLDER.path().join(format!("{:?}", std::thread::current().id()));
    std::fs::write(&path, bytes).expect("a written file");
    path
}

/// Judgements are read or refused, whatever the reader; what was read and is written reads back the same.
pub(crate) fn qrels(bytes: &[u8]) {
    let _ = Qrels::read_trec(bytes, "bytes");
    let _ = Qrels::read_beir(bytes, "bytes");
    let _ = Qrels::read_json(bytes, "bytes");
    let read = Qrels::from_file(path(bytes));
    let again = Qrels::read(bytes, "bytes");
    assert_eq!(read.is_ok(), again.is_ok());
    let (Ok(read), Ok(again)) = (read, again) else { return };
    let expected = judgements(&read);
    assert_eq!(judgements(&again), expected);
    let check = |written: Result<(), EvalError>, back: &dyn Fn() -> Result<Qrels, EvalError>| match written {
        Ok(()) => {
            let back = back().expect("what was written");
            assert_eq!(judgements(&back), expected);
            assert!(back.queries().eq(read.queries()));
        }
        Err(EvalError::Entry(Problem::UnwritableId { .. })) => {}
        Err(error) => panic!("{error}"),
    };
    let [mut trec, mut beir, mut json] = [const { Vec::new() }; 3];
    check(read.write_trec(&mut trec), &|| Qrels::read_trec(trec.as_slice(), "trec"));
    check(read.write_beir(&mut beir), &|| Qrels::read_beir(beir.as_slice(), "beir"));
    check(read.write_json(&mut json), &|| Qrels::read_json(json.as_slice(), "json"));
}

fn judgements(qrels: &Qrels) -> BTreeMap<(String, String), i32> {
    let of_query = |query| qrels.judgements(query).map(move |(id, grade)| ((query.to_owned(), id.to_owned()), grade));
    qrels.queries().flat_map(of_query).collect()
}

/// Results are read or refused, whatever the reader; what was read and is written reads back the same; and results in a
/// file, in memory and in a run have the same values.
pub(crate) fn run(bytes: &[u8]) {
    let _ = Run::read_trec(bytes, "bytes");
    let _ = Run::read_msmarco(bytes, "bytes");
    let _ = Run::read_json(bytes, "bytes");
    let path = path(bytes);
    let read = Run::from_file(&path);
    let streamed = evaluate_file(&Qrels::new(), &path, &MEASURES, EvalOptions::default());
    assert_eq!(read.is_ok(), streamed.is_ok(), "{:?} and {:?}", read.err(), streamed.err());
    let Ok(read) = read else { return };
    let results: Vec<(&str, Vec<(&str, f64)>)> =
        read.queries().map(|query| (query, read.results(query).collect())).collect();
    check_values(&read, &results, &path);
    check_written(&read, &results);
}

fn check_values(run: &Run, results: &[(&str, Vec<(&str, f64)>)], path: &Path) {
    let mut qrels = Qrels::new();
    for (place, (query, row)) in results.iter().enumerate().filter(|(place, _)| place % 3 != 2) {
        for (rank, (document, _)) in row.iter().enumerate().skip(place % 2).step_by(2) {
            qrels.insert(query, document, rank as i32 % 5 - 1).expect("a new judgement");
        }
        qrels.insert(query, "not found", 2).unwrap_or_default();
    }
    let report = evaluate(&qrels, run, &MEASURES, EvalOptions::default());
    let values = report.measures.iter().flat_map(|measure| &measure.values);
    assert!(values.clone().all(|value| value.is_finite()));
    let streamed = evaluate_file(&qrels, path, &MEASURES, EvalOptions::default()).expect("a file that can be read");
    assert_eq!(streamed, report);
    let in_memory = evaluate_results(&qrels, results, &MEASURES, EvalOptions::default()).expect("results of a run");
    assert_eq!(in_memory, report);
}

fn check_written(run: &Run, results: &[(&str, Vec<(&str, f64)>)]) {
    let same = |back: Run| {
        assert!(back.queries().eq(run.queries()));
        assert!(results.iter().all(|(query, row)| back.results(query).eq(row.iter().copied())));
    };
    let may_fail = |error| match error {
        EvalError::Entry(Problem::UnwritableId { .. } | Problem::UnwritableScore { .. }) => {}
        error => panic!("{error}"),
    };
    let mut text = Vec::new();
    match run.write_json(&mut text) {
        Ok(()) => same(Run::read_json(text.as_slice(), "text").expect("what was written")),
        Err(error) => may_fail(error),
    }
    text.clear();
    match run.write_trec(&mut text, "tag") {
        // A query without results has no line.
        Ok(()) if results.iter().all(|(_, row)| !row.is_empty()) => {
            same(Run::read_trec(text.as_slice(), "text").expect("what was written"));
        }
        Ok(()) => {}
        Err(error) => may_fail(error),
    }
}
