//! What the configuration's data keys make of a folder, as `pairs.json` says.

#![allow(clippy::unwrap_used)]

mod common;

use common::Bench;

/// The counts of the folder's data, read with `settings`.
fn counts(bench: &Bench, settings: &[&str]) -> serde_json::Value {
    let mut arguments = vec!["embed", "config.toml", "--force"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    bench.succeed(&arguments);
    let summary: serde_json::Value = serde_json::from_str(&bench.read("run/pairs.json")).unwrap();
    summary["counts"].clone()
}

#[test]
fn a_validation_share_takes_whole_titles_from_training() {
    let bench = Bench::new();
    let without = counts(&bench, &[]);
    assert_eq!((&without["train_pairs"], &without["validation_queries"]), (&83.into(), &0.into()));
    let with = counts(&bench, &["data.validation_share=0.25"]);
    // One title of four; each has 24 documents, of which the test has three or four.
    let (train, validation) = (with["train_pairs"].as_u64().unwrap(), with["validation_queries"].as_u64().unwrap());
    assert_eq!(train + validation, 83);
    assert!((20..=21).contains(&validation), "{validation}");
    assert_eq!((&with["test_queries"], &with["passages"]), (&13.into(), &96.into()));
}

#[test]
fn a_validation_split_is_a_qrels_file() {
    let bench = Bench::new();
    bench.write("data/qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\tnowhere\t1.0\n");
    let counts = counts(&bench, &["data.validation_split=dev"]);
    assert_eq!((&counts["validation_queries"], &counts["validation_missing"]), (&2.into(), &1.into()));
    assert_eq!((&counts["train_pairs"], &counts["judgements_held_out"]), (&81.into(), &2.into()));
}

#[test]
fn blank_documents_and_queries_pass_through_every_stage() {
    let bench = Bench::new();
    bench.write("data/corpus.jsonl", &(bench.read("data/corpus.jsonl") + "{\"_id\": \"blank\", \"text\": \" \"}\n"));
    bench.write("data/queries.jsonl", &(bench.read("data/queries.jsonl") + "{\"_id\": \"blank\", \"text\": \"\"}\n"));
    bench.write("data/qrels/test.tsv", &(bench.read("data/qrels/test.tsv") + "blank\td0\t1\n"));
    bench.succeed(&["run", "config.toml", "--set", "run.arms=[\"passages\"]", "--set", "train.epochs=1"]);
    let scores: serde_json::Value = serde_json::from_str(&bench.read("run/eval.json")).unwrap();
    assert_eq!(scores["per_query"][0].as_array().unwrap().len(), 14);
}
