//! Values worked by hand, and what a caller's mistake does.

mod support;

use burn::tensor::{DType, Tensor};
use burn_flex::Flex;
use infonce::{ContrastiveLoss, Directions, GuideRows, InBatch, InfoNceConfig, Part, Partition, Prefix, Similarity};

use support::{Diagnostics, Output, Problem, Tolerance};

/// One direction, and CLIP's two.
const BOTH: [(Directions, Partition); 2] =
    [(Directions::QUERY_TO_PASSAGE, Partition::Joint), (Directions::SYMMETRIC, Partition::Separate)];
const EXACT: Tolerance = Tolerance { relative: 1e-6, floor: 1.0 };

fn problem<const B: usize, const N: usize>(queries: [[f64; 2]; B], passages: [[f64; 2]; N]) -> Problem {
    Problem { queries: queries.map(Vec::from).into(), passages: passages.map(Vec::from).into(), ..Problem::default() }
}

/// Both implementations, for each claim to hold of both.
fn both(config: InfoNceConfig) -> [Box<dyn ContrastiveLoss<Flex>>; 2] {
    [
        Box::new(config.build().expect("the settings are valid")),
        Box::new(config.build_dense().expect("the settings are valid")),
    ]
}

#[test]
fn one_pair_alone_has_neither_loss_nor_gradient() {
    for (directions, partition) in BOTH {
        for loss in both(InfoNceConfig::default().with_directions(directions, partition)) {
            let output = problem([[1.0, 0.0]], [[0.6, 0.8]]).run(&*loss, DType::F32);
            assert_eq!((output.loss, output.diagnostics.accuracy), (0.0, 1.0));
            assert!(output.query_gradient.iter().chain(&output.passage_gradient).flatten().all(|&g| g == 0.0));
        }
    }
}

/// Scores are 1 and 0, so a query takes the wrong passage with w = 1 / (1 + e) at τ = 1, and the logits' gradient is
/// (w/2) [[-1, 1], [1, -1]].
#[test]
fn two_orthogonal_pairs_have_the_loss_and_gradients_worked_by_hand() {
    let e = std::f64::consts::E;
    let half = 0.5 / (1.0 + e);
    let expected = Output {
        loss: (1.0 + 1.0 / e).ln(),
        query_gradient: vec![vec![-half, half], vec![half, -half]],
        passage_gradient: vec![vec![-half, half], vec![half, -half]],
        scale_gradient: -1.0 / (1.0 + e),
        diagnostics: Diagnostics { accuracy: 1.0, ..Diagnostics::default() },
        ..Output::default()
    };
    let rows = [[1.0, 0.0], [0.0, 1.0]];
    for (directions, partition) in BOTH {
        for loss in both(InfoNceConfig::default().with_temperature(1.0).with_directions(directions, partition)) {
            problem(rows, rows).run(&*loss, DType::F32).assert_close(&expected, EXACT);
        }
    }
}

#[test]
fn an_extra_negative_takes_its_share() {
    let expected = Output {
        loss: 2.0_f64.ln(),
        query_gradient: vec![vec![0.0, 0.0]],
        passage_gradient: vec![vec![-0.5, 0.0], vec![0.5, 0.0]],
        ..Output::default()
    };
    for loss in both(InfoNceConfig::default().with_temperature(1.0)) {
        let output = problem([[1.0, 0.0]], [[0.6, 0.8], [0.6, 0.8]]).run(&*loss, DType::F32);
        output.assert_close(&expected, EXACT);
    }
}

#[test]
fn a_query_whose_negatives_are_all_masked_has_neither_loss_nor_gradient() {
    let mut problem = problem([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], [[0.0, 1.0], [1.0, 0.0], [0.8, 0.6]]);
    problem.query_ids = vec![5, 5, 5];
    for (directions, partition) in BOTH {
        for loss in both(InfoNceConfig::default().with_directions(directions, partition)) {
            let output = problem.run(&*loss, DType::F32);
            let masked = 6 * directions.iter().count();
            assert_eq!((output.loss, output.masked, output.diagnostics.accuracy), (0.0, masked, 1.0));
            assert!(output.query_gradient.iter().chain(&output.passage_gradient).flatten().all(|&g| g == 0.0));
        }
    }
}

/// Query 0 is also answered by passage 1, so that only query 1 has a negative: the loss is half of its own.
#[test]
fn a_known_positive_is_no_negative_in_either_direction() {
    let mut problem = problem([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.6, 0.8]]);
    (problem.passage_ids, problem.known_positives) = (vec![4, 5], vec![vec![4, 5], vec![5]]);
    let softplus = |margin: f64| margin.exp().ln_1p();
    // Of the passages the first is left with a negative, query 1; query 0 is none of the second.
    let losses = [softplus(0.0 - 0.8) / 2.0, (softplus(0.0 - 0.8) + softplus(0.0 - 1.0)) / 4.0];
    for ((directions, partition), expected) in BOTH.into_iter().zip(losses) {
        for loss in both(InfoNceConfig::default().with_temperature(1.0).with_directions(directions, partition)) {
            let output = problem.run(&*loss, DType::F32);
            assert_eq!(output.masked, directions.iter().count());
            assert!((output.loss - expected).abs() < 1e-6, "{} instead of {expected}", output.loss);
        }
    }
}

