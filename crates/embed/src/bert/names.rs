use super::Family;

/// Where a family's files have an encoder's tensors; what a family has not is never asked for.
pub(super) struct Names {
    /// What files of models with a head begin these names with.
    pub(super) prefix: &'static str,
    pub(super) words: &'static str,
    pub(super) positions: &'static str,
    pub(super) types: &'static str,
    pub(super) norm: &'static str,
    pub(super) distances: &'static str,
    pub(super) last_norm: &'static str,
    /// Before a layer's number.
    pub(super) layer: &'static str,
    /// Query, key and value: one tensor or three.
    pub(super) qkv: &'static [&'static str],
    pub(super) attention_output: &'static str,
    pub(super) attention_norm: &'static str,
    /// The first product of the feed-forward layer: one tensor, or the half that is activated and the other.
    pub(super) intermediate: &'static [&'static str],
    pub(super) output: &'static str,
    pub(super) output_norm: &'static str,
    /// The head that fills in masked tokens, which is beside the encoder, not under its prefix: dense layer, norm and bias.
    pub(super) head: Option<[&'static str; 3]>,
}

const BERT: Names = Names {
    prefix: "bert.",
    words: "embeddings.word_embeddings.weight",
    positions: "embeddings.position_embeddings.weight",
    types: "embeddings.token_type_embeddings.weight",
    norm: "embeddings.LayerNorm",
    distances: "encoder.relative_attention_bias.weight",
    last_norm: "final_norm",
    layer: "encoder.layer.",
    qkv: &["attention.self.query", "attention.self.key", "attention.self.value"],
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: &["intermediate.dense"],
    output: "output.dense",
    output_norm: "output.LayerNorm",
    head: Some(["cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"]),
};

const LM_HEAD: Option<[&str; 3]> = Some(["lm_head.dense", "lm_head.layer_norm", "lm_head.bias"]);

const ROBERTA: Names = Names { prefix: "roberta.", head: LM_HEAD, ..BERT };

const DISTILBERT: Names = Names {
    prefix: "distilbert.",
    layer: "transformer.layer.",
    qkv: &["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    intermediate: &["ffn.lin1"],
    output: "ffn.lin2",
    output_norm: "output_layer_norm",
    head: Some(["vocab_transform", "vocab_layer_norm", "vocab_projector.bias"]),
    ..BERT
};

const MPNET: Names = Names {
    prefix: "mpnet.",
    qkv: &["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    attention_output: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
    head: LM_HEAD,
    ..BERT
};

const MODERNBERT: Names = Names {
    prefix: "model.",
    words: "embeddings.tok_embeddings.weight",
    norm: "embeddings.norm",
    layer: "layers.",
    qkv: &["attn.Wqkv"],
    attention_output: "attn.Wo",
    attention_norm: "attn_norm",
    intermediate: &["mlp.Wi"],
    output: "mlp.Wo",
    output_norm: "mlp_norm",
    head: None,
    ..BERT
};

/// Of nomic's own code.
const NOMICBERT: Names = Names {
    norm: "emb_ln",
    layer: "encoder.layers.",
    qkv: &["attn.Wqkv"],
    attention_output: "attn.out_proj",
    attention_norm: "norm1",
    intermediate: &["mlp.fc12", "mlp.fc11"],
    output: "mlp.fc2",
    output_norm: "norm2",
    head: None,
    ..BERT
};

impl Family {
    pub(super) fn names(self) -> &'static Names {
        match self {
            Family::Bert => &BERT,
            Family::Roberta | Family::XlmRoberta | Family::Camembert => &ROBERTA,
            Family::DistilBert => &DISTILBERT,
            Family::Mpnet => &MPNET,
            Family::ModernBert => &MODERNBERT,
            Family::NomicBert => &NOMICBERT,
        }
    }
}

/// Where a folder's file may have the table of words, and the prefixes that the names may have.
pub(crate) const WORDS: [(&str, &str); 5] = [
    (BERT.prefix, BERT.words),
    (ROBERTA.prefix, BERT.words),
    (DISTILBERT.prefix, BERT.words),
    (MPNET.prefix, BERT.words),
    (MODERNBERT.prefix, MODERNBERT.words),
];
