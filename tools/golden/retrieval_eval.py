"""Writes crates/retrieval-eval/tests/golden/pytrec_eval.json: trec_eval's values for a small run with everything odd.

Ties, ids whose byte order is not their numeric order, negative grades, unjudged documents, queries without relevant
documents, queries of only one of the two files, more relevant documents than results.

    pip install pytrec-eval-terrier==0.5.10
    python tools/golden/retrieval_eval.py

Scores are multiples of 1/4, so that pytrec_eval's rounding to f32 changes none. Exponential gain is trec_eval's linear
gain of the grades 2^g - 1.
"""

import json
import random
from pathlib import Path

import pytrec_eval

CUTS = [1, 3, 5, 10, 100]
MEASURES = {"map", "recip_rank", "ndcg"} | {
    f"{name}.{k}" for name in ["ndcg_cut", "P", "recall", "success", "map_cut"] for k in CUTS
}


def toy(rng):
    documents = [f"d{i}" for i in range(60)] + ["D1", "é", "~", "0", "d"]
    qrels, run = {}, {}
    for q in range(40):
        pool = rng.sample(documents, 30)
        if q % 8 != 5:
            grades = [-2, -1, 0, 0, 1, 1, 2, 3] if q % 3 else [0, 1]
            if q % 10 == 9:
                grades = [-1, 0]
            qrels[f"q{q}"] = {d: rng.choice(grades) for d in rng.sample(pool, rng.choice([1, 3, 20]))}
        if q % 8 != 6:
            retrieved = rng.sample(documents, rng.choice([1, 4, 12, 40]))
            run[f"q{q}"] = {d: rng.randrange(-8, 8) / 4 for d in retrieved}
    return qrels, run


def main():
    qrels, run = toy(random.Random(0))
    values = pytrec_eval.RelevanceEvaluator(qrels, MEASURES).evaluate(run)
    exponential = {q: {d: 2**g - 1 if g > 0 else g for d, g in row.items()} for q, row in qrels.items()}
    for q, row in pytrec_eval.RelevanceEvaluator(exponential, MEASURES).evaluate(run).items():
        values[q] |= {k.replace("ndcg", "ndcg_exp"): v for k, v in row.items() if k.startswith("ndcg")}
    golden = {
        "source": "pytrec-eval-terrier 0.5.10",
        "qrels": "".join(f"{q} 0 {d} {g}\n" for q, row in qrels.items() for d, g in row.items()),
        "run": "".join(f"{q} Q0 {d} 0 {s} toy\n" for q, row in run.items() for d, s in row.items()),
        "judged": len(qrels),
        "without_results": len(qrels.keys() - run.keys()),
        "without_judgements": len(run.keys() - qrels.keys()),
        "values": values,
    }
    path = Path(__file__).parents[2] / "crates/retrieval-eval/tests/golden/pytrec_eval.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(golden, ensure_ascii=False, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
