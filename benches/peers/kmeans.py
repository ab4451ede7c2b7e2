"""Spherical k-means: ours and its peers in turn, on the same rows, threads and precision; one JSON line a case and peer.

    pip install -r benches/peers/requirements.txt
    python benches/peers/kmeans.py            # all cases; --quick: small ones, about a minute once built and the rows made
    python benches/peers/kmeans.py --vectors X.npy Y.npy --k 10 100 1000    # given files of unit rows, f32

Cases named by shape time an iteration of plain Lloyd: the difference of a longer and a shorter fit, so that set-up and the final
labels cancel. Cases named `fit` time 25 whole iterations, ours with exact pruning (it ends where no label changes). In each of three
repetitions ours is measured once and every peer after it; `ratio` is peer_s / ours_s, medians of the repetitions. FAISS and
scikit-learn start from our centroids; SuperKMeans and fastkmeans take none. scikit-learn and fastkmeans are Euclidean: the same
work an iteration. A peer that cannot be imported, or that refuses a case, is named on stderr and left out.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

# An inherited setting, such as Haswell, halves FAISS and NumPy on a processor with AVX-512.
os.environ.pop("OPENBLAS_CORETYPE", None)
if "avx512f" in Path("/proc/cpuinfo").read_text():
    os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FULL = [(500_000, 768, 10, 7), (100_000, 384, 100, 8), (1_000_000, 128, 1024, 9), (500_000, 768, 1000, 7)]
QUICK = [(100_000, 768, 10, 7), (100_000, 384, 100, 8), (200_000, 128, 1024, 9)]
SHORT, WHOLE = 1, 25
REPETITIONS = 3


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def mixture(n: int, dim: int, seed: int) -> np.ndarray:
    """Unit rows of 32 topics of 32 subtopics each: Zipf weights, a shared mean, anisotropic noise."""
    rng = np.random.default_rng(seed)
    normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)  # noqa: E731
    topics = unit(0.5 * unit(normal(dim)) + unit(normal(32, dim)))
    modes = unit(topics[:, None] + 0.9 * unit(normal(32, 32, dim))).reshape(1024, dim)
    weights = rng.permutation(1 / (np.arange(1024) + 20.0) ** 0.8)
    scale = (1.0 + np.arange(dim, dtype=np.float32)) ** -0.3
    scale /= np.linalg.norm(scale)
    rows = np.empty((n, dim), np.float32)
    for first in range(0, n, 50_000):
        part = rows[first : first + 50_000]
        mode = rng.choice(1024, size=len(part), p=weights / weights.sum())
        noise = rng.uniform(0.7, 1.4, size=(len(part), 1)).astype(np.float32)
        part[:] = unit(modes[mode] + noise * normal(len(part), dim) * scale)
    return rows


def mean_cosine(rows: np.ndarray, centroids: np.ndarray) -> float:
    centroids = np.ascontiguousarray(unit(centroids), dtype=np.float32)
    total = sum(float((rows[at : at + 20_000] @ centroids.T).max(1).sum()) for at in range(0, len(rows), 20_000))
    return total / len(rows)


class Ours:
    """A process that holds the rows and answers fits."""

    def __init__(self, rows: Path, start: Path, mode: str):
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/examples/timed_fit"
        self.mode, pipe = mode, subprocess.PIPE
        self.process = subprocess.Popen([program, rows, start], stdin=pipe, stdout=pipe, text=True)

    def fit(self, iterations: int) -> tuple[float, dict]:
        self.process.stdin.write(f"{iterations} {self.mode}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["seconds"], answer


# Each function imports its peer, and gives what makes a fit of rows and starting centroids: iterations in, centroids out.


def faiss():
    import faiss

    def peer(rows, start):
        def fit(iterations):
            kmeans = faiss.Kmeans(
                rows.shape[1], len(start), niter=iterations, spherical=True, max_points_per_centroid=len(rows),
                min_points_per_centroid=1,
            )  # fmt: skip
            kmeans.train(rows, init_centroids=start)
            return kmeans.centroids

        return fit

    return peer


def by_sklearn(kind):
    def peer(rows, start):
        return lambda n: kind(len(start), init=start, n_init=1, max_iter=n, tol=0, algorithm="lloyd").fit(rows).cluster_centers_

    return peer


def scikit_learn():
    from sklearn.cluster import KMeans

    return by_sklearn(KMeans)


def scikit_learn_intelex():
    from sklearnex.cluster import KMeans

    return by_sklearn(KMeans)


def superkmeans():
    from superkmeans import SuperKMeans

    def peer(rows, start):
        def fit(iterations):
            kmeans = SuperKMeans(
                len(start), rows.shape[1], hierarchical=False, iters=iterations, sampling_fraction=1.0,
                max_points_per_cluster=len(rows), early_termination=False, angular=True, n_threads=os.cpu_count(),
            )  # fmt: skip
            return np.asarray(kmeans.train(rows))

        return fit

    return peer


def fastkmeans():
    import torch
    from fastkmeans import FastKMeans

    torch.set_num_threads(os.cpu_count())

    def peer(rows, start):
        def fit(iterations):
            kmeans = FastKMeans(
                rows.shape[1], len(start), niter=iterations, tol=-1.0, gpu=False, device="cpu", dtype=torch.float32,
                max_points_per_centroid=None, use_triton=False,
            )  # fmt: skip
            kmeans.train(rows)
            return np.asarray(kmeans.centroids)

        return fit

    return peer


PEERS = {
    "faiss": faiss,
    "scikit-learn": scikit_learn,
    "scikit-learn-intelex": scikit_learn_intelex,
    "superkmeans": superkmeans,
    "fastkmeans": fastkmeans,
}


def left_out(name: str, error: Exception) -> None:
    print(f"{name} is left out: {error!r}", file=sys.stderr, flush=True)


def imported(names: list[str]) -> dict:
    peers = {}
    for name in names:
        try:
            peers[name] = PEERS[name]()
        except Exception as error:  # a library without its own libraries raises what it likes
            left_out(name, error)
    return peers


def timed(fit, iterations):
    begin = time.perf_counter()
    result = fit(iterations)
    return time.perf_counter() - begin, result


def warm(case: str, fits: dict) -> dict:
    """Those of the peers that fit the case."""
    able = {}
    for name, fit in fits.items():
        try:
            fit(SHORT)
            able[name] = fit
        except Exception as error:
            left_out(f"{name} on {case}", error)
    return able


def compare(case: str, rows, ours: Ours, peers: dict, lengths: list[int], repetitions: int) -> None:
    """Repetitions of ours and then each peer: fits of all `lengths`, a whole one or the two whose difference is taken."""
    ours.fit(SHORT)
    peers = warm(case, peers)
    seconds, results = {name: [] for name in ["ours", *peers]}, {}
    for _ in range(repetitions):
        for name in seconds:
            runs = [ours.fit(length) if name == "ours" else timed(peers[name], length) for length in lengths]
            (first, _), (last, results[name]) = runs[0], runs[-1]
            seconds[name].append(last if len(lengths) == 1 else (last - first) / (lengths[1] - lengths[0]))
    ours_s, answer = statistics.median(seconds["ours"]), results["ours"]
    for name in peers:
        peer_s = statistics.median(seconds[name])
        # On rows too few to be timed a difference may be below 0.
        ratio = round(peer_s / ours_s, 2) if min(ours_s, peer_s) > 0 else None
        line = {
            "case": case, "ours_s": round(ours_s, 5), "peer": name, "peer_s": round(peer_s, 5), "ratio": ratio,
            "ours_objective": round(answer["objective"], 6), "peer_objective": round(mean_cosine(rows, results[name]), 6),
            "ours_iterations": answer["iterations"], "ours_peak_mb": answer["peak_mb"],
            "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        print(json.dumps(line), flush=True)


def longer(work: int, quick: bool) -> int:
    """Iterations of the longer fit: with little work in one, set-ups vary by more than a few of them take."""
    light, heavy = (5, 2) if quick else (9, 4)
    return light if work < 10**10 else heavy


def mixtures(data: Path, quick: bool):
    """Name, file, clusters and seed of each case."""
    for n, dim, clusters, seed in QUICK if quick else FULL:
        path = data / f"{n}x{dim}-{seed}.npy"
        if not path.exists():
            np.save(path, mixture(n, dim, seed))
        yield f"{n // 1000}k x {dim}, k = {clusters}", path, clusters, seed


def given(paths: list[Path], counts: list[int]):
    for path in paths:
        rows = np.load(path, mmap_mode="r")
        if rows.ndim != 2 or rows.dtype != np.float32 or abs(np.linalg.norm(rows[:1000], axis=1) - 1).max() > 1e-3:
            sys.exit(f"{path}: {rows.dtype} of shape {rows.shape}, expected unit rows of f32")
        for clusters in counts:
            yield f"{path.stem} {len(rows)} x {rows.shape[1]}, k = {clusters}", path, clusters, 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small cases, plain iterations only")
    parser.add_argument("--data", type=Path, default=ROOT / "target/peers", help="where the rows are kept")
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="default: all; with --quick, all but fastkmeans")
    parser.add_argument("--vectors", nargs="+", type=Path, metavar="X.npy", help="files of unit rows, f32, in place of the mixtures")
    parser.add_argument("--k", nargs="+", type=int, default=[10, 100, 1000], help="clusters, with --vectors")
    parser.add_argument("--only", metavar="TEXT", default="", help="the cases whose shape ends so, such as 'k = 10'")
    parser.add_argument("--plain", action="store_true", help="plain iterations only")
    parser.add_argument("--whole", action="store_true", help="whole fits only")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    args = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "kmeans", "--example", "timed_fit"], cwd=ROOT, check=True)
    args.data.mkdir(parents=True, exist_ok=True)
    peers = imported(args.peers or [name for name in PEERS if not (args.quick and name == "fastkmeans")])
    cases = given(args.vectors, args.k) if args.vectors else mixtures(args.data, args.quick)
    for case, path, clusters, seed in cases:
        if not case.endswith(args.only):
            continue
        rows, start_path = np.load(path), args.data / "start.npy"
        start = rows[np.random.default_rng(seed).permutation(len(rows))[:clusters]].copy()
        np.save(start_path, start)
        fits = {name: peer(rows, start) for name, peer in peers.items()}
        plain = [SHORT, longer(rows.size * clusters, args.quick)]
        modes = [("plain", plain), ("pruned", [WHOLE])][args.whole : 1 if args.quick or args.plain else 2]
        for mode, lengths in modes:
            ours = Ours(path, start_path, mode)
            compare(case if mode == "plain" else f"fit {case}", rows, ours, fits, lengths, args.repetitions)
            ours.process.stdin.close()
            ours.process.wait()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"case": "this process", "peak_mb": peak}))


if __name__ == "__main__":
    main()
