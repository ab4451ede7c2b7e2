//! Reports of data that is missing, extreme or hostile.

#![cfg(feature = "report")]
#![allow(clippy::unwrap_used)]

use pretrain::report::*;

fn steps(losses: &[f32]) -> Vec<StepPoint> {
    let point = |(step, &loss): (usize, &f32)| StepPoint { step, loss, gradient_norm: loss, ..StepPoint::default() };
    losses.iter().enumerate().map(point).collect()
}

fn arm(name: &str, losses: &[f32]) -> ArmCurves {
    let run = SeedCurves { seed: 0, steps: steps(losses), validation: Vec::new() };
    ArmCurves { arm: name.to_owned(), runs: vec![run], strata: Vec::new() }
}

fn system(name: &str, mean: f64, gain: Option<GainInterval>) -> SystemScore {
    let score = MeasureScore { mean, interval: Some((mean - 0.01, mean + 0.01)), deviation: Some(0.001) };
    SystemScore { name: name.to_owned(), scores: vec![score], gain }
}

/// Data with every section, and `text` wherever a text can be.
fn full(text: &str) -> ReportData {
    let owned = || text.to_owned();
    let mut arms = vec![arm(text, &[3.0, 2.0, 1.0]), arm("second", &[3.0, 1.0])];
    arms[0].runs[0].validation = vec![ValidationPoint { step: 2, means: vec![(owned(), 0.5)] }];
    let stratum =
        StratumHardness { stratum: 3, pairs: 9, accuracy: 0.5, positive: 0.6, negative: Some(0.2), harder: None };
    arms[1].strata = vec![stratum, StratumHardness { stratum: 4, negative: Some(0.3), harder: Some(0.1), ..stratum }];
    let gain = GainInterval { relative: 0.02, low: 0.01, high: 0.03, p_holm: Some(0.02) };
    let points = (0..4).map(|at| MapPoint { x: f64::from(at), y: 1.0, label: at as u32 % 2, text: owned() }).collect();
    ReportData {
        title: owned(),
        facts: vec![Fact { name: owned(), value: owned() }],
        notes: vec![owned()],
        scores: Some(Scoreboard {
            measures: vec![owned()],
            queries: 10,
            systems: vec![system(text, 0.5, None), system("second", 0.51, Some(gain)), system("BM25", 0.4, None)],
        }),
        arms,
        clusters: vec![ClusterSet {
            name: owned(),
            arms: vec![owned(), owned()],
            of: owned(),
            sizes: vec![3, 1],
            objective: 0.5,
            notes: vec![ClusterNote { label: 0, terms: vec![owned()], example: owned() }],
            map: Some(ClusterMap { points, explained: [0.2, 0.1], rows: 4 }),
        }],
        masked: vec![MaskedNegative {
            query: owned(),
            positive: owned(),
            masked: owned(),
            reason: owned(),
            similarity: Some(0.5),
        }],
        settings: Settings {
            configuration: owned(),
            arms: vec![(owned(), vec![owned()])],
            data_hash: Some(owned()),
            stages: vec![StageFacts { name: owned(), seconds: 1.0, files: vec![(owned(), owned())] }],
        },
    }
}

#[test]
fn hostile_texts_are_texts() {
    let page = render(&full("</script></style></title><script>alert(1)</script><img src=x onerror='a()'> & \" ' <b>"));
    assert_eq!((page.matches("<script").count(), page.matches("</script>").count()), (1, 1));
    assert_eq!((page.matches("<style").count(), page.matches("</style>").count()), (1, 1));
    assert!(!page.contains("<img") && !page.contains("alert(1)<"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("&amp; &quot; "));
    // A quote as it is would end an attribute.
    assert!(!page.contains("& \" '") && !page.contains("amp; \" '"));
}

#[test]
fn every_section_is_there_and_nothing_is_loaded() {
    let page = render(&full("plain text"));
    for id in ["scores", "training", "validation", "hardness", "sizes", "map", "masked", "settings", "notes"] {
        assert!(page.contains(&format!("<section id=\"{id}\">")) && page.contains(&format!("href=\"#{id}\"")), "{id}");
    }
    let namespace = "xmlns=\"http://www.w3.org/2000/svg\"";
    assert_eq!(page.matches("http://").count(), page.matches(namespace).count());
    for loading in ["https://", "url(", "@import", " src=", "<link", "fetch(", "import("] {
        assert!(!page.contains(loading), "{loading}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn equal_data_make_equal_bytes() {
    assert_eq!(render(&full("text")), render(&full("text")));
}

#[test]
fn what_is_missing_leaves_its_section_out() {
    let empty = render(&ReportData::default());
    assert!(empty.contains("nothing to show yet") && !empty.contains("<section"));
    let without_steps = ReportData { arms: vec![arm("no steps", &[]), ArmCurves::default()], ..ReportData::default() };
    assert!(!render(&without_steps).contains("<section"));
    let one_measure_less =
        Scoreboard { measures: vec!["nDCG@10".into()], queries: 0, systems: vec![SystemScore::default()] };
    let page = render(&ReportData { scores: Some(one_measure_less), ..ReportData::default() });
    assert!(page.contains("id=\"scores\"") && !page.contains("id=\"training\""));
}

#[test]
fn losses_that_are_not_finite_are_gaps() {
    let (nan, far) = (f32::NAN, f32::INFINITY);
    let arms = [
        &[nan, nan][..],
        &[far, -far],
        &[1.0],
        &[1.0, nan, 0.5, far, 0.25, 0.0, -1.0],
        &[f32::MAX, f32::MIN_POSITIVE, f32::MIN],
        &[1e-45, 1e-44],
    ];
    for losses in arms {
        let page = render(&ReportData { arms: vec![arm("arm", losses)], ..ReportData::default() });
        assert!(!page.contains("NaN,") && !page.contains("inf,"), "{losses:?}");
    }
    let skipped = SeedCurves { seed: 0, steps: vec![StepPoint::skipped(0)], validation: Vec::new() };
    let arm = ArmCurves { arm: "arm".into(), runs: vec![skipped], strata: Vec::new() };
    render(&ReportData { arms: vec![arm], ..ReportData::default() });
}

#[test]
fn values_that_are_not_finite_panic_nowhere() {
    let mut data = full("text");
    let nan = f64::NAN;
    data.scores.as_mut().unwrap().systems = vec![
        system("a", nan, Some(GainInterval { relative: nan, low: f64::NEG_INFINITY, high: nan, p_holm: Some(nan) })),
        SystemScore::default(),
    ];
    data.arms[0].runs[0].validation[0].means[0].1 = nan;
    data.arms[1].strata[0] =
        StratumHardness { accuracy: nan, negative: Some(nan), harder: Some(0.0), ..data.arms[1].strata[0] };
    data.clusters[0].sizes = vec![0, 0];
    data.clusters[0].map.as_mut().unwrap().points.iter_mut().for_each(|point| point.x = nan);
    data.settings.stages[0].seconds = nan;
    assert!(render(&data).ends_with("</html>"));
}

#[test]
fn a_hundred_thousand_steps_of_many_arms_are_a_small_page() {
    let losses: Vec<f32> = (0..100_000_u32).map(|step| 1.0 + (step % 97) as f32 / 50.0).collect();
    let arms = (0..12).map(|number| arm(&format!("arm {number}"), &losses)).collect();
    let page = render(&ReportData { arms, ..ReportData::default() });
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
    let points = page.lines().filter(|line| line.contains("<polyline")).map(|line| line.matches(',').count());
    assert!(points.max().unwrap() <= 1000);
}
