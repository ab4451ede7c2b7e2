//! Inverted-file search against exact search, and against a scan of its cells by hand.

#![allow(clippy::unwrap_used)]

use ndarray::{Array2, Axis, array, s};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrieval_eval::{ClusteredSearcher, EvalError, ExactSearcher, Hit, Searcher};

fn uniform(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || rng.next_u32() as f32 / 2f32.powi(31) - 1.0)
}

/// Small integers: every sum is exact, and ties are frequent.
fn integers(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    uniform(rows, columns, seed).mapv(|value| (value * 3.0).round())
}

/// Labels below `clusters`, the lower ones more often, so that cells differ in size and some are empty.
fn skewed(rows: usize, clusters: usize, seed: u64) -> Vec<u32> {
    uniform(rows, 1, seed)
        .iter()
        .map(|value| ((value * value * value.abs() * clusters as f32) as u32).min(clusters as u32 - 1))
        .collect()
}

fn clustered(documents: &Array2<f32>, centroids: &Array2<f32>, labels: &[u32], probes: usize) -> ClusteredSearcher {
    ClusteredSearcher::new(documents.view(), centroids.view(), labels).unwrap().with_probes(probes).unwrap()
}

/// The exact search of each query among the documents of its cells alone.
fn by_hand(searched: [&Array2<f32>; 3], labels: &[u32], probes: usize, k: usize) -> Vec<Vec<Hit>> {
    let [documents, centroids, queries] = searched;
    let search = |rows: &Array2<f32>, query, k| ExactSearcher::new(rows.view()).unwrap().search(query, k).unwrap();
    let one = |query| {
        let near = search(centroids, query, probes).remove(0);
        let rows: Vec<usize> =
            (0..labels.len()).filter(|&row| near.iter().any(|cell| cell.index == labels[row])).collect();
        let hits = search(&documents.select(Axis(0), &rows), query, k).remove(0);
        hits.into_iter().map(|hit| Hit { index: rows[hit.index as usize] as u32, ..hit }).collect()
    };
    queries.axis_chunks_iter(Axis(0), 1).map(one).collect()
}

/// Scores by their bits, so that 0 is not -0.
fn bits(hits: &[Vec<Hit>]) -> Vec<Vec<(u32, u32)>> {
    hits.iter().map(|row| row.iter().map(|hit| (hit.index, hit.score.to_bits())).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_probes_give_the_bits_of_exact_search(
        (n, queries) in (1..1_200_usize, prop_oneof![1..4_usize, 1..90_usize]),
        dim in prop_oneof![0..9_usize, 1..1_100_usize],
        (clusters, k) in (1..60_usize, 1..200_usize),
        seed in any::<u64>(),
    ) {
        let documents = uniform(n, dim, seed);
        let queries = uniform(queries, dim, seed ^ 1);
        let centroids = uniform(clusters, dim, seed ^ 2);
        let hits = clustered(&documents, &centroids, &skewed(n, clusters, seed ^ 3), clusters);
        let exact = ExactSearcher::new(documents.view()).unwrap().search(queries.view(), k).unwrap();
        prop_assert_eq!(bits(&hits.search(queries.view(), k).unwrap()), bits(&exact));
    }

    #[test]
    fn any_probes_give_exact_search_among_their_cells(
        (n, queries, dim) in (1..1_200_usize, 1..40_usize, 0..12_usize),
        (clusters, probes, k) in (1..60_usize, 1..70_usize, 1..200_usize),
        seed in any::<u64>(),
    ) {
        let documents = integers(n, dim, seed);
        let queries = integers(queries, dim, seed ^ 1);
        let centroids = integers(clusters, dim, seed ^ 2);
        let labels = skewed(n, clusters, seed ^ 3);
        let hits = clustered(&documents, &centroids, &labels, probes).search(queries.view(), k).unwrap();
        prop_assert_eq!(hits, by_hand([&documents, &centroids, &queries], &labels, probes, k));
    }

    #[test]
    fn equal_documents_have_equal_scores_whatever_their_cells(
        (n, queries, dim) in (prop_oneof![2..129_usize, 2..700_usize], 1..80_usize, 1..1_100_usize),
        (clusters, probes) in (1..30_usize, 1..30_usize),
        seed in any::<u64>(),
    ) {
        let documents = uniform(1, dim, seed).broadcast((n, dim)).unwrap().to_owned();
        let queries = uniform(queries, dim, seed ^ 1);
        let centroids = uniform(clusters, dim, seed ^ 2);
        let searcher = clustered(&documents, &centroids, &skewed(n, clusters, seed ^ 3), probes);
        for row in searcher.search(queries.view(), n).unwrap() {
            prop_assert!(row.iter().all(|hit| hit.score.to_bits() == row[0].score.to_bits()));
            prop_assert!(row.is_sorted_by_key(|hit| hit.index));
        }
    }
}

#[test]
fn parts_of_a_cell_and_batches_of_queries_are_joined() {
    let documents = uniform(9_001, 7, 0);
    let queries = uniform(1_025, 7, 1);
    let labels: Vec<u32> = (0..9_001).map(|row| u32::from(row % 9 == 0)).collect();
    let hits = clustered(&documents, &uniform(2, 7, 2), &labels, 2).search(queries.view(), 20).unwrap();
    let exact = ExactSearcher::new(documents.view()).unwrap().search(queries.view(), 20).unwrap();
    assert_eq!(bits(&hits), bits(&exact));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let documents = uniform(3_000, 33, 0);
    let searcher = clustered(&documents, &uniform(40, 33, 1), &skewed(3_000, 40, 2), 7);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bits(&searcher.search(uniform(200, 33, 3).view(), 50).unwrap()))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(7));
}

