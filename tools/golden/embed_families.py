"""Writes crates/embed/tests/golden/families/: a small sentence-transformers folder of each family of encoders, `golden.json`, what it gives, and
`gradients/`, by the names of its own `model.safetensors`.

    python tools/golden/embed_families.py

Run it with the first set of versions, which writes the folders, then with the second, which adds `config.4.json`, the same model's settings as
transformers 4 writes them, and computes the vectors with these again.

    sentence-transformers==6.2.0 transformers==5.24.0 tokenizers==0.23.3 safetensors==0.8.0 torch==2.9.0 numpy==2.2.6 sentencepiece==0.2.3
    protobuf==7.36.2

    sentence-transformers==5.1.2 transformers==4.57.6 tokenizers==0.22.2 safetensors==0.8.0 torch==2.9.0 numpy==2.2.6

Gradients are of the sum of all values of the unit rows of `texts`, the value at flat place `at` weighed by ((at * 37 % 23) - 11) / 11.
"""

import io
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch.nn.functional import layer_norm, normalize, silu
from transformers import AutoModel, PreTrainedTokenizerFast

OUT = Path(__file__).resolve().parents[2] / "crates" / "embed" / "tests" / "golden" / "families"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["the", "cat", "##ing", "read", "file", "The", "Caf\u00e9", "\u4e2d", ".", ",", "?", ":"]
PIECES = list(LETTERS) + ["##" + c for c in LETTERS[:20]] + WORDS
TEXTS = [
    "The cat.",
    "reading a file",
    "",
    "CAT Caf\u00e9 na\u00efve cafe\u0301 \u00c0\u00c9?",
    "\u4f60\u597d the \u4e2d\u6587, \uff26\uff49\uff4c\uff45 \ufb01le",
    "a \U0001f600 cat \U0001f44d\U0001f3fd!",
    "  spaces   and\ttabs\nand lines ",
    "The cat read a file, and the file read the cat: a cat, a file? " * 8,
]
# The first are no padding, though of its id: positions after them differ where these count the tokens that are none.
SPECIAL_TEXTS = ["the <pad> cat <pad><pad> file", "[PAD] the [MASK] file", "read the <mask> file</s> cat"]
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MERGES = "t h|th e|\u0120 the|c a|ca t|\u0120 cat|i n|in g|r e|a d|re ad|\u0120 read|f i|l e|fi le|\u0120 file|\u0120 a|\u00c3 \u00a9".split("|")
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "initializer_range": 0.5}
LIMIT = 18


def bert_tokenizer(name="BertTokenizer"):
    vocab = {token: id for id, token in enumerate(BERT_SPECIAL + PIECES)}
    return getattr(transformers, name)(vocab=vocab, model_max_length=64)


def mpnet_tokenizer():
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]"] + PIECES + ["<mask>"]
    return transformers.MPNetTokenizer(vocab={token: id for id, token in enumerate(tokens)}, model_max_length=512)


def byte_vocab(before, after):
    tokens = before + sorted(pre_tokenizers.ByteLevel.alphabet()) + [merge.replace(" ", "") for merge in MERGES] + after
    return {token: id for id, token in enumerate(tokens)}, [tuple(merge.split(" ")) for merge in MERGES]


