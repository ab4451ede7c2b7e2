//! An approximate index of another crate behind [`Searcher`], evaluated beside exact search.
//!
//! ```text
//! cargo run --release -p retrieval-eval --example approximate_index
//! ```
//!
//! Takes about a quarter of a minute on two cores, nearly all to build the graph. Prints the time of the exact search,
//! then for each width of `hnsw_rs`'s graph search its time and its recall@10 against the exact hits: of the ten nearest
//! documents, how many are found. So few documents are no reason for a graph: many queries at once are searched exactly
//! in less time.

use std::error::Error;
use std::time::Instant;

use hnsw_rs::prelude::{Distance, Hnsw};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use retrieval_eval::{EvalError, ExactSearcher, Hit, Searcher};

const DIM: usize = 64;
const K: usize = 10;

/// Links of a point of the graph, its layers, and points looked at when one is added.
const GRAPH: [usize; 3] = [16, 16, 100];

/// A graph of unit vectors.
struct Graph {
    index: Hnsw<'static, f32, OneMinusProduct>,
    /// Points looked at in a search; never fewer than the results wanted.
    width: usize,
}

impl Graph {
    fn new(documents: ArrayView2<'_, f32>) -> Self {
        let [links, layers, width] = GRAPH;
        let index = Hnsw::new(links, documents.nrows(), layers, width, OneMinusProduct);
        let rows: Vec<Vec<f32>> = documents.rows().into_iter().map(|row| row.to_vec()).collect();
        index.parallel_insert(&rows.iter().zip(0..).collect::<Vec<_>>());
        Self { index, width }
    }
}

impl Searcher for Graph {
    fn search(&self, queries: ArrayView2<'_, f32>, k: usize) -> Result<Vec<Vec<Hit>>, EvalError> {
        if k == 0 {
            return Err(EvalError::NoResults);
        }
        if queries.ncols() != DIM {
            return Err(EvalError::Dimensions { queries: queries.ncols(), documents: DIM });
        }
        if let Some(row) = queries.rows().into_iter().position(|row| row.iter().any(|value| !value.is_finite())) {
            return Err(EvalError::NotFiniteVector { side: "query", row });
        }
        let one = |query: ArrayView1<'_, f32>| {
            let near = self.index.search(&query.to_vec(), k, self.width);
            near.iter().map(|one| Hit { index: one.d_id as u32, score: 1.0 - one.distance }).collect()
        };
        Ok(queries.axis_iter(Axis(0)).into_par_iter().map(one).collect())
    }
}

/// 1 less the inner product of unit vectors; `hnsw_rs`'s own `DistDot` panics where rounding makes that negative.
struct OneMinusProduct;

impl Distance<f32> for OneMinusProduct {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - ArrayView1::from(a).dot(&ArrayView1::from(b))).max(0.0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let centres = uniform(500, &mut rng);
    let (documents, queries) = (around(&centres, 20_000, &mut rng), around(&centres, 1_000, &mut rng));

    let (exact, seconds) = timed(&ExactSearcher::new(documents.view())?, queries.view())?;
    println!("exact     {:>7.1} ms", seconds * 1e3);

    let begin = Instant::now();
    let mut graph = Graph::new(documents.view());
    println!("the graph is built in {:.1} s", begin.elapsed().as_secs_f64());
    for width in [10, 20, 40] {
        graph.width = width;
        let (hits, seconds) = timed(&graph, queries.view())?;
        println!("width {width:<4}{:>7.1} ms  recall@{K} {:.4}", seconds * 1e3, recall(&hits, &exact));
    }
    Ok(())
}

fn timed(searcher: &impl Searcher, queries: ArrayView2<'_, f32>) -> Result<(Vec<Vec<Hit>>, f64), EvalError> {
    let begin = Instant::now();
    Ok((searcher.search(queries, K)?, begin.elapsed().as_secs_f64()))
}

fn recall(hits: &[Vec<Hit>], exact: &[Vec<Hit>]) -> f64 {
    let is_found = |hits: &[Hit], exact: &Hit| hits.iter().any(|hit| hit.index == exact.index);
    let of_query = |(hits, exact): (&Vec<Hit>, &Vec<Hit>)| exact.iter().filter(|exact| is_found(hits, exact)).count();
    hits.iter().zip(exact).map(of_query).sum::<usize>() as f64 / (exact.len() * K) as f64
}

fn uniform(rows: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, DIM), || rng.next_u32() as f32 / 2f32.powi(31) - 1.0)
}

/// Unit vectors around centres taken in turn.
fn around(centres: &Array2<f32>, rows: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let of_row: Vec<usize> = (0..rows).map(|row| row % centres.nrows()).collect();
    let mut rows = centres.select(Axis(0), &of_row) + uniform(rows, rng) * 0.8;
    rows.rows_mut().into_iter().for_each(|mut row| row /= row.dot(&row).sqrt());
    rows
}
