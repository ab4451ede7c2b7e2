//! Whole small tables in every format.

#![allow(clippy::unwrap_used)]

use retrieval_eval::{
    BootstrapConfig, EvalError, EvalOptions, Measure, Qrels, RandomisationConfig, Report, Run, RunTable, TTest,
    TableFormat, evaluate,
};

const QRELS: &str = "q1 0 a 1\nq2 0 a 1\nq3 0 a 1\nq4 0 a 1\n";

/// A run that has the relevant document at these ranks, of queries 1, 2, ….
fn report(ranks: &[usize]) -> Report {
    let mut run = Run::new();
    for (query, &rank) in ranks.iter().enumerate() {
        let id = |place: usize| if place + 1 == rank { "a".to_owned() } else { format!("z{place}") };
        run.insert(&format!("q{}", query + 1), (0..rank).map(|place| (id(place), -(place as f64)))).unwrap();
    }
    let qrels = Qrels::read_trec(QRELS.as_bytes(), "qrels").unwrap();
    evaluate(&qrels, &run, &[Measure::mrr(10)], EvalOptions::default())
}

fn table(others: &[(&str, &Report)]) -> Result<RunTable, EvalError> {
    let bootstrap = BootstrapConfig::default().with_resamples(500).build()?;
    let test = RandomisationConfig::default().with_permutations(999).build()?;
    RunTable::new(("BM25 & co", &report(&[2, 4, 2, 4])), others, &bootstrap, &test)
}

fn small() -> RunTable {
    table(&[("dense_v1|b", &report(&[1, 2, 2, 1])), ("same, \"too\"", &report(&[2, 4, 2, 4]))]).unwrap()
}

