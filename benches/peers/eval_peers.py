"""Evaluations: the data of `eval.py`'s cases `eval` and `files`, and what each peer does with them."""

import logging
import subprocess
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Callable

import numpy as np

CORPUS, JUDGED, SEED = 1_000_000, 2, 8
SAME = ["map", "ndcg_cut_10", "recip_rank", "recall_100"]


@dataclass
class Results:
    """A run and its judgements, binary and two a query, of which about half are among the results and most of those near the top.

    Documents of a query are in order of falling scores, which are different even as f32.
    """

    queries: int
    depth: int
    folder: Path

    @property
    def run_file(self) -> Path:
        return self.folder / f"{self.queries}x{self.depth}-{SEED}.run"

    @property
    def qrels_file(self) -> Path:
        return self.run_file.with_suffix(".qrels")

    def write(self) -> None:
        """The two TREC files, unless they are there."""
        if self.run_file.exists() and self.qrels_file.exists():
            return
        documents, millionths = self.columns
        with open(self.qrels_file, "w") as file:
            for query, row in self.qrels.items():
                file.writelines(f"{query} 0 {document} {grade}\n" for document, grade in row.items())
        part = self.run_file.with_suffix(".part")
        with open(part, "w") as file:
            for query, (row, scores) in enumerate(zip(documents.tolist(), millionths.tolist())):
                file.writelines(
                    f"q{query} Q0 d{document} {rank} 0.{score:06} a\n"
                    for rank, (document, score) in enumerate(zip(row, scores), 1)
                )
        part.rename(self.run_file)

    @cached_property
    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each query, document numbers and millionths of scores."""
        rng = np.random.default_rng(SEED)
        ranks = np.arange(self.depth)
        first, step = rng.integers(0, CORPUS, self.queries), 10 * rng.integers(0, CORPUS // 10, self.queries) + 1
        gaps = rng.integers(1, 1_000_000 // self.depth, (self.queries, self.depth))
        return (first[:, None] + step[:, None] * ranks) % CORPUS, 1_000_000 - np.cumsum(gaps, axis=1)

    @cached_property
    def qrels(self) -> dict[str, dict[str, int]]:
        rng = np.random.default_rng(SEED + 1)
        documents, _ = self.columns
        shape = (self.queries, JUDGED)
        # One in each half of the results, so that no two are the same.
        half = self.depth // JUDGED
        ranks = (half * rng.random(shape) ** 3).astype(np.int64) + half * np.arange(JUDGED)
        found = rng.random(shape) < 0.5
        missing = CORPUS + JUDGED * rng.integers(0, 1000, shape) + np.arange(JUDGED)
        judged = np.where(found, np.take_along_axis(documents, ranks, axis=1), missing).tolist()
        return {f"q{query}": {f"d{document}": 1 for document in row} for query, row in enumerate(judged)}

    def rows(self):
        """Each query with its documents and scores; a document has one string, as where a corpus gives it."""
        names = [f"d{document}" for document in range(CORPUS)]
        documents, millionths = self.columns
        for query, (row, scores) in enumerate(zip(documents, millionths / 1e6)):
            yield f"q{query}", [names[document] for document in row], scores.tolist()

    def dictionaries(self) -> dict[str, dict[str, float]]:
        return {query: dict(zip(documents, scores)) for query, documents, scores in self.rows()}


@dataclass
class Work:
    """What a peer does, and what ours is to be asked for: `how` and `measures` of `timed_eval`."""

    how: list[str]
    measures: list[str]
    means: Callable[[], list[float]]
    # How far a mean may be from ours, by what the peer rounds.
    tolerance: float = 1e-9


# Each function imports its peer, and gives its work on some results.


def by_pytrec_eval(results: Results) -> Work:
    import pytrec_eval

    evaluator = pytrec_eval.RelevanceEvaluator(results.qrels, SAME)
    run = results.dictionaries()
    return Work(["strings"], SAME, lambda: pytrec_eval_means(evaluator.evaluate(run)))


def pytrec_eval_means(values: dict[str, dict[str, float]]) -> list[float]:
    return [sum(row[name] for row in values.values()) / len(values) for name in SAME]


def beir(results: Results) -> Work:
    from beir.retrieval.evaluation import EvaluateRetrieval

    logging.getLogger("beir").setLevel(logging.WARNING)
    qrels, run, cuts = results.qrels, results.dictionaries(), [10, 100]

    def means():
        return [value for of_measure in EvaluateRetrieval.evaluate(qrels, run, cuts) for value in of_measure.values()]

    measures = [f"{name}_{k}" for name in ["ndcg_cut", "map_cut", "recall", "P"] for k in cuts]
    return Work(["strings"], measures, means, 1e-5)


def ranx(results: Results) -> Work:
    import ranx

    qrels, run = ranx.Qrels(results.qrels), results.dictionaries()
    return Work(["strings"], SAME, lambda: ranx_means(qrels, ranx.Run(run)))


def ranx_built(results: Results) -> Work:
    import ranx

    qrels, run = ranx.Qrels(results.qrels), ranx.Run(results.dictionaries())
    return Work(["built"], SAME, lambda: ranx_means(qrels, run))


def ranx_means(qrels, run) -> list[float]:
    from ranx import evaluate

    warnings.filterwarnings("ignore", message="unsafe cast")
    return [float(mean) for mean in evaluate(qrels, run, ["map", "ndcg@10", "mrr", "recall@100"]).values()]


def sentence_transformers(results: Results) -> Work:
    from sentence_transformers.evaluation import InformationRetrievalEvaluator

    evaluator = InformationRetrievalEvaluator(
        queries=dict.fromkeys(results.qrels, ""), corpus={}, relevant_docs={query: set(row) for query, row in results.qrels.items()},
        accuracy_at_k=[], precision_recall_at_k=[100], mrr_at_k=[10], ndcg_at_k=[10], map_at_k=[100],
    )  # fmt: skip
    lists = [
        [{"corpus_id": document, "score": score} for document, score in zip(documents, scores)]
        for _, documents, scores in results.rows()
    ]

    def means():
        values = evaluator.compute_metrics(lists)
        return [float(mean) for name in ["precision", "recall", "ndcg", "mrr", "map"] for mean in values[f"{name}@k"].values()]

    return Work(["indices", "strings"], ["P_100", "recall_100", "ndcg_cut_10", "recip_rank_10", "map_cap_100"], means)


def files_pytrec_eval(results: Results) -> Work:
    import pytrec_eval

    def means():
        with open(results.qrels_file) as qrels, open(results.run_file) as run:
            evaluator = pytrec_eval.RelevanceEvaluator(pytrec_eval.parse_qrel(qrels), SAME)
            return pytrec_eval_means(evaluator.evaluate(pytrec_eval.parse_run(run)))

    return Work(["files"], SAME, means)


def files_ranx(results: Results) -> Work:
    import ranx

    def means():
        qrels = ranx.Qrels.from_file(str(results.qrels_file), kind="trec")
        return ranx_means(qrels, ranx.Run.from_file(str(results.run_file), kind="trec"))

    return Work(["files"], SAME, means)


def files_trec_eval(program: Path) -> Callable[[Results], Work]:
    names = {"map": "map", "ndcg_cut_10": "ndcg_cut.10", "recip_rank": "recip_rank", "recall_100": "recall.100"}
    command = [program, *(word for name in SAME for word in ("-m", names[name]))]

    def work(results: Results) -> Work:
        def means():
            answer = subprocess.run([*command, results.qrels_file, results.run_file], capture_output=True, text=True, check=True)
            lines = [line.split() for line in answer.stdout.splitlines()]
            values = {name: float(value) for name, query, value in lines if query == "all"}
            return [values[name] for name in SAME]

        return Work(["files"], SAME, means, 1e-4)

    return work


def built_trec_eval(path: Path, folder: Path) -> Path:
    """`path` if it is a program, or the one that its sources make, in `folder`."""
    if path.is_file():
        return path.resolve()
    program = folder / "trec_eval"
    command = ["cc", "-O3", "-w", '-DVERSIONID="peer"', "-o", program, *sorted(path.glob("*.c")), "-lm"]
    subprocess.run(command, check=True)
    return program


EVAL = {
    "pytrec_eval": by_pytrec_eval,
    "beir": beir,
    "ranx": ranx,
    "ranx, built": ranx_built,
    "sentence-transformers": sentence_transformers,
}
FILES = {"pytrec_eval": files_pytrec_eval, "ranx": files_ranx}
