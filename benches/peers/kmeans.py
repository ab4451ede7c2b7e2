"""Spherical k-means: ours and its peers in turn, on the same rows, threads and precision; one JSON line a case and peer.

    pip install -r benches/peers/requirements.txt
    python benches/peers/kmeans.py            # all cases; --quick: small ones, under a minute once built and the rows made
    python benches/peers/kmeans.py --vectors X.npy Y.npy --k 10 100 1000    # given files of unit rows, f32

Cases named by shape time an iteration of plain Lloyd: the difference of a longer and a shorter fit, each the median of its
repetitions, so that set-up and the final labels cancel. Cases named `fit` time 25 whole iterations, ours with exact pruning (it ends
where no label changes). In each of three repetitions ours is measured once and every peer after it; `ratio` is peer_s / ours_s.
FAISS and scikit-learn start from our centroids; SuperKMeans and fastkmeans take none, so that one fit's objective differs from ours by
luck: `--starts N` (16 with `--vectors`) compares the means over as many starts of each. scikit-learn and fastkmeans are Euclidean: the same
work an iteration. A peer that cannot be imported, or that refuses a case, is named on stderr and left out. `--quick` runs the
fastest peers of each case, and the shorter fit once.
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
from importing import imported, left_out  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FULL = [(500_000, 768, 10, 7), (100_000, 384, 100, 8), (1_000_000, 128, 1024, 9), (500_000, 768, 1000, 7)]
QUICK = [(100_000, 768, 10, 7), (100_000, 384, 100, 8), (200_000, 128, 1024, 9)]
QUICK_PEERS = {
    10: ["faiss", "scikit-learn", "scikit-learn-intelex"],
    100: ["faiss", "scikit-learn", "superkmeans"],
    1024: ["faiss", "superkmeans"],
}
# Multiplications of an iteration from which on set-ups vary by less than it takes.
HEAVY = 10**10
SHORT, WHOLE = 1, 25
REPETITIONS = 3
WITHOUT_START = ["superkmeans", "fastkmeans"]


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


def random_rows(rows: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    return rows[np.random.default_rng(seed).permutation(len(rows))[:clusters]].copy()


class Ours:
    """A process that holds the rows and answers fits."""

    def __init__(self, rows: Path, start: Path, mode: str):
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/examples/timed_fit"
        self.mode, pipe = mode, subprocess.PIPE
        self.process = subprocess.Popen([program, rows, start], stdin=pipe, stdout=pipe, text=True)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

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
        # It would copy the rows in each fit, which takes as long as iterations; so it has a copy that it may change.
        rows = rows.copy()

        def fit(iterations):
            kmeans = kind(
                len(start), init=start, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd", copy_x=False,
            )  # fmt: skip
            return kmeans.fit(rows).cluster_centers_

        return fit

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
        def fit(iterations, seed=42):
            kmeans = SuperKMeans(
                len(start), rows.shape[1], hierarchical=False, iters=iterations, sampling_fraction=1.0,
                max_points_per_cluster=len(rows), early_termination=False, angular=True, n_threads=os.cpu_count(), seed=seed,
            )  # fmt: skip
            return np.asarray(kmeans.train(rows))

        return fit

    return peer


def fastkmeans():
    import torch
    from fastkmeans import FastKMeans

    torch.set_num_threads(os.cpu_count())

    def peer(rows, start):
        def fit(iterations, seed=0):
            kmeans = FastKMeans(
                rows.shape[1], len(start), niter=iterations, tol=-1.0, gpu=False, device="cpu", dtype=torch.float32,
                max_points_per_centroid=None, use_triton=False, seed=seed,
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


def timed(fit, iterations):
    begin = time.perf_counter()
    result = fit(iterations)
    return time.perf_counter() - begin, result


def warm(case: str, fits: dict, known: set) -> dict:
    """Those of the peers that fit the case; known ones have run before, and are not tried again."""
    able = {}
    for name, fit in fits.items():
        try:
            if name not in known:
                fit(SHORT)
            able[name] = fit
        except Exception as error:
            left_out(f"{name} on {case}", error)
    return able


def compare(case: str, rows, ours: Ours, peers: dict, repetitions: list[list[int]], objectives) -> None:
    """Repetitions of ours and then each peer: fits of the lengths given for each, whole ones or those whose difference is taken."""
    seconds, results = {name: {} for name in ["ours", *peers]}, {}
    for lengths in repetitions:
        for name, of_lengths in seconds.items():
            for length in lengths:
                taken, results[name] = ours.fit(length) if name == "ours" else timed(peers[name], length)
                of_lengths.setdefault(length, []).append(taken)

    def per_unit(name):
        (first, shortest), *longer = sorted((length, statistics.median(taken)) for length, taken in seconds[name].items())
        return (longer[0][1] - shortest) / (longer[0][0] - first) if longer else shortest

    ours_s, answer = per_unit("ours"), results["ours"]
    means = objectives({name: peers[name] for name in WITHOUT_START if name in peers}, repetitions[0][-1])
    for name in peers:
        ours_objective, peer_objective = answer["objective"], mean_cosine(rows, results[name])
        if name in means:
            ours_objective, peer_objective = means["ours"], means[name]
        peer_s = per_unit(name)
        # On rows too few to be timed a difference may be below 0.
        ratio = round(peer_s / ours_s, 2) if min(ours_s, peer_s) > 0 else None
        line = {
            "case": case, "ours_s": round(ours_s, 5), "peer": name, "peer_s": round(peer_s, 5), "ratio": ratio,
            "ours_objective": round(ours_objective, 6), "peer_objective": round(peer_objective, 6),
            "ours_iterations": answer["iterations"], "ours_peak_mb": answer["peak_mb"],
            "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        print(json.dumps(line), flush=True)


def plain(work: int, repetitions: int, quick: bool) -> list[list[int]]:
    """The shorter and the longer fit of each repetition: with little work in an iteration, set-ups vary by more than a few take."""
    light, heavy = (6, 2) if quick else (9, 4)
    longer = light if work < HEAVY else heavy
    return [[SHORT, longer] if number == 0 or not quick else [longer] for number in range(repetitions)]


def mean_objectives(rows, path: Path, clusters: int, mode: str, peers: dict, length: int, starts: int) -> dict:
    """Of ours and of the peers that take no start, over starts of their own."""
    start_path = path.with_name(f"{path.stem}-start.npy")
    objectives = {name: [] for name in ["ours", *peers]}
    for seed in range(starts):
        np.save(start_path, random_rows(rows, clusters, seed))
        ours = Ours(path, start_path, mode)
        objectives["ours"].append(ours.fit(length)[1]["objective"])
        ours.close()
        for name, fit in peers.items():
            objectives[name].append(mean_cosine(rows, fit(length, seed)))
    start_path.unlink()
    return {name: statistics.mean(values) for name, values in objectives.items()}


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
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="default: all, or with --quick the fastest")
    parser.add_argument("--vectors", nargs="+", type=Path, metavar="X.npy", help="files of unit rows, f32, in place of the mixtures")
    parser.add_argument("--k", nargs="+", type=int, default=[10, 100, 1000], help="clusters, with --vectors")
    parser.add_argument("--only", metavar="TEXT", default="", help="the cases whose shape ends so, such as 'k = 10'")
    parser.add_argument("--plain", action="store_true", help="plain iterations only")
    parser.add_argument("--whole", action="store_true", help="whole fits only")
    parser.add_argument("--starts", type=int, metavar="N", help="starts of each, for objectives against peers that take none")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    args = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "kmeans", "--example", "timed_fit"], cwd=ROOT, check=True)
    args.data.mkdir(parents=True, exist_ok=True)
    peers = imported(PEERS, args.peers or [name for name in PEERS if not args.quick or name != "fastkmeans"])
    starts = args.starts or (16 if args.vectors else 1)
    known = set()
    cases = given(args.vectors, args.k) if args.vectors else mixtures(args.data, args.quick)
    for case, path, clusters, seed in cases:
        if not case.endswith(args.only):
            continue
        rows, start_path = np.load(path), args.data / "start.npy"
        start = random_rows(rows, clusters, seed)
        np.save(start_path, start)
        wanted = args.peers or (QUICK_PEERS.get(clusters, PEERS) if args.quick else PEERS)
        fits = {name: peer(rows, start) for name, peer in peers.items() if name in wanted}
        by_iterations = plain(rows.size * clusters, args.repetitions, args.quick)
        modes = [("plain", by_iterations), ("pruned", [[WHOLE]] * args.repetitions)]
        for mode, repetitions in modes[args.whole : 1 if args.quick or args.plain else 2]:
            ours = Ours(path, start_path, mode)
            name = case if mode == "plain" else f"fit {case}"
            ours.fit(SHORT)
            fits = warm(name, fits, known)
            known |= fits.keys() if args.quick else set()

            def objectives(peers, length):
                wanted = starts > 1 and peers
                return mean_objectives(rows, path, clusters, mode, peers, length, starts) if wanted else {}

            compare(name, rows, ours, fits, repetitions, objectives)
            ours.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"case": "this process", "peak_mb": peak}))


if __name__ == "__main__":
    main()
