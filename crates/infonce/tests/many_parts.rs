//! Batches of several strips and of several parts of each side, with every option at once: what small batches do not show of the fused kernel.

mod support;

use burn::tensor::DType;
use burn_flex::Flex;
use infonce::{Directions, Guide, InfoNceConfig, KnownPositives, Partition, Prefix, Similarity};
use rayon::ThreadPoolBuilder;

use support::{GuideProblem, Output, Problem, Tolerance};

const PAIRS: usize = 300;
const WIDTH: usize = 24;

/// Numbers between −1 and 1 that look drawn.
fn values(count: usize, salt: u64) -> impl Iterator<Item = f64> {
    (0..count as u64).map(move |i| {
        let mixed = (i + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        f64::from(((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1 << 23) as f32 - 1.0)
    })
}

fn unit_rows(rows: usize, salt: u64) -> Vec<Vec<f64>> {
    let values: Vec<f64> = values(rows * WIDTH, salt).collect();
    let unit = |row: &[f64]| {
        let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        row.iter().map(|value| f64::from((value / norm) as f32)).collect()
    };
    values.chunks(WIDTH).map(unit).collect()
}

/// Pairs with a hard negative each, repeated texts, further positives near and far, a guide, and strata; the first and the last are left out.
fn problem(pairs: usize) -> Problem {
    let passages = 2 * pairs + 100;
    let whole = |rows: usize, salt: u64| -> Vec<Vec<f32>> {
        let values: Vec<f32> = values(rows * 3, salt).map(|value| (value * 2.5).round() as f32).collect();
        values.chunks(3).map(<[f32]>::to_vec).collect()
    };
    let known =
        |query: u64| vec![query, (query * 7 + 5) % passages as u64, (query + 3 * pairs as u64 / 2) % passages as u64];
    Problem {
        queries: unit_rows(pairs, 1),
        passages: unit_rows(passages, 1_000_000),
        query_ids: (0..pairs as u64).map(|row| row - u64::from(row % 11 == 1)).collect(),
        passage_ids: (0..passages as u64).map(|row| row - u64::from(row % 13 == 1)).collect(),
        known_positives: (0..pairs as u64).map(known).collect(),
        hard_negatives: 1,
        guide: Some(GuideProblem { queries: whole(pairs, 7), passages: whole(passages, 8) }),
        strata: (0..pairs as u32).map(|row| row / 70).collect(),
        part: Some([20, pairs - 21]),
    }
}

/// Whole rows as they come, and prefixes of norm 1.
fn configs(partition: Partition) -> [InfoNceConfig; 2] {
    let prefixes = vec![Prefix { width: WIDTH / 2, weight: 0.5 }, Prefix::new(WIDTH), Prefix { width: 5, weight: 1.5 }];
    let config = config(partition);
    [config.clone(), config.with_similarity(Similarity::Cosine).with_matryoshka(prefixes)]
}

fn config(partition: Partition) -> InfoNceConfig {
    InfoNceConfig::default()
        .with_temperature(0.1)
        .with_directions(Directions::ALL, partition)
        .with_known_positives(KnownPositives::Positives)
        .with_guide(Guide { margin: 0.25, relative: false })
        .with_hardness(2.0)
        .with_percentile(true)
}

#[test]
fn many_strips_and_parts_equal_dense() {
    let problem = problem(PAIRS);
    for config in [Partition::Joint, Partition::Separate].into_iter().flat_map(configs) {
        let dense: Output = problem.run::<Flex>(&config.build_dense().expect("the settings are valid"), DType::F32);
        assert!(dense.masked > PAIRS && dense.by_stratum.len() == 5);
        for tile in [40, 256] {
            let tiled = config.clone().with_tile(tile).build().expect("the settings are valid");
            let output = problem.run::<Flex>(&tiled, DType::F32);
            output.assert_close(&dense, Tolerance { relative: 1e-5, floor: 0.1 });
            output.assert_similarities_close(&dense, &problem);
        }
    }
}

#[test]
fn the_same_bits_on_any_number_of_processors() {
    let problem = problem(PAIRS);
    for config in configs(Partition::Joint) {
        let tiled = config.build().expect("the settings are valid");
        let on = |threads: usize| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("there are threads");
            pool.install(|| problem.run::<Flex>(&tiled, DType::F32))
        };
        let one = on(1);
        for threads in [2, 3, 8] {
            let output = on(threads);
            assert!(output.query_gradient == one.query_gradient && output.passage_gradient == one.passage_gradient);
            assert!(output.loss == one.loss && output.scale_gradient == one.scale_gradient, "{threads} threads");
            output.assert_similarities_close(&one, &problem);
        }
    }
}

#[test]
fn a_loss_forgets_the_batch_whose_memory_it_works_in() {
    let (larger, smaller) = (problem(PAIRS), problem(PAIRS / 2 - 13));
    for config in configs(Partition::Separate) {
        let build = || config.build().expect("the settings are valid");
        let once = |problem: &Problem| problem.run::<Flex>(&build(), DType::F32);
        let tiled = build();
        for problem in [&larger, &smaller, &larger] {
            let (output, expected) = (problem.run::<Flex>(&tiled, DType::F32), once(problem));
            assert!(output.query_gradient == expected.query_gradient);
            assert!(output.passage_gradient == expected.passage_gradient);
            assert!(output.loss == expected.loss && output.masked == expected.masked);
        }
    }
}
