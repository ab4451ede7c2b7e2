//! The two implementations agree, their gradients are those of their loss, and order does not matter.

mod support;

use burn::tensor::DType;
use infonce::{Dense, Direction, InfoNceConfig, Tiled};
use proptest::{collection::vec, prelude::*};

use support::{Output, Problem, Tolerance, assert_rows_close};

const DOUBLE: Tolerance = Tolerance { relative: 1e-9, floor: 1e-3 };
/// For τ ≥ 0.05: a logit is rounded by ε/τ, and the dense softmax − 1 by ε/(bτ).
const SINGLE: Tolerance = Tolerance { relative: 1e-5, floor: 1.0 };

#[derive(Debug, Clone)]
struct Scenario {
    config: InfoNceConfig,
    problem: Problem,
}

impl Scenario {
    fn tiled(&self) -> Tiled {
        self.config.build().expect("the settings are valid")
    }

    fn dense(&self) -> Dense {
        self.config.build_dense().expect("the settings are valid")
    }

    fn run(&self, dtype: DType) -> Output {
        self.problem.run(&self.tiled(), dtype)
    }
}

fn unit_rows(rows: usize, width: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    vec(vec(-1.0..1.0_f64, width), rows).prop_map(|rows| rows.into_iter().map(unit).collect())
}

fn unit(mut row: Vec<f64>) -> Vec<f64> {
    row[0] += if row[0] < 0.0 { -0.1 } else { 0.1 };
    let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    // Rounded, so that f32 and f64 see the same row.
    row.iter().map(|value| f64::from((value / norm) as f32)).collect()
}

/// No ids, ids that often repeat, or ids that rarely do.
fn ids(n: usize) -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![Just(Vec::new()), vec(0..4_u64, n), vec(any::<u64>(), n), vec(0..(4 * n as u64), n)]
}

/// No known positives, or those of each of `b` queries: often passages of the batch, where ids are small.
fn known_positives(b: usize, n: usize) -> impl Strategy<Value = Vec<Vec<u64>>> {
    prop_oneof![Just(Vec::new()), vec(vec(0..4_u64, 0..4), b), vec(vec(0..(4 * n as u64), 0..4), b)]
}

fn config(temperatures: std::ops::Range<f32>) -> impl Strategy<Value = InfoNceConfig> {
    let direction = prop_oneof![Just(Direction::QueryToPassage), Just(Direction::Symmetric)];
    (temperatures, direction, any::<bool>(), 1..20_usize).prop_map(|(temperature, direction, mask, tile)| {
        InfoNceConfig::default()
            .with_temperature(temperature)
            .with_direction(direction)
            .with_mask_duplicates(mask)
            .with_tile(tile)
    })
}

fn scenario(temperatures: std::ops::Range<f32>) -> impl Strategy<Value = Scenario> {
    (config(temperatures), 1..24_usize, 1..10_usize, 0..6_usize).prop_flat_map(|(config, b, d, extra)| {
        let n = b + if config.direction == Direction::Symmetric { 0 } else { extra };
        (unit_rows(b, d), unit_rows(n, d), ids(b), ids(n), known_positives(b, n)).prop_map(
            move |(queries, passages, query_ids, passage_ids, known)| {
                let known_positives = if passage_ids.is_empty() { Vec::new() } else { known };
                Scenario { config, problem: Problem { queries, passages, query_ids, passage_ids, known_positives } }
            },
        )
    })
}

