//! Fits of the rows of one `.npy` file (f32, unit rows) from given centroids, timed inside a process that stays warm.
//!
//! ```text
//! cargo run --release -p kmeans --example timed_fit -- rows.npy start.npy
//! ```
//!
//! Each line on stdin, `ITERATIONS plain` or `ITERATIONS pruned`, is one fit; the answer is one JSON line on stdout:
//! seconds of the whole fit, objective, iterations made, peak memory. `benches/peers/kmeans.py` speaks to it.

use std::error::Error;
use std::io::stdin;
use std::path::Path;
use std::time::Instant;

use kmeans::{NpyVectors, SphericalKMeansConfig};
use ndarray::Array2;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [rows, start] = paths.as_slice() else { return Err("usage: timed_fit rows.npy start.npy".into()) };
    let (rows, start) = (read(rows)?, read(start)?);
    for line in stdin().lines() {
        let line = line?;
        let (iterations, mode) = line.split_once(' ').ok_or("a line is ITERATIONS plain|pruned")?;
        let clusterer = SphericalKMeansConfig::new(start.nrows())
            .with_max_iterations(iterations.parse()?)
            .with_tolerance(0.0)
            .with_pruning(mode == "pruned")
            .build()?;
        let begin = Instant::now();
        let fit = clusterer.fit_from(rows.view(), start.view())?;
        let seconds = begin.elapsed().as_secs_f64();
        let (objective, made) = (fit.objective, fit.history.len());
        let answer = serde_json::json!({
            "seconds": seconds, "objective": objective, "iterations": made, "peak_mb": peak_megabytes()?,
        });
        println!("{answer}");
    }
    Ok(())
}

/// The rows in memory, as a fit of an array has them.
fn read(path: &str) -> Result<Array2<f32>, Box<dyn Error>> {
    Ok(NpyVectors::open(Path::new(path))?.array().ok_or("f32 is wanted")?.to_owned())
}

/// The largest resident size so far, as Linux tells it.
fn peak_megabytes() -> Result<Option<u64>, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map(|kilobytes| kilobytes / 1024))
}
