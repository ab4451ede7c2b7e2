//! Intervals and p-values against theory, exact enumeration and hand-made cases.

#![allow(clippy::unwrap_used)]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrieval_eval::{
    Bootstrap, BootstrapConfig, Comparison, EvalError, EvalOptions, Measure, Paired, Qrels, RandomisationConfig, Run,
    evaluate,
};

fn bootstrap() -> Bootstrap {
    BootstrapConfig::default().build().unwrap()
}

/// Values without pattern in [0, 1).
fn scattered(n: usize, step: f64) -> Vec<f64> {
    (1..=n).map(|place| (place as f64 * step).fract()).collect()
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not within {tolerance} of {b}");
}

#[test]
fn the_interval_of_a_mean_is_the_normal_one_for_many_values() {
    let values = scattered(2_000, 0.618_033_988_749_895);
    let interval = bootstrap().mean(&values).unwrap();
    let mean = values.iter().sum::<f64>() / 2_000.0;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2_000.0;
    let half = 1.959_964 * (variance / 2_000.0).sqrt();
    close(interval.estimate, mean, 1e-12);
    // The ends are quantiles of 10,000 draws: their own standard error is about 3% of the half width.
    close(interval.lower, mean - half, 0.1 * half);
    close(interval.upper, mean + half, 0.1 * half);
}

#[test]
fn a_wider_level_gives_a_wider_interval() {
    let values = scattered(50, 0.618_033_988_749_895);
    let at = |level| BootstrapConfig::default().with_level(level).build().unwrap().mean(&values).unwrap();
    let (narrow, wide) = (at(0.5), at(0.99));
    assert!(wide.lower < narrow.lower && narrow.upper < wide.upper);
}

#[test]
fn pairing_removes_what_the_queries_share() {
    let baseline = scattered(300, 0.618_033_988_749_895);
    let treatment: Vec<f64> = baseline.iter().map(|value| 1.02 * value).collect();
    let paired = Paired::new(&baseline, &treatment).unwrap();
    let gain = bootstrap().relative_gain(paired).unwrap();
    for end in [gain.estimate, gain.lower, gain.upper] {
        close(end, 0.02, 1e-12);
    }
    let difference = bootstrap().difference(paired);
    assert!(difference.lower > 0.009 && difference.upper < 0.011);
}

