//! Losses of one batch with both gradients, timed inside a process that stays warm.
//!
//! ```text
//! cargo run --release -p infonce --example timed_loss -- queries.npy passages.npy guide_queries.npy guide_passages.npy
//! ```
//!
//! The files hold f32 rows. Each line on stdin is one loss: `tiled`, `guided`, `prefixes` (cosines of all columns, a third and a sixth of them) or `dense`; the answer is one JSON line on stdout: seconds,
//! loss, the first value of each gradient, and the memory in MB that it took at most beside its inputs and outputs.
//! `benches/peers/infonce.py` speaks to it.

use std::error::Error;
use std::io::stdin;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use infonce::{ContrastiveLoss, Guide, GuideRows, InBatch, InfoNceConfig, Prefix, Similarity};
use vectors::NpyVectors;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let files = paths.iter().map(|path| NpyVectors::open(Path::new(path))).collect::<Result<Vec<_>, _>>()?;
    let [queries, passages, guide @ ..] = &files[..] else {
        return Err("usage: timed_loss QUERIES PASSAGES GUIDE…".into());
    };
    let guide: Vec<Vec<f32>> =
        guide.iter().map(|file| file.array().map(|rows| rows.iter().copied().collect()).unwrap_or_default()).collect();
    let width = files.get(2).map_or(1, NpyVectors::dim);
    let known = match &guide[..] {
        [queries, passages] => InBatch { guide: Some(GuideRows { queries, passages, width }), ..InBatch::default() },
        _ => InBatch::default(),
    };
    let (queries, passages) = (tensor(queries)?, tensor(passages)?);
    let config = InfoNceConfig::default().with_temperature(0.05);
    let width = queries.dims()[1];
    let prefixes: Vec<Prefix> = [1, 3, 6].map(|part| Prefix::new(width / part)).to_vec();
    let guided = config.clone().with_guide(Guide { margin: 0.05, relative: true });
    let of_prefixes = config.clone().with_similarity(Similarity::Cosine).with_matryoshka(prefixes);
    // A loss works in the memory of its last batch.
    let (tiled, guided, of_prefixes) = (config.build()?, guided.build()?, of_prefixes.build()?);
    let dense = config.build_dense()?;
    for line in stdin().lines() {
        let loss: &dyn ContrastiveLoss<Flex> = match line?.as_str() {
            "tiled" => &tiled,
            "guided" => &guided,
            "prefixes" => &of_prefixes,
            "dense" => &dense,
            other => return Err(format!("{other:?} is not tiled, guided, prefixes or dense").into()),
        };
        // Linux begins to count the largest resident size anew.
        std::fs::write("/proc/self/clear_refs", "5")?;
        let before = resident("VmRSS:")?;
        let begin = Instant::now();
        let output = loss.loss_and_gradients(queries.clone(), passages.clone(), &known);
        let seconds = begin.elapsed().as_secs_f64();
        let peak = resident("VmHWM:")?;
        let [rows, more, width] = [queries.dims()[0], passages.dims()[0], queries.dims()[1]];
        let extra = (peak - before) * 1024.0 / 1e6 - ((rows + more) * width * size_of::<f32>()) as f64 / 1e6;
        let first = |gradient: Tensor<Flex, 2>| gradient.slice([0..1, 0..1]).into_scalar();
        let firsts = [first(output.query_gradient), first(output.passage_gradient)];
        let answer = serde_json::json!({
            "seconds": seconds, "loss": output.loss, "firsts": firsts, "masked": output.masked, "extra_mb": extra,
        });
        println!("{answer}");
    }
    Ok(())
}

fn tensor(file: &NpyVectors) -> Result<Tensor<Flex, 2>, Box<dyn Error>> {
    let rows = file.array().ok_or("f32 is wanted")?;
    let data = TensorData::new(rows.iter().copied().collect::<Vec<f32>>(), [rows.nrows(), rows.ncols()]);
    Ok(Tensor::from_data(data, &Default::default()))
}

/// A size of this process in KiB, as Linux tells it.
fn resident(key: &str) -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
    Ok(value.ok_or("no such size")?)
}
