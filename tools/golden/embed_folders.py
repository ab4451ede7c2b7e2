"""Writes crates/embed/tests/golden/folders/st-VERSION/: small model folders as that version of sentence-transformers (and model2vec) writes
them, each with a setting that changes vectors, and `vectors.json`, what that version computes for queries and documents.

    python tools/golden/embed_folders.py

Run it with each set of versions (model2vec with `pip install --no-deps`: it asks for a newer huggingface-hub than the first set may have);
a run replaces the folder of its own version alone.

    sentence-transformers==5.1.2 transformers==4.57.6 tokenizers==0.22.2 safetensors==0.8.0 model2vec==0.10.0 torch==2.15.0 numpy==2.4.6
    sentence-transformers==6.2.0 transformers==5.24.0 tokenizers==0.23.3 safetensors==0.8.0 model2vec==0.10.0 torch==2.15.0 numpy==2.4.6
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import sentence_transformers
import torch
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

VERSION = sentence_transformers.__version__
OUT = Path(__file__).resolve().parents[2] / "crates" / "embed" / "tests" / "golden" / "folders" / f"st-{VERSION}"
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["the", "cat", "##ing", "read", "file", "The", "Cat", ".", ",", "?", ":"]
VOCAB = list(SPECIAL.values()) + list(LETTERS) + ["##" + c for c in LETTERS[:20]] + WORDS
TEXTS = [
    "The cat.",
    "reading a file",
    "",
    "a, b? c. the cat read the file, a cat read a file. the file, the cat, a file?",
    "CAT The zzz unknown\u4e2d",
    "  file  ",
]
PROMPTS = {"query": "read the: ", "document": "a file, "}


def wordpiece(lowercase=True):
    tokenizer = Tokenizer(WordPiece({t: i for i, t in enumerate(VOCAB)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = VOCAB.index("[CLS]"), VOCAB.index("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    tokenizer.add_special_tokens(list(SPECIAL.values()))
    return tokenizer


def plain_bert(folder, lowercase=True, model_max_length=None):
    """A BERT as transformers alone saves it, with weights large enough that every part of it shows in the vectors."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCAB), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
        max_position_embeddings=20, type_vocab_size=2, initializer_range=0.5,
    )
    bert = BertModel(config, add_pooling_layer=False)
    for name, parameter in bert.named_parameters():
        if name.endswith("bias") or "LayerNorm" in name:
            parameter.data += 0.3 * torch.randn_like(parameter)
    bert.save_pretrained(folder)
    limit = {} if model_max_length is None else {"model_max_length": model_max_length}
    PreTrainedTokenizerFast(tokenizer_object=wordpiece(lowercase), **limit, **SPECIAL).save_pretrained(folder)


def bert(name, pooling=None, prompts=None, default=None, normalize=True, limit=18, **words):
    """A BERT as sentence-transformers saves it."""
    with tempfile.TemporaryDirectory() as folder:
        plain_bert(folder, **words)
        modules = [Transformer(folder, **({} if limit is None else {"max_seq_length": limit})), Pooling(8, **(pooling or {}))]
        if normalize:
            modules.append(Normalize())
        model = SentenceTransformer(modules=modules, prompts=prompts, default_prompt_name=default, device="cpu")
        model.save(str(OUT / name), create_model_card=False)


def static(name, prompts=None, truncate=None):
    torch.manual_seed(1)
    tokenizer = wordpiece()
    if truncate is not None:
        tokenizer.enable_truncation(truncate)
    table = StaticEmbedding(tokenizer, embedding_weights=torch.randn(len(VOCAB), 8))
    model = SentenceTransformer(modules=[table, Normalize()], prompts=prompts, device="cpu")
    model.save(str(OUT / name), create_model_card=False)


def model2vec(name, **options):
    random = np.random.default_rng(2)
    vectors = random.normal(size=(len(VOCAB), 8)).astype(np.float32)
    if options.pop("quantized", False):
        vectors = vectors[:24]
        options["token_mapping"] = random.integers(0, len(vectors), size=len(VOCAB))
        options["weights"] = random.uniform(0.1, 2.0, size=len(VOCAB))
    StaticModel(vectors, wordpiece(), config={"model_type": "model2vec"}, **options).save_pretrained(OUT / name)
    (OUT / name / "README.md").unlink()


def edit(name, file, **keys):
    """Sets keys of a JSON file, and removes those that are None: settings that a person or an older version wrote."""
    path = OUT / name / file
    value = json.loads(path.read_text()) if path.exists() else {}
    value.update(keys)
    path.write_text(json.dumps({key: entry for key, entry in value.items() if entry is not None}, indent=2) + "\n")


def write_folders():
    bert("plain_mean")
    bert("plain_cls", pooling={"pooling_mode": "cls"})
    bert("unscaled", normalize=False)
    bert("lowercase", lowercase=False)
    edit("lowercase", "sentence_bert_config.json", do_lower_case=True)
    bert("cased", lowercase=False)
    # Of a tokenizer of this class, the default for a BERT, transformers sets the normaliser by the configuration.
    bert("bert_tokenizer")
    edit("bert_tokenizer", "tokenizer_config.json", tokenizer_class="BertTokenizer", do_lower_case=False)
    bert("bert_tokenizer_default", lowercase=False)
    edit("bert_tokenizer_default", "tokenizer_config.json", tokenizer_class="BertTokenizer")
    bert("no_tokenizer_class", lowercase=False)
    edit("no_tokenizer_class", "tokenizer_config.json", tokenizer_class=None)
    bert("tokenizer_limit", limit=None, model_max_length=9)
    edit("tokenizer_limit", "sentence_bert_config.json", max_seq_length=None)
    edit("tokenizer_limit", "tokenizer_config.json", model_max_length=9)
    bert("no_limit", limit=None)
    edit("no_limit", "sentence_bert_config.json", max_seq_length=None)
    edit("no_limit", "tokenizer_config.json", model_max_length=10**30)
    plain_bert(OUT / "hugging_face", model_max_length=9)
    bert("prompts", prompts=PROMPTS)
    bert("prompts_default", prompts=PROMPTS, default="document")
    bert("prompts_passage", prompts={"query": "read the: ", "passage": "a file, ", "corpus": "cat "})
    bert("prompts_other", prompts={"clustering": "the cat "}, default="clustering")
    bert("prompts_left_out", prompts=PROMPTS, pooling={"include_prompt": False})
    bert("prompts_cut", prompts=PROMPTS, pooling={"include_prompt": False}, limit=5)
    static("static_prompts", prompts=PROMPTS)
    static("static_truncated", truncate=4)
    model2vec("model2vec", normalize=True, max_length=None)
    model2vec("model2vec_truncated", normalize=False, max_length=4)
    if VERSION != "5.1.2":  # which averages the rows without mapping and weights
        model2vec("model2vec_quantized", normalize=True, max_length=None, quantized=True)


def rounded(rows):
    return [[float(f"{v:.8g}") for v in row] for row in np.asarray(rows)]


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    write_folders()
    folders = {}
    for path in sorted(OUT.iterdir()):
        model = SentenceTransformer(str(path), device="cpu")
        limit = model.max_seq_length
        folders[path.name] = {
            "max_tokens": None if limit == float("inf") else limit,
            "query": rounded(model.encode_query(TEXTS, normalize_embeddings=True)),
            "document": rounded(model.encode_document(TEXTS, normalize_embeddings=True)),
        }
    (OUT / "vectors.json").write_text(json.dumps({"texts": TEXTS, "folders": folders}) + "\n")


if __name__ == "__main__":
    main()
