//! What trec_eval in C prints for a few hand-made queries (`tools/golden/trec_eval.py`), to the last digit printed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use retrieval_eval::{EvalOptions, Measure, Metric, Qrels, Run, evaluate};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    source: String,
    qrels: String,
    run: String,
    outputs: BTreeMap<String, Vec<String>>,
}

fn check(arguments: &str, options: EvalOptions) {
    let golden: Golden = serde_json::from_str(include_str!("golden/trec_eval.json")).unwrap();
    let qrels = Qrels::read_trec(golden.qrels.as_bytes(), "qrels").unwrap();
    let run = Run::read_trec(golden.run.as_bytes(), "run").unwrap();
    let measures = Measure::list("all_trec").unwrap();
    let report = evaluate(&qrels, &run, &measures, options);
    let mut queries = std::collections::BTreeSet::new();
    for line in &golden.outputs[arguments] {
        let [name, query, printed]: [&str; 3] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let measure: Measure = name.parse().unwrap();
        let name = measure.to_string();
        let value = match query {
            "all" => report.overall(&name).unwrap(),
            _ => {
                queries.insert(query);
                report.values(&name).unwrap()[report.queries.iter().position(|id| id == query).unwrap()]
            }
        };
        let ours = format!("{value:.*}", measure.summary().decimals());
        assert_eq!(ours, printed, "{name} of {query}, {}, {arguments}", golden.source);
    }
    assert_eq!(queries.len(), report.queries.len());
    assert_eq!(report.without_results, 1);
    assert_eq!(report.without_judgements, 1);
}

#[test]
fn queries_with_judgements_and_results_count() {
    check("", EvalOptions::default());
}

#[test]
fn judged_queries_without_results_count_as_zero_where_asked_for() {
    check("-c", EvalOptions::default().with_complete(true));
}

#[test]
fn a_higher_relevance_level_changes_what_is_relevant_but_no_gain() {
    check("-l 2", EvalOptions::default().with_relevance_level(2));
    check("-c -l 2", EvalOptions::default().with_relevance_level(2).with_complete(true));
}
