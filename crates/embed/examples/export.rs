//! Cuts a sentence-transformers folder down: to a BERT of its first layers, and to a static table of its word embeddings.
//!
//! `cargo run --release -p embed --example export -- FROM TO 2` (a second). Prints the two folders that it wrote, `TO/bert` and
//! `TO/static`, which Python's sentence-transformers loads too, and the vector of one text with each.

use std::path::Path;

use burn_flex::{Flex, FlexDevice};
use embed::{EmbedError, FolderOptions, SaveFolder, Side, load_bert, load_embedder, load_static};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, layers] = arguments.as_slice() else {
        return Err("usage: export FROM TO LAYERS".into());
    };
    let (to, layers) = (Path::new(to), layers.parse()?);
    std::fs::create_dir_all(to)?;

    let options = FolderOptions::default().with_layers(layers);
    let bert = load_bert::<Flex>(from, &options, &FlexDevice)?;
    bert.encoder.save_folder(&to.join("bert"), &bert.tokenizer, &bert.export_options())?;
    show(&to.join("bert"))?;

    let table = load_static::<Flex>(from, &FolderOptions::default(), &FlexDevice)?;
    table.encoder.save_folder(&to.join("static"), &table.tokenizer, &table.export_options())?;
    show(&to.join("static"))?;
    Ok(())
}

fn show(folder: &Path) -> Result<(), EmbedError> {
    let embedder = load_embedder::<Flex>(folder, &FolderOptions::default(), &FlexDevice)?;
    let rows = embedder.embed(&["Which clusters are dense?"], Side::Query)?;
    let first: Vec<f32> = rows.iter().take(6).copied().collect();
    println!("{} ({} dimensions): {first:?} …", folder.display(), embedder.dim());
    Ok(())
}
