"""Loads an exported student in sentence-transformers and compares its vectors with those that `pretrain eval` stored.

    python tools/check_export.py RUN/arms/NAME --texts RUN/dataset.json     # a run over doc comments
    python tools/check_export.py RUN/arms/NAME --texts DATA/corpus.jsonl    # a run over a BEIR folder

Prints the largest absolute difference over the passages that no limit truncates, and fails above 1e-5.
Needs sentence-transformers==5.1.2, torch==2.9.0, numpy==2.2.6.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer


def passages(path: Path) -> list[str]:
    """The distinct passages in the order of the run's rows."""
    if path.suffix == ".json":
        return [passage["text"] for passage in json.loads(path.read_text())["passages"]]
    lines = (json.loads(line) for line in path.open(encoding="utf-8") if line.strip())
    return list(dict.fromkeys(line["text"] for line in lines if line["text"].strip()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("member", type=Path)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--most-tokens", type=int, default=96)
    parser.add_argument("--count", type=int, default=2000)
    arguments = parser.parse_args()

    model = SentenceTransformer(str(arguments.member / "model"), device="cpu")
    rows = np.load(arguments.member / "passages.npy")
    texts = passages(arguments.texts)
    assert len(texts) == len(rows), f"{len(texts)} texts, {len(rows)} rows"

    tokenizer = model.tokenizer
    encode = getattr(tokenizer, "backend_tokenizer", tokenizer).encode
    step = max(1, len(texts) // arguments.count)
    chosen = [i for i in range(0, len(texts), step) if len(encode(texts[i]).ids) <= arguments.most_tokens]
    vectors = model.encode([texts[i] for i in chosen], batch_size=64, show_progress_bar=False)
    difference = float(np.abs(vectors - rows[chosen]).max())
    print(json.dumps({"model": str(arguments.member), "passages": len(chosen), "largest_difference": difference}))
    assert difference < 1e-5


if __name__ == "__main__":
    main()
