//! What the fuzz target checks of any bytes; `tests/fuzz_seeds.rs` checks it of the seeds.

use std::path::{Path, PathBuf};

use burn_flex::{Flex, FlexDevice};
use embed::{FolderOptions, Side, load_embedder};

/// The files of a model folder that are read beside its tokenizer; in a [`pack`] they stand in this order.
const FILES: [&str; 15] = [
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "3_Dense/config.json",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "2_Dense/model.safetensors",
    "0_StaticEmbedding/model.safetensors",
    "model.safetensors",
];

/// Before the name of a file, which a line break ends.
const MARK: &[u8] = b"\n=== ";

/// A model folder as one run of bytes, without its tokenizer.
#[allow(dead_code, reason = "the fuzz target unpacks alone")]
pub(crate) fn pack(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in FILES {
        if let Ok(file) = std::fs::read(folder.join(name)) {
            bytes.extend([MARK, name.as_bytes(), b"\n", &file].concat());
        }
    }
    bytes
}

/// The files of known names, in a folder beside the tokenizer of a golden model.
fn unpack(bytes: &[u8], folder: &Path) {
    let tokenizer = PathBuf::from(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|above| {
        let file = above.join("tests/golden/tiny_bert/tokenizer.json");
        file.is_file().then_some(file)
    });
    std::fs::copy(tokenizer.expect("a golden tokenizer"), folder.join("tokenizer.json")).expect("a written file");
    let marks = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).map(|(at, _)| at);
    let starts: Vec<usize> = marks.collect();
    for (index, &start) in starts.iter().enumerate() {
        let part = &bytes[start + MARK.len()..starts.get(index + 1).copied().unwrap_or(bytes.len())];
        let Some(end) = part.iter().position(|&byte| byte == b'\n') else { continue };
        let name = FILES.into_iter().find(|name| name.as_bytes() == &part[..end]);
        if let Some(path) = name.map(|name| folder.join(name)) {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a made folder");
            std::fs::write(path, &part[end + 1..]).expect("a written file");
        }
    }
}

/// The folder is refused, or its model gives finite vectors, or says of which text it gives none. Whether it was read.
pub(crate) fn folder(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    unpack(bytes, folder.path());
    let Ok(embedder) = load_embedder::<Flex>(folder.path(), &FolderOptions::default(), &FlexDevice) else {
        return false;
    };
    let texts = ["", "a cat", "the dog and the cat sat on a mat"];
    if let Ok(rows) = embedder.embed(&texts, Side::Query) {
        assert_eq!(rows.dim(), (texts.len(), embedder.dim()));
        assert!(rows.iter().all(|value| value.is_finite()));
    }
    true
}
