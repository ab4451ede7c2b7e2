//! Model folders as sentence-transformers, transformers and model2vec write them: what they say, and how to load and save them.

mod dense;
mod hash;
mod json;
mod layout;
mod load;
mod model2vec;
mod options;
mod pooling;
mod replace;
mod save;
mod sentence_bert;
mod sentence_transformers;
#[cfg(feature = "hub")]
mod whole;

pub use hash::folder_hash;
pub(crate) use json::{Settings, read_json};
pub use layout::ModelKind;
#[cfg(feature = "hub")]
pub(crate) use layout::module_paths;
pub(crate) use layout::weights_of;
pub use load::{LoadedModel, load_bert, load_embedder, load_static};
pub use options::{ExportOptions, FolderOptions};
pub(crate) use sentence_bert::SentenceBert;
#[cfg(feature = "hub")]
pub(crate) use whole::require_whole;
