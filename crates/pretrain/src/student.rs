//! The encoder that is trained, of whichever kind the configuration names.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use embed::{
    Bert, BertConfig, EmbedError, Encoder, FolderOptions, Pooling, SaveFolder, StaticConfig, StaticEncoder,
    TextTokenizer, TokenBatch, load_bert, load_static,
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

/// The student before its first step, over the tokens of `tokenizer`; the same seed gives the same weights.
pub(crate) fn initial<B: Backend>(
    config: &StudentConfig,
    tokenizer: &TextTokenizer,
    seed: u64,
    device: &B::Device,
) -> Result<Student<B>, EmbedError> {
    B::seed(device, seed);
    match (config.kind, &config.from) {
        (StudentKind::Static, None) => {
            let table = StaticConfig::new(tokenizer.vocab_size(), config.dim).with_std(config.init_std);
            Ok(Student::Static(table.init(device)?))
        }
        (StudentKind::Bert, None) => {
            let bert = bert_from_scratch(config, tokenizer).init(device)?;
            Ok(Student::Bert(with_pooling(bert, config.pooling)))
        }
        (StudentKind::Static, Some(folder)) => Ok(Student::Static(load_static(folder, device)?.0)),
        (StudentKind::Bert, Some(folder)) => {
            let mut options = FolderOptions::default();
            options.layers = config.layers;
            let (bert, _, _) = load_bert(folder, &options, device)?;
            Ok(Student::Bert(with_pooling(bert, config.pooling)))
        }
    }
}

/// Whether the student begins with its tokens weighted by inverse document frequency.
pub(crate) fn begins_weighted(config: &StudentConfig) -> bool {
    config.idf && config.kind == StudentKind::Static
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

/// The tokenizer with the special tokens that the student's kind wants around a text.
pub(crate) fn with_special_tokens(kind: StudentKind, tokenizer: TextTokenizer) -> TextTokenizer {
    tokenizer.with_special_tokens(kind == StudentKind::Bert)
}

impl<B: Backend> Student<B> {
    /// The student with the rows of a static table multiplied by `weights`, one a token; a BERT as it is.
    pub(crate) fn weighted(self, weights: &[f32]) -> Self {
        match self {
            Self::Static(table) => Self::Static(table.scaled_rows(weights)),
            bert => bert,
        }
    }
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
    fn save_folder(&self, folder: &Path, tokenizer: &TextTokenizer, max_tokens: usize) -> Result<(), EmbedError> {
        match self {
            Self::Bert(bert) => bert.save_folder(folder, tokenizer, max_tokens),
            Self::Static(table) => table.save_folder(folder, tokenizer, max_tokens),
        }
    }
}
