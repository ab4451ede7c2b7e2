//! t-tests, Holm's correction, effect sizes, components of variance and power: values of SciPy and statsmodels
//! (`tools/golden/retrieval_eval_statistics.py`), and what holds for all values.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use retrieval_eval::{Outcomes, Paired, SeedValues, TTest, VarianceComponents, holm};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    pairs: Vec<Pair>,
    families: Vec<Family>,
    tables: Vec<Table>,
    designs: Vec<Design>,
}

/// Differences by seed, and what is known of them.
#[derive(Deserialize)]
struct Table {
    rows: Vec<Vec<f64>>,
    mean_squares: VarianceComponents,
    reml: Option<VarianceComponents>,
}

#[derive(Deserialize)]
struct Design {
    components: VarianceComponents,
    difference: f64,
    queries: usize,
    seeds: usize,
    alpha: f64,
    integrated: f64,
    simulated: f64,
}

#[derive(Deserialize)]
struct Pair {
    baseline: Vec<f64>,
    treatment: Vec<f64>,
    t: f64,
    degrees_of_freedom: usize,
    p: f64,
    cohens_d: f64,
}

#[derive(Deserialize)]
struct Family {
    raw: Vec<f64>,
    holm: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/statistics.json")).unwrap()
}

fn close(ours: f64, theirs: f64, relative: f64) {
    assert!((ours - theirs).abs() <= relative * theirs.abs(), "{ours}, not {theirs}");
}

#[test]
fn t_tests_and_effect_sizes_are_those_of_scipy() {
    for pair in golden().pairs {
        let paired = Paired::new(&pair.baseline, &pair.treatment).unwrap();
        let test = TTest::new(paired).unwrap();
        assert_eq!(test.degrees_of_freedom, pair.degrees_of_freedom);
        // The rounding of the differences, which a mean near 0 multiplies.
        close(test.t, pair.t, 1e-11);
        close(paired.cohens_d().unwrap(), pair.cohens_d, 1e-11);
        // A p-value of 1e-76 multiplies the error of t by a hundred.
        close(test.p_value, pair.p, 1e-9);
    }
}

#[test]
fn corrected_p_values_are_those_of_statsmodels() {
    for family in golden().families {
        for (ours, theirs) in holm(&family.raw).unwrap().into_iter().zip(family.holm) {
            close(ours, theirs, 1e-15);
        }
    }
}

#[test]
fn components_are_those_of_statsmodels() {
    for Table { rows, mean_squares, reml } in golden().tables {
        let (queries, seeds) = (rows[0].len() as f64, rows.len() as f64);
        let ours = VarianceComponents::new(&SeedValues::new(&rows).unwrap()).unwrap();
        let estimate = |square: f64, others: f64| ((square - mean_squares.residual) / others).max(0.0);
        // The rounding of a least-squares fit.
        close(ours.residual, mean_squares.residual, 1e-9);
        close(ours.query, estimate(mean_squares.query, seeds), 1e-9);
        close(ours.seed, estimate(mean_squares.seed, queries), 1e-9);
        if let Some(reml) = reml {
            // Where its optimiser stops.
            close(ours.query, reml.query, 1e-3);
            close(ours.seed, reml.seed, 1e-3);
            close(ours.residual, reml.residual, 1e-3);
        }
    }
}

#[test]
fn power_is_what_simulated_experiments_have() {
    for Design { components, difference, queries, seeds, alpha, integrated, simulated } in golden().designs {
        let ours = components.power(difference, queries, seeds, alpha).unwrap();
        assert!((ours - integrated).abs() < 1e-3, "{ours}, by quadrature {integrated}");
        // Four standard deviations of a share of 40,000 experiments.
        assert!((ours - simulated).abs() < 0.01, "{ours}, of simulations {simulated}");
        assert_eq!(components.power(-difference, queries, seeds, alpha).unwrap(), ours);
    }
}

