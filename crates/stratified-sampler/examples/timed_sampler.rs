//! Epochs of batches of labelled pairs, timed on one thread inside a process that stays warm.
//!
//! ```text
//! cargo run --release -p stratified-sampler --example timed_sampler -- BATCH_SIZE LABELS [KEYS]
//! ```
//!
//! LABELS, and KEYS that no batch is to have twice, are files of u32 in this machine's byte order. Leftovers are `Mix`. The first line on stdout says how long the sampler
//! took to build, as JSON; then each line on stdin, `epoch N`, is answered with the seconds that all batches of that epoch
//! took and how many indices they have. `benches/peers/sampler.py` speaks to it.

use std::error::Error;
use std::hint::black_box;
use std::io::stdin;
use std::time::Instant;

use stratified_sampler::{BatchSampler, SamplerError, StratifiedConfig, UniqueBy};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [batch_size, labels, keys @ ..] = arguments.as_slice() else {
        return Err("usage: timed_sampler BATCH_SIZE LABELS [KEYS]".into());
    };
    let labels = read(labels)?;
    let keys = keys.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let config = StratifiedConfig::new(batch_size.parse()?);
    let begin = Instant::now();
    let stratified = config.build(&labels)?;
    let sampler: Box<dyn BatchSampler> =
        if keys.is_empty() { Box::new(stratified) } else { Box::new(UniqueBy::new(stratified, keys)?) };
    println!("{}", serde_json::json!({ "seconds": begin.elapsed().as_secs_f64() }));

    let mut batch = Vec::new();
    for line in stdin().lines() {
        let line = line?;
        let epoch = line.strip_prefix("epoch ").ok_or("a line is epoch N")?.parse()?;
        let begin = Instant::now();
        let indices = draw(&sampler, epoch, &mut batch)?;
        println!("{}", serde_json::json!({ "seconds": begin.elapsed().as_secs_f64(), "indices": indices }));
    }
    Ok(())
}

fn draw(sampler: &impl BatchSampler, epoch: u64, batch: &mut Vec<u32>) -> Result<usize, SamplerError> {
    let mut indices = 0;
    for index in 0..sampler.len(epoch) {
        sampler.batch(epoch, index, batch)?;
        indices += black_box(&*batch).len();
    }
    Ok(indices)
}

fn read(path: &str) -> Result<Vec<u32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (labels, rest) = bytes.as_chunks();
    match rest {
        [] => Ok(labels.iter().map(|&bytes| u32::from_ne_bytes(bytes)).collect()),
        _ => Err(format!("{path}: {} bytes are no whole number of u32", bytes.len()).into()),
    }
}
