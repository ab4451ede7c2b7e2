//! Texts to token ids: by the files of a folder, or by a vocabulary trained here.

mod beginning;
mod folder;
mod train;

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;
use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::utils::truncation::{TruncationDirection, TruncationParams};
use tokenizers::{Encoding, NormalizerWrapper, PostProcessor, PostProcessorWrapper, Tokenizer};

use self::beginning::{MARGIN, beginnings, is_by_words};
use crate::{EmbedError, TokenBatch};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Splits texts into token ids, as a Hugging Face `tokenizer.json` says.
///
/// Truncation and padding that the file asks for are not applied: limits are an argument of [`encode`](Self::encode), where
/// [`limit`](Self::limit) has the file's, and padding is the encoder's business.
///
/// # Examples
/// ```
/// use embed::TextTokenizer;
///
/// let tokenizer = TextTokenizer::train_wordpiece(["a cat sat", "a cat ran"], 60)?;
/// let batch = tokenizer.encode(&["A cat", ""], 16)?;
/// assert_eq!(batch.row_len(0), 2);
/// assert_eq!(batch.row_len(1), 0);
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextTokenizer {
    inner: Tokenizer,
    special_tokens: bool,
    limit: Option<usize>,
}

impl TextTokenizer {
    /// The tokenizer of a `tokenizer.json`.
    ///
    /// # Errors
    /// [`EmbedError::Read`] or [`EmbedError::Tokenizer`] with the file's name; [`EmbedError::Unsupported`] if the file cuts texts on
    /// the left.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let path = path.as_ref();
        let failed = |source| EmbedError::Tokenizer { path: path.into(), source };
        let bytes = std::fs::read(path).map_err(|source| EmbedError::Read { path: path.into(), source })?;
        let mut inner = Tokenizer::from_bytes(bytes).map_err(failed)?;
        let truncation = inner.get_truncation();
        if truncation.is_some_and(|cut| cut.direction == TruncationDirection::Left) {
            let (key, value, supported) = ("truncation.direction".into(), "Left".into(), "Right".into());
            return Err(EmbedError::Unsupported { path: Some(path.into()), key, value, supported });
        }
        let limit = truncation.map(|cut| cut.max_length);
        inner.with_padding(None);
        inner.with_truncation(None).map_err(failed)?;
        Ok(TextTokenizer { inner, special_tokens: true, limit })
    }

    /// The same tokenizer, adding its special tokens (`[CLS]`, `[SEP]`) or not.
    pub fn with_special_tokens(mut self, special_tokens: bool) -> Self {
        self.special_tokens = special_tokens;
        self
    }

    /// The same tokenizer over texts in lower case, whatever its own normaliser does. [`save`](Self::save) keeps it so.
    pub fn with_lowercase(mut self) -> Self {
        let mut steps = vec![NormalizerWrapper::from(Lowercase)];
        steps.extend(self.inner.get_normalizer().cloned());
        self.inner.with_normalizer(Some(Sequence::new(steps)));
        self
    }

    /// Whether special tokens are added.
    pub fn adds_special_tokens(&self) -> bool {
        self.special_tokens
    }

    /// One more than the largest token id.
    pub fn vocab_size(&self) -> usize {
        let largest = self.inner.get_vocab(true).into_values().max();
        largest.map_or(0, |id| id as usize + 1)
    }

    /// Most tokens of a text that the truncation in the file leaves, if it has one. sentence-transformers applies it to static tables, and has
    /// another limit for a BERT.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Id of a token of the vocabulary, if it is there.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Ids of the special tokens, such as `[CLS]` and `[MASK]`.
    pub fn special_ids(&self) -> BTreeSet<u32> {
        let added = self.inner.get_added_tokens_decoder();
        added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect()
    }

    /// Rows of at most `max_tokens` tokens, special tokens counted, tokenized in parallel.
    ///
    /// A longer text keeps its first tokens, between the special ones, as transformers and sentence-transformers do.
    ///
    /// # Errors
    /// [`EmbedError::Tokenize`] with the index of the text.
    pub fn encode(&self, texts: &[&str], max_tokens: usize) -> Result<TokenBatch, EmbedError> {
        Ok(self.encode_counted(texts, max_tokens)?.0)
    }

    /// The rows, and how many texts were longer.
    fn encode_counted(&self, texts: &[&str], max_tokens: usize) -> Result<(TokenBatch, u64), EmbedError> {
        let by_words = is_by_words(&self.inner);
        let rows = texts
            .par_iter()
            .enumerate()
            .with_min_len(16)
            .map(|(index, text)| {
                self.encode_one(text, max_tokens, by_words).map_err(|source| EmbedError::Tokenize { index, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let cut = rows.iter().filter(|(_, cut)| *cut).count() as u64;
        Ok((TokenBatch::from_rows(rows.into_iter().map(|(row, _)| row)), cut))
    }

    /// Rows as of [`encode`](Self::encode), of each text after `prompt`; the batch knows how many
    /// [tokens of the prompt](TokenBatch::prompt_len) a row begins with.
    ///
    /// Tokens are counted as sentence-transformers does: those of the prompt alone, a special token at its end not counted.
    ///
    /// # Errors
    /// [`EmbedError::Tokenize`] with the index of the text.
    ///
    /// # Examples
    /// ```
    /// use embed::TextTokenizer;
    ///
    /// let tokenizer = TextTokenizer::train_wordpiece(["query a cat", "query a cat"], 60)?;
    /// let batch = tokenizer.encode_after("query ", &["a cat"], 16)?;
    /// assert_eq!(batch, tokenizer.encode_after("", &["query a cat"], 16)?.with_prompts(1));
    /// # Ok::<(), embed::EmbedError>(())
    /// ```
    pub fn encode_after(&self, prompt: &str, texts: &[&str], max_tokens: usize) -> Result<TokenBatch, EmbedError> {
        Ok(self.encode_after_counted(prompt, texts, max_tokens)?.0)
    }

    /// The rows, and how many texts were longer with their prompt.
    pub(crate) fn encode_after_counted(
        &self,
        prompt: &str,
        texts: &[&str],
        max_tokens: usize,
    ) -> Result<(TokenBatch, u64), EmbedError> {
        if prompt.is_empty() {
            return self.encode_counted(texts, max_tokens);
        }
        let prompt_tokens = self.prompt_tokens(prompt, max_tokens).map_err(|source| EmbedError::Prompt { source })?;
        let prompted: Vec<String> = texts.iter().map(|text| format!("{prompt}{text}")).collect();
        let prompted: Vec<&str> = prompted.iter().map(String::as_str).collect();
        let (tokens, cut) = self.encode_counted(&prompted, max_tokens)?;
        Ok((tokens.with_prompts(prompt_tokens), cut))
    }

    fn prompt_tokens(&self, prompt: &str, max_tokens: usize) -> Result<usize, Cause> {
        let (ids, _) = self.encode_one(prompt, max_tokens, false)?;
        let added = self.inner.get_added_tokens_decoder();
        let special = |id| added.get(id).is_some_and(|token| token.special);
        Ok(ids.len() - usize::from(ids.last().is_some_and(special)))
    }

    /// The ids, and whether the text is longer. Of a long text that is split `by_words` only the beginning is.
    fn encode_one(&self, text: &str, max_tokens: usize, by_words: bool) -> Result<(Vec<u32>, bool), Cause> {
        let post_processor = self.inner.get_post_processor().filter(|_| self.special_tokens);
        let room = max_tokens.saturating_sub(post_processor.map_or(0, |p| p.added_tokens(false)));
        let mut encoding = self.split(text, room, by_words)?;
        let cut = encoding.len() > room;
        if self.special_tokens {
            encoding.truncate(room, 0, TruncationDirection::Right);
            encoding = self.inner.post_process(encoding, None, true)?;
        }
        let mut ids = encoding.get_ids().to_vec();
        ids.truncate(max_tokens);
        Ok((ids, cut))
    }

    /// The text without special tokens; or, `by_words`, a beginning of it that has more than `tokens`.
    fn split(&self, text: &str, tokens: usize, by_words: bool) -> Result<Encoding, Cause> {
        for beginning in beginnings(text, tokens).take_while(|_| by_words) {
            let encoding = self.inner.encode_fast(beginning, false)?;
            if encoding.len() > tokens.saturating_add(MARGIN) {
                return Ok(encoding);
            }
        }
        self.inner.encode_fast(text, false)
    }

    /// Nothing, after writing `tokenizer.json` to `path`.
    ///
    /// # Errors
    /// [`EmbedError::Tokenizer`] with the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), EmbedError> {
        let path = path.as_ref();
        self.inner.save(path, false).map_err(|source| EmbedError::Tokenizer { path: path.into(), source })
    }

    /// As [`save`](Self::save), with a truncation to `max_tokens` in the file, and without special tokens: how a static table's is kept.
    pub(crate) fn save_limited(&self, path: &Path, max_tokens: usize) -> Result<(), EmbedError> {
        let mut limited = self.clone();
        // The library takes the tokens that this would add off the limit.
        limited.inner.with_post_processor(None::<PostProcessorWrapper>);
        let cut = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        let cut = limited.inner.with_truncation(Some(cut));
        cut.map_err(|source| EmbedError::Tokenizer { path: path.into(), source })?;
        limited.save(path)
    }
}
