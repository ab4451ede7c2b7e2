//! Exact searches, timed inside a process that stays warm.
//!
//! ```text
//! cargo run --release -p retrieval-eval --example timed_search -- DIM DOCUMENTS QUERIES RESULTS
//! ```
//!
//! DOCUMENTS and QUERIES are files of f32 rows of DIM columns in this machine's byte order. Each line on stdin, `search K`, is one
//! search of all queries; the answer is one JSON line on stdout, its seconds, and RESULTS then holds the indices found, `[queries, K]` as u32.
//! `benches/peers/eval.py` speaks to it.

use std::error::Error;
use std::io::stdin;
use std::time::Instant;

use ndarray::Array2;
use retrieval_eval::{ExactSearcher, Searcher};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dim, documents, queries, results] = arguments.as_slice() else {
        return Err("usage: timed_search DIM DOCUMENTS QUERIES RESULTS".into());
    };
    let dim = dim.parse()?;
    let (documents, queries) = (read(documents, dim)?, read(queries, dim)?);
    let searcher = ExactSearcher::new(documents.view())?;
    for line in stdin().lines() {
        let line = line?;
        let k = line.strip_prefix("search ").ok_or("a line is search K")?.parse()?;
        let begin = Instant::now();
        let hits = searcher.search(queries.view(), k)?;
        let seconds = begin.elapsed().as_secs_f64();
        let indices: Vec<u8> = hits.iter().flatten().flat_map(|hit| hit.index.to_ne_bytes()).collect();
        std::fs::write(results, indices)?;
        println!("{}", serde_json::json!({ "seconds": seconds }));
    }
    Ok(())
}

fn read(path: &str, dim: usize) -> Result<Array2<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (values, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(format!("{path}: {} bytes are no whole number of f32", bytes.len()).into());
    }
    let values: Vec<f32> = values.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect();
    Ok(Array2::from_shape_vec((values.len() / dim, dim), values)?)
}
