use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::backend::Backend;
use ndarray::{Array2, s};
use serde::{Deserialize, Serialize};

use crate::weights::host;
use crate::{EmbedError, Embedder, Encoder, Inference, InferencePrecision, Prompts, Side, TextTokenizer, TokenBatch};

/// Texts that are split into tokens while those before are embedded.
const AHEAD: usize = 1024;

/// Most tokens of a text, special tokens counted, on each side of a pair; and how many an encoder gets at a time.
///
/// # Examples
/// ```
/// let limits = embed::TokenLimits::new(32, 256);
/// assert_eq!(limits.of(embed::Side::Passage), 256);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLimits {
    /// Most tokens of a query.
    pub query: usize,
    /// Most tokens of a passage.
    pub passage: usize,
    /// Tokens in one batch of the encoder, padding counted; an encoder with an [`Inference`] has groups of its own.
    #[serde(default = "batch_tokens")]
    pub batch_tokens: usize,
}

fn batch_tokens() -> usize {
    4096
}

impl TokenLimits {
    /// Limits for queries and passages, in batches of 4096 tokens.
    pub fn new(query: usize, passage: usize) -> Self {
        TokenLimits { query, passage, batch_tokens: batch_tokens() }
    }

    /// Sets the tokens of one batch.
    pub fn with_batch_tokens(mut self, batch_tokens: usize) -> Self {
        self.batch_tokens = batch_tokens;
        self
    }

    /// The limit of one side.
    pub fn of(&self, side: Side) -> usize {
        match side {
            Side::Query => self.query,
            Side::Passage => self.passage,
        }
    }
}

/// An [`Encoder`] with its tokenizer: an [`Embedder`].
///
/// Where the encoder has an [`Inference`], as a BERT in f32 on flex has, that computes the rows; it is made here, with a second copy of the dense layers' weights. Else texts
/// are sorted by length and cut into batches by tokens. The rows come back in the order of the texts.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{Embedder, NeuralEmbedder, Side, StaticConfig, TextTokenizer, TokenLimits};
///
/// let tokenizer = TextTokenizer::train_wordpiece(["one text", "one more text"], 50)?;
/// let device = FlexDevice::default();
/// let encoder = StaticConfig::new(tokenizer.vocab_size(), 16).init::<Flex>(&device)?;
/// let embedder = NeuralEmbedder::new(encoder, tokenizer, TokenLimits::new(16, 64), &device)?;
/// assert_eq!(embedder.embed(&["text", "one"], Side::Query)?.dim(), (2, 16));
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NeuralEmbedder<B: Backend, E: Encoder<B>> {
    encoder: E,
    tokenizer: TextTokenizer,
    limits: TokenLimits,
    prompts: Prompts,
    device: B::Device,
    inference: Option<Arc<dyn Inference>>,
    cut: Arc<AtomicU64>,
}

impl<B: Backend, E: Encoder<B>> NeuralEmbedder<B, E> {
    /// An embedder without prompts; a limit above the encoder's own [`max_tokens`](Encoder::max_tokens) is lowered to it.
    ///
    /// # Errors
    /// [`EmbedError::Vocabulary`] if the tokenizer knows tokens that the encoder does not, [`EmbedError::OutOfRange`] for a limit of 0.
    pub fn new(
        encoder: E,
        tokenizer: TextTokenizer,
        limits: TokenLimits,
        device: &B::Device,
    ) -> Result<Self, EmbedError> {
        Self::in_precision(InferencePrecision::F32, encoder, tokenizer, limits, device)
    }

    /// As [`new`](Self::new) and [`with_precision`](Self::with_precision), with weights laid out once.
    pub(crate) fn in_precision(
        precision: InferencePrecision,
        encoder: E,
        tokenizer: TextTokenizer,
        limits: TokenLimits,
        device: &B::Device,
    ) -> Result<Self, EmbedError> {
        let (tokens, rows) = (tokenizer.vocab_size(), encoder.vocab_size());
        if tokens > rows {
            return Err(EmbedError::Vocabulary { tokens, rows });
        }
        let of_limits = [("query", limits.query), ("passage", limits.passage), ("batch_tokens", limits.batch_tokens)];
        if let Some((key, _)) = of_limits.into_iter().find(|&(_, limit)| limit == 0) {
            let (key, value, range) = (key.into(), "0".into(), "at least 1".into());
            return Err(EmbedError::OutOfRange { path: None, key, value, range });
        }
        let most = encoder.max_tokens();
        let limits = TokenLimits { query: limits.query.min(most), passage: limits.passage.min(most), ..limits };
        let inference = inference_of(&encoder, precision)?;
        Ok(NeuralEmbedder {
            encoder,
            tokenizer,
            limits,
            prompts: Prompts::default(),
            device: device.clone(),
            inference,
            cut: Arc::default(),
        })
    }