#[test]
fn recall_grows_with_probes_and_is_high_long_before_all() {
    let unit = |mut rows: Array2<f32>| {
        rows.rows_mut().into_iter().for_each(|mut row| row /= row.dot(&row).sqrt());
        rows
    };
    let centroids = unit(uniform(64, 16, 0));
    let labels: Vec<u32> = (0..3_200).map(|row| row % 64).collect();
    let near = |noise: Array2<f32>| {
        let place = |row| row % centroids.nrows();
        let centres: Vec<usize> = (0..noise.nrows()).map(place).collect();
        unit(centroids.select(Axis(0), &centres) + noise * 0.3)
    };
    let (documents, queries) = (near(uniform(3_200, 16, 1)), near(uniform(128, 16, 2)));
    let exact = ExactSearcher::new(documents.view()).unwrap().search(queries.view(), 50).unwrap();
    let recall = |probes| {
        let hits = clustered(&documents, &centroids, &labels, probes).search(queries.view(), 50).unwrap();
        let found = |(hits, exact): (&Vec<Hit>, &Vec<Hit>)| hits.iter().filter(|hit| exact.contains(hit)).count();
        hits.iter().zip(&exact).map(found).sum::<usize>() as f64 / (128.0 * 50.0)
    };
    let recalls = [1, 2, 4, 8, 64].map(recall);
    assert!(recalls.is_sorted_by(|a, b| a < b), "{recalls:?}");
    assert!(recalls[0] < 0.9 && recalls[3] > 0.9 && recalls[4] == 1.0, "{recalls:?}");
}

