"""Writes crates/infonce/tests/golden/infonce.json: InfoNCE and its gradients in float64.

Pinned: Python 3.11, torch 2.15.0 (on the CPU). Run from the root of the repository:
    python tools/golden/infonce.py

Each case holds unit rows and a temperature rounded to float32, so that Rust reads the very inputs, and
torch's loss and gradients from `cross_entropy` and autograd. Nothing here shares a formula with the crate.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

OUTPUT = Path("crates/infonce/tests/golden/infonce.json")


def unit_rows(rows: int, width: int, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.randn(rows, width, dtype=torch.float64, generator=generator)
    return F.normalize(drawn, dim=1).float().double()


def false_negatives(
    query_ids: list[int], passage_ids: list[int], known: list[list[int]], b: int, n: int
) -> torch.Tensor:
    mask = torch.zeros(b, n, dtype=torch.bool)
    for i in range(b):
        for j in range(n):
            same_query = bool(query_ids) and j < b and query_ids[i] == query_ids[j]
            same_passage = bool(passage_ids) and passage_ids[i] == passage_ids[j]
            is_known = bool(known) and passage_ids[j] in known[i]
            mask[i, j] = i != j and (same_query or same_passage or is_known)
    return mask


def case(
    name, b, d, temperature, *, extra=0, symmetric=False, query_ids=(), passage_ids=(), known=(), align=0.0, seed=0
):
    generator = torch.Generator().manual_seed(seed)
    temperature = torch.tensor(temperature, dtype=torch.float32).item()
    query_ids, passage_ids, known = list(query_ids), list(passage_ids), [list(ids) for ids in known]
    queries = unit_rows(b, d, generator)
    passages = unit_rows(b + extra, d, generator)
    # Trained models have positives near their queries.
    passages[:b] = F.normalize(passages[:b] + align * queries, dim=1).float().double()
    queries.requires_grad_()
    passages.requires_grad_()

    mask = false_negatives(query_ids, passage_ids, known, b, b + extra)
    logits = (queries @ passages.T / temperature).masked_fill(mask, float("-inf"))
    positives = torch.arange(b)
    loss = F.cross_entropy(logits, positives)
    if symmetric:
        loss = (loss + F.cross_entropy(logits.T, positives)) / 2
    loss.backward()
    return {
        "name": name,
        "temperature": temperature,
        "direction": "symmetric" if symmetric else "query-to-passage",
        "query_ids": query_ids,
        "passage_ids": passage_ids,
        "known_positives": known,
        "queries": queries.tolist(),
        "passages": passages.tolist(),
        "loss": loss.item(),
        "query_gradient": queries.grad.tolist(),
        "passage_gradient": passages.grad.tolist(),
        "masked": int(mask.sum()),
        "accuracy": (logits.argmax(dim=1) == positives).double().mean().item(),
    }


CASES = [
    case("plain", 5, 4, 0.05),
    case("one pair", 1, 4, 0.02),
    case("paper temperature", 6, 8, 0.02, align=1.5, seed=1),
    case("cold", 6, 8, 0.01, seed=2),
    case("repeated passages", 5, 4, 0.05, passage_ids=[1, 2, 1, 3, 2], seed=3),
    case("repeated queries", 5, 4, 0.05, query_ids=[9, 9, 4, 9, 5], seed=4),
    case("repeated queries and passages", 6, 4, 0.1, query_ids=[1, 1, 2, 3, 4, 4],
         passage_ids=[7, 7, 8, 8, 9, 6], seed=5),
    case("extra negatives", 4, 5, 0.05, extra=3, seed=6),
    case("extra negatives that repeat", 4, 5, 0.05, extra=3, query_ids=[1, 2, 2, 3],
         passage_ids=[1, 2, 3, 4, 2, 2, 8], seed=7),
    case("symmetric", 5, 4, 0.05, symmetric=True, seed=8),
    case("symmetric at the paper temperature", 6, 8, 0.02, symmetric=True, align=1.5, seed=9),
    case("symmetric with repeats", 6, 4, 0.05, symmetric=True, query_ids=[1, 2, 3, 1, 5, 6],
         passage_ids=[1, 2, 2, 4, 5, 6], seed=10),
    case("every negative masked", 3, 4, 0.02, passage_ids=[1, 1, 1], symmetric=True, seed=11),
    case("known positives", 5, 4, 0.05, passage_ids=[1, 2, 3, 4, 5],
         known=[[1, 3], [2], [1, 2, 3, 9], [], [4, 5]], seed=12),
    case("known positives among repeats and extra negatives", 5, 4, 0.05, extra=3, query_ids=[1, 2, 1, 3, 4],
         passage_ids=[1, 2, 3, 2, 5, 6, 1, 3], known=[[1, 2, 3], [2, 6], [1, 2, 3], [2], [3]], seed=13),
    case("symmetric with known positives", 6, 4, 0.05, symmetric=True, query_ids=[1, 2, 3, 1, 5, 6],
         passage_ids=[1, 2, 2, 4, 5, 6], known=[[4, 5, 6], [2], [2, 1], [1, 5], [5], [2, 6, 6]], seed=14),
]

if __name__ == "__main__":
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case) for case in CASES)
    OUTPUT.write_text(f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n')
