"""Spherical k-means: ours and its peers in turn, on the same rows, threads and precision; one JSON line a case and peer.

    pip install -r benches/peers/requirements.txt
    python benches/peers/kmeans.py            # all cases; --quick: the small ones, under a minute once built

Cases named by shape time an iteration of plain Lloyd: the difference of a longer and a shorter fit, so that set-up and the final
labels cancel. Cases named `fit` time 25 whole iterations, ours with exact pruning. `ratio` is peer_s / ours_s, medians of
the repetitions. FAISS and scikit-learn start from our centroids; SuperKMeans takes none.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import time
from pathlib import Path

# An inherited setting, such as Haswell, halves FAISS and NumPy on a processor with AVX-512.
os.environ.pop("OPENBLAS_CORETYPE", None)
if "avx512f" in Path("/proc/cpuinfo").read_text():
    os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"

import faiss  # noqa: E402
import numpy as np  # noqa: E402
import superkmeans  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearnex.cluster import KMeans as IntelKMeans  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FULL = [(500_000, 768, 10, 7), (100_000, 384, 100, 8), (1_000_000, 128, 1024, 9), (500_000, 768, 1000, 7)]
QUICK = [(100_000, 768, 10, 7), (100_000, 384, 100, 8), (200_000, 128, 1024, 9)]
SHORT, LONG, WHOLE = 1, 4, 25


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


def by_faiss(rows, start):
    def fit(iterations):
        kmeans = faiss.Kmeans(rows.shape[1], len(start), niter=iterations, spherical=True, max_points_per_centroid=len(rows))
        kmeans.train(rows, init_centroids=start)
        return kmeans.centroids

    return fit


def by_sklearn(kind):
    def peer(rows, start):
        return lambda n: kind(len(start), init=start, n_init=1, max_iter=n, tol=0, algorithm="lloyd").fit(rows).cluster_centers_

    return peer


def by_superkmeans(rows, start):
    def fit(iterations):
        kmeans = superkmeans.SuperKMeans(
            len(start), rows.shape[1], hierarchical=False, iters=iterations, sampling_fraction=1.0,
            max_points_per_cluster=len(rows), early_termination=False, angular=True, n_threads=os.cpu_count(),
        )  # fmt: skip
        return np.asarray(kmeans.train(rows))

    return fit


PEERS = {
    "faiss": by_faiss,
    "scikit-learn": by_sklearn(KMeans),
    "scikit-learn-intelex": by_sklearn(IntelKMeans),
    "superkmeans": by_superkmeans,
}


def timed(fit, iterations):
    begin = time.perf_counter()
    result = fit(iterations)
    return time.perf_counter() - begin, result


def compare(case: str, rows, ours: Ours, name: str, peer, whole: bool, repetitions: int) -> None:
    lengths = [WHOLE] if whole else [SHORT, LONG]
    seconds = {"ours": [], "peer": []}
    ours.fit(SHORT), peer(SHORT)
    for _ in range(repetitions):
        ours_all = [ours.fit(length) for length in lengths]
        peer_all = [timed(peer, length) for length in lengths]
        for side, times in (("ours", ours_all), ("peer", peer_all)):
            times = [seconds for seconds, _ in times]
            seconds[side].append(times[0] if whole else (times[1] - times[0]) / (LONG - SHORT))
    ours_s, peer_s = statistics.median(seconds["ours"]), statistics.median(seconds["peer"])
    answer = ours_all[-1][1]
    line = {
        "case": case, "ours_s": round(ours_s, 5), "peer": name, "peer_s": round(peer_s, 5), "ratio": round(peer_s / ours_s, 2),
        "ours_objective": round(answer["objective"], 6), "peer_objective": round(mean_cosine(rows, peer_all[-1][1]), 6),
        "ours_iterations": answer["iterations"], "ours_peak_mb": answer["peak_mb"],
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, default=ROOT / "target/peers", help="where the rows are kept")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    args = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "kmeans", "--example", "timed_fit"], cwd=ROOT, check=True)
    args.data.mkdir(parents=True, exist_ok=True)
    for n, dim, clusters, seed in QUICK if args.quick else FULL:
        path, start_path = args.data / f"{n}x{dim}-{seed}.npy", args.data / "start.npy"
        if not path.exists():
            np.save(path, mixture(n, dim, seed))
        rows = np.load(path)
        start = rows[np.random.default_rng(seed).permutation(n)[:clusters]].copy()
        np.save(start_path, start)
        shape = f"{n // 1000}k x {dim}, k = {clusters}"
        # The quick run keeps to plain iterations.
        for whole in [False] if args.quick else [False, True]:
            ours = Ours(path, start_path, "pruned" if whole else "plain")
            for name in args.peers:
                peer = PEERS[name](rows, start)
                compare(f"fit {shape}" if whole else shape, rows, ours, name, peer, whole, 3)
            ours.process.stdin.close()
            ours.process.wait()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"case": "this process", "peak_mb": peak}))


if __name__ == "__main__":
    main()
