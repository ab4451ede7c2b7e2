//! Exact search against a search by hand.

#![allow(clippy::unwrap_used)]

use std::io::Write;

use ndarray::{Array1, Array2, ArrayView2, array, s};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrieval_eval::{EvalError, ExactSearcher, Hit, Searcher};

fn uniform(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || rng.next_u32() as f32 / 2f32.powi(31) - 1.0)
}

/// Small integers: every sum is exact, and ties are frequent.
fn integers(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    uniform(rows, columns, seed).mapv(|value| (value * 3.0).round())
}

fn search(documents: ArrayView2<'_, f32>, queries: ArrayView2<'_, f32>, k: usize) -> Vec<Vec<Hit>> {
    ExactSearcher::new(documents).unwrap().search(queries, k).unwrap()
}

/// Every product in turn, sorted.
fn naive(documents: &Array2<f32>, queries: &Array2<f32>, k: usize) -> Vec<Vec<Hit>> {
    let row = |query: ndarray::ArrayView1<'_, f32>| {
        let score = |document: ndarray::ArrayView1<'_, f32>| {
            query.iter().zip(document).map(|(a, b)| f64::from(a * b)).sum::<f64>() as f32
        };
        let mut hits: Vec<Hit> =
            (0..).zip(documents.rows()).map(|(index, document)| Hit { index, score: score(document) }).collect();
        hits.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.index.cmp(&b.index)));
        hits.truncate(k);
        hits
    };
    queries.rows().into_iter().map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn search_is_naive_search(
        (n, queries, dim, k) in (1..2_000_usize, 1..40_usize, 0..24_usize, 1..300_usize),
        seed in any::<u64>(),
    ) {
        let documents = integers(n, dim, seed);
        let queries = integers(queries, dim, seed ^ 1);
        prop_assert_eq!(search(documents.view(), queries.view(), k), naive(&documents, &queries, k));
    }

    #[test]
    fn equal_documents_have_equal_scores_wherever_they_stand(
        (n, queries, dim) in (2..2_000_usize, 1..20_usize, 1..700_usize),
        seed in any::<u64>(),
    ) {
        let one = uniform(1, dim, seed);
        let documents = one.broadcast((n, dim)).unwrap().to_owned();
        let hits = search(documents.view(), uniform(queries, dim, seed ^ 1).view(), n);
        for row in hits {
            prop_assert!(row.iter().all(|hit| hit.score == row[0].score));
            prop_assert!(row.iter().map(|hit| hit.index).eq(0..n as u32));
        }
    }
}

#[test]
fn blocks_of_documents_and_of_queries_are_joined() {
    let documents = integers(9_001, 7, 0);
    let queries = integers(1_030, 7, 1);
    assert_eq!(search(documents.view(), queries.view(), 20), naive(&documents, &queries, 20));
    let one = queries.slice(s![..1, ..]);
    assert_eq!(search(documents.view(), one, 20), naive(&documents, &one.to_owned(), 20));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let documents = uniform(5_000, 33, 0);
    let queries = uniform(200, 33, 1);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| search(documents.view(), queries.view(), 50))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(7));
}

#[test]
fn strided_documents_are_searched_as_their_copy() {
    let wide = integers(300, 12, 0);
    let strided = wide.slice(s![..;-3, 1..;2]);
    let queries = integers(5, 6, 1);
    assert_eq!(search(strided, queries.view(), 9), naive(&strided.to_owned(), &queries, 9));
}

#[test]
#[allow(unsafe_code, reason = "a file could change under its mapping; this one is the test's own")]
fn a_mapped_file_is_searched_as_an_array() {
    let (documents, queries) = (uniform(3_000, 21, 0), uniform(40, 21, 1));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytemuck::cast_slice(documents.as_slice().unwrap())).unwrap();
    // SAFETY: nothing else has the file.
    let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
    let mapped = ArrayView2::from_shape(documents.dim(), bytemuck::cast_slice(&map)).unwrap();
    assert_eq!(search(mapped, queries.view(), 30), search(documents.view(), queries.view(), 30));
}

#[test]
fn more_results_than_documents_are_all_documents() {
    let hits = search(array![[1.0], [3.0], [2.0]].view(), array![[1.0]].view(), usize::MAX);
    assert_eq!(hits[0].iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 2, 0]);
}

#[test]
fn no_documents_give_no_hits_and_no_queries_no_lists() {
    let none = Array2::zeros((0, 4));
    let some = Array2::zeros((3, 4));
    assert_eq!(search(none.view(), some.view(), 5), vec![Vec::new(); 3]);
    assert!(search(some.view(), none.view(), 5).is_empty());
}

#[test]
fn a_search_that_makes_no_sense_is_an_error() {
    let documents = Array2::zeros((3, 4));
    let searcher = ExactSearcher::new(documents.view()).unwrap();
    assert!(matches!(searcher.search(documents.view(), 0), Err(EvalError::NoResults)));
    let error = searcher.search(Array2::zeros((1, 5)).view(), 1).unwrap_err();
    assert_eq!(error.to_string(), "queries have 5 dimensions and documents 4");
}

#[test]
fn nan_is_found_in_whichever_vector_has_it() {
    let clean = uniform(3_000, 5, 0);
    let queries = uniform(1_100, 5, 1);
    let error = |documents: &Array2<f32>, queries: &Array2<f32>| {
        let searcher = ExactSearcher::new(documents.view()).unwrap();
        searcher.search(queries.view(), 2).unwrap_err().to_string()
    };
    let mut documents = clean.clone();
    documents[[2_900, 3]] = f32::NAN;
    assert_eq!(error(&documents, &queries), "document vector 2900 has a component that is not a number");
    let mut broken = queries.clone();
    broken[[1_090, 0]] = f32::NAN;
    assert_eq!(error(&clean, &broken), "query vector 1090 has a component that is not a number");
    documents = clean.clone();
    documents.row_mut(7).assign(&array![f32::INFINITY, f32::NEG_INFINITY, 0.0, 0.0, 0.0]);
    let positive = queries.mapv(f32::abs);
    assert_eq!(error(&documents, &positive), "the inner product of query 0 and document 7 is not a number");
}

#[test]
fn queries_too_long_or_short_for_fixed_point_lose_nothing() {
    let mut documents = uniform(2_000, 4, 0);
    documents.column_mut(0).assign(&Array1::linspace(0.1, 1.0, 2_000));
    for size in [1e-30, 1e-15, 1e15, 1e30] {
        let query = array![[size, 0.0, 0.0, 0.0]];
        let hits = search(documents.view(), query.view(), 3);
        assert_eq!(hits, naive(&documents, &query, 3), "{size}");
    }
}