#[test]
fn draws_are_stable() {
    let (baseline, treatment) = (scattered(100, 0.618_033_988_749_895), scattered(100, 0.414_213_562_373_095));
    let paired = Paired::new(&baseline, &treatment).unwrap();
    let config = BootstrapConfig { resamples: 1_000, level: 0.9, seed: 42 };
    let bootstrap = config.build().unwrap();
    let difference = bootstrap.difference(paired);
    let gain = bootstrap.relative_gain(paired).unwrap();
    let p = RandomisationConfig::default().with_permutations(999).with_seed(42).build().unwrap().p_value(paired);
    for (ours, stable) in [
        (difference.lower, -0.074_209_989),
        (difference.upper, 0.068_866_033),
        (gain.lower, -0.139_097_764),
        (gain.upper, 0.149_571_272),
        (p, 0.938),
    ] {
        close(ours, stable, 1e-6);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let values = scattered(200, 0.618_033_988_749_895);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bootstrap().mean(&values).unwrap())
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn the_p_value_approaches_that_of_all_exchanges() {
    let baseline = [0.0; 8];
    let treatment = [0.3, 0.1, -0.2, 0.4, 0.2, 0.5, -0.1, 0.6];
    let observed: f64 = treatment.iter().sum();
    let as_far = |signs: &u32| {
        let signed = |place: usize| if signs >> place & 1 == 1 { -treatment[place] } else { treatment[place] };
        (0..8).map(signed).sum::<f64>().abs() >= observed - 1e-12
    };
    let exact = (0..256).filter(as_far).count() as f64 / 256.0;
    let test = RandomisationConfig::default().with_permutations(100_000).build().unwrap();
    close(test.p_value(Paired::new(&baseline, &treatment).unwrap()), exact, 0.004);
    close(test.p_value(Paired::new(&treatment, &baseline).unwrap()), exact, 0.004);
}

#[test]
fn exchangeable_runs_are_rejected_as_often_as_the_level_says() {
    let test = RandomisationConfig::default().with_permutations(500).build().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut values = || -> Vec<f64> { (0..20).map(|_| f64::from(rng.next_u32())).collect() };
    let mut rejected = || {
        let (baseline, treatment) = (values(), values());
        test.p_value(Paired::new(&baseline, &treatment).unwrap()) <= 0.1
    };
    // Binomial(400, 0.1) has mean 40 and standard deviation 6.
    let count = (0..400).filter(|_| rejected()).count();
    assert!((16..=64).contains(&count), "{count} of 400 at level 0.1");
}

#[test]
fn a_gain_over_a_baseline_that_is_often_zero_is_an_error() {
    let paired = Paired::new(&[0.5, 1.0, 0.0], &[1.0, 1.0, 1.0]).unwrap();
    // All three draws are the zero in 1 of 27 resamples, more than a tail of 2.5% can hold.
    assert!(matches!(bootstrap().relative_gain(paired), Err(EvalError::ZeroBaseline)));
    let narrower = BootstrapConfig::default().with_level(0.9).build().unwrap();
    assert!(narrower.relative_gain(paired).unwrap().upper.is_finite());
}

#[test]
fn undefined_statistics_are_errors() {
    assert!(matches!(bootstrap().mean(&[]), Err(EvalError::NoQueries)));
    assert!(matches!(Paired::new(&[], &[]), Err(EvalError::NoQueries)));
    assert!(matches!(bootstrap().mean(&[0.0, f64::NAN]), Err(EvalError::NotFinite { index: 1, .. })));
    assert!(matches!(Paired::new(&[1.0], &[1.0, 2.0]), Err(EvalError::Unpaired { baseline: 1, treatment: 2 })));
    let zero = Paired::new(&[0.0, 0.0], &[0.0, 1.0]).unwrap();
    assert!(matches!(bootstrap().relative_gain(zero), Err(EvalError::ZeroBaseline)));
    assert!(matches!(BootstrapConfig::default().with_resamples(0).build(), Err(EvalError::NoResamples { .. })));
}

#[test]
fn reports_are_compared_query_by_query() {
    let qrels = Qrels::read_trec("a 0 x 1\nb 0 x 1\nc 0 x 1\n".as_bytes(), "qrels").unwrap();
    let report = |text: &str, complete: bool| {
        let run = Run::read_trec(text.as_bytes(), "run").unwrap();
        evaluate(&qrels, &run, &[Measure::mrr(10)], EvalOptions::default().with_complete(complete))
    };
    let baseline = "a Q0 y 1 2 t\na Q0 x 2 1 t\nb Q0 x 1 1 t\n";
    let treatment = "c Q0 x 1 1 t\na Q0 x 1 1 t\nb Q0 x 1 1 t\n";
    let (old, new) = (report(baseline, true), report(treatment, true));
    let paired = Paired::from_reports(&old, &new, "RR@10").unwrap();
    let test = RandomisationConfig::default().build().unwrap();
    let comparison = Comparison::new(paired, &bootstrap(), &test);
    assert_eq!((comparison.baseline, comparison.treatment), (0.5, 1.0));
    assert_eq!(comparison.relative_gain, None);
    let text = serde_json::to_string(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);

    let (old, new) = (report(baseline, false), report(treatment, false));
    assert!(matches!(Paired::from_reports(&old, &new, "MRR@10"), Err(EvalError::Unpaired { .. })));
    assert!(matches!(Paired::from_reports(&old, &old, "AP"), Err(EvalError::AbsentMeasure { .. })));
}
