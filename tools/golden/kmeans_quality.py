"""Writes crates/kmeans/tests/golden/quality.json: silhouettes, NMI and purity by scikit-learn.

Pinned: Python 3.11, scikit-learn==1.9.1, numpy==2.2.6
Run in the repository root:
pip install scikit-learn==1.9.1 numpy==2.2.6 && python tools/golden/kmeans_quality.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import normalized_mutual_info_score, silhouette_samples
from sklearn.metrics.cluster import contingency_matrix

OUT = Path(__file__).resolve().parents[2] / "crates" / "kmeans" / "tests" / "golden" / "quality.json"


def mean_cosine(rows: np.ndarray, pairs: np.ndarray) -> float:
    return float((rows @ rows.T)[pairs].mean())


def case(name: str, seed: int, n: int, clusters: int, noise: float, mistakes: float) -> dict:
    """Labels that follow the directions of the rows except in a part `mistakes`; topics likewise, drawn apart."""
    rng = np.random.Generator(np.random.PCG64(seed))
    centres = rng.standard_normal((clusters, 6))
    directions = np.concatenate([np.arange(clusters), rng.integers(clusters, size=n - clusters)])
    rows = centres[directions] / np.linalg.norm(centres[directions], axis=1, keepdims=True)
    rows = rows + noise * rng.standard_normal(rows.shape)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def mistaken() -> np.ndarray:
        # The first rows keep their directions: no cluster is empty.
        wrong = (rng.random(n) < mistakes) & (np.arange(n) >= clusters)
        return np.where(wrong, rng.integers(clusters, size=n), directions)

    labels, topics = mistaken(), mistaken() + 40
    # One row alone.
    labels[labels == clusters - 1] = 0
    labels[clusters - 1] = clusters - 1
    wide = rows.astype(np.float64)
    same = labels[:, None] == labels[None, :]
    parts = np.bincount(labels, minlength=clusters) / n
    entropy = float(-(parts * np.log(parts)).sum())
    return {
        "name": name,
        "clusters": clusters,
        "rows": rows.tolist(),
        "labels": labels.tolist(),
        "topics": topics.tolist(),
        "silhouettes": silhouette_samples(wide, labels, metric="cosine").tolist(),
        "within": mean_cosine(wide, same & ~np.eye(n, dtype=bool)),
        "between": mean_cosine(wide, ~same),
        "entropy": entropy,
        "normalised_entropy": entropy / float(np.log(clusters)),
        "normalised_mutual_information": float(normalized_mutual_info_score(topics, labels)),
        "purity": float(contingency_matrix(topics, labels).max(axis=0).sum() / n),
    }


def rounded(value, digits: int = 9):
    """Nine digits hold an f32 exactly; what scikit-learn computed keeps all of its own."""
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def main() -> None:
    cases = [
        case("four clusters, few mistakes", seed=1, n=60, clusters=4, noise=0.15, mistakes=0.1),
        case("nine clusters, many mistakes", seed=2, n=80, clusters=9, noise=0.4, mistakes=0.5),
    ]
    cases = [entry | {"rows": rounded(entry["rows"])} for entry in cases]
    versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"versions": versions, "cases": cases}, separators=(",", ":")) + "\n")
    for entry in cases:
        print({key: value for key, value in entry.items() if not isinstance(value, list)})


if __name__ == "__main__":
    main()
