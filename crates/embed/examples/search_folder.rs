//! Finds the paragraphs of a folder's text files (`.txt`, `.md`) that are nearest to a query.
//!
//! `cargo run --release -p embed --example search_folder -- MODEL_FOLDER TEXT_FOLDER "a query"`

use std::error::Error;
use std::path::{Path, PathBuf};

use burn_flex::{Flex, FlexDevice};
use embed::{FolderOptions, Side, load_embedder};

/// Paragraphs that are printed.
const MOST: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder, query] = arguments.as_slice() else { return Err("MODEL_FOLDER TEXT_FOLDER QUERY".into()) };
    let mut paragraphs = Vec::new();
    for file in files(Path::new(folder))? {
        let text = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
        let of_file = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
        paragraphs.extend(of_file.map(|paragraph| (file.clone(), paragraph.to_owned())));
    }
    let embedder = load_embedder::<Flex>(model, &FolderOptions::default(), &FlexDevice)?;
    let texts: Vec<&str> = paragraphs.iter().map(|(_, text)| text.as_str()).collect();
    let rows = embedder.embed(&texts, Side::Passage)?;
    let cosines = rows.dot(&embedder.embed(&[query], Side::Query)?.row(0));
    let mut best: Vec<usize> = (0..texts.len()).collect();
    best.sort_by(|&a, &b| cosines[b].total_cmp(&cosines[a]));
    for &at in best.iter().take(MOST) {
        println!("{:.3} {}\n{}\n", cosines[at], paragraphs[at].0.display(), texts[at]);
    }
    Ok(())
}

/// The text files of a folder and those below it.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "txt" || ending == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
