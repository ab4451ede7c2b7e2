use std::path::Path;

use tokenizers::{ModelWrapper, NormalizerWrapper, PreTokenizerWrapper};

use super::TextTokenizer;
use crate::EmbedError;
use crate::folder::{SentenceBert, Settings};

const FILE: &str = "tokenizer_config.json";

/// Classes of which transformers makes the normaliser anew, as the configuration says, and the models whose tokenizer is of such a class where none
/// is named.
const BERT_CLASSES: [&str; 6] = [
    "BertTokenizer",
    "BertTokenizerFast",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "MPNetTokenizer",
    "MPNetTokenizerFast",
];
const BERT_MODELS: [&str; 4] = ["bert", "distilbert", "mpnet", "nomic_bert"];
/// Whether a text begins with a space, of tokenizers over bytes.
const PREFIX_SPACE: &str = "add_prefix_space";
const NORMALIZER_KEYS: [&str; 3] = ["do_lower_case", "strip_accents", "tokenize_chinese_chars"];

/// Keys without effect on the ids of a single text.
const HARMLESS: [&str; 40] = [
    "added_tokens_decoder",
    "additional_special_tokens",
    "backend",
    "bos_token",
    "chat_template",
    "clean_up_tokenization_spaces",
    "cls_token",
    "do_basic_tokenize",
    "eos_token",
    "errors",
    "extra_special_tokens",
    "from_slow",
    "is_local",
    "legacy",
    "local_files_only",
    "mask_token",
    "max_length",
    "model_input_names",
    "model_max_length",
    "model_specific_special_tokens",
    "name_or_path",
    "never_split",
    "pad_to_multiple_of",
    "pad_token",
    "pad_token_type_id",
    "padding",
    "padding_side",
    "processor_class",
    "sep_token",
    "special_tokens_map_file",
    "spaces_between_special_tokens",
    "stride",
    "tokenizer_class",
    "tokenizer_file",
    "trim_offsets",
    "truncation",
    "truncation_side",
    "truncation_strategy",
    "unk_token",
    "use_fast",
];

impl TextTokenizer {
    /// The tokenizer of a Hugging Face folder: its `tokenizer.json`, with what transformers and sentence-transformers change in it.
    ///
    /// They write texts in lower case where `sentence_bert_config.json` says so (`do_lower_case`), and a BERT's tokenizer of class
    /// `BertTokenizer` has the normaliser that `tokenizer_config.json` says, whatever `tokenizer.json` has.
    ///
    /// # Errors
    /// [`EmbedError::MissingFile`] if the folder has no `tokenizer.json`; [`EmbedError::Unsupported`] or [`EmbedError::OutOfRange`] for a
    /// setting that cannot be followed; else as [`from_file`](Self::from_file).
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let folder = folder.as_ref();
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            return Err(EmbedError::MissingFile { folder: folder.into(), file: "tokenizer.json".into() });
        }
        let mut tokenizer = Self::from_file(path)?;
        let settings = Settings::read(folder, FILE)?;
        settings.require("truncation_side", &"right".into())?;
        let model: Option<String> = Settings::read(folder, "config.json")?.get("model_type")?;
        let is_bert = model.is_some_and(|model| BERT_MODELS.contains(&model.as_str()));
        let mut read = Vec::new();
        if tokenizer.follow_prefix_space(&settings)? {
            read.push(PREFIX_SPACE);
        }
        if is_bert && tokenizer.follow_class(&settings)? {
            read.extend(NORMALIZER_KEYS);
        }
        settings.warn_of_unknown(&read, &HARMLESS);
        match SentenceBert::read(folder)?.lowercase {
            true => Ok(tokenizer.with_lowercase()),
            false => Ok(tokenizer),
        }
    }

    /// Whether a tokenizer over bytes begins texts with a space.
    pub(crate) fn prefix_space(&self) -> Option<bool> {
        match self.inner.get_pre_tokenizer() {
            Some(PreTokenizerWrapper::ByteLevel(bytes)) => Some(bytes.add_prefix_space),
            _ => None,
        }
    }

    /// Whether the configuration says it, whose word counts, not that of `tokenizer.json`. A tokenizer over pieces (XLM-R's) begins texts with a space
    /// whatever is said.
    fn follow_prefix_space(&mut self, settings: &Settings) -> Result<bool, EmbedError> {
        let Some(prefix_space) = settings.get(PREFIX_SPACE)? else { return Ok(false) };
        match self.inner.get_pre_tokenizer() {
            Some(PreTokenizerWrapper::ByteLevel(bytes)) => {
                let mut bytes = *bytes;
                bytes.add_prefix_space = prefix_space;
                self.inner.with_pre_tokenizer(Some(bytes));
                Ok(true)
            }
            _ => Ok(prefix_space && matches!(self.inner.get_model(), ModelWrapper::Unigram(_))),
        }
    }

    /// Whether the normaliser follows the configuration, and now does.
    fn follow_class(&mut self, settings: &Settings) -> Result<bool, EmbedError> {
        let class: Option<String> = settings.get("tokenizer_class")?;
        let Some(NormalizerWrapper::BertNormalizer(normalizer)) = self.inner.get_normalizer() else {
            return Ok(false);
        };
        if class.is_some_and(|class| !BERT_CLASSES.contains(&class.as_str())) {
            return Ok(false);
        }
        let mut normalizer = *normalizer;
        normalizer.lowercase = settings.get("do_lower_case")?.unwrap_or(true);
        normalizer.strip_accents = settings.get("strip_accents")?;
        normalizer.handle_chinese_chars = settings.get("tokenize_chinese_chars")?.unwrap_or(true);
        self.inner.with_normalizer(Some(normalizer));
        Ok(true)
    }
}
