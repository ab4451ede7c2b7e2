"""Writes crates/kmeans/tests/golden/faiss.json: spherical k-means by FAISS from given centroids.

Pinned: Python 3.11, faiss-cpu==1.15.1, numpy==2.2.6
Run in the repository root: pip install faiss-cpu==1.15.1 numpy==2.2.6 && python tools/golden/kmeans.py
"""

import json
from pathlib import Path

import faiss
import numpy as np

OUT = Path(__file__).resolve().parents[2] / "crates" / "kmeans" / "tests" / "golden" / "faiss.json"


def unit_rows(rng: np.random.Generator, modes: int, n: int, dim: int) -> np.ndarray:
    """`n` unit rows around `modes` directions, with enough noise that labels keep changing for several iterations."""
    centres = rng.standard_normal((modes, dim))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[rng.integers(modes, size=n)] + 0.35 * rng.standard_normal((n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def case(name: str, seed: int, clusters: int, iterations: int) -> dict:
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = unit_rows(rng, modes=7, n=300, dim=8)
    start = rows[rng.permutation(len(rows))[:clusters]]
    kmeans = faiss.Kmeans(rows.shape[1], clusters, niter=iterations, spherical=True, max_points_per_centroid=len(rows))
    kmeans.train(rows, init_centroids=start)
    # A split draws from FAISS's own generator: such a case could not be compared.
    assert all(stats["nsplit"] == 0 for stats in kmeans.iteration_stats), name
    cosines, labels = kmeans.index.search(rows, 1)
    return {
        "name": name,
        "iterations": iterations,
        "rows": rows.tolist(),
        "start": start.tolist(),
        "objectives": [float(obj) / len(rows) for obj in kmeans.obj],
        "centroids": kmeans.centroids.tolist(),
        "labels": labels[:, 0].tolist(),
        "objective": float(cosines.astype(np.float64).mean()),
    }


def rounded(value):
    """Nine digits hold an f32 exactly."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def main() -> None:
    faiss.omp_set_num_threads(1)
    cases = [
        case("five clusters, cut after four iterations", seed=1, clusters=5, iterations=4),
        case("twelve clusters", seed=2, clusters=12, iterations=12),
    ]
    cases = [{key: rounded(value) for key, value in entry.items()} for entry in cases]
    versions = {"faiss-cpu": faiss.__version__, "numpy": np.__version__}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"versions": versions, "cases": cases}, separators=(",", ":")) + "\n")
    for entry in cases:
        print(entry["name"], entry["objectives"], entry["objective"])


if __name__ == "__main__":
    main()
