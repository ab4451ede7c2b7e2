//! Embeds every line of a file into `.npy`; where it was interrupted, the next call goes on.
//!
//! `cargo run --release -p embed --example embed_file -- MODEL_FOLDER TEXTS.txt OUT.npy`

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use burn_flex::{Flex, FlexDevice};
use embed::{CorpusFile, CorpusOptions, FolderOptions, Side, folder_hash, load_embedder};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, texts, out] = arguments.as_slice() else { return Err("MODEL_FOLDER TEXTS.txt OUT.npy".into()) };
    let embedder = load_embedder::<Flex>(model, &FolderOptions::default(), &FlexDevice)?;
    let options = CorpusOptions::new(folder_hash(model)?, Side::Passage);
    let mut file = CorpusFile::open(Path::new(out), &*embedder, &options, |rows| eprint!("\r{rows} texts"))?;
    for line in BufReader::new(File::open(texts)?).lines() {
        file.push(&line?)?;
    }
    let written = file.finish()?;
    eprintln!("\r{} texts, {} of them there before, {} cut", written.texts, written.found, written.cut);
    Ok(())
}