#[test]
fn the_fewest_seeds_that_are_enough_are_found() {
    for Design { components, difference, queries, alpha, .. } in golden().designs {
        let power = |seeds| components.power(difference, queries, seeds, alpha).unwrap();
        match components.seeds_for(difference, queries, 0.8, alpha).unwrap() {
            Some(seeds) => assert!(power(seeds) >= 0.8 && (2..seeds).all(|fewer| power(fewer) < 0.8)),
            None => assert!([2, 10, 100, 1000].into_iter().all(|seeds| power(seeds) < 0.8)),
        }
    }
}

fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let value = prop_oneof![0.0..=1.0, Just(0.0), Just(1.0), Just(0.5)];
    prop::collection::vec((value.clone(), value), 1..60)
}

proptest! {
    #[test]
    fn holm_is_monotone_and_between_the_raw_p_and_one(
        raw in prop::collection::vec(prop_oneof![0.0..=1.0, 0.0..=0.01, Just(0.02)], 0..30),
    ) {
        let corrected = holm(&raw).unwrap();
        prop_assert_eq!(corrected.len(), raw.len());
        for (one, &p) in raw.iter().enumerate() {
            prop_assert!(corrected[one] >= p && corrected[one] <= 1.0);
            prop_assert!(corrected[one] <= raw.len() as f64 * p);
            for (other, &larger) in raw.iter().enumerate() {
                prop_assert!(p > larger || corrected[one] <= corrected[other]);
            }
        }
    }

    #[test]
    fn swapping_the_runs_keeps_p_and_negates_the_effect(pairs in pairs()) {
        let (baseline, treatment): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let paired = Paired::new(&baseline, &treatment).unwrap();
        let swapped = Paired::new(&treatment, &baseline).unwrap();
        prop_assert_eq!(paired.cohens_d(), swapped.cohens_d().map(|d| -d));
        let (one, other) = (Outcomes::new(paired), Outcomes::new(swapped));
        prop_assert_eq!((one.wins, one.ties, one.losses), (other.losses, other.ties, other.wins));
        prop_assert_eq!(one.wins + one.ties + one.losses, baseline.len());
        match (TTest::new(paired), TTest::new(swapped)) {
            (Some(one), Some(other)) => {
                prop_assert_eq!((one.p_value, one.t), (other.p_value, -other.t));
                prop_assert!((0.0..=1.0).contains(&one.p_value));
            }
            (one, other) => prop_assert!(one.is_none() && other.is_none()),
        }
    }

    #[test]
    fn a_clearer_difference_has_a_smaller_p(pairs in pairs(), shift in 0.01_f64..2.0) {
        let (baseline, treatment): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let better = Paired::new(&baseline, &treatment).unwrap().difference() >= 0.0;
        let moved: Vec<f64> =
            treatment.iter().map(|value| if better { value + shift } else { value - shift }).collect();
        let test = |treatment| TTest::new(Paired::new(&baseline, treatment).unwrap());
        if let (Some(near), Some(far)) = (test(&treatment), test(&moved)) {
            prop_assert!(far.p_value <= near.p_value * (1.0 + 1e-9));
        }
    }

    #[test]
    fn power_grows_with_the_difference(
        [query, seed, residual] in [0.0..1.0_f64, 0.0..1.0, 0.001..1.0],
        (queries, seeds) in (2_usize..200, 2_usize..9),
        alpha in 0.001..0.5_f64,
        differences in prop::collection::vec(0.0..4.0_f64, 2..6),
    ) {
        let components = VarianceComponents { query, seed, residual };
        let mut differences = differences;
        differences.sort_by(f64::total_cmp);
        let powers: Vec<f64> =
            differences.iter().map(|&by| components.power(by, queries, seeds, alpha).unwrap()).collect();
        prop_assert!(powers.iter().all(|power| (0.0..=1.0).contains(power)));
        prop_assert!(powers.is_sorted_by(|one, other| *one <= other + 1e-9), "{powers:?}");
        let (one, more) = (components.standard_error(queries, seeds).unwrap(), components.standard_error(2 * queries, 2 * seeds).unwrap());
        prop_assert!(more < one);
    }
}
