//! The hierarchical bootstrap over seeds and queries, against the plain one and against theory.

#![allow(clippy::unwrap_used)]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrieval_eval::{
    Bootstrap, BootstrapConfig, CrossedTTest, EvalError, EvalOptions, Measure, Paired, Qrels, Run, SeedValues, evaluate,
};

fn bootstrap() -> Bootstrap {
    BootstrapConfig::default().with_resamples(4_000).build().unwrap()
}

/// Noise of mean 0 and variance 1, nearly normal: the sum of twelve uniform numbers less 6.
fn noise(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| f64::from(rng.next_u32()) / 2f64.powi(32)).sum::<f64>() - 6.0
}

/// Rows by seed of `of_seed · u + of_query · v + both · w`, with u, v and w noise of a seed, of a query, of both.
fn effects(rng: &mut ChaCha8Rng, seeds: usize, queries: usize, [of_seed, of_query, both]: [f64; 3]) -> SeedValues {
    let query: Vec<f64> = (0..queries).map(|_| of_query * noise(rng)).collect();
    let row = |_| {
        let seed = of_seed * noise(rng);
        query.iter().map(|query| seed + query + both * noise(rng)).collect::<Vec<f64>>()
    };
    SeedValues::new(&(0..seeds).map(row).collect::<Vec<_>>()).unwrap()
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not within {tolerance} of {b}");
}

