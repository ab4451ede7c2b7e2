"""Writes crates/retrieval-eval/tests/golden/statistics.json: SciPy's t-tests and statsmodels' Holm correction.

Few and many queries, differences far from and near to zero, tiny p-values; families with ties, and of one.

    pip install scipy==1.16.3 statsmodels==0.14.5
    python tools/golden/retrieval_eval_statistics.py
"""

import json
import random
from pathlib import Path

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

# Queries, mean difference, spread of the differences.
PAIRS = [(2, 0.1, 0.1), (3, -0.2, 0.3), (10, 0.0, 0.2), (50, 0.05, 0.1), (50, -0.3, 0.01), (400, 0.01, 0.2)]


def paired(rng, queries, shift, spread):
    # Few digits, so that the file is small and reads back as it was.
    baseline = [round(rng.random(), 4) for _ in range(queries)]
    treatment = [round(value + rng.gauss(shift, spread), 4) for value in baseline]
    test = stats.ttest_rel(treatment, baseline)
    differences = np.subtract(treatment, baseline)
    return {
        "baseline": baseline,
        "treatment": treatment,
        "t": test.statistic,
        "degrees_of_freedom": int(test.df),
        "p": test.pvalue,
        "cohens_d": float(differences.mean() / differences.std(ddof=1)),
    }


def family(p_values):
    return {"raw": p_values, "holm": multipletests(p_values, method="holm")[1].tolist()}


def main():
    rng = random.Random(0)
    families = [[0.04], [0.01, 0.04, 0.03, 0.005], [0.02, 0.02, 0.02], [1.0, 0.0, 0.5, 1e-12], [0.9, 0.8, 0.7]]
    families.append([round(rng.random() ** 4, 6) for _ in range(20)])
    golden = {
        "source": "scipy 1.16.3, statsmodels 0.14.5",
        "pairs": [paired(rng, *settings) for settings in PAIRS],
        "families": [family(p_values) for p_values in families],
    }
    path = Path(__file__).parents[2] / "crates/retrieval-eval/tests/golden/statistics.json"
    path.write_text(json.dumps(golden, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