#[test]
fn empty_cells_give_no_hits_and_small_ones_fewer_than_k() {
    let documents = array![[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]];
    let centroids = array![[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
    let queries = array![[-1.0, 0.1], [1.0, 0.1], [0.1, 1.0]];
    let counts = |probes| {
        let hits = clustered(&documents, &centroids, &[1, 2, 2], probes).search(queries.view(), 3).unwrap();
        hits.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(counts(1), [0, 1, 2]);
    assert_eq!(counts(2), [2, 3, 3]);
    assert_eq!(counts(usize::MAX), [3, 3, 3]);
    let none = Array2::zeros((0, 2));
    assert_eq!(clustered(&none, &none, &[], 1).search(queries.view(), 3).unwrap(), vec![Vec::new(); 3]);
    assert!(clustered(&documents, &centroids, &[1, 2, 2], 1).search(none.view(), 3).unwrap().is_empty());
}

#[test]
fn equally_near_centroids_are_probed_by_lower_index() {
    let searcher = clustered(&array![[1.0], [3.0]], &array![[1.0], [1.0]], &[1, 0], 1);
    assert_eq!(searcher.search(array![[1.0]].view(), 2).unwrap(), [[Hit { index: 1, score: 3.0 }]]);
}

#[test]
fn strided_views_are_searched_as_their_copies() {
    let wide = integers(300, 12, 0);
    let centroids = integers(5, 12, 1);
    let queries = integers(8, 12, 2);
    let labels = skewed(100, 5, 3);
    let odd = s![.., 1..;2];
    let searcher = ClusteredSearcher::new(wide.slice(s![..;-3, 1..;2]), centroids.slice(odd), &labels).unwrap();
    let owned = [wide.slice(s![..;-3, 1..;2]), centroids.slice(odd), queries.slice(odd)].map(|view| view.to_owned());
    assert_eq!(searcher.search(queries.slice(odd), 9).unwrap(), by_hand(owned.each_ref(), &labels, 1, 9));
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let (documents, centroids) = (Array2::ones((3, 4)), Array2::ones((2, 4)));
    let refused = |documents: &Array2<f32>, centroids: &Array2<f32>, labels: &[u32]| {
        ClusteredSearcher::new(documents.view(), centroids.view(), labels).unwrap_err().to_string()
    };
    assert_eq!(refused(&documents, &centroids, &[0, 1]), "2 labels for 3 documents");
    assert_eq!(refused(&documents, &centroids, &[0, 1, 2]), "document 2 has label 2 of 2 clusters");
    let narrow = Array2::ones((2, 3));
    assert_eq!(refused(&documents, &narrow, &[0, 1, 1]), "centroids have 3 dimensions and documents 4");
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (mut broken, mut centre) = (documents.clone(), centroids.clone());
        broken[[2, 3]] = value;
        centre[[1, 0]] = value;
        assert_eq!(refused(&broken, &centroids, &[0, 1, 1]), "document vector 2 has a component that is not finite");
        assert_eq!(refused(&documents, &centre, &[0, 1, 1]), "centroid vector 1 has a component that is not finite");
        let error = clustered(&documents, &centroids, &[0, 1, 1], 1).search(broken.view(), 1).unwrap_err();
        assert_eq!(error.to_string(), "query vector 2 has a component that is not finite");
    }
    let searcher = clustered(&documents, &centroids, &[0, 1, 1], 1);
    let mut many = Array2::ones((1_030, 4));
    many[[1_027, 0]] = f32::NAN;
    let error = searcher.search(many.view(), 1).unwrap_err();
    assert_eq!(error.to_string(), "query vector 1027 has a component that is not finite");
    assert!(matches!(searcher.search(documents.view(), 0), Err(EvalError::NoResults)));
    let error = searcher.search(narrow.view(), 1).unwrap_err();
    assert_eq!(error.to_string(), "queries have 3 dimensions and documents 4");
    assert!(matches!(searcher.with_probes(0), Err(EvalError::NoProbes)));
}

#[test]
fn products_of_large_vectors_are_not_lost() {
    let (large, small) = (array![[f32::MAX, f32::MAX]], array![[1.0, -1.0]]);
    let score = |documents, query| {
        let hits = clustered(documents, &small, &[0], 1).search(array![query].view(), 1).unwrap();
        assert_eq!(ExactSearcher::new(documents.view()).unwrap().search(array![query].view(), 1).unwrap(), hits);
        hits[0][0].score
    };
    // Each term is beyond f32.
    assert_eq!(score(&large, [f32::MAX, -f32::MAX]), 0.0);
    assert_eq!(score(&large, [f32::MAX, f32::MAX]), f32::INFINITY);
    assert_eq!(score(&small, [f32::MAX, f32::MAX]), 0.0);
    assert_eq!(score(&array![[1e-40, 0.0]], [1e30, 1e30]), 1e-40 * 1e30);
}
