//! Embeds texts as `benches/peers/embed.py` asks, which says what its questions are.
//!
//! `cargo run --release -p embed --example timed_embed -- FOLDER`, then a question a line: `model`, or `{"texts": FILE, "max_tokens": 256, "precision": "int16", "out": FILE}`.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn_flex::{Flex, FlexDevice};
use embed::{
    Bert, Embedder, FolderOptions, InferencePrecision, LoadedModel, NeuralEmbedder, Side, TokenLimits, load_bert,
};
use serde::Deserialize;
use serde_json::json;
use vectors::{ArrayWriter, replace_file};

type AnyError = Box<dyn Error>;

/// An embedder, and the limit and precision that it has.
type Made = ((usize, InferencePrecision), NeuralEmbedder<Flex, Bert<Flex>>);

#[derive(Deserialize)]
struct Question {
    texts: PathBuf,
    max_tokens: usize,
    #[serde(default)]
    precision: InferencePrecision,
    out: Option<PathBuf>,
}

fn main() -> Result<(), AnyError> {
    let folder = std::env::args().nth(1).ok_or("usage: timed_embed FOLDER")?;
    let options = FolderOptions::default();
    let LoadedModel { encoder, tokenizer, max_tokens, .. } = load_bert::<Flex>(folder, &options, &FlexDevice)?;
    let limits = |asked: usize| TokenLimits::new(asked.min(max_tokens), asked.min(max_tokens));
    let mut texts = HashMap::new();
    let mut embedder: Option<Made> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = if line == "model" {
            json!({"dim": embed::Encoder::dim(&encoder)})
        } else {
            let Question { texts: file, max_tokens, precision, out } = serde_json::from_str(&line)?;
            if !texts.contains_key(&file) {
                let read: Vec<String> = serde_json::from_slice(&std::fs::read(&file)?)?;
                texts.insert(file.clone(), read);
            }
            let asked: Vec<&str> = texts[&file].iter().map(String::as_str).collect();
            let (made, found) = match embedder.take() {
                Some((made, found)) if made == (max_tokens, precision) => (made, found),
                _ => {
                    let (encoder, tokenizer) = (encoder.clone(), tokenizer.clone());
                    let made = NeuralEmbedder::new(encoder, tokenizer, limits(max_tokens), &FlexDevice)?;
                    ((max_tokens, precision), made.with_precision(precision)?)
                }
            };
            let (_, found) = embedder.insert((made, found));
            let start = Instant::now();
            let rows = found.embed(&asked, Side::Passage)?;
            let seconds = start.elapsed().as_secs_f64();
            if let Some(out) = out {
                write(&out, &rows)?;
            }
            json!({"seconds": seconds})
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn write(path: &Path, rows: &ndarray::Array2<f32>) -> Result<(), AnyError> {
    replace_file(path, |out| {
        let mut writer = ArrayWriter::new(out, rows.shape())?;
        writer.write_rows(rows.view())?;
        writer.finish()
    })?;
    Ok(())
}
