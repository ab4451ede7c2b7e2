//! What a loss takes beside its inputs and gradients: the whole matrix with automatic differentiation, and tiles.
//!
//! ```text
//! cargo run --release -p infonce --example memory
//! ```
//!
//! Each line is two processes of its own, as freed memory of the one would serve the other; sizes as Linux tells them.

use std::error::Error;
use std::process::Command;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use infonce::{ContrastiveLoss, InBatch, InfoNceConfig};

const WIDTH: usize = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [loss, pairs] = &arguments[..] {
        return measure(loss, pairs.parse()?);
    }
    println!("{:>7}  {:>20}  {:>20}", "pairs", "dense", "tiled");
    for pairs in [1024, 4096, 8192, 16_384, 32_768] {
        // Dense, 32,768 pairs would take tens of gigabytes.
        let dense = if pairs > 16_384 { "-".to_owned() } else { in_own_process("dense", pairs)? };
        println!("{pairs:>7}  {dense:>20}  {:>20}", in_own_process("tiled", pairs)?);
    }
    Ok(())
}

fn in_own_process(loss: &str, pairs: usize) -> Result<String, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).args([loss, &pairs.to_string()]).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?.trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

/// One loss of unit rows.
fn measure(loss: &str, pairs: usize) -> Result<(), Box<dyn Error>> {
    let config = InfoNceConfig::default().with_temperature(0.05).with_tile(if loss == "dense" { 0 } else { 256 });
    let loss: Box<dyn ContrastiveLoss<Flex>> = config.build_boxed()?;
    let (queries, passages) = (rows(pairs, 0.0), rows(pairs, 0.5));
    // Linux begins to count the largest resident size anew.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (before, begin) = (resident("VmRSS:")?, Instant::now());
    let output = loss.loss_and_gradients(queries, passages, &InBatch::default());
    let seconds = begin.elapsed().as_secs_f64();
    let gradients = (2 * pairs * WIDTH * size_of::<f32>()) as f64 / 1e6;
    let extra = resident("VmHWM:")? - before - gradients;
    assert!(output.loss.is_finite());
    println!("{extra:.0} MB, {seconds:.2} s");
    Ok(())
}

/// Unit rows of made-up values, in one allocation: what was freed before a loss would serve it.
fn rows(pairs: usize, salt: f32) -> Tensor<Flex, 2> {
    let value = |i: usize| ((i % 9973) as f32 * 12.9898 + salt).sin() + (i as f32 * 0.618).cos();
    let mut values: Vec<f32> = (0..pairs * WIDTH).map(value).collect();
    for row in values.chunks_exact_mut(WIDTH) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row.iter_mut().for_each(|value| *value /= norm);
    }
    Tensor::from_data(TensorData::new(values, [pairs, WIDTH]), &Default::default())
}

/// A size of this process in MB.
fn resident(key: &str) -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kibibytes.ok_or("no such size")? * 1024.0 / 1e6)
}