#[test]
fn means_are_over_queries_and_seeds() {
    let values = SeedValues::new(&[[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]).unwrap();
    assert_eq!((values.seeds(), values.queries()), (2, 3));
    assert_eq!(values.mean(), 0.5);
    assert_eq!(values.query_means(), [0.5, 0.5, 0.5]);
    assert_eq!(values.seed_means(), [0.5, 0.5]);
    assert_eq!(values.seed_deviation(), Some(0.0));
    assert_eq!(SeedValues::new(&[[1.0], [3.0]]).unwrap().seed_deviation(), Some(2f64.sqrt()));
    assert_eq!(SeedValues::new(&[[0.2, 0.4]]).unwrap().seed_deviation(), None);
}

#[test]
fn equal_seeds_add_nothing_to_the_spread_over_queries() {
    let row: Vec<f64> = (1..=200).map(|place| (f64::from(place) * 0.618_033_988_749_895).fract()).collect();
    let plain = bootstrap().mean(&row).unwrap();
    for seeds in [1, 2, 5] {
        let many = bootstrap().mean_over_seeds(&SeedValues::new(&vec![row.clone(); seeds]).unwrap());
        let width = plain.upper - plain.lower;
        close(many.estimate, plain.estimate, 1e-12);
        // Quantiles of 4,000 other draws. Queries drawn anew within each of 5 seeds would halve the width.
        close(many.lower, plain.lower, 0.05 * width);
        close(many.upper, plain.upper, 0.05 * width);
    }
}

#[test]
fn the_width_is_that_of_both_sources_of_variance() {
    let (seeds, queries) = (40, 300);
    let values = effects(&mut ChaCha8Rng::seed_from_u64(1), seeds, queries, [0.1, 0.2, 0.05]);
    let spread = |means: Vec<f64>| {
        let center = means.iter().sum::<f64>() / means.len() as f64;
        means.iter().map(|mean| (mean - center).powi(2)).sum::<f64>() / (means.len() as f64).powi(2)
    };
    let variance = spread(values.seed_means()) + spread(values.query_means());
    let interval = bootstrap().mean_over_seeds(&values);
    let half = 1.96 * variance.sqrt();
    close((interval.upper - interval.lower) / 2.0, half, 0.1 * half);
}

#[test]
fn an_interval_holds_the_truth_about_as_often_as_its_level_says() {
    let bootstrap = BootstrapConfig::default().with_resamples(400).with_level(0.9).build().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut holds = || {
        let interval = bootstrap.mean_over_seeds(&effects(&mut rng, 10, 60, [0.05, 0.3, 0.1]));
        interval.lower <= 0.0 && 0.0 <= interval.upper
    };
    // Binomial(200, 0.9) has mean 180 and standard deviation 4; percentile intervals of few seeds are a little narrow.
    let count = (0..200).filter(|_| holds()).count();
    assert!((164..=194).contains(&count), "{count} of 200 at level 0.9");
}

#[test]
fn pairing_seeds_removes_what_they_share() {
    // The same seeds of the generator: the same effects of seeds and queries, and other noise of both.
    let of = |both| effects(&mut ChaCha8Rng::seed_from_u64(3), 5, 100, [0.3, 0.3, both]);
    let (baseline, treatment) = (of(0.01), of(0.02));
    let width = |interval: retrieval_eval::Interval| interval.upper - interval.lower;
    let paired = width(bootstrap().mean_over_seeds(&treatment.less(&baseline).unwrap()));
    let unpaired = width(bootstrap().difference_over_seeds(&baseline, &treatment).unwrap());
    assert!(paired < 0.02 && unpaired > 0.2, "{paired} {unpaired}");
}

#[test]
fn a_relative_gain_counts_the_luck_of_the_seeds() {
    let baseline = vec![vec![0.5; 200]; 3];
    let gain = |seeds: [f64; 3]| {
        let treatment: Vec<Vec<f64>> = seeds.iter().map(|seed| vec![0.5 + seed; 200]).collect();
        let [baseline, treatment] = [&baseline, &treatment].map(|rows| SeedValues::new(rows).unwrap());
        bootstrap().relative_gain_over_seeds(&baseline, &treatment).unwrap()
    };
    // Averaged over seeds first, both would be 0.02 without any spread.
    let (sure, lucky) = (gain([0.01, 0.01, 0.01]), gain([0.05, -0.02, 0.0]));
    for gain in [sure, lucky] {
        close(gain.estimate, 0.02, 1e-12);
    }
    close(sure.upper - sure.lower, 0.0, 1e-12);
    assert!(lucky.lower < -0.02 && lucky.upper > 0.06, "{lucky:?}");
}

#[test]
fn the_relative_gain_of_one_seed_is_that_over_queries() {
    let [baseline, treatment] = [[0.2, 0.4, 0.6, 0.1], [0.3, 0.4, 0.9, 0.2]];
    let over_queries = bootstrap().relative_gain(Paired::new(&baseline, &treatment).unwrap()).unwrap();
    let [baseline, treatment] = [baseline, treatment].map(|row| SeedValues::new(&[row]).unwrap());
    assert_eq!(bootstrap().relative_gain_over_seeds(&baseline, &treatment).unwrap(), over_queries);
}

#[test]
fn a_gain_over_nothing_is_an_error() {
    let [zero, one] = [0.0, 1.0].map(|value| SeedValues::new(&[[value; 5]; 2]).unwrap());
    assert!(matches!(bootstrap().relative_gain_over_seeds(&zero, &one), Err(EvalError::ZeroBaseline)));
    let single = SeedValues::new(&[[1.0; 5]]).unwrap();
    assert!(matches!(bootstrap().relative_gain_over_seeds(&single, &one), Err(EvalError::UnpairedSeeds { .. })));
}

#[test]
fn a_true_difference_of_none_is_called_significant_as_seldom_as_the_level_says() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut called = |of_seed| {
        let mut significant = || {
            let differences = effects(&mut rng, 4, 80, [of_seed, 0.3, 0.1]);
            CrossedTTest::new(&differences).is_some_and(|test| test.p_value <= 0.05)
        };
        (0..400).filter(|_| significant()).count()
    };
    // Binomial(400, 0.05) has mean 20 and standard deviation 4.4; the test is conservative, most of all with few seeds.
    for of_seed in [0.0, 0.03, 0.3] {
        let count = called(of_seed);
        assert!((4..=33).contains(&count), "{count} of 400 at level 0.05 with seeds of {of_seed}");
    }
}

