//! What holds of every measure, whatever the judgements and results.

#![allow(clippy::unwrap_used)]

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use retrieval_eval::{
    EvalOptions, Gain, Hit, IndexedQrels, Measure, MeasureAtLevel, Metric, Qrels, Run, Summary, evaluate, evaluate_hits,
};
use std::collections::BTreeMap;

type Judged = BTreeMap<u32, i32>;
/// Scores in quarters, so that ties are frequent.
type Results = BTreeMap<u32, i32>;

/// Measures of the first ranks, and those without a cut that unjudged results at the end do not change.
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
            Measure::RecallCapped { k },
            Measure::recall(k),
            Measure::Precision { k },
            Measure::Success { k },
        ]);
    }
    measures
}

/// As [`measures`]: the others of this kind.
fn further() -> Vec<Measure> {
    let mut measures = vec![
        Measure::GeometricAp,
        Measure::ElevenPointAverage,
        Measure::Bpref,
        Measure::GeometricBpref,
        Measure::InfAp,
        Measure::NdcgAtRelevant,
        Measure::G,
        Measure::BinaryG,
    ];
    for hundredths in [0, 10, 50, 90, 100] {
        measures.extend([
            Measure::InterpolatedPrecision { hundredths },
            Measure::RPrecisionMultiple { hundredths: 2 * hundredths },
            Measure::Rbp { hundredths },
        ]);
    }
    measures
}

/// Those in the unit interval that see how many results there are.
fn of_all_results() -> Vec<Measure> {
    let mut measures = vec![
        Measure::NdcgAtLevels,
        Measure::SetPrecision,
        Measure::SetRecall,
        Measure::SetRelativePrecision,
        Measure::SetAp,
    ];
    measures.extend([0, 50, 100, 250].map(|hundredths| Measure::SetF { hundredths }));
    measures.extend([1, 10, 1000].map(|k| Measure::Unjudged { k }));
    measures
}

fn bounded() -> Vec<Measure> {
    [measures(), further(), of_all_results()].concat()
}

/// Every measure.
fn all() -> Vec<Measure> {
    let counts = [
        Measure::Utility,
        Measure::Queries,
        Measure::Retrieved,
        Measure::Relevant,
        Measure::RelevantRetrieved,
        Measure::NonrelevantRetrieved,
        Measure::RbpResidual { hundredths: 80 },
    ];
    [bounded(), counts.to_vec()].concat()
}

/// Whether grades count beyond being relevant or not.
fn has_gains(measure: &Measure) -> bool {
    matches!(
        measure,
        Measure::Ndcg { .. } | Measure::NdcgAtRelevant | Measure::NdcgAtLevels | Measure::G | Measure::Rbp { .. }
    )
}

fn judged() -> impl Strategy<Value = Judged> {
    btree_map(0..40_u32, -2..4_i32, 1..20)
}

fn query() -> impl Strategy<Value = (Judged, Results)> {
    (judged(), btree_map(0..40_u32, -4..4_i32, 1..40))
}

/// The values of one query.
fn scores<M: Metric>(
    judged: &Judged,
    results: &Results,
    name: impl Fn(u32) -> String,
    measures: &[M],
    options: EvalOptions,
) -> Vec<f64> {
    let mut qrels = Qrels::new();
    for (&document, &grade) in judged {
        qrels.insert("q", &name(document), grade).unwrap();
    }
    let mut run = Run::new();
    run.insert("q", results.iter().map(|(&document, &score)| (name(document), f64::from(score) / 4.0))).unwrap();
    let report = evaluate(&qrels, &run, measures, options);
    report.measures.iter().map(|measure| measure.values[0]).collect()
}

fn values(judged: &Judged, results: &Results, measures: &[Measure]) -> Vec<f64> {
    scores(judged, results, name, measures, EvalOptions::default())
}

fn name(document: u32) -> String {
    format!("d{document:02}")
}