#[test]
fn ids_are_ignored_when_masking_is_off() {
    let mut problem = problem([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]);
    (problem.passage_ids, problem.known_positives) = (vec![3, 3], vec![vec![3], vec![3]]);
    for loss in both(InfoNceConfig::default().with_mask_duplicates(false)) {
        let output = problem.run(&*loss, DType::F32);
        assert_eq!(output.masked, 0);
        // Both passages tie for either query, and a tie is a miss.
        assert_eq!(output.diagnostics.accuracy, 0.0);
        assert!((output.loss - 2.0_f64.ln()).abs() < 1e-6);
    }
}

#[test]
fn opposite_pairs_at_a_low_temperature_stay_finite() {
    let rows = [[1.0, 0.0], [-1.0, 0.0]];
    let swapped = [[-1.0, 0.0], [1.0, 0.0]];
    for (directions, partition) in BOTH {
        for loss in both(InfoNceConfig::default().with_temperature(0.01).with_directions(directions, partition)) {
            // The positive is 200 below the negative: its probability underflows in f32, its loss does not.
            let output = problem(rows, swapped).run(&*loss, DType::F32);
            assert!((output.loss - 200.0).abs() < 1e-3, "{}", output.loss);
            assert!((output.query_gradient[0][0] - 100.0).abs() < 1e-3, "{:?}", output.query_gradient);
        }
    }
}

#[test]
fn half_precision_is_promoted() {
    let rows = [[1.0, 0.0], [0.0, 1.0]];
    for loss in both(InfoNceConfig::default().with_temperature(1.0)) {
        let output = problem(rows, rows).run(&*loss, DType::BF16);
        assert!((output.loss - (1.0 + (-1.0_f64).exp()).ln()).abs() < 1e-6);
    }
}

fn run(queries: [usize; 2], passages: [usize; 2], ids: &InBatch<'_>) {
    let device = Default::default();
    let (queries, passages) = (Tensor::<Flex, 2>::ones(queries, &device), Tensor::ones(passages, &device));
    let loss = InfoNceConfig::default().build().expect("the settings are valid");
    loss.loss_and_gradients(queries, passages, ids);
}

/// The cosine of two numbers is 1 or −1 whatever they are.
#[test]
fn cosines_of_one_column_have_no_gradient() {
    let config = InfoNceConfig::default().with_temperature(1.0).with_similarity(Similarity::Cosine);
    let prefixes = config.clone().with_matryoshka(vec![Prefix::new(1)]);
    for config in [config, prefixes] {
        let loss = config.build().expect("the settings are valid");
        let rows = |values: [f32; 3]| {
            Tensor::<Flex, 2>::from_floats([[values[0]], [values[1]], [values[2]]], &Default::default())
        };
        let output = loss.loss_and_gradients(rows([0.3, 1e-9, -2.0]), rows([0.7, 1.0, 1e-9]), &InBatch::default());
        for gradient in [output.query_gradient, output.passage_gradient] {
            assert_eq!(gradient.abs().max().into_scalar(), 0.0);
        }
    }
}

#[test]
fn a_row_that_is_no_number_shows_even_where_a_part_has_nothing_else() {
    let nan = f64::NAN;
    let one = problem([[1.0, 0.0]], [[1.0, 0.0], [nan, nan]]);
    let loss = InfoNceConfig::default().build().expect("the defaults are valid");
    let output = one.run::<Flex>(&loss, DType::F32);
    assert!(output.loss.is_nan() && output.passage_gradient.concat().iter().all(|value| value.is_nan()), "{output:?}");
}

#[test]
#[should_panic(expected = "no queries")]
fn an_empty_batch_is_refused() {
    run([0, 2], [1, 2], &InBatch::default());
}

#[test]
#[should_panic(expected = "queries of width 2, passages of width 3")]
fn different_widths_are_refused() {
    run([2, 2], [2, 3], &InBatch::default());
}

#[test]
#[should_panic(expected = "2 passages for 3 queries with 0 hard negatives each")]
fn fewer_passages_than_queries_are_refused() {
    run([3, 2], [2, 2], &InBatch::default());
}

#[test]
#[should_panic(expected = "4 passages for 2 queries with 2 hard negatives each")]
fn fewer_passages_than_hard_negatives_are_refused() {
    run([2, 2], [4, 2], &InBatch { hard_negatives: 2, ..InBatch::default() });
}

#[test]
#[should_panic(expected = "a guide of [4, 4] values, 2 a row, for 2 queries, 3 passages")]
fn a_guide_without_a_row_for_each_passage_is_refused() {
    let guide = GuideRows { queries: &[1.0; 4], passages: &[1.0; 4], width: 2 };
    run([2, 2], [3, 2], &InBatch { guide: Some(guide), ..InBatch::default() });
}

