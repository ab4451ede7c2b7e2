//! Values that pytrec_eval computed (`tools/golden/retrieval_eval.py`).

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use retrieval_eval::{EvalOptions, Hit, IndexedQrels, Measure, Qrels, Run, evaluate, evaluate_hits};
use serde::Deserialize;

/// Both sides add the same few terms in the same order; only the last bits may differ.
const TOLERANCE: f64 = 1e-14;

#[derive(Deserialize)]
struct Golden {
    qrels: String,
    run: String,
    judged: usize,
    without_results: usize,
    without_judgements: usize,
    values: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Golden {
    fn load() -> Self {
        serde_json::from_str(include_str!("golden/pytrec_eval.json")).unwrap()
    }

    fn qrels(&self) -> Qrels {
        Qrels::read_trec(self.qrels.as_bytes(), "qrels").unwrap()
    }

    fn run(&self) -> Run {
        Run::read_trec(self.run.as_bytes(), "run").unwrap()
    }

    fn measures(&self) -> Vec<Measure> {
        let names = self.values.values().next().unwrap().keys();
        names.map(|name| name.parse().unwrap()).collect()
    }
}

#[test]
fn values_of_each_query_are_those_of_pytrec_eval() {
    let golden = Golden::load();
    let measures = golden.measures();
    assert_eq!(measures.len(), 34);
    let report = evaluate(&golden.qrels(), &golden.run(), &measures, EvalOptions::default());
    assert_eq!(report.queries.len(), golden.values.len());
    assert_eq!(report.without_results, golden.without_results);
    assert_eq!(report.without_judgements, golden.without_judgements);
    for (query, expected) in &golden.values {
        let place = report.queries.iter().position(|id| id == query).unwrap();
        for (name, expected) in expected {
            let ours = report.values(name).unwrap()[place];
            assert!((ours - expected).abs() < TOLERANCE, "{name} of {query}: {ours}, not {expected}");
        }
    }
}

#[test]
fn a_complete_mean_counts_queries_without_results_as_zero() {
    let golden = Golden::load();
    let measures = golden.measures();
    let options = EvalOptions::default().with_complete(true);
    let report = evaluate(&golden.qrels(), &golden.run(), &measures, options);
    assert_eq!(report.queries.len(), golden.judged);
    for name in golden.values.values().next().unwrap().keys() {
        let sum: f64 = golden.values.values().map(|row| row[name]).sum();
        let ours = report.mean(name).unwrap();
        assert!((ours - sum / golden.judged as f64).abs() < TOLERANCE, "{name}: {ours}");
    }
}

#[test]
fn hits_by_index_give_the_same_report() {
    let golden = Golden::load();
    let (qrels, run, measures) = (golden.qrels(), golden.run(), golden.measures());
    let mut documents: Vec<&str> = run.queries().flat_map(|query| run.results(query).map(|(id, _)| id)).collect();
    documents.sort_by_key(|id| id.bytes().map(|byte| u32::from(byte) * 31 % 17).sum::<u32>());
    let mut seen = std::collections::HashSet::new();
    documents.retain(|id| seen.insert(*id));
    let index = |id: &str| documents.iter().position(|other| *other == id).unwrap() as u32;

    let queries: Vec<&str> = qrels.queries().collect();
    let hits: Vec<Vec<Hit>> = queries
        .iter()
        .map(|query| {
            let hit = |(id, score): (&str, f64)| Hit { index: index(id), score: score as f32 };
            let mut hits: Vec<Hit> = run.results(query).map(hit).collect();
            hits.sort_by_key(|hit| hit.index);
            hits
        })
        .collect();
    let indexed = IndexedQrels::from_qrels(&qrels, &queries, &documents).unwrap();
    for complete in [false, true] {
        let options = EvalOptions::default().with_complete(complete);
        let ours = evaluate_hits(&indexed, &hits, &measures, options).unwrap();
        let theirs = evaluate(&qrels, &run, &measures, options);
        assert_eq!(ours.measures, theirs.measures);
        assert_eq!(ours.without_results, theirs.without_results);
        assert!(ours.queries.iter().map(|&row| queries[row as usize]).eq(&theirs.queries));
    }
}