proptest! {
    #[test]
    fn values_are_in_the_unit_interval((judged, results) in query(), level in -1..4_i32) {
        let options = EvalOptions::default().with_relevance_level(level);
        for (value, measure) in scores(&judged, &results, name, &bounded(), options).iter().zip(bounded()) {
            prop_assert!((0.0..=1.0 + 1e-12).contains(value), "{measure}: {value}");
        }
    }

    #[test]
    fn a_ranking_by_grade_is_perfect(judged in judged(), unjudged in btree_set(40..60_u32, 0..5)) {
        let relevant = judged.values().filter(|&&grade| grade > 0).count();
        let results: Results = judged.clone().into_iter().chain(unjudged.iter().map(|&document| (document, -9))).collect();
        let extent = [
            Measure::Bpref,
            Measure::ElevenPointAverage,
            Measure::InterpolatedPrecision { hundredths: 100 },
            Measure::NdcgAtRelevant,
            Measure::NdcgAtLevels,
            Measure::BinaryG,
            Measure::SetRecall,
            Measure::SetRelativePrecision,
        ];
        let measures = [measures(), extent.to_vec()].concat();
        for (value, measure) in values(&judged, &results, &measures).iter().zip(measures) {
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
        let new = scores(&judged, &results, renamed, &all(), EvalOptions::default());
        prop_assert_eq!(values(&judged, &results, &all()), new);
    }

    #[test]
    fn scores_count_by_their_order_only((judged, results) in query()) {
        let cubed = results.iter().map(|(&document, &score)| (document, 7 * score.pow(3) - 100)).collect();
        prop_assert_eq!(values(&judged, &results, &all()), values(&judged, &cubed, &all()));
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
        let report = evaluate_hits(&qrels, &[hits], &all(), EvalOptions::default()).unwrap();
        let by_index: Vec<f64> = report.measures.iter().map(|measure| measure.values[0]).collect();
        prop_assert_eq!(by_index, values(&judged, &results, &all()));
    }

    #[test]
    fn documents_exchanged_so_that_the_higher_grade_stands_first_never_lower_ndcg(
        grades in vec(-1..4_i32, 2..15),
        absent in vec(1..4_i32, 0..4),
        places in any::<(Index, Index)>(),
        k in 1..16_usize,
    ) {
        let gains = [Gain::Linear, Gain::Exponential];
        let ndcg: Vec<Measure> =
            gains.iter().flat_map(|&gain| [Some(k), None].map(|k| Measure::Ndcg { k, gain })).collect();
        let score = |grades: &[i32]| {
            let judged: Judged = (0..).zip(grades.iter().chain(&absent).copied()).collect();
            values(&judged, &(0..grades.len() as u32).map(|place| (place, -(place as i32))).collect(), &ndcg)
        };
        let (a, b) = (places.0.index(grades.len()), places.1.index(grades.len()));
        let (first, second) = (a.min(b), a.max(b));
        let mut better = grades.clone();
        if better[first] < better[second] {
            better.swap(first, second);
        }
        for ((better, worse), measure) in score(&better).iter().zip(score(&grades)).zip(&ndcg) {
            prop_assert!(*better >= worse - 1e-12, "{measure}: {better} < {worse}");
        }
    }

    #[test]
    fn a_relevance_level_is_the_same_as_judgements_cut_there((judged, results) in query(), level in -1..5_i32) {
        let cut = |grade: i32| if grade < 0 { grade } else { i32::from(grade >= level) };
        let binary: Judged = judged.iter().map(|(&document, &grade)| (document, cut(grade))).collect();
        let options = EvalOptions::default().with_relevance_level(level);
        let measures: Vec<Measure> = all().into_iter().filter(|measure| !has_gains(measure)).collect();
        prop_assert_eq!(scores(&judged, &results, name, &measures, options), values(&binary, &results, &measures));
    }

    #[test]
    fn gains_do_not_depend_on_the_relevance_level((judged, results) in query(), level in -1..5_i32) {
        let gains = |measure: &Measure| has_gains(measure) && *measure != Measure::NdcgAtLevels;
        let measures: Vec<Measure> = all().into_iter().filter(gains).collect();
        let options = EvalOptions::default().with_relevance_level(level);
        prop_assert_eq!(scores(&judged, &results, name, &measures, options), values(&judged, &results, &measures));
    }

    #[test]
    fn a_measure_with_its_own_level_is_that_measure_at_that_level((judged, results) in query(), level in 0..5_i32) {
        let bare: Vec<MeasureAtLevel> = ["AP", "RR@3", "bpref", "P@3", "infAP"].map(|name| name.parse().unwrap()).into();
        let levelled: Vec<MeasureAtLevel> =
            bare.iter().map(|measure| MeasureAtLevel { relevance_level: Some(level), ..*measure }).collect();
        let options = EvalOptions::default().with_relevance_level(level);
        prop_assert_eq!(
            scores(&judged, &results, name, &levelled, EvalOptions::default()),
            scores(&judged, &results, name, &bare, options)
        );
    }

    #[test]
    fn unjudged_documents_at_the_end_change_no_measure_of_ranks(
        (judged, results) in query(),
        unjudged in btree_set(40..60_u32, 0..10),
    ) {
        let measures = [measures(), further()].concat();
        let longer: Results = results.clone().into_iter().chain(unjudged.iter().map(|&document| (document, -9))).collect();
        prop_assert_eq!(values(&judged, &results, &measures), values(&judged, &longer, &measures));
    }

    #[test]
    fn the_mean_over_all_judged_queries_counts_those_without_results_as_zero(queries in vec((judged(), query(), 0..3_u8), 1..9)) {
        let (mut qrels, mut run) = (Qrels::new(), Run::new());
        for (number, (_, (judged, results), kind)) in queries.iter().enumerate() {
            let query = format!("q{number}");
            judged.iter().for_each(|(&document, &grade)| qrels.insert(&query, &name(document), grade).unwrap());
            let kept = results.iter().filter(|_| *kind == 2);
            if *kind > 0 {
                run.insert(&query, kept.map(|(&document, &score)| (name(document), f64::from(score)))).unwrap();
            }
        }
        let means: Vec<Measure> = bounded().into_iter().filter(|measure| measure.summary() == Summary::Mean).collect();
        let some = evaluate(&qrels, &run, &means, EvalOptions::default());
        let every = evaluate(&qrels, &run, &means, EvalOptions::default().with_complete(true));
        prop_assert_eq!(every.queries.len(), queries.len());
        prop_assert_eq!(some.queries.len(), queries.len() - some.without_results);
        for (some, every) in some.measures.iter().zip(&every.measures) {
            let sum = some.values.iter().sum::<f64>();
            prop_assert_eq!(some.mean.is_some(), !some.values.is_empty());
            prop_assert!((every.mean.unwrap() * queries.len() as f64 - sum).abs() < 1e-12, "{}", every.name);
        }
    }
}
