use std::path::Path;

use serde_json::{Value, json};

use super::{BertConfig, Family};
use crate::EmbedError;
use crate::folder::Settings;

/// What makes another model where it is true.
const NEVER: [&str; 4] = ["is_decoder", "add_cross_attention", "is_encoder_decoder", "is_causal"];

/// Keys of every family that are read here.
const READ: [&str; 5] = ["model_type", "vocab_size", "initializer_range", "pad_token_id", "position_embedding_type"];

const OF_MPNET: [&str; 1] = ["relative_attention_num_buckets"];
const OF_MODERNBERT: [&str; 10] = [
    "attention_bias",
    "global_attn_every_n_layers",
    "global_rope_theta",
    // Of which transformers reads `norm_eps` alone.
    "layer_norm_eps",
    "layer_types",
    "local_attention",
    "local_rope_theta",
    "mlp_bias",
    "norm_bias",
    "rope_parameters",
];
const OF_NOMICBERT: [&str; 14] = [
    "max_trained_positions",
    "mlp_fc1_bias",
    "mlp_fc2_bias",
    "qkv_proj_bias",
    "rope_parameters",
    "rotary_emb_base",
    "rotary_scaling_factor",
    // Nomic's own code's, or transformers' beside them.
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "hidden_act",
    "layer_norm_eps",
];

/// Keys without effect on the vectors of a text: names, versions, training, generation, other heads.
const HARMLESS: [&str; 84] = [
    "_name_or_path",
    "_num_labels",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "auto_map",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_activation",
    "classifier_bias",
    "classifier_dropout",
    "classifier_pooling",
    "cls_token_id",
    "decoder_bias",
    "dense_seq_output",
    "deterministic_flash_attn",
    "directionality",
    "dropout",
    "dtype",
    "embd_pdrop",
    "embedding_dropout",
    "eos_token_id",
    "finetuning_task",
    "fused_bias_fc",
    "fused_dropout_add_ln",
    "gradient_checkpointing",
    "hidden_dropout_prob",
    "id2label",
    "initializer_cutoff_factor",
    "label2id",
    "language",
    "loss",
    "mask_token_id",
    "mlp_dropout",
    "name",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pad_vocab_size_multiple",
    "pad_vocab_size_to_multiple_of",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "problem_type",
    "qa_dropout",
    "reference_compile",
    "reorder_and_upcast_attn",
    "repad_logits_with_grad",
    "resid_pdrop",
    "return_dict",
    "sentence_transformers",
    "sep_token_id",
    "seq_classif_dropout",
    "sinusoidal_pos_embds",
    "sparse_pred_ignore_index",
    "sparse_prediction",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    "tie_weights_",
    "tie_word_embeddings",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "use_bfloat16",
    "use_cache",
    "use_flash_attn",
    "use_return_dict",
    "use_xentropy",
    "adapters",
    "bad_words_ids",
    "cross_attention_hidden_size",
    "matryoshka_dimensions",
    "pruned_heads",
    "output_scores",
    "prefix",
];

/// What a family's configuration must say, if it says it.
fn required(family: Family) -> Vec<(&'static str, Value)> {
    match family {
        Family::NomicBert => vec![
            ("prenorm", json!(false)),
            ("parallel_block", json!(false)),
            ("parallel_block_tied_norm", json!(false)),
            ("use_rms_norm", json!(false)),
            ("causal", json!(false)),
            ("rotary_emb_fraction", json!(1.0)),
            ("rotary_emb_interleaved", json!(false)),
            ("rotary_emb_scale_base", json!(null)),
            ("scale_attn_by_inverse_layer_idx", json!(false)),
            ("scale_attn_weights", json!(true)),
            ("num_experts", json!(0)),
        ],
        // Published files have the key, without effect.
        Family::ModernBert | Family::DistilBert => Vec::new(),
        _ => vec![("position_embedding_type", json!("absolute"))],
    }
}

/// Nothing, if a folder's `config.json` has no key that makes another model; warns of those that are unknown.
pub(super) fn check_keys(folder: &Path, config: &BertConfig) -> Result<(), EmbedError> {
    let settings = Settings::read(folder, "config.json")?;
    for key in NEVER {
        settings.require(key, &false.into())?;
    }
    let mut required = required(config.model_type);
    required.push(("head_dim", json!(config.hidden_size / config.num_attention_heads)));
    for (key, only) in &required {
        settings.require(key, only)?;
    }
    let keys = config.model_type.keys(&config.extra);
    let shared = [keys.hidden_size, keys.layers, keys.heads, keys.intermediate_size, keys.positions, keys.activation];
    let own: &[&str] = match config.model_type {
        Family::Mpnet => &OF_MPNET,
        Family::ModernBert => &OF_MODERNBERT,
        Family::NomicBert => &OF_NOMICBERT,
        _ => &[],
    };
    let read: Vec<&str> = (shared.into_iter().chain(keys.types).chain(keys.eps).chain(READ).chain(NEVER))
        .chain(own.iter().copied())
        .chain(required.iter().map(|(key, _)| *key))
        .collect();
    settings.warn_of_unknown(&read, &HARMLESS);
    Ok(())
}
