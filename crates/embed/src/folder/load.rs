use std::path::Path;

use burn::tensor::backend::Backend;

use super::dense::FolderDense;
use super::layout::{Layout, ModelKind};
use super::sentence_bert::{SentenceBert, max_tokens};
use super::sentence_transformers::{read_prompts, read_truncate_dim};
use super::{ExportOptions, FolderOptions, model2vec};
use crate::{Bert, EmbedError, Embedder, Encoder, NeuralEmbedder, Prompts, StaticEncoder, TextTokenizer};

/// An encoder with what its folder says beside the weights.
///
/// # Examples
/// ```no_run
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{FolderOptions, load_bert};
///
/// let model = load_bert::<Flex>("models/e5-small-v2", &FolderOptions::default(), &FlexDevice)?;
/// let queries = model.tokenizer.encode_after(&model.prompts.query, &["a query"], model.max_tokens.min(64))?;
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LoadedModel<E> {
    /// The encoder.
    pub encoder: E,
    /// Its tokenizer, as transformers and sentence-transformers set it for this folder.
    pub tokenizer: TextTokenizer,
    /// Most tokens of a text, special ones counted, by the folder and the model's positions; [`usize::MAX`] where nothing limits it.
    pub max_tokens: usize,
    /// The prompts of the [`FolderOptions`], else the folder's.
    pub prompts: Prompts,
}

impl<E> LoadedModel<E> {
    /// What to export the model with so that it stays as it is.
    pub fn export_options(&self) -> ExportOptions {
        ExportOptions::new(self.max_tokens).with_prompts(self.prompts.clone())
    }

    fn into_embedder<B: Backend>(
        self,
        options: &FolderOptions,
        device: &B::Device,
    ) -> Result<NeuralEmbedder<B, E>, EmbedError>
    where
        E: Encoder<B>,
    {
        let limits = options.limits(self.max_tokens);
        let precision = options.precision.unwrap_or_default();
        let embedder = NeuralEmbedder::in_precision(precision, self.encoder, self.tokenizer, limits, device)?;
        Ok(embedder.with_prompts(self.prompts))
    }
}

/// A BERT, or one of its relatives ([`Family`](crate::Family)), with its tokenizer, limit and prompts, from a sentence-transformers or plain Hugging Face folder.
///
/// The limit is `max_seq_length`, else the tokenizer's `model_max_length`, and never above the number of positions. Without
/// `modules.json` pooling is [`Pooling::Mean`](crate::Pooling::Mean), and there are no prompts. What the folder says and this crate does
/// not apply is an error, or a warning through `tracing` that names file and key.
///
/// # Errors
/// [`EmbedError::Unsupported`] if the folder holds another model, or a setting that changes vectors and is not implemented;
/// [`EmbedError::FolderVocabulary`] if its tokenizer has tokens without a row; else what [`Bert::from_folder`] and
/// [`TextTokenizer::from_folder`] find.
pub fn load_bert<B: Backend>(
    folder: impl AsRef<Path>,
    options: &FolderOptions,
    device: &B::Device,
) -> Result<LoadedModel<Bert<B>>, EmbedError> {
    let folder = folder.as_ref();
    bert_of(&Layout::of(folder)?, folder, options, device)
}

/// A static table with its tokenizer, which adds no special tokens, limit and prompts, from a folder of sentence-transformers'
/// `StaticEmbedding` or of model2vec, or made of the word embeddings of a BERT folder.
///
/// The limit is that of the truncation in `tokenizer.json`; the words of a BERT have none.
///
/// # Errors
/// As [`load_bert`], and what [`StaticEncoder::from_folder`] finds.
pub fn load_static<B: Backend>(
    folder: impl AsRef<Path>,
    options: &FolderOptions,
    device: &B::Device,
) -> Result<LoadedModel<StaticEncoder<B>>, EmbedError> {
    let folder = folder.as_ref();
    static_of(&Layout::of(folder)?, folder, options, device)
}

