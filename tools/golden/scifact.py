"""Writes crates/pretrain/tests/golden/scifact.json: what BEIR's own evaluation says of all-MiniLM-L6-v2 on SciFact.

Pinned: Python 3.11, beir 2.2.0, sentence-transformers 5.1.2, pytrec_eval-terrier 0.5.11. Run from the root of the
repository, with the folder that holds models/all-MiniLM-L6-v2 and data/scifact (a BEIR folder); minutes on a CPU:
    python tools/golden/scifact.py ../shared

Documents are `title text`, cut at 256 tokens (the model's own limit), and searched exactly by cosine; a query never
finds the document of its own id. "part" is the same of a few documents, for a test of seconds: those of every
sixteenth line, and those judged for the first fifty queries.
"""

import json
import sys
from pathlib import Path

from beir.datasets.data_loader import GenericDataLoader
from beir.retrieval.evaluation import EvaluateRetrieval
from beir.retrieval.models import SentenceBERT
from beir.retrieval.search.dense import DenseRetrievalExactSearch

OUTPUT = Path("crates/pretrain/tests/golden/scifact.json")
CUTS = [10, 100]


def part(corpus: dict, queries: dict, qrels: dict) -> tuple[dict, dict, dict]:
    qrels = dict(list(qrels.items())[:50])
    judged = {document for judgements in qrels.values() for document in judgements}
    kept = {id: text for line, (id, text) in enumerate(corpus.items()) if line % 16 == 0 or id in judged}
    return kept, {id: queries[id] for id in qrels}, qrels


def evaluated(model: SentenceBERT, corpus: dict, queries: dict, qrels: dict) -> dict:
    retriever = EvaluateRetrieval(DenseRetrievalExactSearch(model, batch_size=32), CUTS, "cos_sim")
    results = retriever.retrieve(corpus, queries)
    ndcg, average_precision, recall, precision = retriever.evaluate(qrels, results, CUTS)
    mrr = retriever.evaluate_custom(qrels, results, CUTS, metric="mrr")
    measures = {
        "nDCG@10": ndcg["NDCG@10"],
        "nDCG@100": ndcg["NDCG@100"],
        "AP@100": average_precision["MAP@100"],
        "MRR@10": mrr["MRR@10"],
        "P@10": precision["P@10"],
        "recall@10": recall["Recall@10"],
        "recall@100": recall["Recall@100"],
    }
    return {"documents": len(corpus), "queries": len(queries), "measures": measures}


def main(shared: Path) -> None:
    data = GenericDataLoader(str(shared / "data/scifact")).load(split="test")
    model = SentenceBERT(str(shared / "models/all-MiniLM-L6-v2"))
    assert model.q_model.get_max_seq_length() == 256
    golden = {"part": evaluated(model, *part(*data)), "whole": evaluated(model, *data)}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
