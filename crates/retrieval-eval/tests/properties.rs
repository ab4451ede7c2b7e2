//! What holds of every measure, whatever the judgements and results.

#![allow(clippy::unwrap_used)]

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use retrieval_eval::{EvalOptions, Gain, Hit, IndexedQrels, Measure, Qrels, Run, evaluate, evaluate_hits};
use std::collections::BTreeMap;

type Judged = BTreeMap<u32, i32>;
/// Scores in quarters, so that ties are frequent.
type Results = BTreeMap<u32, i32>;

fn measures() -> Vec<Measure> {
    let mut measures = vec![
        Measure::RPrecision,
        Measure::Mrr { k: None },
        Measure::Ap { k: None },
        Measure::Ndcg { k: None, gain: Gain::Linear },
        Measure::Ndcg { k: None, gain: Gain::Exponential },
    ];
    for k in [1, 3, 10, 1000] {
        measures.extend([
            Measure::ndcg(k),
            Measure::Ndcg { k: Some(k), gain: Gain::Exponential },
            Measure::mrr(k),
            Measure::Ap { k: Some(k) },
            Measure::ApCapped { k },
            Measure::RelativePrecision { k },
            Measure::recall(k),
            Measure::Precision { k },
            Measure::Success { k },
        ]);
    }
    measures
}

fn query() -> impl Strategy<Value = (Judged, Results)> {
    (btree_map(0..40_u32, -2..4_i32, 1..20), btree_map(0..40_u32, -4..4_i32, 1..40))
}

fn values(judged: &Judged, results: &Results, name: impl Fn(u32) -> String) -> Vec<f64> {
    let mut qrels = Qrels::new();
    for (&document, &grade) in judged {
        qrels.insert("q", &name(document), grade).unwrap();
    }
    let mut run = Run::new();
    run.insert("q", results.iter().map(|(&document, &score)| (name(document), f64::from(score) / 4.0))).unwrap();
    let report = evaluate(&qrels, &run, &measures(), EvalOptions::default());
    report.measures.iter().map(|measure| measure.values[0]).collect()
}

fn name(document: u32) -> String {
    format!("d{document:02}")
}

proptest! {
    #[test]
    fn values_are_in_the_unit_interval((judged, results) in query()) {
        for (value, measure) in values(&judged, &results, name).iter().zip(measures()) {
            prop_assert!((0.0..=1.0 + 1e-12).contains(value), "{measure}: {value}");
        }
    }

    #[test]
    fn a_ranking_by_grade_is_perfect(judged in btree_map(0..40_u32, -2..4_i32, 1..20)) {
        let relevant = judged.values().filter(|&&grade| grade > 0).count();
        for (value, measure) in values(&judged, &judged, name).iter().zip(measures()) {
            let best = match measure {
                _ if relevant == 0 => 0.0,
                Measure::Precision { k } => k.min(relevant) as f64 / k as f64,
                Measure::Recall { k } | Measure::Ap { k: Some(k) } => k.min(relevant) as f64 / relevant as f64,
                _ => 1.0,
            };
            prop_assert!((value - best).abs() < 1e-12, "{measure}: {value}, not {best}");
        }
    }

    #[test]
    fn new_ids_in_the_same_order_change_nothing((judged, results) in query()) {
        let renamed = |document: u32| format!("{}-{document}", (b'A' + document as u8) as char);
        prop_assert_eq!(values(&judged, &results, name), values(&judged, &results, renamed));
    }

    #[test]
    fn hits_with_ids_give_the_values_of_the_run((judged, results) in query(), turn in 0..40_usize) {
        let mut hits: Vec<Hit> =
            results.iter().map(|(&index, &score)| Hit { index, score: score as f32 / 4.0 }).collect();
        let places = hits.len();
        hits.rotate_left(turn % places);
        let ids: Vec<String> = (0..40).map(name).collect();
        let qrels = IndexedQrels::new([judged.clone().into_iter().collect()]).unwrap();
        let qrels = qrels.with_document_ids(&ids).unwrap();
        let report = evaluate_hits(&qrels, &[hits], &measures(), EvalOptions::default()).unwrap();
        let by_index: Vec<f64> = report.measures.iter().map(|measure| measure.values[0]).collect();
        prop_assert_eq!(by_index, values(&judged, &results, name));
    }

    #[test]
    fn a_document_moved_above_one_of_lower_grade_never_lowers_ndcg(
        grades in vec(-1..4_i32, 2..15),
        place in any::<prop::sample::Index>(),
    ) {
        let place = place.index(grades.len() - 1);
        let score = |grades: &[i32]| -> Vec<f64> {
            let judged: Vec<(u32, i32)> = (0..).zip(grades.iter().copied()).collect();
            let hits = (0..grades.len() as u32).map(|index| Hit { index, score: -(index as f32) }).collect();
            let qrels = IndexedQrels::new([judged]).unwrap();
            let ndcg: Vec<Measure> =
                measures().into_iter().filter(|measure| matches!(measure, Measure::Ndcg { .. })).collect();
            let report = evaluate_hits(&qrels, &[hits], &ndcg, EvalOptions::default()).unwrap();
            report.measures.iter().map(|measure| measure.values[0]).collect()
        };
        let mut better = grades.clone();
        if better[place] < better[place + 1] {
            better.swap(place, place + 1);
        }
        for (better, worse) in score(&better).iter().zip(score(&grades)) {
            prop_assert!(*better >= worse - 1e-12, "{better} < {worse}");
        }
    }
}