/// The embedder that a folder holds, BERT or static, behind one door: `embed` gives sentence-transformers' `encode_query` and
/// `encode_document`, scaled to norm 1.
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
    let folder = folder.as_ref();
    let layout = Layout::of(folder)?;
    Ok(match layout.kind {
        ModelKind::Bert => Box::new(bert_of::<B>(&layout, folder, options, device)?.into_embedder(options, device)?),
        ModelKind::Static => {
            Box::new(static_of::<B>(&layout, folder, options, device)?.into_embedder(options, device)?)
        }
    })
}

fn bert_of<B: Backend>(
    layout: &Layout,
    folder: &Path,
    options: &FolderOptions,
    device: &B::Device,
) -> Result<LoadedModel<Bert<B>>, EmbedError> {
    if layout.kind != ModelKind::Bert {
        return Err(EmbedError::NotABert { folder: folder.into() });
    }
    SentenceBert::check(&layout.weights)?;
    let bert = Bert::from_folder(&layout.weights, options.layers, device)?
        .with_pooling(options.pooling.unwrap_or(layout.pooling.mode))
        .with_include_prompt(layout.pooling.include_prompt);
    let bert = with_projections(bert, layout, device)?.with_truncate_dim(truncate_dim(layout, folder, options)?);
    let max_tokens = max_tokens(&layout.weights, bert.max_tokens())?;
    with_tokenizer(bert, layout, folder, options, |_| max_tokens)
}

fn with_projections<B: Backend>(mut bert: Bert<B>, layout: &Layout, device: &B::Device) -> Result<Bert<B>, EmbedError> {
    for folder in &layout.dense {
        let FolderDense { widths, biased, activation } = FolderDense::read(folder)?;
        if widths[0] != bert.full_dim() {
            return Err(EmbedError::OutOfRange {
                path: Some(folder.join("config.json")),
                key: "in_features".into(),
                value: widths[0].to_string(),
                range: format!("{}, the columns that come in", bert.full_dim()),
            });
        }
        bert = bert.with_projection(folder, (activation, biased), widths, device)?;
    }
    Ok(bert)
}

fn truncate_dim(layout: &Layout, folder: &Path, options: &FolderOptions) -> Result<Option<usize>, EmbedError> {
    match options.truncate_dim {
        Some(0) => {
            let (key, value, range) = ("truncate_dim".into(), "0".into(), "at least 1".into());
            Err(EmbedError::OutOfRange { path: None, key, value, range })
        }
        None if layout.modules => read_truncate_dim(folder),
        columns => Ok(columns),
    }
}

fn static_of<B: Backend>(
    layout: &Layout,
    folder: &Path,
    options: &FolderOptions,
    device: &B::Device,
) -> Result<LoadedModel<StaticEncoder<B>>, EmbedError> {
    let columns = match (layout.kind, options.truncate_dim) {
        // What the folder says is of another encoder's vectors.
        (ModelKind::Bert, None) => None,
        _ => truncate_dim(layout, folder, options)?,
    };
    let table = StaticEncoder::from_folder(&layout.weights, device)?.with_truncate_dim(columns);
    let limit = |tokenizer: &TextTokenizer| match layout.kind {
        ModelKind::Bert => None,
        ModelKind::Static => tokenizer.limit(),
    };
    if layout.kind == ModelKind::Static {
        model2vec::check(&layout.weights)?;
    }
    let model = with_tokenizer(table, layout, folder, options, |tokenizer| limit(tokenizer).unwrap_or(usize::MAX))?;
    Ok(LoadedModel { tokenizer: model.tokenizer.with_special_tokens(false), ..model })
}

fn with_tokenizer<B: Backend, E: Encoder<B>>(
    encoder: E,
    layout: &Layout,
    folder: &Path,
    options: &FolderOptions,
    max_tokens: impl Fn(&TextTokenizer) -> usize,
) -> Result<LoadedModel<E>, EmbedError> {
    let tokenizer = TextTokenizer::from_folder(&layout.weights)?;
    let (tokens, rows) = (tokenizer.vocab_size(), encoder.vocab_size());
    if tokens > rows {
        return Err(EmbedError::FolderVocabulary { folder: folder.into(), tokens, rows });
    }
    let prompts = if layout.modules { read_prompts(folder, layout.unit_norm)? } else { Prompts::default() };
    Ok(LoadedModel { max_tokens: max_tokens(&tokenizer), encoder, tokenizer, prompts: options.prompts(prompts) })
}
