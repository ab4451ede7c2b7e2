use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::{Dropout, EmbedError, ExportOptions, Inference, InferencePrecision, Precision, TextTokenizer, TokenBatch};

/// A trainable map from token batches to unit vectors.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{Encoder, StaticConfig, TokenBatch};
///
/// let device = FlexDevice::default();
/// let encoder = StaticConfig::new(100, 8).init::<Flex>(&device)?;
/// let rows = encoder.forward(&TokenBatch::from_rows([[1, 2, 3], [4, 5, 6]]), &device);
/// assert_eq!(rows.dims(), [2, 8]);
/// # Ok::<(), embed::EmbedError>(())
/// ```
pub trait Encoder<B: Backend>: Module<B> {
    /// Length of every vector.
    fn dim(&self) -> usize;

    /// Unit rows `[tokens.len(), dim]`.
    ///
    /// A row without tokens becomes the constant vector with every component `1/√dim`, and passes no gradient.
    ///
    /// # Panics
    /// If a token id is not below [`vocab_size`](Encoder::vocab_size), or a row is longer than [`max_tokens`](Encoder::max_tokens).
    fn forward(&self, tokens: &TokenBatch, device: &B::Device) -> Tensor<B, 2> {
        self.forward_training(tokens, None, device)
    }

    /// The same, with dropout; an encoder that has none ignores it.
    ///
    /// # Panics
    /// As [`forward`](Encoder::forward), and if `dropout` has not a seed for each text.
    fn forward_training(&self, tokens: &TokenBatch, dropout: Option<&Dropout>, device: &B::Device) -> Tensor<B, 2>;

    /// The same weights with matrix products in another precision; an encoder that has none is as it was.
    fn with_precision(self, precision: Precision) -> Self {
        let _ = precision;
        self
    }

    /// The weights laid out to compute vectors alone, if there is a layout in which that is faster: a copy, as they are now. None too where it cannot be had in
    /// this precision.
    fn inference(&self, precision: InferencePrecision) -> Option<Arc<dyn Inference>> {
        let _ = precision;
        None
    }

    /// About the bytes that automatic differentiation keeps of each token until its gradients are there; 0 where that does not matter.
    fn tape_bytes_a_token(&self) -> usize {
        0
    }

    /// Number of token ids that the encoder knows.
    fn vocab_size(&self) -> usize;

    /// Most tokens a text may have, special tokens counted.
    fn max_tokens(&self) -> usize;
}

/// An encoder that can be written as a sentence-transformers folder.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{ExportOptions, FolderOptions, SaveFolder, StaticConfig, TextTokenizer, load_embedder};
///
/// let tokenizer = TextTokenizer::train_wordpiece(["a small text", "another text"], 40)?;
/// let device = FlexDevice::default();
/// let encoder = StaticConfig::new(tokenizer.vocab_size(), 8).init::<Flex>(&device)?;
/// let dir = tempfile::tempdir().unwrap();
/// let folder = dir.path().join("model");
/// encoder.save_folder(&folder, &tokenizer, &ExportOptions::new(64))?;
/// let embedder = load_embedder::<Flex>(&folder, &FolderOptions::default(), &device)?;
/// assert_eq!(embedder.dim(), 8);
/// # Ok::<(), embed::EmbedError>(())
/// ```
pub trait SaveFolder {
    /// Nothing, after writing the folder; an older one of that name is replaced.
    ///
    /// A kill at any moment leaves the old folder or the new one, whole and on disk: the new one is written and synced beside its place, then
    /// the two are exchanged. Where the system cannot exchange, the old one may for a moment lie beside its place, and loading or saving
    /// puts it back, on Unix, where what killed processes left is removed too.
    ///
    /// # Errors
    /// [`EmbedError::Write`] with the path that could not be written; [`EmbedError::Vocabulary`] if the tokenizer has tokens without a row.
    fn save_folder(&self, folder: &Path, tokenizer: &TextTokenizer, options: &ExportOptions) -> Result<(), EmbedError>;
}