    /// The same embedder with a prompt before every text of each side; its tokens count towards the limits.
    pub fn with_prompts(mut self, prompts: Prompts) -> Self {
        self.prompts = prompts;
        self
    }

    /// The same embedder with an [`Inference`] in this precision, laid out anew.
    ///
    /// # Errors
    /// [`EmbedError::Unsupported`] for any but f32 where the encoder has none such: it is not a BERT in f32 on flex, or a column of its weights is not finite.
    pub fn with_precision(mut self, precision: InferencePrecision) -> Result<Self, EmbedError> {
        self.inference = None;
        self.inference = inference_of(&self.encoder, precision)?;
        Ok(self)
    }

    /// The prompts.
    pub fn prompts(&self) -> &Prompts {
        &self.prompts
    }

    /// The encoder.
    pub fn encoder(&self) -> &E {
        &self.encoder
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// The limits, with those of the encoder applied.
    pub fn limits(&self) -> TokenLimits {
        self.limits
    }

    /// Fills the rows from `start` on with the vectors of `tokens`.
    fn fill(
        &self,
        tokens: &TokenBatch,
        start: usize,
        rows: &mut Array2<f32>,
        done: &mut dyn FnMut(usize),
    ) -> Result<(), EmbedError> {
        let width = self.encoder.dim();
        let mut take = |texts: &[usize], vectors: &[f32]| {
            for (&text, vector) in texts.iter().zip(vectors.chunks_exact(width)) {
                if vector.iter().any(|v| !v.is_finite()) {
                    return Err(EmbedError::NotFinite { index: start + text });
                }
                for (to, from) in rows.slice_mut(s![start + text, ..]).iter_mut().zip(vector) {
                    *to = *from;
                }
            }
            Ok(())
        };
        if let Some(inference) = &self.inference {
            let mut before = 0;
            let vectors = inference.rows(tokens, &mut |all| {
                done(all - before);
                before = all;
            });
            return take(&(0..tokens.len()).collect::<Vec<_>>(), &vectors);
        }
        for chunk in tokens.chunks(self.limits.batch_tokens) {
            take(&chunk, &host(self.encoder.forward(&tokens.select(&chunk), &self.device)))?;
            done(chunk.len());
        }
        Ok(())
    }
}

/// None where the encoder has none in f32.
fn inference_of<B: Backend>(
    encoder: &impl Encoder<B>,
    precision: InferencePrecision,
) -> Result<Option<Arc<dyn Inference>>, EmbedError> {
    let inference = encoder.inference(precision);
    if inference.is_none() && precision != InferencePrecision::F32 {
        return Err(EmbedError::Unsupported {
            path: None,
            key: "precision".into(),
            value: precision.to_string(),
            supported: "f32, or int16 of a BERT or a relative of it on the processor, whose weights are finite".into(),
        });
    }
    if precision == InferencePrecision::Int16 {
        match vectors::fixed_point::instruction_set() {
            Some(name) => tracing::info!("products in int16, by {name}"),
            None => tracing::warn!("products in int16: this processor has no instructions for them, f32 is faster"),
        }
    }
    Ok(inference)
}

impl<B: Backend, E: Encoder<B> + Sync> Embedder for NeuralEmbedder<B, E> {
    fn dim(&self) -> usize {
        self.encoder.dim()
    }

    fn cut_texts(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    fn embed_with(
        &self,
        texts: &[&str],
        side: Side,
        on_rows: &mut dyn FnMut(usize),
    ) -> Result<Array2<f32>, EmbedError> {
        let mut rows = Array2::zeros((texts.len(), self.dim()));
        let mut count = 0;
        let (tokenizer, prompt, limit) = (&self.tokenizer, self.prompts.of(side), self.limits.of(side));
        let encode = |start: usize| {
            let part = &texts[start..texts.len().min(start + AHEAD)];
            tokenizer.encode_after_counted(prompt, part, limit).map_err(|error| error.counted_from(start))
        };
        let mut next = encode(0);
        for start in (0..texts.len()).step_by(AHEAD) {
            let (tokens, cut) = std::mem::replace(&mut next, Ok(Default::default()))?;
            self.cut.fetch_add(cut, Ordering::Relaxed);
            let after = start + AHEAD;
            // Not a thread of its own, for which a thread of rayon's would wait without working.
            rayon::in_place_scope(|scope| {
                if after < texts.len() {
                    scope.spawn(|_| next = encode(after));
                }
                self.fill(&tokens, start, &mut rows, &mut |chunk| {
                    count += chunk;
                    on_rows(count);
                })
            })?;
        }
        Ok(rows)
    }
}
