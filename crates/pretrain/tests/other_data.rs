//! `eval.others`: students and baselines on data that none of them was trained on.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::Bench;
use retrieval_eval::Report;
use serde_json::Value;

const QUICK: [&str; 4] = ["--set", "run.arms=[\"none\",\"passages\"]", "--set", "train.epochs=2"];

/// A finished run, and beside it a folder of other data, which asks for what no student learned.
fn finished() -> Bench {
    let bench = Bench::new();
    bench.succeed(&[&["run", "config.toml"][..], &QUICK].concat());
    let every_third = |text: String| text.lines().step_by(3).map(|line| format!("{line}\n")).collect::<String>();
    let corpus = every_third(bench.read("data/corpus.jsonl"));
    bench.write("other/corpus.jsonl", &corpus.replace(r#""text":""#, r#""text":"kalk moos kalk "#));
    bench.write("other/queries.jsonl", &every_third(bench.read("data/queries.jsonl")));
    let judged: String = (0..96).step_by(6).map(|id| format!("q{id}\td{}\t1\n", (id + 9) % 96)).collect();
    bench.write("other/qrels/test.tsv", &format!("query-id\tcorpus-id\tscore\n{judged}"));
    bench
}

/// `pretrain eval` of the run with this other data: stdout and stderr.
fn evaluate(bench: &Bench, others: &str) -> (String, String) {
    bench.succeed(&["eval", "run", "--force", "--set", &format!("eval.others=[{others}]")])
}

fn json(bench: &Bench, name: &str) -> Value {
    serde_json::from_str(&bench.read(name)).unwrap()
}

/// The names of the stages that were run, and not skipped.
fn ran(stderr: &str) -> Vec<&str> {
    stderr.lines().filter_map(|line| line.split_once(": done in ")).map(|(name, _)| name).collect()
}

const ALL: [&str; 5] = [
    "evaluate none seed 0 on more",
    "evaluate passages seed 0 on more",
    "evaluate untrained student on more",
    "evaluate BM25 on more",
    "evaluate clustering embedder on more",
];

#[test]
fn other_data_changes_nothing_but_is_judged_on() {
    let bench = finished();
    let before = json(&bench, "run/compare.json");
    assert!(before.get("others").is_none(), "{before}");

    let more = r#"{name="more",path="other"}"#;
    let (table, log) = evaluate(&bench, more);
    assert_eq!(ran(&log), ALL, "{log}");
    assert!(table.contains("| more (16 queries)"), "{table}");
    let mut after = json(&bench, "run/compare.json");
    let others = after.as_object_mut().unwrap().remove("others").unwrap();
    assert_eq!(after, before);
    let rows = others[0]["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["system"].as_str().unwrap()).collect();
    assert_eq!(names, ["unclustered", "passage clusters", "untrained student", "BM25", "clustering embedder"]);
    assert_eq!((&others[0]["name"], &others[0]["queries"]), (&"more".into(), &16.into()));
    assert!(rows[1]["gain"]["p_holm"].is_number() && rows[0]["gain"].is_null(), "{rows:?}");
    for file in ["untrained", "bm25", "embedder"] {
        assert!(bench.path(&format!("run/baselines/others/more/{file}.json")).exists(), "{file}");
    }

    let (_, again) = bench.succeed(&["run", "run"]);
    assert_eq!(ran(&again), [""; 0], "{again}");
    assert!(bench.read("run/report.html").contains("</html>"));
    // Other limits and other judgements are other scores.
    let (_, shorter) = evaluate(&bench, r#"{name="more",path="other",max_passage_tokens=3}"#);
    assert_eq!(ran(&shorter), ALL, "{shorter}");
    assert_ne!(json(&bench, "run/compare.json")["others"][0]["rows"][0], rows[0]);
    evaluate(&bench, more);
    bench.write("other/qrels/test.tsv", "q0\td0\t1\n");
    let (table, log) = evaluate(&bench, more);
    assert!(ran(&log) == ALL && table.contains("| more (1 queries)"), "{log}{table}");
}

#[test]
fn students_have_the_figures_that_their_models_have_alone() {
    let bench = finished();
    bench.write("other/qrels/dev.tsv", "q3\td3\t1\nq9\td9\t2\nq12\td15\t1\n");
    evaluate(&bench, r#"{name="more",path="other"},{name="dev set",path="other",split="dev",max_passage_tokens=5}"#);
    for arm in ["none", "passages"] {
        for (name, split, passage_tokens) in [("more", "test", "128"), ("dev set", "dev", "5")] {
            let model = format!("run/arms/{arm}/model");
            let limits = ["--max-query-tokens", "40", "--max-passage-tokens", passage_tokens];
            let alone = ["eval", "--model", &model, "--data", "other", "--split", split, "--format", "json"];
            let alone: Report = serde_json::from_str(&bench.succeed(&[&alone[..], &limits].concat()).0).unwrap();
            let stored = json(&bench, &format!("run/arms/{arm}/others/{name}.json"));
            for (at, measure) in alone.measures.iter().enumerate() {
                let ours: Vec<f64> = serde_json::from_value(stored["per_query"][at].clone()).unwrap();
                assert_eq!(ours, measure.values, "{arm} {name} {at}");
            }
        }
    }
}

#[test]
fn other_data_that_is_not_there_is_named_before_the_first_stage() {
    let bench = Bench::new();
    for (others, expected) in [
        (r#"{name="more",path="nowhere"}"#, ["eval.others `more`", "nowhere/corpus.jsonl"]),
        (r#"{name="more",path="data",split="dev"}"#, ["eval.others `more`", "data/qrels/dev.tsv"]),
        (r#"{name="a",path="data"},{name="a",path="data"}"#, ["eval.others.name = a", "each name once"]),
        (r#"{name="../a",path="data"}"#, ["eval.others.name = ../a", "a file's name"]),
    ] {
        let stderr = bench.fail(&["run", "config.toml", "--set", &format!("eval.others=[{others}]")]);
        assert!(expected.iter().all(|part| stderr.contains(part)), "{stderr}");
        assert!(!bench.path("run").exists());
    }
    bench.succeed(&[&["run", "config.toml"][..], &QUICK].concat());
    bench.write("bad/corpus.jsonl", "{\"_id\":\"d\"}\n");
    bench.write("bad/queries.jsonl", "");
    bench.write("bad/qrels/test.tsv", "");
    let stderr = bench.fail(&["eval", "run", "--force", "--set", r#"eval.others=[{name="more",path="bad"}]"#]);
    assert!(stderr.contains("eval.others `more`") && stderr.contains("bad/corpus.jsonl"), "{stderr}");
}
