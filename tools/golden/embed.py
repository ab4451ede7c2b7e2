"""Writes crates/embed/tests/golden/: a tiny random BERT and a tiny static model, with the vectors that sentence-transformers gives,
and the vectors of all-MiniLM-L6-v2.

    python tools/golden/embed.py [FOLDER_OF_all-MiniLM-L6-v2]

torch==2.9.0 sentence-transformers==5.1.2 transformers==4.57.6 tokenizers==0.22.2 safetensors==0.8.0 numpy==2.2.6
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, models
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

OUT = Path(__file__).resolve().parents[2] / "crates" / "embed" / "tests" / "golden"
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCAB = list(SPECIAL.values()) + list(LETTERS) + ["##" + c for c in LETTERS[:20]] + ["the", "cat", "##ing", "read", "file", ".", ",", "?"]
TINY = [
    "The cat.",
    "reading a file",
    "",
    "a, b? c. the cat read the file, a cat read a file. the file, the cat, a file?",
    "CAT \u00e9 the zzz unknown\u4e2d",
    "file",
]
MINILM = [
    "What is spherical k-means?",
    "Spherical k-means clusters unit vectors by cosine similarity.",
    "",
    "A",
    "How many people live in Paris?",
    "Caf\u00e9 na\u00efve \u2014 \u4f60\u597d, \u043f\u0440\u0438\u0432\u0435\u0442! \U0001f600",
    "fn main() { println!(\"hello, world\"); }",
    "The quick brown fox jumps over the lazy dog. " * 3,
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "Contrastive pretraining draws every batch from one cluster, so that negatives are hard. " * 40,
    "   spaces   and\ttabs\nand lines  ",
    "[CLS] special tokens in the text [SEP]",
]


def rounded(rows):
    return [[float(f"{v:.8g}") for v in row] for row in np.asarray(rows)]


def wordpiece():
    tokenizer = Tokenizer(WordPiece({t: i for i, t in enumerate(VOCAB)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = VOCAB.index("[CLS]"), VOCAB.index("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    tokenizer.add_special_tokens(list(SPECIAL.values()))
    return tokenizer


def tiny_bert(out):
    """A BERT with weights large enough that every part of it shows in the vectors."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCAB), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=20, type_vocab_size=2, initializer_range=0.5,
    )
    bert = BertModel(config, add_pooling_layer=False)
    for name, parameter in bert.named_parameters():
        if name.endswith("bias") or "LayerNorm" in name:
            parameter.data += 0.3 * torch.randn_like(parameter)
    with tempfile.TemporaryDirectory() as folder:
        bert.save_pretrained(folder)
        # The limit of 64 is for the tests to see that max_seq_length wins over it.
        tokenizer = wordpiece()
        tokenizer.enable_truncation(64)
        tokenizer.enable_padding(length=32)
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **SPECIAL).save_pretrained(folder)
        vectors, ids = {}, {}
        for pooling in ["mean", "cls"]:
            words = models.Transformer(folder, max_seq_length=18)
            model = SentenceTransformer(
                modules=[words, models.Pooling(16, pooling_mode=pooling), models.Normalize()], device="cpu"
            )
            vectors[pooling] = rounded(model.encode(TINY, batch_size=6))
            for limit in [18, 6]:
                model.max_seq_length = limit
                features = model.tokenize(TINY)
                rows = zip(features["input_ids"], features["attention_mask"])
                ids[limit] = [row[mask.bool()].tolist() for row, mask in rows]
            model.max_seq_length = 18
            if pooling == "mean":
                model.save(str(out), create_model_card=False)
    saved = json.loads((out / "tokenizer.json").read_text())
    saved["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    saved["padding"] = {"strategy": {"Fixed": 32}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                        "pad_type_id": 0, "pad_token": "[PAD]"}
    (out / "tokenizer.json").write_text(json.dumps(saved))
    return {"texts": TINY, "mean": vectors["mean"], "cls": vectors["cls"], "ids_18": ids[18], "ids_6": ids[6]}


def tiny_static(out):
    torch.manual_seed(1)
    table = torch.randn(len(VOCAB), 8)
    static = models.StaticEmbedding(wordpiece(), embedding_weights=table)
    model = SentenceTransformer(modules=[static, models.Normalize()], device="cpu")
    model.save(str(out), create_model_card=False)
    # torch gives the zero vector to a text without tokens; the test treats it apart.
    return {"texts": TINY, "vectors": rounded(model.encode(TINY))}


def gelu_and_norm():
    """Values and gradients in double precision of the three fused operations."""
    torch.manual_seed(2)
    made = {}
    x = torch.randn(5, 24, dtype=torch.float64) * 3
    bias = torch.randn(24, dtype=torch.float64)
    seed = torch.randn(5, 24, dtype=torch.float64)
    inputs = [t.clone().requires_grad_() for t in (x, bias)]
    y = torch.nn.functional.gelu(inputs[0] + inputs[1])
    y.backward(seed)
    made["gelu"] = case(inputs, seed, y)
    inputs = [t.clone().requires_grad_() for t in (x, torch.randn_like(x), bias, torch.randn_like(bias), torch.randn_like(bias))]
    y = torch.nn.functional.layer_norm(inputs[0] + inputs[1] + inputs[2], (24,), inputs[3], inputs[4], 1e-12)
    y.backward(seed)
    made["norm"] = case(inputs, seed, y)
    qkv = torch.randn(5, 24, dtype=torch.float64).requires_grad_()
    rows, at = [], 0
    for length in [2, 3]:
        q, k, v = (p.reshape(length, 2, 4).transpose(0, 1) for p in qkv[at : at + length].chunk(3, dim=1))
        p = (q @ k.transpose(1, 2) / 2.0).softmax(-1)
        rows.append((p @ v).transpose(0, 1).reshape(length, 8))
        at += length
    y = torch.cat(rows)
    seed = torch.randn_like(y)
    y.backward(seed)
    made["attention"] = case([qkv], seed, y)
    return made


def case(inputs, seed, output):
    flat = lambda t: [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]
    return {
        "inputs": [flat(t) for t in inputs],
        "seed": flat(seed),
        "output": flat(output),
        "gradients": [flat(t.grad) for t in inputs],
    }


def main():
    for name in ["tiny_bert", "tiny_static"]:
        shutil.rmtree(OUT / name, ignore_errors=True)
    OUT.mkdir(parents=True, exist_ok=True)
    golden = {"bert": tiny_bert(OUT / "tiny_bert"), "static": tiny_static(OUT / "tiny_static"), "ops": gelu_and_norm()}
    (OUT / "tiny.json").write_text(json.dumps(golden) + "\n")
    prefixed_half(OUT / "tiny_bert" / "model.safetensors")
    if len(sys.argv) > 1:
        model = SentenceTransformer(sys.argv[1], device="cpu")
        vectors = rounded(model.encode(MINILM, normalize_embeddings=True))
        vectors = [[round(v, 7) for v in row] for row in vectors]
        (OUT / "minilm.json").write_text(json.dumps({"texts": MINILM, "vectors": vectors}) + "\n")


def prefixed_half(path):
    """The same weights as f16 and bf16 under `bert.` names, beside the file."""
    tensors = load_file(path)
    for name, dtype in [("f16", torch.float16), ("bf16", torch.bfloat16)]:
        halves = {f"bert.{key}": value.to(dtype) for key, value in tensors.items()}
        save_file(halves, path.with_name(f"{name}.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    main()
