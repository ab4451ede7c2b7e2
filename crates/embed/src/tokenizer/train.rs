use std::collections::BTreeSet;

use rayon::prelude::*;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    Tokenizer, Trainer,
};

use super::{Cause, TextTokenizer};
use crate::EmbedError;

const UNKNOWN: &str = "[UNK]";
const SPECIAL: [&str; 5] = ["[PAD]", UNKNOWN, "[CLS]", "[SEP]", "[MASK]"];

impl TextTokenizer {
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
        Ok(TextTokenizer { inner, special_tokens: false, limit: None })
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