fn written(table: &RunTable, format: TableFormat) -> String {
    let mut bytes = Vec::new();
    table.write(format, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn text_is_aligned() {
    let expected = r#"
measure  run                       mean [95%]            difference [95%]  p (Holm)  t-test p (Holm)  Cohen's d  win/tie/loss
------------------------------------------------------------------------------------------------------------------------------
MRR@10   BM25 & co    0.3750 [0.2500, 0.5000]
MRR@10   dense_v1|b   0.7500 [0.5000, 1.0000]  +0.3750 [+0.1250, +0.6875]    0.5040           0.2055    +1.1619         3/1/0
MRR@10   same, "too"  0.3750 [0.2500, 0.5000]  +0.0000 [+0.0000, +0.0000]    1.0000        undefined  undefined         0/4/0
"#;
    assert_eq!(written(&small(), TableFormat::Text), expected[1..]);
    assert_eq!(small().to_string(), written(&small(), TableFormat::Text));
}

#[test]
fn markdown_escapes_pipes() {
    let expected = r#"
| measure | run | mean [95%] | difference [95%] | p (Holm) | t-test p (Holm) | Cohen's d | win/tie/loss |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
| MRR@10 | BM25 \& co | 0.3750 [0.2500, 0.5000] |  |  |  |  |  |
| MRR@10 | dense\_v1\|b | 0.7500 [0.5000, 1.0000] | +0.3750 [+0.1250, +0.6875] | 0.5040 | 0.2055 | +1.1619 | 3/1/0 |
| MRR@10 | same, "too" | 0.3750 [0.2500, 0.5000] | +0.0000 [+0.0000, +0.0000] | 1.0000 | undefined | undefined | 0/4/0 |
"#;
    assert_eq!(written(&small(), TableFormat::Markdown), expected[1..]);
}

#[test]
fn latex_escapes_ampersands() {
    let expected = r#"
\begin{tabular}{llrrrrrr}
\toprule
measure & run & mean [95\%] & difference [95\%] & p (Holm) & t-test p (Holm) & Cohen's d & win/tie/loss \\
\midrule
MRR@10 & BM25 \& co & 0.3750 [0.2500, 0.5000] &  &  &  &  &  \\
MRR@10 & dense\_v1\textbar{}b & 0.7500 [0.5000, 1.0000] & +0.3750 [+0.1250, +0.6875] & 0.5040 & 0.2055 & +1.1619 & 3/1/0 \\
MRR@10 & same, "too" & 0.3750 [0.2500, 0.5000] & +0.0000 [+0.0000, +0.0000] & 1.0000 & undefined & undefined & 0/4/0 \\
\bottomrule
\end{tabular}
"#;
    assert_eq!(written(&small(), TableFormat::Latex), expected[1..]);
}

#[test]
fn csv_quotes_and_does_not_round() {
    let mut table = small();
    // The last digits of t may differ between processors.
    let t_test = &mut table.rows[1].against_baseline.as_mut().unwrap().comparison.t_test;
    *t_test = Some(TTest { t: 2.323_790_007_724, degrees_of_freedom: 3, p_value: 0.102_728 });
    let corrected = table.rows[1].against_baseline.as_mut().unwrap();
    (corrected.comparison.cohens_d, corrected.t_test_p_holm) = (Some(1.161_895), Some(1e-20));
    let expected = "\
measure,run,queries,level,mean,mean_lower,mean_upper,difference,difference_lower,difference_upper,\
relative_gain,relative_gain_lower,relative_gain_upper,p,p_holm,t,t_test_p,t_test_p_holm,cohens_d,wins,ties,losses
MRR@10,BM25 & co,4,0.95,0.375,0.25,0.5,,,,,,,,,,,,,,,
MRR@10,dense_v1|b,4,0.95,0.75,0.5,1.0,0.375,0.125,0.6875,1.0,0.25,2.5,0.252,0.504,2.323790007724,0.102728,1e-20,\
1.161895,3,1,0
MRR@10,\"same, \"\"too\"\"\",4,0.95,0.375,0.25,0.5,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,,,,,0,4,0
";
    assert_eq!(written(&table, TableFormat::Csv), expected);
}

#[test]
fn json_reads_back() {
    let table = small();
    let json = written(&table, TableFormat::Json);
    // Rounded, because serde_json's default reading of a float may miss the last bit.
    let read: RunTable = serde_json::from_str(&json).unwrap();
    assert_eq!(read.to_string(), table.to_string());
    let alone = RunTable { queries: 4, rows: table.rows[..1].to_vec() };
    let expected = r#"
{
  "queries": 4,
  "rows": [
    {
      "measure": "MRR@10",
      "run": "BM25 & co",
      "mean": {
        "estimate": 0.375,
        "lower": 0.25,
        "upper": 0.5,
        "level": 0.95
      },
      "against_baseline": null
    }
  ]
}
"#;
    assert_eq!(written(&alone, TableFormat::Json), expected[1..]);
}

#[test]
fn p_values_are_corrected_within_a_measure() {
    let (one, other) = (report(&[1, 2, 2, 1]), report(&[1, 1, 1, 3]));
    let table = table(&[("one", &one), ("other", &other)]).unwrap();
    let against = |row: usize| table.rows[row].against_baseline.unwrap();
    assert!(table.rows[0].against_baseline.is_none());
    let (one, other) = (against(1), against(2));
    let raw = [one.comparison.p_value, other.comparison.p_value];
    assert_eq!(vec![one.p_holm, other.p_holm], retrieval_eval::holm(&raw).unwrap());
    let raw = [one, other].map(|against| against.comparison.t_test.unwrap().p_value);
    assert_eq!(
        [one.t_test_p_holm, other.t_test_p_holm].map(Option::unwrap).to_vec(),
        retrieval_eval::holm(&raw).unwrap()
    );
}

#[test]
fn an_undefined_test_does_not_weaken_the_correction_of_the_others() {
    let table = small();
    let defined = table.rows[1].against_baseline.unwrap();
    assert_eq!(defined.t_test_p_holm, defined.comparison.t_test.map(|test| 2.0 * test.p_value));
    assert_eq!(table.rows[2].against_baseline.unwrap().t_test_p_holm, None);
}

#[test]
fn runs_over_other_queries_are_an_error() {
    assert!(matches!(table(&[("short", &report(&[1, 2, 2]))]), Err(EvalError::Unpaired { .. })));
}