proptest! {
    #[test]
    fn tiled_equals_dense_in_double_precision(scenario in scenario(0.01..1.0)) {
        let dense = scenario.problem.run(&scenario.dense(), DType::F64);
        scenario.run(DType::F64).assert_close(&dense, DOUBLE);
    }

    #[test]
    fn tiled_equals_dense_in_single_precision(scenario in scenario(0.05..1.0)) {
        let dense = scenario.problem.run(&scenario.dense(), DType::F32);
        scenario.run(DType::F32).assert_close(&dense, SINGLE);
    }

    #[test]
    fn the_tile_changes_nothing(scenario in scenario(0.02..1.0)) {
        let whole = Scenario { config: scenario.config.with_tile(1000), ..scenario.clone() };
        scenario.run(DType::F64).assert_close(&whole.run(DType::F64), DOUBLE);
    }

    #[test]
    fn loss_is_not_negative_and_accuracy_is_a_share(scenario in scenario(0.01..1.0)) {
        let output = scenario.run(DType::F32);
        prop_assert!(output.loss >= 0.0 && output.loss.is_finite());
        prop_assert!((0.0..=1.0).contains(&output.accuracy));
        prop_assert!(output.query_gradient.iter().chain(&output.passage_gradient).flatten().all(|g| g.is_finite()));
    }

    #[test]
    fn a_permuted_batch_has_permuted_gradients(scenario in scenario(0.02..1.0), shift in 1..24_usize) {
        let b = scenario.problem.queries.len();
        let order: Vec<usize> = (0..b).map(|i| (i + shift) % b).rev().collect();
        let mut permuted = scenario.clone();
        permuted.problem = permute(&scenario.problem, &order);

        let (plain, permuted) = (scenario.run(DType::F64), permuted.run(DType::F64));
        let expected = Output {
            query_gradient: reorder(&plain.query_gradient, &order),
            passage_gradient: reorder(&plain.passage_gradient, &order),
            ..plain
        };
        permuted.assert_close(&expected, DOUBLE);
    }

    /// The loss is `f32`, so differences of it are coarse: they would show a wrong term, not the last digits.
    #[test]
    fn gradients_are_the_slopes_of_the_loss(scenario in scenario(0.2..1.0)) {
        let output = scenario.run(DType::F64);
        let slopes = |side: fn(&mut Problem) -> &mut Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            let (rows, width) = { let mut p = scenario.problem.clone(); let s = side(&mut p); (s.len(), s[0].len()) };
            (0..rows.min(4)).map(|i| (0..width).map(|j| {
                let at = |step: f64| {
                    let mut moved = scenario.clone();
                    side(&mut moved.problem)[i][j] += step;
                    moved.run(DType::F64).loss
                };
                (at(3e-3) - at(-3e-3)) / 6e-3
            }).collect()).collect()
        };
        let queries = slopes(|problem| &mut problem.queries);
        let passages = slopes(|problem| &mut problem.passages);
        for (actual, expected) in [(&output.query_gradient, queries), (&output.passage_gradient, passages)] {
            for (actual, expected) in actual.iter().flatten().zip(expected.iter().flatten()) {
                prop_assert!((actual - expected).abs() < 2e-3, "{actual} instead of {expected}");
            }
        }
    }

    #[test]
    fn a_temperature_only_divides_the_scores(scenario in scenario(0.1..1.0)) {
        // Queries divided by τ at a temperature of 1 have the same loss, and gradients τ times as large.
        let temperature = f64::from(scenario.config.temperature);
        let mut scaled = Scenario { config: scenario.config.with_temperature(1.0), ..scenario.clone() };
        for value in scaled.problem.queries.iter_mut().flatten() {
            *value /= temperature;
        }
        let (output, scaled) = (scenario.run(DType::F64), scaled.run(DType::F64));
        prop_assert!((output.loss - scaled.loss).abs() < 1e-5 * output.loss.max(1.0));
        assert_rows_close(&scaled.passage_gradient, &output.passage_gradient, DOUBLE);
        let expected: Vec<Vec<f64>> =
            output.query_gradient.iter().map(|row| row.iter().map(|g| g * temperature).collect()).collect();
        assert_rows_close(&scaled.query_gradient, &expected, DOUBLE);
    }
}

/// The first rows in `order`; what is beyond them stays.
fn reorder<T: Clone>(rows: &[T], order: &[usize]) -> Vec<T> {
    if rows.is_empty() {
        return Vec::new();
    }
    order.iter().map(|&i| rows[i].clone()).chain(rows[order.len()..].iter().cloned()).collect()
}

fn permute(problem: &Problem, order: &[usize]) -> Problem {
    Problem {
        queries: reorder(&problem.queries, order),
        passages: reorder(&problem.passages, order),
        query_ids: reorder(&problem.query_ids, order),
        passage_ids: reorder(&problem.passage_ids, order),
        known_positives: reorder(&problem.known_positives, order),
    }
}
