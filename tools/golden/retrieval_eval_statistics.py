"""Writes crates/retrieval-eval/tests/golden/statistics.json: SciPy's t-tests, statsmodels' Holm correction and analysis of
variance, and the power of the test over queries and seeds.

Few and many queries, differences far from and near to zero, tiny p-values; families with ties, and of one. Variances are
estimated twice, from the mean squares of a two-way table and by restricted maximum likelihood, which agree where no estimate
is 0. Power is integrated from SciPy's noncentral F, and counted among simulated experiments, each tested by its own table.

    pip install scipy==1.16.3 statsmodels==0.14.5
    python tools/golden/retrieval_eval_statistics.py
"""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import integrate, stats
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests

# Queries, mean difference, spread of the differences.
PAIRS = [(2, 0.1, 0.1), (3, -0.2, 0.3), (10, 0.0, 0.2), (50, 0.05, 0.1), (50, -0.3, 0.01), (400, 0.01, 0.2)]

# Queries, seeds, deviations of the effects of a query, of a seed, of both.
TABLES = [(2, 2, 1, 1, 1), (12, 4, 0.2, 0.1, 0.05), (30, 3, 0.3, 0.15, 0.1), (25, 5, 0.0, 0.0, 0.2), (60, 2, 0.2, 0.0, 0.3)]
# Variances of a query, of a seed, of both; difference, queries, seeds, level.
DESIGNS = [
    (0.09, 0.0004, 0.01, 0.1, 80, 3, 0.05),
    (0.09, 0.01, 0.04, 0.1, 80, 10, 0.05),
    (0.09, 0.0, 0.04, -0.06, 80, 3, 0.05),
    (0.0, 0.001, 0.25, 0.06, 80, 4, 0.05),
    (0.04, 0.04, 0.04, 0.5, 12, 2, 0.05),
    (0.04, 0.0, 0.04, 0.3, 12, 2, 0.01),
    (0.04, 0.0001, 0.04, 0.15, 50, 2, 0.05),
    (0.01, 0.0001, 0.01, 0.0, 40, 5, 0.1),
    (0.02, 0.00001, 0.01, 0.01, 2000, 4, 0.05),
]
SIMULATIONS = 40_000


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


def table(rng, queries, seeds, of_query, of_seed, both):
    query = [rng.gauss(0, of_query) for _ in range(queries)]
    seed = [rng.gauss(0, of_seed) for _ in range(seeds)]
    rows = [[round(0.05 + q + s + rng.gauss(0, both), 4) for q in query] for s in seed]
    long = [(value, q, s) for s, row in enumerate(rows) for q, value in enumerate(row)]
    frame = pd.DataFrame(long, columns=["value", "query", "seed"])
    squares = anova_lm(smf.ols("value ~ C(query) + C(seed)", frame).fit())["mean_sq"]
    golden = {
        "rows": rows,
        "mean_squares": {"query": squares["C(query)"], "seed": squares["C(seed)"], "residual": squares["Residual"]},
    }
    if of_seed >= 0.1 and queries > 2:
        effects = {"query": "0 + C(query)", "seed": "0 + C(seed)"}
        model = smf.mixedlm("value ~ 1", frame, groups=np.ones(len(frame)), vc_formula=effects).fit(reml=True)
        golden["reml"] = dict(zip(model.model.exog_vc.names, model.vcomp.tolist())) | {"residual": float(model.scale)}
    return golden


def power(query, seed, residual, difference, queries, seeds, alpha):
    shared = residual / (queries * seeds)
    a, b, m, n = query / queries + shared, seed / seeds + shared, queries - 1, seeds - 1
    variance = a + b - shared

    def rejects(u):
        share = stats.beta.ppf(u, n / 2, m / 2)
        parts = a * (1 - share) / m, b * share / n
        df = sum(parts) ** 2 / (parts[0] ** 2 / m + parts[1] ** 2 / n)
        critical = stats.t.isf(alpha / 2, df) ** 2 * (m + n) * sum(parts) / variance
        # The square of a noncentral t, whose own distribution SciPy loses where it is nearly certain.
        central = stats.f.sf(critical, 1, m + n)
        return stats.ncf.sf(critical, 1, m + n, difference**2 / variance) if difference else central

    return {
        "components": {"query": query, "seed": seed, "residual": residual},
        "difference": difference,
        "queries": queries,
        "seeds": seeds,
        "alpha": alpha,
        "integrated": float(integrate.quad(rejects, 0, 1, epsabs=1e-7, limit=200)[0]),
        "simulated": simulated(query, seed, residual, difference, queries, seeds, alpha),
    }


def simulated(query, seed, residual, difference, queries, seeds, alpha):
    rng, found, done = np.random.default_rng(0), 0, 0
    while done < SIMULATIONS:
        size = min(2_000, SIMULATIONS - done)
        values = np.sqrt(query) * rng.standard_normal((size, queries, 1))
        values = values + np.sqrt(seed) * rng.standard_normal((size, 1, seeds)) + difference
        values = values + np.sqrt(residual) * rng.standard_normal((size, queries, seeds))
        a, b = values.mean(2).var(1, ddof=1) / queries, values.mean(1).var(1, ddof=1) / seeds
        df = (a + b) ** 2 / (a**2 / (queries - 1) + b**2 / (seeds - 1))
        found += int((2 * stats.t.sf(abs(values.mean((1, 2))) / np.sqrt(a + b), df) <= alpha).sum())
        done += size
    return found / SIMULATIONS


def main():
    rng = random.Random(0)
    families = [[0.04], [0.01, 0.04, 0.03, 0.005], [0.02, 0.02, 0.02], [1.0, 0.0, 0.5, 1e-12], [0.9, 0.8, 0.7]]
    families.append([round(rng.random() ** 4, 6) for _ in range(20)])
    golden = {
        "source": "scipy 1.16.3, statsmodels 0.14.5",
        "pairs": [paired(rng, *settings) for settings in PAIRS],
        "families": [family(p_values) for p_values in families],
        "tables": [table(rng, *settings) for settings in TABLES],
        "designs": [power(*settings) for settings in DESIGNS],
    }
    path = Path(__file__).parents[2] / "crates/retrieval-eval/tests/golden/statistics.json"
    path.write_text(json.dumps(golden, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
