"""Writes crates/embed/tests/golden/pooling.json: what sentence-transformers makes of the tiny BERT there by every pooling, and gradients.

    python tools/golden/embed_pooling.py

torch==2.9.0 sentence-transformers==5.1.2 transformers==4.57.1 tokenizers==0.22.2 safetensors==0.8.0 numpy==2.2.6
"""

import json
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, models

GOLDEN = Path(__file__).resolve().parents[2] / "crates" / "embed" / "tests" / "golden"
POOLINGS = ["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
TEXTS = ["The cat.", "reading a file", "a, b? c. the cat read the file, a cat read a file.", "CAT é the zzz unknown中", "file"]
PROMPT = "the file: "


def numbers(rows):
    return [float(f"{v:.8g}") for v in np.asarray(rows).ravel()]


def main():
    torch.manual_seed(0)
    found = {"texts": TEXTS, "prompt": PROMPT, "poolings": {}}
    for pooling in POOLINGS:
        for include_prompt in [True, False] if pooling != "cls" else [True]:
            words = models.Transformer(str(GOLDEN / "tiny_bert"), max_seq_length=18)
            pool = models.Pooling(16, pooling_mode=pooling, include_prompt=include_prompt)
            model = SentenceTransformer(modules=[words, pool, models.Normalize()], device="cpu", prompts={"query": PROMPT})
            prompted = model.encode(TEXTS, prompt_name="query")
            rows = model(model.tokenize(TEXTS))["sentence_embedding"]
            # The gradient of a scalar that weighs no two values alike by symmetry, with respect to the words.
            weights = torch.tensor([((i * 37 % 23) - 11) / 11 for i in range(rows.numel())]).reshape(rows.shape)
            (rows * weights).sum().backward()
            table = words.auto_model.embeddings.word_embeddings.weight.grad
            name = pooling if include_prompt else f"{pooling} without prompt"
            found["poolings"][name] = {
                "plain": numbers(rows.detach()), "prompted": numbers(prompted), "words": numbers(table),
            }
    (GOLDEN / "pooling.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
