#![doc = include_str!("../README.md")]

mod bert;
mod blocks;
mod corpus;
mod document_frequency;
mod dropout;
mod embedder;
mod encoder;
mod error;
mod folder;
#[cfg(feature = "hub")]
pub mod hub;
mod inference;
mod lexical;
mod neural;
mod ops;
mod precision;
mod prompts;
mod static_encoder;
mod tokenizer;
mod tokens;
mod weights;

pub use bert::{Bert, BertConfig, Family, MaskedBert, Pooling};
pub use blocks::{embed_blocks, embed_to_npy};
pub use corpus::{CorpusFile, CorpusOptions, Written};
pub use document_frequency::inverse_document_frequency;
pub use dropout::Dropout;
pub use embedder::{Embedder, Side};
pub use encoder::{Encoder, SaveFolder};
pub use error::{EmbedError, HubProblem};
pub use folder::{
    ExportOptions, FolderOptions, LoadedModel, ModelKind, folder_hash, load_bert, load_embedder, load_static,
};
pub use inference::{Inference, InferencePrecision};
pub use lexical::{Lexical, LexicalConfig};
pub use neural::{NeuralEmbedder, TokenLimits};
pub use precision::Precision;
pub use prompts::Prompts;
pub use static_encoder::{StaticConfig, StaticEncoder};
pub use tokenizer::TextTokenizer;
pub use tokens::TokenBatch;
