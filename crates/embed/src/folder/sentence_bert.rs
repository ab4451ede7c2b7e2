use std::path::Path;

use serde_json::json;

use super::Settings;
use crate::EmbedError;

/// Names that the file has had, by the model's type.
const FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
const READ: [&str; 5] =
    ["max_seq_length", "do_lower_case", "transformer_task", "module_output_name", "modality_config"];
const HARMLESS: [&str; 1] = ["unpad_inputs"];

/// What sentence-transformers' `Transformer` module sets beside the model.
pub(crate) struct SentenceBert {
    pub(super) max_tokens: Option<usize>,
    pub(crate) lowercase: bool,
}

impl SentenceBert {
    pub(crate) fn read(folder: &Path) -> Result<Self, EmbedError> {
        let file = FILES.into_iter().find(|file| folder.join(file).is_file()).unwrap_or(FILES[0]);
        let settings = Settings::read(folder, file)?;
        let max_tokens = settings.get("max_seq_length")?;
        if max_tokens == Some(0) {
            return Err(settings.unsupported("max_seq_length", 0, "1 or more"));
        }
        Ok(SentenceBert { max_tokens, lowercase: settings.get("do_lower_case")?.unwrap_or(false) })
    }

    /// Nothing, if the file asks for what a BERT here does.
    pub(super) fn check(folder: &Path) -> Result<(), EmbedError> {
        for file in FILES {
            let settings = Settings::read(folder, file)?;
            settings.require("transformer_task", &"feature-extraction".into())?;
            settings.require("module_output_name", &"token_embeddings".into())?;
            let text = json!({"text": {"method": "forward", "method_output_name": "last_hidden_state"}});
            settings.require("modality_config", &text)?;
            settings.warn_of_unknown(&READ, &HARMLESS);
        }
        Ok(())
    }
}

/// Most tokens of a text, special ones counted, by the folder of a BERT with `positions` positions.
pub(super) fn max_tokens(folder: &Path, positions: usize) -> Result<usize, EmbedError> {
    if let Some(most) = SentenceBert::read(folder)?.max_tokens {
        return Ok(most.min(positions));
    }
    let settings = Settings::read(folder, "tokenizer_config.json")?;
    match settings.get::<f64>("model_max_length")? {
        None => Ok(positions),
        // Where a tokenizer has no limit, the file says 10³⁰.
        Some(most) if most >= 1.0 => Ok((most as usize).min(positions)),
        Some(most) => Err(settings.unsupported("model_max_length", most, "1 or more")),
    }
}
