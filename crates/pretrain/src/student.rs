//! The encoder that is trained, of whichever kind the configuration names.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use embed::{
    Bert, BertConfig, Dropout, EmbedError, Encoder, ExportOptions, FolderOptions, Inference, InferencePrecision,
    LoadedModel, ModelKind, Pooling, Precision, Prompts, SaveFolder, StaticConfig, StaticEncoder, TextTokenizer,
    TokenBatch, load_bert, load_static,
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
#[derive(Debug, Clone)]
pub enum Origin<'a> {
    /// A model folder.
    Folder(&'a Path),
    /// Fresh weights over a vocabulary.
    Scratch(Box<TextTokenizer>),
}

/// The student before its first step, with its tokenizer, limit and prompts; the same seed gives the same weights.
pub(crate) fn initial<B: Backend>(
    config: &StudentConfig,
    origin: Origin<'_>,
    seed: u64,
    device: &B::Device,
) -> Result<LoadedModel<Student<B>>, EmbedError> {
    B::seed(device, seed);
    match origin {
        Origin::Folder(folder) => from_folder(config, folder, device),
        Origin::Scratch(vocabulary) => from_scratch(config, *vocabulary, device),
    }
}

fn from_folder<B: Backend>(
    config: &StudentConfig,
    folder: &Path,
    device: &B::Device,
) -> Result<LoadedModel<Student<B>>, EmbedError> {
    let mut options = FolderOptions::default();
    (options.layers, options.pooling) = (config.layers, config.pooling.map(Pooling::from));
    (options.query_prompt, options.passage_prompt) = (config.query_prompt.clone(), config.passage_prompt.clone());
    Ok(match config.kind {
        StudentKind::Bert => with_encoder(load_bert(folder, &options, device)?, Student::Bert),
        StudentKind::Static => with_encoder(load_static(folder, &options, device)?, Student::Static),
    })
}

fn with_encoder<E, B: Backend>(
    model: LoadedModel<E>,
    student: impl FnOnce(E) -> Student<B>,
) -> LoadedModel<Student<B>> {
    let LoadedModel { encoder, tokenizer, max_tokens, prompts } = model;
    LoadedModel { encoder: student(encoder), tokenizer, max_tokens, prompts }
}

fn from_scratch<B: Backend>(
    config: &StudentConfig,
    vocabulary: TextTokenizer,
    device: &B::Device,
) -> Result<LoadedModel<Student<B>>, EmbedError> {
    let tokenizer = vocabulary.with_special_tokens(config.kind == StudentKind::Bert);
    let encoder = match config.kind {
        StudentKind::Static => {
            let table = StaticConfig::new(tokenizer.vocab_size(), config.dim()).with_std(config.init_std);
            Student::Static(table.init(device)?)
        }
        StudentKind::Bert => {
            let bert = bert_from_scratch(config, &tokenizer).init(device)?;
            Student::Bert(bert.with_pooling(config.pooling.map_or(Pooling::Mean, Pooling::from)))
        }
    };
    let prompt = |prompt: &Option<String>| prompt.clone().unwrap_or_default();
    let prompts = Prompts::new(prompt(&config.query_prompt), prompt(&config.passage_prompt));
    Ok(LoadedModel { max_tokens: encoder.max_tokens(), encoder, tokenizer, prompts })
}

/// Whether the student begins with its tokens weighted by inverse document frequency: where nothing is said, unless they were trained
/// for a mean, as those of a folder of static embeddings were.
pub(crate) fn begins_weighted(config: &StudentConfig) -> Result<bool, EmbedError> {
    match (config.kind, config.idf, &config.from) {
        (StudentKind::Bert, _, _) => Ok(false),
        (StudentKind::Static, Some(wanted), _) => Ok(wanted),
        (StudentKind::Static, None, Some(folder)) => Ok(ModelKind::of(folder)? == ModelKind::Bert),
        (StudentKind::Static, None, None) => Ok(true),
    }
}

impl From<PoolingKind> for Pooling {
    fn from(pooling: PoolingKind) -> Self {
        match pooling {
            PoolingKind::Mean => Self::Mean,
            PoolingKind::Cls => Self::Cls,
            PoolingKind::LastToken => Self::LastToken,
            PoolingKind::Max => Self::Max,
            PoolingKind::WeightedMean => Self::WeightedMean,
        }
    }
}

fn bert_from_scratch(student: &StudentConfig, tokenizer: &TextTokenizer) -> BertConfig {
    let intermediate = match student.intermediate {
        0 => 4 * student.dim(),
        width => width,
    };
    BertConfig::new(tokenizer.vocab_size(), student.dim())
        .with_layers(student.layers.unwrap_or(2))
        .with_heads(student.heads)
        .with_intermediate_size(intermediate)
        .with_max_position_embeddings(POSITIONS)
        .with_family(student.family)
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

/// Of whichever encoder it is, the same.
macro_rules! inner {
    ($student:expr, $encoder:ident => $given:expr) => {
        match $student {
            Student::Bert($encoder) => $given,
            Student::Static($encoder) => $given,
        }
    };
}

impl<B: Backend> Encoder<B> for Student<B> {
    fn dim(&self) -> usize {
        inner!(self, encoder => encoder.dim())
    }

    fn forward_training(&self, tokens: &TokenBatch, dropout: Option<&Dropout>, device: &B::Device) -> Tensor<B, 2> {
        inner!(self, encoder => encoder.forward_training(tokens, dropout, device))
    }

    fn with_precision(self, precision: Precision) -> Self {
        match self {
            Self::Bert(bert) => Self::Bert(Encoder::<B>::with_precision(bert, precision)),
            Self::Static(table) => Self::Static(table),
        }
    }

    fn inference(&self, precision: InferencePrecision) -> Option<Arc<dyn Inference>> {
        inner!(self, encoder => Encoder::<B>::inference(encoder, precision))
    }

    fn tape_bytes_a_token(&self) -> usize {
        inner!(self, encoder => Encoder::<B>::tape_bytes_a_token(encoder))
    }

    fn vocab_size(&self) -> usize {
        inner!(self, encoder => encoder.vocab_size())
    }

    fn max_tokens(&self) -> usize {
        inner!(self, encoder => encoder.max_tokens())
    }
}

impl<B: Backend> SaveFolder for Student<B> {
    fn save_folder(&self, folder: &Path, tokenizer: &TextTokenizer, options: &ExportOptions) -> Result<(), EmbedError> {
        inner!(self, encoder => encoder.save_folder(folder, tokenizer, options))
    }
}
