//! Searches among admitted documents against a search by hand.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, ArrayView1};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrieval_eval::{ClusteredSearcher, ExactSearcher, Hit, Searcher};

fn uniform(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || rng.next_u32() as f32 / 2f32.powi(31) - 1.0)
}

/// Small integers: every sum is exact, and ties are frequent.
fn integers(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    uniform(rows, columns, seed).mapv(|value| (value * 3.0).round())
}

/// About `share` in 1,000 of the documents of each query, each query's own; the queries of one in 8 rows find none.
fn scattered(share: u32) -> impl Fn(usize, u32) -> bool + Sync {
    move |query, document| {
        let mixed = (query as u32).wrapping_mul(0x9e37_79b1) ^ document.wrapping_mul(2_654_435_761);
        query % 8 != 7 && (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) >> 16 < share * 65_536 / 1_000
    }
}

/// Every product with an admitted document in turn, sorted.
fn naive(
    documents: &Array2<f32>,
    queries: &Array2<f32>,
    k: usize,
    admits: impl Fn(usize, u32) -> bool,
) -> Vec<Vec<Hit>> {
    let row = |(query, vector): (usize, ArrayView1<'_, f32>)| {
        let admitted = (0..).zip(documents.rows()).filter(|&(index, _)| admits(query, index));
        let mut hits: Vec<Hit> = admitted.map(|(index, row)| Hit { index, score: vector.dot(&row) }).collect();
        hits.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.index.cmp(&b.index)));
        hits.truncate(k);
        hits
    };
    queries.rows().into_iter().enumerate().map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_best_of_the_admitted_are_found(
        (n, queries, dim, k) in (1..2_000_usize, 1..40_usize, 0..24_usize, 1..200_usize),
        (share, clusters) in (prop_oneof![Just(0), 1..20_u32, 1..1_000_u32], 1..20_usize),
        seed in any::<u64>(),
    ) {
        let (documents, queries) = (integers(n, dim, seed), integers(queries, dim, seed ^ 1));
        let expected = naive(&documents, &queries, k, scattered(share));
        let exact = ExactSearcher::new(documents.view()).unwrap();
        prop_assert_eq!(&exact.search_where(queries.view(), k, scattered(share)).unwrap(), &expected);

        let labels: Vec<u32> = (0..n).map(|row| (row * row % clusters) as u32).collect();
        let centroids = integers(clusters, dim, seed ^ 2);
        let clustered = ClusteredSearcher::new(documents.view(), centroids.view(), &labels).unwrap();
        let clustered = clustered.with_probes(clusters).unwrap();
        prop_assert_eq!(&clustered.search_where(queries.view(), k, scattered(share)).unwrap(), &expected);
    }

    #[test]
    fn few_probes_find_the_admitted_of_their_clusters(
        (n, clusters, probes, k) in (1..1_500_usize, 1..20_usize, 1..20_usize, 1..100_usize),
        (share, seed) in (0..1_000_u32, any::<u64>()),
    ) {
        let (documents, queries) = (uniform(n, 9, seed), uniform(20, 9, seed ^ 1));
        let labels: Vec<u32> = (0..n).map(|row| (row * row % clusters) as u32).collect();
        let centroids = uniform(clusters, 9, seed ^ 2);
        let searcher = ClusteredSearcher::new(documents.view(), centroids.view(), &labels).unwrap();
        let searcher = searcher.with_probes(probes).unwrap();
        let admits = scattered(share);
        let mut all = searcher.search(queries.view(), n).unwrap();
        for (query, hits) in all.iter_mut().enumerate() {
            hits.retain(|hit| admits(query, hit.index));
            hits.truncate(k);
        }
        prop_assert_eq!(searcher.search_where(queries.view(), k, &admits).unwrap(), all);
    }

    #[test]
    fn admitting_all_is_the_search(
        (n, queries, dim, k) in (1..2_000_usize, 1..40_usize, 1..300_usize, 1..200_usize), seed in any::<u64>(),
    ) {
        let (documents, queries) = (uniform(n, dim, seed), uniform(queries, dim, seed ^ 1));
        let searcher = ExactSearcher::new(documents.view()).unwrap();
        let all = searcher.search_where(queries.view(), k, |_, _| true).unwrap();
        prop_assert_eq!(all, searcher.search(queries.view(), k).unwrap());
    }
}

#[test]
fn queries_of_later_batches_are_asked_for_by_their_row() {
    let (documents, queries) = (integers(500, 5, 0), integers(1_100, 5, 1));
    let hits = ExactSearcher::new(documents.view()).unwrap().search_where(queries.view(), 10, scattered(300)).unwrap();
    assert_eq!(hits, naive(&documents, &queries, 10, scattered(300)));
}

#[test]
fn vectors_that_are_not_admitted_cause_no_error() {
    let (mut documents, queries) = (integers(300, 5, 0), integers(20, 5, 1));
    documents.row_mut(7).fill(f32::NAN);
    let searcher = ExactSearcher::new(documents.view()).unwrap();
    let hits = searcher.search_where(queries.view(), 3, |_, document| document != 7).unwrap();
    documents.row_mut(7).fill(0.0);
    assert_eq!(hits, naive(&documents, &queries, 3, |_, document| document != 7));
}

#[test]
fn few_documents_are_asked_about_where_most_are_admitted() {
    let (documents, queries) = (uniform(20_000, 32, 0), uniform(50, 32, 1));
    let asked = AtomicUsize::new(0);
    let other = |query: usize, document: u32| {
        asked.fetch_add(1, Ordering::Relaxed);
        document as usize != query
    };
    ExactSearcher::new(documents.view()).unwrap().search_where(queries.view(), 10, other).unwrap();
    let share = asked.into_inner() as f64 / (20_000.0 * 50.0);
    assert!(share < 0.1, "{share}");
}
