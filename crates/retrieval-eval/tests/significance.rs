//! t-tests, Holm's correction and effect sizes: values of SciPy and statsmodels
//! (`tools/golden/retrieval_eval_statistics.py`), and what holds for all values.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use retrieval_eval::{Outcomes, Paired, TTest, holm};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    pairs: Vec<Pair>,
    families: Vec<Family>,
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
}