def roberta_tokenizer():
    vocab, merges = byte_vocab(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"])
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    return transformers.RobertaTokenizer(vocab=vocab, merges=merges, mask_token=mask, model_max_length=512)


def xlm_roberta_tokenizer():
    """A Unigram with the normaliser of a sentencepiece model, here of few rules, and likelier the longer a piece is."""
    words = "_ _the _The _cat _a ing read _read file _file Caf\u00e9 \u4f60\u597d".replace("_", "\u2581")
    pieces = words.split(" ") + list(LETTERS + "TCAF.,?:!\u00e9\u4e2d\u6587\U0001f600")
    special = [(token, 0.0) for token in ["<s>", "<pad>", "</s>", "<unk>"]]
    scored = [(piece, -8.0 - place / 64 + 2.5 * len(piece)) for place, piece in enumerate(pieces)]
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    return transformers.XLMRobertaTokenizer(
        vocab=special + scored + [("<mask>", 0.0)], mask_token=mask, model_max_length=512, _spm_precompiled_charsmap=charsmap()
    )


def charsmap():
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    rules = {"\uff26": "F", "\uff49": "i", "\uff4c": "l", "\uff45": "e", "\ufb01": "fi", "e\u0301": "\u00e9", "\t": " ", "\n": " "}
    made = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        hexes = lambda text: " ".join(f"{ord(c):X}" for c in text)
        file.write("".join(f"{hexes(old)}\t{hexes(new)}\n" for old, new in rules.items()))
        file.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c"] * 9), model_writer=made, vocab_size=8, hard_vocab_limit=False,
            normalization_rule_tsv=file.name, minloglevel=2,
        )
    return sentencepiece_model_pb2.ModelProto.FromString(made.getvalue()).normalizer_spec.precompiled_charsmap


def modernbert_tokenizer():
    """With runs of spaces among the tokens of its vocabulary, and fewer tokens than the model has rows."""
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    vocab, merges = byte_vocab(["|||IP_ADDRESS|||", "<|padding|>"], [])
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("|||IP_ADDRESS|||"), AddedToken("   "), AddedToken("  ")])
    tokenizer.add_special_tokens(["<|padding|>"] + [AddedToken(token, lstrip=token == "[MASK]") for token in special])
    ends = [(token, tokenizer.token_to_id(token)) for token in ["[CLS]", "[SEP]"]]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ends
    )
    return fast_tokenizer(tokenizer)


def fast_tokenizer(tokenizer):
    names = {f"{token[1:-1].lower()}_token": token for token in BERT_SPECIAL}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, model_max_length=8192, **names)


