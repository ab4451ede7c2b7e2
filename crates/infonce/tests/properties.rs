//! The two implementations agree, their gradients are those of their loss, and order does not matter.

mod support;

use burn::backend::Autodiff;
use burn::tensor::DType;
use burn_flex::Flex;
use infonce::{
    ContrastiveLoss, Dense, Direction, Directions, Guide, InfoNceConfig, KnownPositives, LossAndGradients, Partition,
    Prefix, Ranks, Similarity, Tiled,
};
use proptest::{collection::vec, prelude::*};

use support::{GuideProblem, Output, Problem, Tolerance, assert_rows_close, rows, tensor};

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

    /// Without hardness, which is no part of the gradient and scales with no score, and without norms, of which short prefixes have small ones.
    fn plain(mut self) -> Self {
        self.config.hardness = 0.0;
        self.config.similarity = Similarity::Dot;
        self
    }

    fn run(&self, dtype: DType) -> Output {
        self.problem.run::<Flex>(&self.tiled(), dtype)
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

fn directions() -> impl Strategy<Value = Directions> {
    let others = [Direction::PassageToQuery, Direction::QueryToQuery, Direction::PassageToPassage];
    let chosen = prop::sample::subsequence(others.to_vec(), 0..=3);
    prop_oneof![
        Just(Directions::QUERY_TO_PASSAGE),
        chosen.prop_map(|chosen| chosen.into_iter().fold(Directions::default(), Directions::with)),
    ]
}

/// No prefixes, or some of rows of this width; cosines of one column would all be ties.
fn matryoshka(width: usize) -> impl Strategy<Value = Vec<Prefix>> {
    let widths = prop::sample::subsequence((2..=width).collect::<Vec<_>>(), 1..=(width - 1).min(3));
    let prefixes = widths.prop_flat_map(|widths| {
        let weights = vec(0.25..2.0_f32, widths.len());
        weights.prop_map(move |weights| {
            widths.iter().zip(weights).map(|(&width, weight)| Prefix { width, weight }).collect()
        })
    });
    prop_oneof![Just(Vec::new()), prefixes]
}

fn config(temperatures: std::ops::Range<f32>, width: usize) -> impl Strategy<Value = InfoNceConfig> {
    let partition = prop_oneof![Just(Partition::Joint), Just(Partition::Separate)];
    let guide =
        prop::option::of((0.0..0.3_f32, any::<bool>()).prop_map(|(margin, relative)| Guide { margin, relative }));
    let hardness = prop_oneof![Just(0.0), 0.0..5.0_f32];
    let known = prop_oneof![Just(KnownPositives::Masked), Just(KnownPositives::Positives)];
    let similarity = prop_oneof![Just(Similarity::Dot), Just(Similarity::Cosine)];
    let masks = (any::<bool>(), known, guide, hardness);
    let rows = (similarity, matryoshka(width));
    (temperatures, directions(), partition, masks, rows, 1..20_usize).prop_map(
        |(temperature, directions, partition, (mask, known, guide, hardness), (similarity, matryoshka), tile)| {
            InfoNceConfig {
                guide,
                ..InfoNceConfig::default()
                    .with_temperature(temperature)
                    .with_directions(directions, partition)
                    .with_similarity(similarity)
                    .with_matryoshka(matryoshka)
                    .with_mask_duplicates(mask)
                    .with_known_positives(known)
                    .with_hardness(hardness)
                    .with_percentile(true)
                    .with_tile(tile)
            }
        },
    )
}

/// A guide whose scores are whole numbers, so that all agree on which are at a threshold; margins beside them are not.
fn guide(b: usize, n: usize) -> impl Strategy<Value = Option<GuideProblem>> {
    let rows = |rows: usize| vec(vec((-2..3_i8).prop_map(f32::from), 3), rows);
    prop::option::of((rows(b), rows(n)).prop_map(|(queries, passages)| GuideProblem { queries, passages }))
}

/// No strata, or one of each of `b` pairs.
fn strata(b: usize) -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![Just(Vec::new()), vec(0..3_u32, b)]
}

/// All of `b` pairs, or some.
fn part(b: usize) -> impl Strategy<Value = Option<[usize; 2]>> {
    prop::option::of(
        (0..b).prop_flat_map(move |first| (Just(first), 1..=b - first).prop_map(|(first, pairs)| [first, pairs])),
    )
}

