use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PostProcessor, PreTokenizedString,
    PreTokenizer, Tokenizer, Trainer,
};

use crate::{EmbedError, TokenBatch};

const UNKNOWN: &str = "[UNK]";
const SPECIAL: [&str; 5] = ["[PAD]", UNKNOWN, "[CLS]", "[SEP]", "[MASK]"];

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Splits texts into token ids, as a Hugging Face `tokenizer.json` says.
///
/// Truncation and padding that the file asks for are always disabled: limits are an argument of [`encode`](Self::encode), and padding is
/// the encoder's business.
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
}

impl TextTokenizer {
    /// The tokenizer of a `tokenizer.json`.
    ///
    /// # Errors
    /// [`EmbedError::Read`] or [`EmbedError::Tokenizer`] with the file's name.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| EmbedError::Read { path: path.into(), source })?;
        let mut inner =
            Tokenizer::from_bytes(bytes).map_err(|source| EmbedError::Tokenizer { path: path.into(), source })?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|source| EmbedError::Tokenizer { path: path.into(), source })?;
        Ok(TextTokenizer { inner, special_tokens: true })
    }

    /// The tokenizer of a Hugging Face folder.
    ///
    /// # Errors
    /// [`EmbedError::MissingFile`] if the folder has no `tokenizer.json`; else as [`from_file`](Self::from_file).
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let folder = folder.as_ref();
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            return Err(EmbedError::MissingFile { folder: folder.into(), file: "tokenizer.json".into() });
        }
        Self::from_file(path)
    }

    /// A WordPiece tokenizer with BERT's normaliser and pre-tokeniser, trained on `texts`; it adds no special tokens.
    ///
    /// The vocabulary has at most `vocab_size` entries, and more only where the alphabet of the texts alone is larger. The same texts
    /// give the same vocabulary, whatever the number of threads.
    ///
    /// # Errors
    /// [`EmbedError::TrainTokenizer`] if the tokenizer library cannot train.
    ///
    /// # Source
    /// Schuster & Nakajima (2012); merges are chosen by frequency, as Hugging Face's trainer does.
    pub fn train_wordpiece<I>(texts: I, vocab_size: usize) -> Result<Self, EmbedError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let failed = |source: Cause| EmbedError::TrainTokenizer { source };
        let words = word_lists(texts).map_err(failed)?;
        let mut trainer = WordPieceTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(2)
            .show_progress(false)
            .special_tokens(fixed_tokens(&words))
            .build();
        trainer
            .feed(words.iter(), |text| Ok(text.split('\n').filter(|w| !w.is_empty()).map(str::to_string).collect()))
            .map_err(failed)?;
        let mut model = WordPiece::builder().unk_token(UNKNOWN.into()).build().map_err(failed)?;
        trainer.train(&mut model).map_err(failed)?;
        let mut inner = Tokenizer::new(model);
        inner.with_normalizer(Some(BertNormalizer::default()));
        inner.with_pre_tokenizer(Some(BertPreTokenizer));
        inner.add_special_tokens(&SPECIAL.map(|token| AddedToken::from(token, true)));
        Ok(TextTokenizer { inner, special_tokens: false })
    }

    /// The same tokenizer, adding its special tokens (`[CLS]`, `[SEP]`) or not.
    pub fn with_special_tokens(mut self, special_tokens: bool) -> Self {
        self.special_tokens = special_tokens;
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

    /// Id of a token of the vocabulary, if it is there.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Rows of at most `max_tokens` tokens, special tokens counted, tokenized in parallel.
    ///
    /// A longer text keeps its first tokens, between the special ones, as transformers and sentence-transformers do.
    ///
    /// # Errors
    /// [`EmbedError::Tokenize`] with the index of the text.
    pub fn encode(&self, texts: &[&str], max_tokens: usize) -> Result<TokenBatch, EmbedError> {
        let rows = texts
            .par_iter()
            .enumerate()
            .with_min_len(16)
            .map(|(index, text)| {
                self.encode_one(text, max_tokens).map_err(|source| EmbedError::Tokenize { index, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(TokenBatch::from_rows(rows))
    }

    fn encode_one(&self, text: &str, max_tokens: usize) -> Result<Vec<u32>, Cause> {
        let mut encoding = self.inner.encode_fast(text, false)?;
        if self.special_tokens {
            let added = self.inner.get_post_processor().map_or(0, |p| p.added_tokens(false));
            encoding.truncate(max_tokens.saturating_sub(added), 0, TruncationDirection::Right);
            encoding = self.inner.post_process(encoding, None, true)?;
        }
        let mut ids = encoding.get_ids().to_vec();
        ids.truncate(max_tokens);
        Ok(ids)
    }

    /// Nothing, after writing `tokenizer.json` to `path`.
    ///
    /// # Errors
    /// [`EmbedError::Tokenizer`] with the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), EmbedError> {
        let path = path.as_ref();
        self.inner.save(path, false).map_err(|source| EmbedError::Tokenizer { path: path.into(), source })
    }
}

/// Words of each text, normalised, one a line.
fn word_lists<I>(texts: I) -> Result<Vec<String>, Cause>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let texts: Vec<String> = texts.into_iter().map(|text| text.as_ref().to_string()).collect();
    texts.par_iter().map(|text| words_of(text)).collect()
}

fn words_of(text: &str) -> Result<String, Cause> {
    let mut normalized = NormalizedString::from(text);
    BertNormalizer::default().normalize(&mut normalized)?;
    let mut split = PreTokenizedString::from(normalized);
    BertPreTokenizer.pre_tokenize(&mut split)?;
    let words = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
    Ok(words.iter().map(|(word, _, _)| *word).collect::<Vec<_>>().join("\n"))
}

/// The special tokens, then every continuation `##c`. The trainer would number the latter in the order of a hash map, and break ties
/// between merges by those numbers.
fn fixed_tokens(words: &[String]) -> Vec<AddedToken> {
    let continued: BTreeSet<char> =
        words.iter().flat_map(|text| text.split('\n')).flat_map(|word| word.chars().skip(1)).collect();
    let special = SPECIAL.iter().map(|token| token.to_string());
    let continued = continued.into_iter().map(|c| format!("##{c}"));
    special.chain(continued).map(|token| AddedToken::from(token, true)).collect()
}