# Of each family: its class of configuration, the settings, its tokenizer, the pooling.
ROBERTA = {**SIZES, "max_position_embeddings": LIMIT + 2, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
MODERN_IDS = {"bos_token_id": 279, "cls_token_id": 279, "eos_token_id": 280, "sep_token_id": 280, "pad_token_id": 281}
MODERN_CLS_IDS = {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
BERT = {**SIZES, "num_hidden_layers": 1, "vocab_size": 63, "max_position_embeddings": 20}
FAMILIES = {
    "distilbert": ("DistilBert", {
        "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "initializer_range": 0.5, "vocab_size": 63, "max_position_embeddings": 20,
        "sinusoidal_pos_embds": False,
    }, lambda: bert_tokenizer("DistilBertTokenizer"), "mean"),
    "roberta": ("Roberta", {**ROBERTA, "vocab_size": 279, "layer_norm_eps": 0.01}, roberta_tokenizer, "mean"),
    "xlm_roberta": ("XLMRoberta", {**ROBERTA, "vocab_size": 56, "layer_norm_eps": 1e-5}, xlm_roberta_tokenizer, "cls"),
    "mpnet": ("MPNet", {
        **SIZES, "vocab_size": 64, "max_position_embeddings": 142, "layer_norm_eps": 0.02, "relative_attention_num_buckets": 32,
    }, mpnet_tokenizer, "mean"),
    "modernbert": ("ModernBert", {
        **SIZES, **MODERN_IDS, "vocab_size": 288, "num_hidden_layers": 4, "max_position_embeddings": 64, "norm_eps": 0.01,
        "global_attn_every_n_layers": 3, "local_attention": 4, "global_rope_theta": 2000.0, "local_rope_theta": 100.0,
    }, modernbert_tokenizer, "mean"),
    "modernbert_cls": ("ModernBert", {
        **SIZES, **MODERN_CLS_IDS, "vocab_size": 64, "max_position_embeddings": 64, "norm_eps": 0.02, "norm_bias": True,
        "global_attn_every_n_layers": 2, "local_attention": 7, "global_rope_theta": 80.0, "local_rope_theta": 900.0,
        "attention_bias": True, "mlp_bias": True,
    }, lambda: fast_tokenizer(bert_tokenizer()._tokenizer), "cls"),
    "nomic_bert": ("NomicBert", {
        **SIZES, "vocab_size": 64, "max_position_embeddings": 64, "layer_norm_eps": 0.03,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
    }, bert_tokenizer, "mean"),
    "bert_dense": ("Bert", BERT, bert_tokenizer, "mean"),
    "bert_dense_linear": ("Bert", BERT, bert_tokenizer, "mean"),
    "bert_sharded": ("Bert", BERT, bert_tokenizer, "mean"),
    "bert_truncated": ("Bert", BERT, bert_tokenizer, "mean"),
}
# Keys that published folders have beside those that transformers 4 writes.
OLDER_KEYS = {
    "distilbert": {"tie_weights_": True},
    "xlm_roberta": {"output_past": True, "gradient_checkpointing": False},
    "modernbert": {"layer_norm_eps": 0.01, "position_embedding_type": "absolute", "gradient_checkpointing": False},
}
TRUNCATED = ["distilbert", "bert_dense"]
WITHOUT_GRADIENTS = ["bert_dense_linear", "bert_sharded"]
# The same weights, in the settings of nomic-ai's own checkpoints.
NOMIC_HUB = {
    "activation_function": "swiglu", "architectures": ["NomicBertModel"], "attn_pdrop": 0.0,
    "auto_map": {
        "AutoConfig": "nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig",
        "AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel",
        "AutoModelForMaskedLM": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertForPreTraining",
    },
    "bos_token_id": None, "causal": False, "dense_seq_output": True, "embd_pdrop": 0.0, "eos_token_id": None, "fused_bias_fc": True,
    "fused_dropout_add_ln": True, "initializer_range": 0.02, "layer_norm_epsilon": 0.03, "max_trained_positions": 2048,
    "mlp_fc1_bias": False, "mlp_fc2_bias": False, "model_type": "nomic_bert", "n_embd": 16, "n_head": 2, "n_inner": 24, "n_layer": 2,
    "n_positions": 64, "pad_vocab_size_multiple": 64, "parallel_block": False, "parallel_block_tied_norm": False, "prenorm": False,
    "qkv_proj_bias": False, "reorder_and_upcast_attn": False, "resid_pdrop": 0.0, "rotary_emb_base": 500, "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "rotary_scaling_factor": None,
    "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True, "summary_activation": None, "summary_first_dropout": 0.0,
    "summary_proj_to_labels": True, "summary_type": "cls_index", "summary_use_proj": True, "torch_dtype": "float32",
    "transformers_version": "4.34.0", "type_vocab_size": 2, "use_cache": True, "use_flash_attn": True, "use_rms_norm": False,
    "use_xentropy": True, "vocab_size": 64,
}


def rounded(rows):
    return [[float(f"{v:.8g}") for v in row] for row in np.asarray(rows)]


def random_model(name, kind, settings):
    """A model with weights large enough that every part of it shows in the vectors."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**settings)
    if name == "modernbert_cls":
        # As in a folder that transformers 5 made first; where it loaded an older one it keeps the key.
        del config.global_attn_every_n_layers
    model = getattr(transformers, f"{kind}Model")(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "norm" in name.lower():
            parameter.data += 0.3 * torch.randn_like(parameter)
        if "relative_attention_bias" in name:
            parameter.data *= 3
    return model


def modules_after(name, pooling):
    torch.manual_seed(1)
    modules = [Pooling(16, pooling_mode=pooling)]
    if name == "bert_dense":
        modules.append(Dense(16, 12, activation_function=torch.nn.Tanh()))
    if name == "bert_dense_linear":
        modules.append(Dense(16, 10, bias=False, activation_function=torch.nn.Identity()))
    return modules if name == "bert_dense_linear" else modules + [Normalize()]


def write_folder(name):
    kind, settings, tokenizer, pooling = FAMILIES[name]
    with tempfile.TemporaryDirectory() as folder:
        random_model(name, kind, settings).save_pretrained(folder)
        tokenizer().save_pretrained(folder)
        words = Transformer(folder, max_seq_length=140 if name == "mpnet" else LIMIT)
        assert len(words.tokenizer) <= words.model.config.vocab_size < len(words.tokenizer) + 8, (name, len(words.tokenizer))
        truncate = {"truncate_dim": 8} if name == "bert_truncated" else {}
        model = SentenceTransformer(modules=[words] + modules_after(name, pooling), device="cpu", **truncate)
        model.save(str(OUT / name), create_model_card=False)
        if name == "bert_sharded":
            (OUT / name / "model.safetensors").unlink()
            words.model.save_pretrained(OUT / name, max_shard_size="4KB")
    return model


def weights_of(folder):
    return {key: value for file in sorted(folder.glob("*.safetensors")) for key, value in load_file(file).items()}


def ids_of(model, texts):
    features = model.preprocess(texts)
    return [ids[mask.bool()].tolist() for ids, mask in zip(features["input_ids"], features["attention_mask"])]


def library_ids(folder, texts, limit):
    """What the tokenizers library alone makes of `tokenizer.json`."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return [row.ids for row in tokenizer.encode_batch(texts)]


def gradients(model):
    """Of every parameter that has one, by its name in the folder, computed in double precision."""
    from transformers.core_model_loading import revert_weight_conversion

    model.double().eval()
    rows = model(model.preprocess(TEXTS))["sentence_embedding"]
    rows = normalize(rows[:, : model.truncate_dim])
    weights = torch.tensor([((at * 37 % 23) - 11) / 11 for at in range(rows.numel())], dtype=torch.float64).reshape(rows.shape)
    (rows * weights).sum().backward()
    encoder = model[0].model
    found = {key: value.grad for key, value in encoder.named_parameters() if value.grad is not None}
    found = revert_weight_conversion(encoder, found)
    for place, module in enumerate(model):
        if isinstance(module, Dense):
            found |= {f"{place}_Dense.{key}": value.grad for key, value in module.named_parameters()}
    assert all(value.isfinite().all() for value in found.values())
    return {key: value.float().contiguous() for key, value in sorted(found.items())}


def golden_of(name):
    written = write_folder(name)
    folder = OUT / name
    model = SentenceTransformer(str(folder), device="cpu")
    encode = lambda texts, **options: model.encode(texts, batch_size=len(texts), normalize_embeddings=True, **options)
    vectors = encode(TEXTS)
    assert np.abs(written.encode(TEXTS, normalize_embeddings=True) - vectors).max() < 1e-6, name
    limit = model.max_seq_length
    for texts in [TEXTS, SPECIAL_TEXTS]:
        assert ids_of(model, texts) == library_ids(folder, texts, limit), name
    if name not in WITHOUT_GRADIENTS:
        write_gradients(name)
    golden = {
        "max_tokens": limit, "ids": ids_of(model, TEXTS), "vectors": rounded(vectors),
        "special_ids": ids_of(model, SPECIAL_TEXTS), "special_vectors": rounded(encode(SPECIAL_TEXTS)),
    }
    return golden | ({"truncated_8": rounded(encode(TEXTS, truncate_dim=8))} if name in TRUNCATED else {})


def write_gradients(name):
    found, disk = gradients(SentenceTransformer(str(OUT / name), device="cpu")), weights_of(OUT / name)
    for key, value in found.items():
        assert key.startswith("2_Dense.") or disk[key].shape == value.shape, (name, key)
    print(name, "has no gradient of", sorted(disk.keys() - found.keys()))
    save_file(found, OUT / "gradients" / f"{name}.safetensors", metadata={"format": "pt"})


def write_nomic_hub(golden):
    """The layout of nomic-ai's checkpoints. No library here reads these settings, so vectors are computed from file and settings alone; gradients
    are those of `nomic_bert`, which has its tensors by the same names."""
    shutil.copytree(OUT / "nomic_bert", OUT / "nomic_bert_hub")
    (OUT / "nomic_bert_hub" / "config.json").write_text(json.dumps(NOMIC_HUB, indent=2) + "\n")
    weights = load_file(OUT / "nomic_bert_hub" / "model.safetensors")
    for ids, expected in zip(golden["ids"] + golden["special_ids"], golden["vectors"] + golden["special_vectors"]):
        assert np.abs(nomic_row(NOMIC_HUB, weights, ids).numpy() - expected).max() < 2e-6
    return golden


def nomic_row(config, weights, ids):
    eps, heads = config["layer_norm_epsilon"], config["n_head"]
    norm = lambda x, name: layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)
    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "emb_ln")
    for layer in range(config["n_layer"]):
        of = lambda x, name: x @ weights[f"encoder.layers.{layer}.{name}.weight"].T
        query, key, value = of(x, "attn.Wqkv").reshape(len(ids), 3, heads, -1).permute(1, 2, 0, 3)
        query, key = (rotated(part, config["rotary_emb_base"]) for part in (query, key))
        attention = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1) @ value
        x = norm(x + of(attention.transpose(0, 1).reshape(len(ids), -1), "attn.out_proj"), f"encoder.layers.{layer}.norm1")
        x = norm(x + of(of(x, "mlp.fc11") * silu(of(x, "mlp.fc12")), "mlp.fc2"), f"encoder.layers.{layer}.norm2")
    return normalize(x.mean(0), dim=0)


