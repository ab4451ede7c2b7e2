//! The encoder that is trained, of whichever kind the configuration names.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use embed::{
    Bert, BertConfig, EmbedError, Encoder, ExportOptions, FolderOptions, Pooling, SaveFolder, StaticConfig,
    StaticEncoder, TextTokenizer, TokenBatch, load_bert, load_static,
};

use crate::config::{PoolingKind, StudentConfig, StudentKind};

/// Positions of a BERT from scratch.
const POSITIONS: usize = 512;

/// A trainable encoder of any kind.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a run holds one, and burn derives no boxed variants")]
pub enum Student<B: Backend> {
    /// A BERT.
    Bert(Bert<B>),
    /// The mean of static token embeddings.
    Static(StaticEncoder<B>),
}

/// Where a student's weights and vocabulary come from.
pub(crate) enum Origin<'a> {
    /// A model folder.
    Folder(&'a Path),
    /// Fresh weights over a vocabulary.
    Scratch(Box<TextTokenizer>),
}

/// The student before its first step, and its tokenizer; the same seed gives the same weights.
///
pub(crate) fn initial<B: Backend>(
    config: &StudentConfig,
    origin: Origin<'_>,
    seed: u64,
    device: &B::Device,
) -> Result<(Student<B>, TextTokenizer), EmbedError> {
    B::seed(device, seed);
    match (config.kind, origin) {
        (StudentKind::Static, Origin::Scratch(tokenizer)) => {
            let table = StaticConfig::new(tokenizer.vocab_size(), config.dim).init(device)?;
            Ok((Student::Static(table), *tokenizer))
        }
        (StudentKind::Bert, Origin::Scratch(tokenizer)) => {
            let bert = bert_from_scratch(config, &tokenizer).init(device)?;
            Ok((Student::Bert(with_pooling(bert, config.pooling)), *tokenizer))
        }
        (StudentKind::Static, Origin::Folder(folder)) => {
            let model = load_static(folder, &FolderOptions::default(), device)?;
            Ok((Student::Static(model.encoder), model.tokenizer))
        }
        (StudentKind::Bert, Origin::Folder(folder)) => {
            let mut options = FolderOptions::default();
            options.layers = config.layers;
            let model = load_bert(folder, &options, device)?;
            Ok((Student::Bert(with_pooling(model.encoder, config.pooling)), model.tokenizer))
        }
    }
}

fn with_pooling<B: Backend>(bert: Bert<B>, pooling: Option<PoolingKind>) -> Bert<B> {
    match pooling {
        Some(PoolingKind::Mean) => bert.with_pooling(Pooling::Mean),
        Some(PoolingKind::Cls) => bert.with_pooling(Pooling::Cls),
        None => bert,
    }
}

fn bert_from_scratch(student: &StudentConfig, tokenizer: &TextTokenizer) -> BertConfig {
    let intermediate = match student.intermediate {
        0 => 4 * student.dim,
        width => width,
    };
    BertConfig::new(tokenizer.vocab_size(), student.dim)
        .with_layers(student.layers.unwrap_or(2))
        .with_heads(student.heads)
        .with_intermediate_size(intermediate)
        .with_max_position_embeddings(POSITIONS)
}

/// A freshly trained tokenizer, with the special tokens that the student's kind wants around a text.
pub(crate) fn tokenizer_for(kind: StudentKind, tokenizer: TextTokenizer) -> TextTokenizer {
    tokenizer.with_special_tokens(kind == StudentKind::Bert)
}

impl<B: Backend> Encoder<B> for Student<B> {
    fn dim(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.dim(),
            Self::Static(table) => table.dim(),
        }
    }

    fn forward(&self, tokens: &TokenBatch, device: &B::Device) -> Tensor<B, 2> {
        match self {
            Self::Bert(bert) => bert.forward(tokens, device),
            Self::Static(table) => table.forward(tokens, device),
        }
    }

    fn vocab_size(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.vocab_size(),
            Self::Static(table) => table.vocab_size(),
        }
    }

    fn max_tokens(&self) -> usize {
        match self {
            Self::Bert(bert) => bert.max_tokens(),
            Self::Static(table) => table.max_tokens(),
        }
    }
}

impl<B: Backend> SaveFolder for Student<B> {
    fn save_folder(&self, folder: &Path, tokenizer: &TextTokenizer, options: &ExportOptions) -> Result<(), EmbedError> {
        match self {
            Self::Bert(bert) => bert.save_folder(folder, tokenizer, options),
            Self::Static(table) => table.save_folder(folder, tokenizer, options),
        }
    }
}
