use crate::{InferencePrecision, Pooling, Prompts, TokenLimits};

/// How to load a model folder; what is `None` is taken from the folder.
///
/// # Examples
/// ```
/// let options = embed::FolderOptions::default().with_layers(2).with_limits(32, 128);
/// assert_eq!(options.query_tokens, Some(32));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderOptions {
    /// Number of layers, the first ones; all where `None`. A static table has none.
    pub layers: Option<usize>,
    /// Pooling instead of the folder's.
    pub pooling: Option<Pooling>,
    /// Most tokens of a query instead of the folder's limit.
    pub query_tokens: Option<usize>,
    /// Most tokens of a passage instead of the folder's limit.
    pub passage_tokens: Option<usize>,
    /// Tokens in one batch instead of [`TokenLimits`]' default.
    pub batch_tokens: Option<usize>,
    /// Columns of each vector, the first ones, which are scaled to norm 1 again, instead of the folder's `truncate_dim`.
    pub truncate_dim: Option<usize>,
    /// What an embedder's products are computed in; f32 where `None`.
    pub precision: Option<InferencePrecision>,
    /// Text before every query instead of the folder's; empty: none.
    pub query_prompt: Option<String>,
    /// Text before every passage instead of the folder's; empty: none.
    pub passage_prompt: Option<String>,
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

    /// Keeps the first `columns` of each vector; all of them where a model has no more.
    pub fn with_truncate_dim(mut self, columns: usize) -> Self {
        self.truncate_dim = Some(columns);
        self
    }

    /// Sets what an embedder's products are computed in ([`load_embedder`](crate::load_embedder)); an encoder that is loaded is as it was stored.
    pub fn with_precision(mut self, precision: InferencePrecision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// Sets the prompts of both sides.
    pub fn with_prompts(mut self, prompts: Prompts) -> Self {
        (self.query_prompt, self.passage_prompt) = (Some(prompts.query), Some(prompts.passage));
        self
    }

    pub(super) fn limits(&self, max_tokens: usize) -> TokenLimits {
        let limits =
            TokenLimits::new(self.query_tokens.unwrap_or(max_tokens), self.passage_tokens.unwrap_or(max_tokens));
        limits.with_batch_tokens(self.batch_tokens.unwrap_or(limits.batch_tokens))
    }

    pub(super) fn prompts(&self, folder: Prompts) -> Prompts {
        Prompts {
            query: self.query_prompt.clone().unwrap_or(folder.query),
            passage: self.passage_prompt.clone().unwrap_or(folder.passage),
        }
    }
}

/// What [`SaveFolder`](crate::SaveFolder) writes beside weights and tokenizer.
///
/// # Examples
/// ```
/// let options = embed::ExportOptions::new(256).with_prompts(embed::Prompts::new("query: ", ""));
/// assert_eq!((options.max_tokens, options.prompts.query.as_str()), (256, "query: "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// Most tokens of a text, special ones counted; a BERT's positions limit it too. [`usize::MAX`]: no other limit.
    pub max_tokens: usize,
    /// Prompts named `query` and `document`, which `encode_query` and `encode_document` of sentence-transformers apply.
    pub prompts: Prompts,
}

impl ExportOptions {
    /// A limit, and no prompts.
    pub fn new(max_tokens: usize) -> Self {
        ExportOptions { max_tokens, prompts: Prompts::default() }
    }

    /// Sets the prompts.
    pub fn with_prompts(mut self, prompts: Prompts) -> Self {
        self.prompts = prompts;
        self
    }
}