def rotated(x, base):
    half = x.shape[-1] // 2
    angles = torch.outer(torch.arange(x.shape[-2]).float(), base ** (-torch.arange(half) / half))
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()], -1)


def write_folders():
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "gradients").mkdir(parents=True)
    families = {name: golden_of(name) for name in FAMILIES}
    families["nomic_bert_hub"] = write_nomic_hub(families["nomic_bert"])
    golden = {"texts": TEXTS, "special_texts": SPECIAL_TEXTS, "families": families}
    (OUT / "golden.json").write_text(json.dumps(golden) + "\n")


def write_older_settings():
    """`config.4.json` of every family that transformers 4 has, after its vectors were those of the newer."""
    golden = json.loads((OUT / "golden.json").read_text())["families"]
    for name, (kind, settings, _, _) in FAMILIES.items():
        if not hasattr(transformers, f"{kind}Config"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            older = {"architectures": [f"{kind}Model"], "dtype": "float32", **OLDER_KEYS.get(name, {})}
            getattr(transformers, f"{kind}Config")(**settings, **older).save_pretrained(folder)
            written = Path(folder, "config.json")
            # Its name until version 4.56, and so in most published folders.
            written.write_text(written.read_text().replace('"dtype"', '"torch_dtype"') + "\n")
            save_file(weights_of(OUT / name), f"{folder}/model.safetensors", metadata={"format": "pt"})
            worst = max(older_error(name, AutoModel.from_pretrained(folder), golden[name], key) for key in ["", "special_"])
            print(name, "transformers", transformers.__version__, "differs by", worst)
            assert worst < 2e-6, name
            shutil.copy(written, OUT / name / "config.4.json")


def older_error(name, model, golden, key):
    pooling = FAMILIES[name][3]
    worst = 0.0
    for ids, expected in zip(golden[f"{key}ids"], golden[f"{key}vectors"]):
        with torch.no_grad():
            hidden = model(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).last_hidden_state[0]
        row = hidden.mean(0) if pooling == "mean" else hidden[0]
        if "dense" in name:
            dense = load_file(OUT / name / "2_Dense" / "model.safetensors")
            row = dense["linear.weight"] @ row + dense.get("linear.bias", 0.0)
            row = row.tanh() if name == "bert_dense" else row
        row = normalize(row[: len(expected)], dim=0)
        worst = max(worst, np.abs(row.numpy() - expected).max())
    return worst


if __name__ == "__main__":
    write_folders() if transformers.__version__ >= "5" else write_older_settings()
