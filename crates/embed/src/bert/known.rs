use std::path::Path;

use crate::EmbedError;
use crate::folder::Settings;

/// What makes another model of a BERT where it is true.
const NEVER: [&str; 3] = ["is_decoder", "add_cross_attention", "is_encoder_decoder"];

const READ: [&str; 12] = [
    "model_type",
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "hidden_act",
    "position_embedding_type",
    "layer_norm_eps",
    "initializer_range",
];

/// Keys without effect on the vectors of a text: names, versions, training, generation, other heads.
const HARMLESS: [&str; 41] = [
    "_name_or_path",
    "_num_labels",
    "architectures",
    "attention_probs_dropout_prob",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "cls_token_id",
    "directionality",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "hidden_dropout_prob",
    "id2label",
    "is_causal",
    "label2id",
    "language",
    "loss",
    "mask_token_id",
    "name",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pad_token_id",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "problem_type",
    "return_dict",
    "sentence_transformers",
    "sep_token_id",
    "task_specific_params",
    "tie_word_embeddings",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "use_cache",
];

/// Nothing, if a folder's `config.json` has no key that makes another model; warns of those that are unknown.
pub(super) fn check_keys(folder: &Path) -> Result<(), EmbedError> {
    let settings = Settings::read(folder, "config.json")?;
    for key in NEVER {
        settings.require(key, &false.into())?;
    }
    let read: Vec<&str> = READ.into_iter().chain(NEVER).collect();
    settings.warn_of_unknown(&read, &HARMLESS);
    Ok(())
}
