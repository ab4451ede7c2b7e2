"""Exact search and evaluation: ours and its peers in turn, on the same data; one JSON line a case and peer.

    pip install -r benches/peers/requirements.txt
    python benches/peers/eval.py            # --quick: the fastest peers, under a minute once built and the data made
    python benches/peers/eval.py --cases files --trec-eval trec_eval    # its program, or the folder of its C sources

`peer_s` and `ours_s` are medians of repetitions in each of which ours is measured once and the peer after it, both warm (but not the
peer of an evaluation with --quick); `ratio` is peer_s / ours_s.

- `topk D, k`: a search of 1,000 queries for the best k of 100,000 documents, unit vectors of D columns from the mixture of `kmeans.py`, on
  the same threads. `same` is the share of the documents found that both found (f32 products of the peer order near ties otherwise).
- `eval QxK`: Q queries with K results each, of a corpus of a million documents, and two binary judgements a query, in memory; the values of
  each query and their means. Ours has results as the peer has them, with `strings` for ids; or `built`, as a `Run`, where the peer too has
  its own form of them ready; or `indices`, as a searcher gives them, which the peer has no form for.
- `files QxK`: the same from a TREC run and its qrels on disk to the means. `trec_eval` is a process of its own, started each time.

In `eval` and `files` both compute the same measures, by default AP, nDCG@10, reciprocal rank and recall@100 (`pytrec_eval`, `ranx`,
`trec_eval`). `beir` has nDCG, AP, recall and precision at 10 and 100; `sentence-transformers` has nDCG@10, reciprocal rank at 10,
precision, recall and its own AP at 100. Ours and `ranx` use all processors, `ranx` one while it builds a run; the others use one.
`ours_cpu_s` and `peer_cpu_s` are medians of seconds of all processors together. `difference` is how far a mean is from ours at most; the
script fails if that is more than the peer's rounding explains. A peer that cannot be imported is named on stderr and left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from eval_peers import EVAL, FILES, Results, Work, built_trec_eval, files_trec_eval
from importing import left_out
from kmeans import ROOT, mixture  # it also sets up the peer's linear algebra, before the peer is imported

DOCUMENTS, QUERIES, SEED = 100_000, 1_000, 8
# Queries and results of each.
SIZES = [(7_000, 1_000), (100_000, 100)]
QUICK_SIZES = [(3_000, 1_000)]
QUICK_PEERS = ["pytrec_eval"]
REPETITIONS, EVALUATIONS, QUICK_SEARCHES = 5, 3, 3


class Process:
    """One of our examples, which holds the data and answers one JSON line for a line."""

    def __init__(self, example: str, *arguments):
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / f"release/examples/{example}"
        self.process = subprocess.Popen([program, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> dict:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Searches:
    """A process that holds the vectors and answers searches."""

    def __init__(self, folder: Path, documents: np.ndarray, queries: np.ndarray):
        files = [folder / "documents.f32", folder / "queries.f32"]
        documents.tofile(files[0])
        queries.tofile(files[1])
        self.results = folder / "results.u32"
        self.process = Process("timed_search", documents.shape[1], *files, self.results)
        self.close = self.process.close

    def search(self, k: int) -> tuple[float, np.ndarray]:
        seconds = self.process.ask(f"search {k}")["seconds"]
        return seconds, np.fromfile(self.results, np.uint32).reshape(-1, k)


def compare_searches(ours: Searches, index, queries: np.ndarray, k: int, repetitions: int) -> None:
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


def topk(data: Path, quick: bool, repetitions: int) -> None:
    try:
        import faiss
    except ImportError as error:
        return left_out("faiss", error)
    for dim in (384, 768):
        path = data / f"{DOCUMENTS + QUERIES}x{dim}-{SEED}.npy"
        if not path.exists():
            np.save(path, mixture(DOCUMENTS + QUERIES, dim, SEED))
        rows = np.load(path)
        documents, queries = rows[:DOCUMENTS], rows[DOCUMENTS:]
        index = faiss.IndexFlatIP(dim)
        index.add(documents)
        ours = Searches(data, documents, queries)
        for k in (100,) if quick else (10, 100, 1000):
            compare_searches(ours, index, queries, k, repetitions)
        ours.close()


def evaluations(results: Results, peers: dict[str, dict], repetitions: int | None) -> None:
    """Those of every kind and peer, with that many repetitions after a warm one, or one cold one of the peer."""
    results.write()
    ours = Process("timed_eval", results.run_file, results.qrels_file)
    for kind, of_kind in peers.items():
        for name, setup in of_kind.items():
            try:
                work = setup(results)
            except Exception as error:  # a library without its own libraries raises what it likes
                left_out(name, error)
                continue
            for how in work.how:
                case = f"{kind} {results.queries}x{results.depth}" + (f", {how}" if kind == "eval" else "")
                compare_evaluations(case, ours, how, name, work, repetitions)
            del work
    ours.close()


def compare_evaluations(case: str, ours: Process, how: str, name: str, work: Work, repetitions: int | None) -> None:
    question = f"{how} {','.join(work.measures)}"
    means = ours.ask(question)["means"]
    if repetitions:
        work.means()
    seconds = {key: [] for key in ["ours", "ours_cpu", "peer", "peer_cpu"]}
    for _ in range(repetitions or 1):
        begin = ours.cpu_seconds()
        seconds["ours"].append(ours.ask(question)["seconds"])
        seconds["ours_cpu"].append(ours.cpu_seconds() - begin)
        # Of this process and its children, of which ours has not ended.
        begin, cpu = time.perf_counter(), sum(os.times()[:4])
        expected = work.means()
        seconds["peer"].append(time.perf_counter() - begin)
        seconds["peer_cpu"].append(sum(os.times()[:4]) - cpu)
    difference = max(abs(mean - other) for mean, other in zip(means, expected, strict=True))
    if not difference <= work.tolerance:
        sys.exit(f"{case}: {name} has {expected} for {work.measures}, ours {means}")
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    line = {
        "case": case, "ours_s": round(medians["ours"], 4), "ours_cpu_s": round(medians["ours_cpu"], 2), "peer": name,
        "peer_s": round(medians["peer"], 4), "peer_cpu_s": round(medians["peer_cpu"], 2),
        "ratio": round(medians["peer"] / medians["ours"], 2), "difference": float(f"{difference:.1e}"),
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="k = 100, 3,000 queries and the fastest peers only, each evaluation once")
    parser.add_argument("--data", type=Path, default=ROOT / "target/peers", help="where vectors and runs are kept")
    parser.add_argument("--cases", nargs="+", choices=["topk", "eval", "files"], default=["topk", "eval", "files"])
    parser.add_argument("--peers", nargs="+", choices=EVAL, help="of `eval` and `files`; default: all, or with --quick the fastest")
    parser.add_argument("--trec-eval", type=Path, metavar="PATH", help="its program, or the folder of its C sources; for `files`")
    parser.add_argument("--repetitions", type=int, help=f"default: {REPETITIONS}, of `eval` and `files` {EVALUATIONS}")
    args = parser.parse_args()
    command = ["cargo", "build", "--release", "-q", "-p", "retrieval-eval", "--example", "timed_search", "--example", "timed_eval"]
    subprocess.run(command, cwd=ROOT, check=True)
    args.data.mkdir(parents=True, exist_ok=True)
    if "topk" in args.cases:
        topk(args.data, args.quick, args.repetitions or (QUICK_SEARCHES if args.quick else REPETITIONS))
    wanted = args.peers or (QUICK_PEERS if args.quick else EVAL)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: FILES[name] for name in wanted if name in FILES}
        if args.trec_eval:
            files = {} if args.quick and not args.peers else files
            files["trec_eval"] = files_trec_eval(built_trec_eval(args.trec_eval, Path(folder)))
        peers = {"eval": {name: EVAL[name] for name in wanted}, "files": files}
        peers = {kind: of_kind for kind, of_kind in peers.items() if kind in args.cases}
        for queries, depth in (QUICK_SIZES if args.quick else SIZES) if peers else []:
            evaluations(Results(queries, depth, args.data), peers, args.repetitions or (None if args.quick else EVALUATIONS))


if __name__ == "__main__":
    main()
