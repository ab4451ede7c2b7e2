"""Exact search: ours and FAISS in turn, on the same vectors and threads; one JSON line a case.

    pip install -r benches/peers/requirements.txt
    python benches/peers/eval.py            # --quick: k = 100 only, under a minute once built and the rows made

A case `topk D, k` is a search of 1,000 queries for the best k of 100,000 documents, unit vectors of D columns from the mixture of
`kmeans.py`. `peer_s` and `ours_s` are medians of repetitions in each of which ours is measured once and the peer after it; `ratio` is
peer_s / ours_s; `same` is the share of the documents found that both found (f32 products of the peer order near ties otherwise).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from kmeans import ROOT, mixture  # it also sets up the peer's linear algebra, before the peer is imported

DOCUMENTS, QUERIES, SEED = 100_000, 1_000, 8
REPETITIONS = 5


class Ours:
    """A process that holds the vectors and answers searches."""

    def __init__(self, folder: Path, documents: np.ndarray, queries: np.ndarray):
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/examples/timed_search"
        files = [folder / "documents.f32", folder / "queries.f32"]
        documents.tofile(files[0])
        queries.tofile(files[1])
        self.results, pipe = folder / "results.u32", subprocess.PIPE
        command = [program, str(documents.shape[1]), *files, self.results]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def search(self, k: int) -> tuple[float, np.ndarray]:
        self.process.stdin.write(f"search {k}\n")
        self.process.stdin.flush()
        seconds = json.loads(self.process.stdout.readline())["seconds"]
        return seconds, np.fromfile(self.results, np.uint32).reshape(-1, k)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def compare(ours: Ours, index, queries: np.ndarray, k: int, repetitions: int) -> None:
    ours.search(k)
    index.search(queries, k)
    seconds = {"ours": [], "peer": []}
    for _ in range(repetitions):
        taken, found = ours.search(k)
        seconds["ours"].append(taken)
        begin = time.perf_counter()
        _, expected = index.search(queries, k)
        seconds["peer"].append(time.perf_counter() - begin)
    ours_s, peer_s = (statistics.median(seconds[name]) for name in ("ours", "peer"))
    same = np.mean([len(np.intersect1d(one, other)) / k for one, other in zip(found, expected)])
    line = {
        "case": f"topk {queries.shape[1]}, k = {k}", "ours_s": round(ours_s, 4), "peer": "faiss", "peer_s": round(peer_s, 4),
        "ratio": round(peer_s / ours_s, 2), "same": round(float(same), 6), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="k = 100 only")
    parser.add_argument("--data", type=Path, default=ROOT / "target/peers", help="where the vectors are kept")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    args = parser.parse_args()
    try:
        import faiss
    except ImportError as error:
        sys.exit(f"faiss cannot be imported: {error!r}")
    command = ["cargo", "build", "--release", "-q", "-p", "retrieval-eval", "--example", "timed_search"]
    subprocess.run(command, cwd=ROOT, check=True)
    args.data.mkdir(parents=True, exist_ok=True)
    for dim in (384, 768):
        path = args.data / f"{DOCUMENTS + QUERIES}x{dim}-{SEED}.npy"
        if not path.exists():
            np.save(path, mixture(DOCUMENTS + QUERIES, dim, SEED))
        rows = np.load(path)
        documents, queries = rows[:DOCUMENTS], rows[DOCUMENTS:]
        index = faiss.IndexFlatIP(dim)
        index.add(documents)
        ours = Ours(args.data, documents, queries)
        for k in (100,) if args.quick else (10, 100, 1000):
            compare(ours, index, queries, k, args.repetitions)
        ours.close()


if __name__ == "__main__":
    main()
