//! Search on a device beside search on the processor: the same hits, the same errors.

#![cfg(any(feature = "cpu", feature = "wgpu"))]
#![expect(clippy::unwrap_used, reason = "each test is a function of the backend")]

#[macro_use]
#[path = "common/device.rs"]
mod device;

use burn::tensor::backend::Backend;
use ndarray::{Array2, Axis, array, s};
use retrieval_eval::{DeviceSearcher, ExactSearcher, Hit, Searcher};

use device::noise;

fn uniform(rows: usize, dim: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, dim), |(row, column)| noise(row * dim + column, seed))
}

/// Small integers: every sum is exact, and ties are frequent.
fn integers(rows: usize, dim: usize, seed: usize) -> Array2<f32> {
    uniform(rows, dim, seed).mapv(|value| (value * 3.0).round())
}

/// Unit rows close around a few directions, so that many scores are within what the bounds leave open.
fn clustered(rows: usize, dim: usize, seed: usize) -> Array2<f32> {
    let centres = uniform(5, dim, 100);
    let of_row: Vec<usize> = (0..rows).map(|row| row * row % 5).collect();
    let mut rows = centres.select(Axis(0), &of_row) + uniform(rows, dim, seed) * 0.02;
    rows.rows_mut().into_iter().for_each(|mut row| row /= row.dot(&row).sqrt());
    rows
}

/// Scores by their bits, so that 0 is not -0.
fn bits(hits: &[Vec<Hit>]) -> Vec<Vec<(u32, u32)>> {
    hits.iter().map(|row| row.iter().map(|hit| (hit.index, hit.score.to_bits())).collect()).collect()
}

/// `block_bytes` of a block of so many documents, which are multiples of 32.
fn block_of(documents: usize) -> usize {
    documents * 1024 * size_of::<f32>()
}

fn assert_same<B: Backend>(device: &B::Device, documents: &Array2<f32>, queries: &Array2<f32>, sizes: [&[usize]; 2]) {
    let [blocks, ks] = sizes;
    for &block in blocks {
        let searcher = DeviceSearcher::<B>::in_blocks(documents.view(), device, block_of(block)).unwrap();
        for &k in ks {
            let expected = ExactSearcher::new(documents.view()).unwrap().search(queries.view(), k).unwrap();
            let hits = searcher.search(queries.view(), k).unwrap();
            assert_eq!(bits(&hits), bits(&expected), "{:?}, blocks of {block}, k = {k}", documents.dim());
        }
    }
}

fn random_vectors_have_the_processors_hits<B: Backend>(device: &B::Device) {
    for (n, dim, count) in [(1, 3, 2), (31, 1, 5), (32, 8, 1), (33, 8, 7), (1_000, 17, 40), (4_097, 96, 30)] {
        let queries = uniform(count, dim, n);
        assert_same::<B>(device, &uniform(n, dim, 1), &queries, [&[32, 256, 4_096], &[1, 10, 150, 5_000]]);
    }
}

fn tied_vectors_have_the_processors_hits<B: Backend>(device: &B::Device) {
    for (n, dim) in [(700, 3), (3_000, 7)] {
        assert_same::<B>(device, &integers(n, dim, 1), &integers(50, dim, 2), [&[32, 1_024], &[1, 10, 100, n]]);
    }
}

fn duplicates_have_the_processors_hits<B: Backend>(device: &B::Device) {
    let few = uniform(3, 40, 1);
    let of_row: Vec<usize> = (0..2_000).map(|row| row * row % 3).collect();
    let same = few.select(Axis(0), &of_row);
    assert_same::<B>(device, &same, &uniform(20, 40, 2), [&[64, 2_048], &[1, 100, 2_000]]);
}

fn clustered_vectors_have_the_processors_hits<B: Backend>(device: &B::Device) {
    let queries = clustered(60, 48, 2);
    assert_same::<B>(device, &clustered(6_000, 48, 1), &queries, [&[512, 8_192], &[1, 10, 100, 1_000]]);
}