#[test]
fn draws_are_stable_and_do_not_depend_on_threads() {
    let row = |step: f64| (1..=30).map(|place| (f64::from(place) * step).fract()).collect::<Vec<f64>>();
    let baseline = SeedValues::new(&[row(0.618_033_988_749_895), row(0.414_213_562_373_095)]).unwrap();
    let treatment = SeedValues::new(&[row(0.732_050_807_568_877), row(0.236_067_977_499_790), row(0.1)]).unwrap();
    let bootstrap = BootstrapConfig { resamples: 1_000, level: 0.9, seed: 42 }.build().unwrap();
    let both = || {
        let mean = bootstrap.mean_over_seeds(&baseline);
        (mean, bootstrap.difference_over_seeds(&baseline, &treatment).unwrap())
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(both);
    assert_eq!(with(1), with(3));
    let (mean, difference) = both();
    let stable = [0.424_615_857, 0.580_438_503, -0.112_049_778, 0.081_633_451];
    for (ours, stable) in [mean.lower, mean.upper, difference.lower, difference.upper].into_iter().zip(stable) {
        close(ours, stable, 1e-6);
    }
}

#[test]
fn the_difference_of_unpaired_seeds_takes_other_numbers_of_seeds() {
    let baseline = SeedValues::new(&[[0.1, 0.4, 0.3]]).unwrap();
    let treatment = SeedValues::new(&[[0.2, 0.5, 0.4], [0.2, 0.5, 0.4]]).unwrap();
    let difference = bootstrap().difference_over_seeds(&baseline, &treatment).unwrap();
    for end in [difference.estimate, difference.lower, difference.upper] {
        close(end, 0.1, 1e-12);
    }
    assert!(matches!(treatment.less(&baseline), Err(EvalError::UnpairedSeeds { baseline: 1, treatment: 2 })));
}

#[test]
fn what_is_no_matrix_is_an_error() {
    let none: [[f64; 1]; 0] = [];
    assert!(matches!(SeedValues::new(&none), Err(EvalError::NoSeeds)));
    assert!(matches!(SeedValues::new::<[f64; 0]>(&[[]]), Err(EvalError::NoQueries)));
    assert!(matches!(SeedValues::new(&[[f64::NAN]]), Err(EvalError::NotFinite { index: 0, .. })));
    let ragged = SeedValues::new(&[vec![0.1, 0.2], vec![0.1]]);
    assert!(matches!(ragged, Err(EvalError::SeedLength { seed: 1, values: 1, queries: 2 })));
    let (one, two) = (SeedValues::new(&[[0.1]]).unwrap(), SeedValues::new(&[[0.1, 0.2]]).unwrap());
    assert!(matches!(two.less(&one), Err(EvalError::Unpaired { baseline: 1, treatment: 2 })));
    assert!(matches!(bootstrap().difference_over_seeds(&one, &two), Err(EvalError::Unpaired { .. })));
}

#[test]
fn reports_of_seeds_must_be_over_the_same_queries() {
    let qrels = Qrels::read_trec("q1 0 d1 1\nq2 0 d2 1\n".as_bytes(), "qrels").unwrap();
    let report = |run: &str| {
        let run = Run::read_trec(run.as_bytes(), "run").unwrap();
        evaluate(&qrels, &run, &[Measure::mrr(10)], EvalOptions::default())
    };
    let first = report("q1 Q0 d1 1 1 x\nq2 Q0 d2 1 1 x\n");
    let second = report("q1 Q0 d2 1 1 x\nq2 Q0 d2 1 1 x\n");
    let values = SeedValues::from_reports(&[first.clone(), second], "MRR@10").unwrap();
    assert_eq!(values.query_means(), [0.5, 1.0]);
    let other = report("q2 Q0 d2 1 1 x\n");
    assert!(matches!(SeedValues::from_reports(&[first.clone(), other], "MRR@10"), Err(EvalError::Unpaired { .. })));
    assert!(matches!(SeedValues::from_reports(&[first], "AP"), Err(EvalError::AbsentMeasure { .. })));
}