fn scenario(temperatures: std::ops::Range<f32>) -> impl Strategy<Value = Scenario> {
    (1..24_usize, 2..10_usize, 0..3_usize, 0..6_usize).prop_flat_map(move |(b, d, hard, extra)| {
        let n = b * (1 + hard) + extra;
        let texts = (ids(b), ids(n), known_positives(b, n), guide(b, n));
        (config(temperatures.clone(), d), unit_rows(b, d), unit_rows(n, d), texts, strata(b), part(b)).prop_map(
            move |(config, queries, passages, (query_ids, passage_ids, known, guide), strata, part)| {
                let known_positives = if passage_ids.is_empty() { Vec::new() } else { known };
                let hard_negatives = hard;
                let problem = Problem {
                    queries,
                    passages,
                    query_ids,
                    passage_ids,
                    known_positives,
                    hard_negatives,
                    guide,
                    strata,
                    part,
                };
                Scenario { config, problem }
            },
        )
    })
}

proptest! {
    #[test]
    fn tiled_equals_dense_in_double_precision(scenario in scenario(0.01..1.0)) {
        let dense = scenario.problem.run::<Flex>(&scenario.dense(), DType::F64);
        scenario.run(DType::F64).assert_close(&dense, DOUBLE);
    }

    #[test]
    fn tiled_equals_dense_in_single_precision(scenario in scenario(0.05..1.0)) {
        let dense = scenario.problem.run::<Flex>(&scenario.dense(), DType::F32);
        let tensors = scenario.problem.run::<Autodiff<Flex>>(&scenario.tiled(), DType::F32);
        for tiled in [scenario.run(DType::F32), tensors] {
            tiled.assert_close(&dense, SINGLE);
            tiled.assert_similarities_close(&dense, &scenario.problem);
        }
    }

    #[test]
    fn the_tile_changes_nothing(scenario in scenario(0.02..1.0)) {
        let whole = Scenario { config: scenario.config.clone().with_tile(1000), ..scenario.clone() };
        scenario.run(DType::F64).assert_close(&whole.run(DType::F64), DOUBLE);
    }

    #[test]
    fn loss_is_not_negative_and_accuracy_is_a_share(scenario in scenario(0.01..1.0)) {
        let output = scenario.run(DType::F32);
        let whole = scenario.config.partition == Partition::Joint || scenario.config.directions == Directions::SYMMETRIC;
        prop_assert!(output.loss.is_finite() && (output.loss >= 0.0 || !whole));
        prop_assert!((0.0..=1.0).contains(&output.diagnostics.accuracy));
        prop_assert!(output.query_gradient.iter().chain(&output.passage_gradient).flatten().all(|g| g.is_finite()));
    }

    #[test]
    fn a_permuted_batch_has_permuted_gradients(scenario in scenario(0.02..1.0), shift in 1..24_usize) {
        let mut scenario = scenario;
        scenario.problem.part = None;
        let b = scenario.problem.queries.len();
        let order: Vec<usize> = (0..b).map(|i| (i + shift) % b).rev().collect();
        let mut permuted = scenario.clone();
        permuted.problem = permute(&scenario.problem, &order);

        let (plain, permuted) = (scenario.run(DType::F64), permuted.run(DType::F64));
        let expected = Output {
            query_gradient: reorder(&plain.query_gradient, &order),
            passage_gradient: reorder_passages(&scenario.problem, &plain.passage_gradient, &order),
            ..plain
        };
        permuted.assert_close(&expected, DOUBLE);
    }

    /// Ranks in threads of their own, each with its rows and all that it gathers, compute what one device does.
    #[test]
    fn ranks_add_up_to_one_device(scenario in scenario(0.02..1.0), cuts in vec(1..24_usize, 0..4)) {
        let mut scenario = scenario;
        scenario.problem.part = None;
        // Percentiles of ranks are bounds of the whole.
        scenario.config.percentile = false;
        let problem = &scenario.problem;
        let (b, hard) = (problem.queries.len(), problem.hard_negatives);
        let mut starts: Vec<usize> = cuts.iter().map(|cut| cut % b).chain([0, b]).collect();
        starts.sort_unstable();
        starts.dedup();
        let pairs: Vec<usize> = starts.windows(2).map(|ends| ends[1] - ends[0]).collect();
        // All further passages are the first rank's.
        let mut further = vec![0; pairs.len()];
        further[0] = problem.passages.len() - b * (1 + hard);
        let ranks = Ranks::new(pairs.clone(), hard).with_further(further.clone());
        let held: Vec<[Vec<Vec<f64>>; 2]> =
            (0..pairs.len()).map(|rank| local(problem, starts[rank], pairs[rank], further[rank])).collect();
        let loss = scenario.tiled();
        let of_rank = |rank: usize| -> LossAndGradients<Flex> {
            let side = |side: usize| held.iter().map(|rows| tensor::<Flex>(&rows[side], DType::F64)).collect();
            let (queries, passages) = (ranks.gather_queries(side(0)), ranks.gather_passages(side(1)));
            let part = ranks.part(rank);
            let problem = Problem { part: Some([part.first, part.pairs]), ..problem.clone() };
            problem.with_batch(|batch| loss.loss_and_gradients(queries, passages, batch))
        };
        let outputs: Vec<LossAndGradients<Flex>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..pairs.len()).map(|rank| scope.spawn(move || of_rank(rank))).collect();
            threads.into_iter().map(|thread| thread.join().expect("the rank is done")).collect()
        });
        let summed = outputs.into_iter().reduce(LossAndGradients::merge).expect("there is a rank");
        let one = scenario.run(DType::F64);
        for (rank, [queries, passages]) in held.iter().enumerate() {
            let gradients = Problem {
                queries: one.query_gradient.clone(),
                passages: one.passage_gradient.clone(),
                ..problem.clone()
            };
            let expected = local(&gradients, starts[rank], pairs[rank], further[rank]);
            prop_assert_eq!([queries.len(), passages.len()], expected.each_ref().map(Vec::len));
            let queries = rows(ranks.own_queries(summed.query_gradient.clone(), rank));
            let passages = rows(ranks.own_passages(summed.passage_gradient.clone(), rank));
            assert_rows_close(&queries, &expected[0], DOUBLE);
            assert_rows_close(&passages, &expected[1], DOUBLE);
        }
        let summed = Output::of(summed);
        summed.assert_close(&one, DOUBLE);
        summed.assert_similarities_close(&one, problem);
    }

    /// The loss is `f32`, so differences of it are coarse: they would show a wrong term, not the last digits.
    #[test]
    fn gradients_are_the_slopes_of_the_loss(scenario in scenario(0.2..1.0).prop_map(Scenario::plain)) {
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
    fn a_temperature_only_divides_the_scores(scenario in scenario(0.1..1.0).prop_map(Scenario::plain)) {
        // Queries divided by τ at a temperature of 1 have the same loss, and gradients τ times as large; scores within a side would not scale.
        let mut scenario = scenario;
        scenario.config.directions = Directions::SYMMETRIC;
        let temperature = f64::from(scenario.config.temperature);
        let mut scaled = Scenario { config: scenario.config.clone().with_temperature(1.0), ..scenario.clone() };
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

/// The passages' rows with their pairs: the positives and the hard negatives of each.
fn reorder_passages<T: Clone>(problem: &Problem, rows: &[T], order: &[usize]) -> Vec<T> {
    if rows.is_empty() {
        return Vec::new();
    }
    let (b, hard) = (order.len(), problem.hard_negatives);
    let of_pairs = order.iter().flat_map(|&i| rows[b + i * hard..b + (i + 1) * hard].iter().cloned());
    let positives = order.iter().map(|&i| rows[i].clone());
    positives.chain(of_pairs).chain(rows[b * (1 + hard)..].iter().cloned()).collect()
}

fn permute(problem: &Problem, order: &[usize]) -> Problem {
    Problem {
        queries: reorder(&problem.queries, order),
        query_ids: reorder(&problem.query_ids, order),
        known_positives: reorder(&problem.known_positives, order),
        passages: reorder_passages(problem, &problem.passages, order),
        passage_ids: reorder_passages(problem, &problem.passage_ids, order),
        guide: problem.guide.as_ref().map(|guide| GuideProblem {
            queries: reorder(&guide.queries, order),
            passages: reorder_passages(problem, &guide.passages, order),
        }),
        hard_negatives: problem.hard_negatives,
        strata: reorder(&problem.strata, order),
        part: None,
    }
}

/// What a rank holds, of which the whole batch is gathered: its queries, and its passages as a batch of its own.
fn local(problem: &Problem, first: usize, pairs: usize, further: usize) -> [Vec<Vec<f64>>; 2] {
    let (b, hard) = (problem.queries.len(), problem.hard_negatives);
    let of_pairs = [first..first + pairs, b + first * hard..b + (first + pairs) * hard];
    let mut passages: Vec<Vec<f64>> = of_pairs.into_iter().flat_map(|rows| problem.passages[rows].to_vec()).collect();
    if first == 0 {
        passages.extend_from_slice(&problem.passages[b * (1 + hard)..][..further]);
    }
    [problem.queries[first..first + pairs].to_vec(), passages]
}