fn vectors_of_any_norm_have_the_processors_hits<B: Backend>(device: &B::Device) {
    let scaled = |mut rows: Array2<f32>, sizes: &[f32]| {
        rows.rows_mut().into_iter().zip(sizes.iter().cycle()).for_each(|(mut row, &size)| row *= size);
        rows
    };
    let sizes = [1.0, 0.0, 1e-3, 30.0, 1e-12, 1e-20, 1e-44, 1e12, 1.0, 1e20];
    let documents = scaled(uniform(1_500, 6, 1), &sizes);
    assert_same::<B>(device, &documents, &scaled(uniform(30, 6, 2), &sizes), [&[32, 512], &[1, 10, 400]]);
    let moderate = scaled(uniform(1_500, 6, 1), &sizes[..5]);
    assert_same::<B>(device, &moderate, &scaled(uniform(30, 6, 2), &sizes), [&[32, 512], &[1, 10, 400]]);
    let infinite = scaled(uniform(300, 1, 1), &[1.0, f32::INFINITY, 1.0]);
    assert_same::<B>(device, &infinite, &uniform(9, 1, 2), [&[32, 512], &[1, 10, 200]]);
}

fn batches_of_queries_are_joined<B: Backend>(device: &B::Device) {
    assert_same::<B>(device, &uniform(900, 5, 1), &uniform(1_100, 5, 2), [&[128, 1_024], &[10]]);
}

fn strided_documents_are_searched_as_their_copy<B: Backend>(device: &B::Device) {
    let (wide, queries) = (uniform(600, 12, 1), uniform(9, 6, 2));
    let strided = wide.slice(s![..;-3, 1..;2]);
    let hits = DeviceSearcher::<B>::new(strided, device).unwrap().search(queries.view(), 20).unwrap();
    assert_eq!(hits, ExactSearcher::new(strided).unwrap().search(queries.view(), 20).unwrap());
}

fn nothing_to_search_gives_the_processors_lists<B: Backend>(device: &B::Device) {
    for (documents, queries) in [((0, 4), (3, 4)), ((3, 0), (2, 0)), ((3, 4), (0, 4)), ((0, 0), (0, 0))] {
        assert_same::<B>(device, &Array2::zeros(documents), &Array2::zeros(queries), [&[32], &[1, 5]]);
    }
}

fn bad_input_gives_the_processors_errors<B: Backend>(device: &B::Device) {
    let same = |documents: &Array2<f32>, queries: &Array2<f32>, k| {
        let expected = ExactSearcher::new(documents.view()).unwrap().search(queries.view(), k).unwrap_err();
        let searcher = DeviceSearcher::<B>::in_blocks(documents.view(), device, block_of(256)).unwrap();
        assert_eq!(searcher.search(queries.view(), k).unwrap_err().to_string(), expected.to_string());
    };
    let (clean, queries) = (uniform(700, 5, 1), uniform(1_100, 5, 2));
    same(&clean, &queries, 0);
    same(&clean, &uniform(2, 4, 3), 3);
    let mut documents = clean.clone();
    documents[[650, 3]] = f32::NAN;
    same(&documents, &queries, 2);
    let mut broken = queries.clone();
    broken[[1_090, 0]] = f32::NAN;
    same(&clean, &broken, 2);
    documents = clean.clone();
    documents.row_mut(7).assign(&array![f32::INFINITY, f32::NEG_INFINITY, 0.0, 0.0, 0.0]);
    same(&documents, &queries.slice(s![..1, ..]).mapv(f32::abs), 2);
}

on_every_backend!([
    random_vectors_have_the_processors_hits,
    tied_vectors_have_the_processors_hits,
    duplicates_have_the_processors_hits,
    clustered_vectors_have_the_processors_hits,
    vectors_of_any_norm_have_the_processors_hits,
    batches_of_queries_are_joined,
    strided_documents_are_searched_as_their_copy,
    nothing_to_search_gives_the_processors_lists,
    bad_input_gives_the_processors_errors,
]);
