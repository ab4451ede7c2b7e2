//! `embed-peers candle|fastembed MODEL THREADS`: a peer of `embed.py`, whose head says what is asked and answered.
//!
//! MODEL is a sentence-transformers folder, to fastembed with a `model.onnx` in it.

mod candle;
mod fast;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    texts: PathBuf,
    max_tokens: usize,
    out: Option<PathBuf>,
}

/// Unit vectors of texts, in their order.
trait Peer {
    fn dim(&self) -> usize;

    fn embed(&mut self, texts: &[String], max_tokens: usize) -> Result<Vec<Vec<f32>>>;
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder, threads] = arguments.as_slice() else {
        bail!("embed-peers candle|fastembed MODEL THREADS");
    };
    let (folder, threads) = (Path::new(folder), threads.parse()?);
    let mut peer: Option<Box<dyn Peer>> = None;
    let mut known = HashMap::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match (&mut peer, line.as_str()) {
            (peer, "model") => {
                let read = read(name, folder, threads)?;
                let answer = json!({"dim": read.dim()});
                *peer = Some(read);
                answer
            }
            (Some(peer), question) => embed(peer.as_mut(), &serde_json::from_str(question)?, &mut known)?,
            (None, _) => bail!("the first question is `model`"),
        };
        println!("{answer}");
        io::stdout().flush()?;
    }
    Ok(())
}

fn read(name: &str, folder: &Path, threads: usize) -> Result<Box<dyn Peer>> {
    Ok(match name {
        "candle" => Box::new(candle::Candle::read(folder, threads)?),
        "fastembed" => Box::new(fast::Fast::read(folder, threads)?),
        _ => bail!("no peer is called {name}"),
    })
}

fn embed(
    peer: &mut dyn Peer,
    question: &Question,
    known: &mut HashMap<PathBuf, Vec<String>>,
) -> Result<serde_json::Value> {
    if !known.contains_key(&question.texts) {
        known.insert(question.texts.clone(), serde_json::from_slice(&bytes(&question.texts)?)?);
    }
    let texts = &known[&question.texts];
    let begin = Instant::now();
    let vectors = peer.embed(texts, question.max_tokens)?;
    let seconds = begin.elapsed().as_secs_f64();
    if let Some(path) = &question.out {
        write_npy(path, &vectors, peer.dim())?;
    }
    Ok(json!({"seconds": seconds}))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// Version 1.0 of the format: the header ends at a multiple of 64 bytes.
fn write_npy(path: &Path, vectors: &[Vec<f32>], dim: usize) -> Result<()> {
    let shape = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {dim}), }}", vectors.len());
    let header = format!("{shape:<117}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len())?.to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(vectors.iter().flatten().flat_map(|value| value.to_le_bytes()));
    fs::write(path, file).with_context(|| path.display().to_string())
}