#[test]
#[should_panic(expected = "2 passage ids for 3 passages")]
fn ids_that_miss_the_extra_negatives_are_refused() {
    run([2, 2], [3, 2], &InBatch { query_ids: &[1, 2], passage_ids: &[1, 2], ..InBatch::default() });
}

#[test]
#[should_panic(expected = "known positives without passage ids")]
fn known_positives_without_passage_ids_are_refused() {
    run([1, 2], [1, 2], &InBatch { known_positives: &[&[1]], ..InBatch::default() });
}

#[test]
#[should_panic(expected = "known positives of 1 queries for 2 queries")]
fn known_positives_of_some_queries_only_are_refused() {
    let ids = InBatch { passage_ids: &[1, 2], known_positives: &[&[1]], ..InBatch::default() };
    run([2, 2], [2, 2], &ids);
}

#[test]
#[should_panic(expected = "strata of 3 pairs for 2 pairs")]
fn strata_of_other_pairs_are_refused() {
    run([2, 2], [2, 2], &InBatch { strata: &[1, 1, 1], ..InBatch::default() });
}

#[test]
#[should_panic(expected = "0 pairs from 1 on, of 2")]
fn a_part_without_pairs_is_refused() {
    run([2, 2], [2, 2], &InBatch { part: Some(Part { first: 1, pairs: 0 }), ..InBatch::default() });
}

#[test]
#[should_panic(expected = "2 pairs from 1 on, of 2")]
fn a_part_beyond_the_batch_is_refused() {
    run([2, 2], [2, 2], &InBatch { part: Some(Part { first: 1, pairs: 2 }), ..InBatch::default() });
}

#[test]
#[should_panic(expected = "a prefix of width 3 of rows of width 2")]
fn a_prefix_wider_than_the_rows_is_refused() {
    let loss = InfoNceConfig::default().with_matryoshka(vec![Prefix::new(1), Prefix::new(3)]).build();
    let rows = Tensor::<Flex, 2>::ones([2, 2], &Default::default());
    loss.expect("the settings are valid").loss_and_gradients(rows.clone(), rows, &InBatch::default());
}

#[test]
#[should_panic(expected = "gradients of [[2, 2], [2, 2]] and of [[1, 2], [2, 2]]")]
fn gradients_of_two_batches_are_not_merged() {
    let loss = InfoNceConfig::default().build().expect("the defaults are valid");
    let rows = Tensor::<Flex, 2>::ones([2, 2], &Default::default());
    let of = |pairs: usize| loss.loss_and_gradients(rows.clone().slice(0..pairs), rows.clone(), &InBatch::default());
    let _ = of(2).merge(of(1));
}

#[test]
#[should_panic(expected = "rows of width 0")]
fn rows_without_values_are_refused() {
    run([2, 0], [2, 0], &InBatch::default());
}

/// Rows that are not normalised have temperatures such as the square root of their width.
#[test]
fn a_high_temperature_leaves_nothing_in_that_is_left_out() {
    let mut problem = problem([[9.0, 0.0], [0.0, 9.0]], [[9.0, 0.0], [0.0, 9.0]]);
    problem.query_ids = vec![5, 5];
    let config = InfoNceConfig::default().with_temperature(100.0).with_directions(Directions::ALL, Partition::Separate);
    for loss in both(config) {
        for dtype in [DType::F32, DType::F64] {
            let output = problem.run(&*loss, dtype);
            assert_eq!((output.loss, output.masked), (0.0, 8));
            assert!(output.query_gradient.iter().chain(&output.passage_gradient).flatten().all(|&g| g == 0.0));
        }
    }
}

#[test]
fn rows_that_are_no_numbers_have_a_loss_that_is_none() {
    for loss in both(InfoNceConfig::default()) {
        for dtype in [DType::F32, DType::F64] {
            assert!(problem([[f64::NAN, 0.0]], [[1.0, 0.0]]).run(&*loss, dtype).loss.is_nan());
            assert!(problem([[f64::NAN; 2]; 2], [[1.0, 0.0]; 2]).run(&*loss, dtype).loss.is_nan());
        }
    }
}

#[test]
fn a_batch_s_own_temperature_counts() {
    let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.6, 0.8]], &Default::default());
    let of = |loss: &dyn ContrastiveLoss<Flex>, temperature| {
        let known = InBatch { temperature, ..InBatch::default() };
        loss.loss_and_gradients(rows.clone(), rows.clone(), &known).loss
    };
    let config = InfoNceConfig::default();
    for (cold, warm) in both(config.clone().with_temperature(0.05)).iter().zip(both(config.with_temperature(0.5))) {
        assert_eq!(of(&**cold, Some(0.5)), of(&*warm, None));
        assert_eq!(of(&*warm, Some(0.05)), of(&**cold, None));
    }
}

#[test]
#[should_panic(expected = "temperature 0 is not a finite number")]
fn a_batch_s_temperature_of_0_is_refused() {
    run([2, 2], [2, 2], &InBatch { temperature: Some(0.0), ..InBatch::default() });
}
