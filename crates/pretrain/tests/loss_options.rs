//! What `[loss]` asks for reaches the training: hard negatives, prefixes, further positives, strata.

#![allow(clippy::unwrap_used)]

mod common;

use common::Bench;
use serde_json::Value;
use vectors::{NpyVectors, inner_product, read_labels};

const ONE_ARM: [&str; 7] =
    ["config.toml", "--set", "run.arms=[\"passages\"]", "--set", "train.epochs=1", "--set", "eval.baselines=false"];

/// `pretrain run` of one arm for one epoch.
fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run"][..], &ONE_ARM, more].concat()
}

fn steps(bench: &Bench) -> Vec<Value> {
    bench.read("run/metrics.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The clustering embedder's score of each training pair's query with every passage of training. These have rows, in the data's order.
struct Scores {
    passages: Vec<usize>,
    rows: [NpyVectors; 2],
}

impl Scores {
    fn new(bench: &Bench) -> Self {
        let rows = ["query", "passage"]
            .map(|side| NpyVectors::open(&bench.path(&format!("run/embeddings/{side}.npy"))).unwrap());
        Self { passages: (0..96).filter(|id| id % 7 != 6).collect(), rows }
    }

    fn of(&self, pair: usize, passage: usize) -> f64 {
        let row = |side: usize, row: usize| self.rows[side].array().unwrap().row(row).to_vec();
        inner_product(&row(0, pair), &row(1, self.passages.binary_search(&passage).unwrap()))
    }

    /// Those of the passages that do not answer, falling.
    fn others(&self, pair: usize) -> Vec<f64> {
        let others = self.passages.iter().filter(|&&passage| passage != self.passages[pair]);
        let mut scores: Vec<f64> = others.map(|&passage| self.of(pair, passage)).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores
    }
}

#[test]
fn hard_negatives_are_the_nearest_passages_that_do_not_answer_and_every_batch_has_them() {
    let bench = Bench::new();
    let arguments = run(&["--set", "loss.hard_negatives=3"]);
    bench.succeed(&arguments);
    let mined = read_labels(&bench.path("run/hard-negatives/hard-negatives-3-each.npy")).unwrap();
    let scores = Scores::new(&bench);
    assert_eq!(mined.len(), 3 * scores.passages.len());
    for (pair, found) in mined.chunks_exact(3).enumerate() {
        for (&passage, expected) in found.iter().zip(scores.others(pair)) {
            assert_ne!(passage as usize, scores.passages[pair]);
            let score = scores.of(pair, passage as usize);
            assert!((score - expected).abs() < 1e-6, "pair {pair}: {passage} at {score}, not {expected}");
        }
    }
    for step in steps(&bench) {
        let [pairs, negatives] = [&step["pairs"], &step["similarities"]["negatives"]].map(|n| n.as_u64().unwrap());
        let masked = step["masked"].as_u64().unwrap();
        assert_eq!(negatives + masked, pairs * (4 * pairs - 1), "{step}");
    }
    let (_, again) = bench.succeed(&arguments);
    assert!(!again.contains("done in") && !again.contains("hard negatives:"), "{again}");
    let stderr = bench.fail(&run(&["--set", "loss.hard_negatives=90", "--force"]));
    assert!(stderr.contains("loss.hard_negatives = 90: of a query only 82 training passages"), "{stderr}");
}

#[test]
fn hard_negatives_lie_below_the_threshold_of_a_guide() {
    let bench = Bench::new();
    bench.succeed(&run(&["--set", "loss.hard_negatives=2", "--set", "loss.guide={ margin = 0.2 }"]));
    let mined = read_labels(&bench.path("run/hard-negatives/hard-negatives-2-each-margin-0.2.npy")).unwrap();
    let scores = Scores::new(&bench);
    let mut counts = [0; 2];
    for (pair, found) in mined.chunks_exact(2).enumerate() {
        let (threshold, others) = (scores.of(pair, scores.passages[pair]) - 0.2, scores.others(pair));
        let above = others.iter().filter(|&&score| score >= threshold).count();
        // With too few below, the last ones, which the loss masks.
        let is_enough = others.len() - above >= found.len();
        counts[usize::from(is_enough)] += 1;
        let first = if is_enough { above } else { others.len() - found.len() };
        for (&passage, expected) in found.iter().zip(&others[first..]) {
            assert!((scores.of(pair, passage as usize) - expected).abs() < 1e-6, "pair {pair}");
        }
    }
    assert!(counts.iter().all(|&count| count > 10), "{counts:?}");
}

#[test]
fn a_querys_own_text_is_no_hard_negative_of_it() {
    let bench = Bench::new();
    // Query 0 again as a passage that answers query 1.
    let text = bench.read("data/queries.jsonl").lines().next().unwrap().replace("q0", "d96");
    bench.write("data/corpus.jsonl", &(bench.read("data/corpus.jsonl") + &text + "\n"));
    bench.write("data/qrels/train.tsv", &(bench.read("data/qrels/train.tsv") + "q1\td96\t1\n"));
    bench.succeed(&run(&["--set", "loss.hard_negatives=5"]));
    let mined = read_labels(&bench.path("run/hard-negatives/hard-negatives-5-each.npy")).unwrap();
    assert!(!mined[..5].contains(&96), "{:?}", &mined[..5]);
    assert!(mined.contains(&96));
}

#[test]
fn prefixes_are_trained_as_cosines_no_wider_than_the_student() {
    let bench = Bench::new();
    let cosine = ["--set", "loss.similarity=cosine"];
    bench.succeed(&run(&[&cosine[..], &["--set", "loss.matryoshka=[16, { width = 8, weight = 0.5 }]"]].concat()));
    assert!(steps(&bench).iter().all(|step| step["loss"].as_f64().unwrap().is_finite()));
    let stderr = bench.fail(&run(&["--set", "loss.matryoshka=[8]", "--force"]));
    assert!(stderr.contains("loss.similarity = dot: expected cosine, with loss.matryoshka"), "{stderr}");
    let stderr = bench.fail(&run(&[&cosine[..], &["--set", "loss.matryoshka=[8, 8]", "--force"]].concat()));
    assert!(stderr.contains("loss.matryoshka") && stderr.contains("a width of its own"), "{stderr}");
    let stderr = bench.fail(&run(&[&cosine[..], &["--set", "loss.matryoshka=[4096]", "--force"]].concat()));
    assert!(stderr.contains("a prefix of width 4096 of a student of dimension"), "{stderr}");
}

#[test]
fn reports_have_each_stratum() {
    let bench = Bench::new();
    bench.succeed(&run(&["--set", "loss.by_stratum=true"]));
    for step in steps(&bench) {
        let of = |one: &Value| one["similarities"]["pairs"].as_u64().unwrap();
        let strata = step["by_stratum"].as_array().unwrap();
        assert_eq!(strata.iter().map(of).sum::<u64>(), step["pairs"].as_u64().unwrap(), "{step}");
    }
    bench.succeed(&run(&["--force"]));
    assert!(steps(&bench).iter().all(|step| step.get("by_stratum").is_none()));
}

#[test]
fn known_positives_may_be_positives() {
    let bench = Bench::new();
    // The first queries are answered by their neighbours' passages too.
    let judged = (0..40).filter(|id| id % 7 != 6 && (id + 1) % 7 != 6).map(|id| format!("q{id}\td{}\t1\n", id + 1));
    let judged = bench.read("data/qrels/train.tsv") + &judged.collect::<String>();
    bench.write("data/qrels/train.tsv", &judged);
    let first = |more: &[&str]| {
        bench.succeed(&run(&[more, &["--force"]].concat()));
        steps(&bench).into_iter().map(|step| (step["loss"].as_f64().unwrap(), step["masked"].as_u64().unwrap())).next()
    };
    let (masked, positives) = (first(&[]).unwrap(), first(&["--set", "loss.known_positives=positives"]).unwrap());
    assert_eq!(masked.1, positives.1);
    assert!((masked.0 - positives.0).abs() > 1e-4, "{masked:?} {positives:?}");
}
