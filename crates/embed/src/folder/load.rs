use std::path::Path;

use burn::tensor::backend::Backend;
use serde::Deserialize;

use super::layout::Layout;
use super::read_json;
use crate::{Bert, EmbedError, Embedder, Encoder, NeuralEmbedder, Pooling, StaticEncoder, TextTokenizer, TokenLimits};

/// How to load a model folder; what is `None` is taken from the folder.
///
/// # Examples
/// ```
/// let options = embed::FolderOptions::default().with_layers(2).with_limits(32, 128);
/// assert_eq!(options.query_tokens, Some(32));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderOptions {
    /// Number of layers, the first ones; all where `None`. A static table has none.
    pub layers: Option<usize>,
    /// Pooling instead of the folder's.
    pub pooling: Option<Pooling>,
    /// Most tokens of a query instead of the folder's `max_seq_length`.
    pub query_tokens: Option<usize>,
    /// Most tokens of a passage instead of the folder's `max_seq_length`.
    pub passage_tokens: Option<usize>,
    /// Tokens in one batch instead of [`TokenLimits`]' default.
    pub batch_tokens: Option<usize>,
}

impl FolderOptions {
    /// Loads only the first `layers` layers.
    pub fn with_layers(mut self, layers: usize) -> Self {
        self.layers = Some(layers);
        self
    }

    /// Sets the pooling.
    pub fn with_pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = Some(pooling);
        self
    }

    /// Sets the token limits of both sides.
    pub fn with_limits(mut self, query: usize, passage: usize) -> Self {
        (self.query_tokens, self.passage_tokens) = (Some(query), Some(passage));
        self
    }

    /// Sets the tokens of one batch.
    pub fn with_batch_tokens(mut self, batch_tokens: usize) -> Self {
        self.batch_tokens = Some(batch_tokens);
        self
    }

    fn limits(&self, max_tokens: usize) -> TokenLimits {
        let limits =
            TokenLimits::new(self.query_tokens.unwrap_or(max_tokens), self.passage_tokens.unwrap_or(max_tokens));
        limits.with_batch_tokens(self.batch_tokens.unwrap_or(limits.batch_tokens))
    }
}

/// What a model folder holds.
///
/// # Examples
/// ```
/// assert!(embed::ModelKind::of("no/such/folder").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelKind {
    /// A BERT.
    Bert,
    /// A table of token vectors.
    Static,
}

impl ModelKind {
    /// The kind of a folder.
    ///
    /// # Errors
    /// [`EmbedError::MissingFile`] for a folder without `modules.json` and `config.json`, [`EmbedError::Unsupported`] for modules that
    /// this crate does not know.
    pub fn of(folder: impl AsRef<Path>) -> Result<Self, EmbedError> {
        Ok(match Layout::of(folder.as_ref())? {
            Layout::Bert { .. } => ModelKind::Bert,
            Layout::Static { .. } => ModelKind::Static,
        })
    }
}

/// A BERT, its tokenizer and its `max_seq_length`, from a sentence-transformers or plain Hugging Face folder.
///
/// Without `modules.json` pooling is [`Pooling::Mean`]; without `sentence_bert_config.json` the limit is the number of positions.
///
/// # Errors
/// [`EmbedError::Unsupported`] if the folder holds another model; else what [`Bert::from_folder`] and
/// [`TextTokenizer::from_folder`] find.
pub fn load_bert<B: Backend>(
    folder: impl AsRef<Path>,
    options: &FolderOptions,
    device: &B::Device,
) -> Result<(Bert<B>, TextTokenizer, usize), EmbedError> {
    let Layout::Bert { weights, pooling } = Layout::of(folder.as_ref())? else {
        return Err(EmbedError::Unsupported {
            key: folder.as_ref().display().to_string(),
            value: "a static table".into(),
            supported: "a BERT".into(),
        });
    };
    let bert = Bert::from_folder(&weights, options.layers, device)?;
    let bert = bert.with_pooling(options.pooling.unwrap_or(pooling));
    let most = max_seq_length(&weights)?.unwrap_or(usize::MAX).min(bert.max_tokens());
    Ok((bert, TextTokenizer::from_folder(&weights)?, most))
}

/// A static table and its tokenizer, which adds no special tokens, from a sentence-transformers `StaticEmbedding` folder, or made of
/// the word embeddings of a BERT folder.
///
/// # Errors
/// What [`StaticEncoder::from_folder`] and [`TextTokenizer::from_folder`] find.
pub fn load_static<B: Backend>(
    folder: impl AsRef<Path>,
    device: &B::Device,
) -> Result<(StaticEncoder<B>, TextTokenizer), EmbedError> {
    let (Layout::Bert { weights, .. } | Layout::Static { weights }) = Layout::of(folder.as_ref())?;
    let encoder = StaticEncoder::from_folder(&weights, device)?;
    Ok((encoder, TextTokenizer::from_folder(&weights)?.with_special_tokens(false)))
}

/// The embedder that a folder holds, BERT or static, behind one door.
///
/// # Errors
/// As [`load_bert`] and [`load_static`].
pub fn load_embedder<B: Backend>(
    folder: impl AsRef<Path>,
    options: &FolderOptions,
    device: &B::Device,
) -> Result<Box<dyn Embedder>, EmbedError>
where
    Bert<B>: Sync,
    StaticEncoder<B>: Sync,
{
    Ok(match ModelKind::of(&folder)? {
        ModelKind::Bert => {
            let (bert, tokenizer, most) = load_bert::<B>(folder, options, device)?;
            Box::new(NeuralEmbedder::new(bert, tokenizer, options.limits(most), device)?)
        }
        ModelKind::Static => {
            let (encoder, tokenizer) = load_static::<B>(folder, device)?;
            Box::new(NeuralEmbedder::new(encoder, tokenizer, options.limits(usize::MAX), device)?)
        }
    })
}

fn max_seq_length(folder: &Path) -> Result<Option<usize>, EmbedError> {
    #[derive(Deserialize)]
    struct Limit {
        max_seq_length: Option<usize>,
    }
    let file = "sentence_bert_config.json";
    if !folder.join(file).is_file() {
        return Ok(None);
    }
    Ok(read_json::<Limit>(folder, file)?.max_seq_length)
}
