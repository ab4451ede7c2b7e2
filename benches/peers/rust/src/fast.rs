//! fastembed's `TextEmbedding` of a model of one's own, f32, on ONNX Runtime.

use std::path::Path;

use anyhow::{Error, Result};
use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use tokenizers::TruncationParams;

use crate::Peer;

/// Texts of a batch: by trial, twice or half as many take as long.
const BATCH: usize = 16;

pub(crate) struct Fast {
    model: TextEmbedding,
    dim: usize,
}

impl Fast {
    pub(crate) fn read(folder: &Path, threads: usize) -> Result<Self> {
        let read = |name: &str| crate::bytes(&folder.join(name));
        let files = TokenizerFiles {
            tokenizer_file: read("tokenizer.json")?,
            config_file: read("config.json")?,
            special_tokens_map_file: read("special_tokens_map.json")?,
            tokenizer_config_file: read("tokenizer_config.json")?,
        };
        let config: serde_json::Value = serde_json::from_slice(&files.config_file)?;
        let dim = usize::try_from(config["hidden_size"].as_u64().unwrap_or(0))?;
        let model = UserDefinedEmbeddingModel::new(read("model.onnx")?, files).with_pooling(Pooling::Mean);
        let options = InitOptionsUserDefined::new().with_intra_threads(threads);
        Ok(Self { model: TextEmbedding::try_new_from_user_defined(model, options)?, dim })
    }
}

impl Peer for Fast {
    fn dim(&self) -> usize {
        self.dim
    }

    /// fastembed takes texts as they come, and pads each batch to its longest: so they come sorted by length.
    fn embed(&mut self, texts: &[String], max_tokens: usize) -> Result<Vec<Vec<f32>>> {
        let cut = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        self.model.tokenizer.with_truncation(Some(cut)).map_err(Error::from_boxed)?;
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&text| std::cmp::Reverse(texts[text].len()));
        let sorted: Vec<&str> = order.iter().map(|&text| texts[text].as_str()).collect();
        let mut vectors = vec![Vec::new(); texts.len()];
        for (text, vector) in order.into_iter().zip(self.model.embed(sorted, Some(BATCH))?) {
            vectors[text] = vector;
        }
        Ok(vectors)
    }
}
