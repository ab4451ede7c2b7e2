"""Writes crates/retrieval-eval/tests/golden/trec_eval.json: what trec_eval 10.0 prints for a few hand-made queries with everything odd.

Ties, ids whose byte order is not their numeric order, scores that differ only as f64, grades below 0, unjudged results,
results that stop before, at and just after the end of the ideal ranking, a query without relevant documents, without
results, without judgements.

    python tools/golden/trec_eval.py trec_eval/trec_eval    # the program, built from its own repository

Without `-c` this version refuses judgements of queries without results, which those before leave out; so they are taken
away there. Left out: `rbp`, whose scaling of grades above 1 reads unset memory there; `num_rel` under `-c` with `-l 2`, which counts
grades from 1 on whatever the level.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

QRELS = {
    "graded": {"d1": 3, "d2": 0, "d3": 1, "d4": 2, "d5": -1, "d6": 1, "d7": 0, "d8": 2, "d10": 0},
    "ties": {"d1": 1, "d9": 1, "d10": 2, "é": 1, "D1": 0},
    "short": {"a": 2, "b": 1, "c": 1, "d": 0},
    "one more": {"a": 2, "b": 1, "c": 0},
    "two more": {"a": 2, "b": 1, "c": 0, "e": -2},
    "none relevant": {"a": 0, "b": 0},
    "no results": {"a": 1, "b": 2, "c": 3},
}
RUN = {
    "graded": {"x1": 9, "d3": 8, "d2": 7.5, "d5": 7.25, "d1": 7, "x2": 6, "d7": 5, "d8": 4, "d10": 3, "d6": -2, "x3": -3},
    "ties": {"d1": 1, "d10": 1, "d9": 1, "D1": 1, "é": 1, "d2": 2},
    "short": {"b": 0.5, "a": 0.25},
    "one more": {"c": 3, "b": 2, "a": 1},
    "two more": {"c": 3.00000000001, "e": 3, "b": 3.00000000002, "a": 1},
    "none relevant": {"a": 1, "z": 0},
    "no judgements": {"a": 1},
}


def main(program):
    qrels = "".join(f"{q.replace(' ', '_')} 0 {d} {g}\n" for q, row in QRELS.items() for d, g in row.items())
    run = "".join(f"{q.replace(' ', '_')} Q0 {d} 0 {s} hand\n" for q, row in RUN.items() for d, s in row.items())
    missing = "".join(line for line in qrels.splitlines(keepends=True) if line.startswith("no_results"))
    outputs = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "qrels"), Path(folder, "run")]
        files[1].write_text(run)
        for options in ["", "-c", "-l 2", "-c -l 2"]:
            judged = qrels if "-c" in options else qrels.replace(missing, "")
            files[0].write_text(judged)
            command = [program, "-q", *options.split(), "-m", "all_trec", *map(str, files)]
            lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
            outputs[options] = [
                line
                for line in (" ".join(line.split()) for line in lines)
                if line.split()[0] not in ("runid", "relstring", "rbp")
                and (options != "-c -l 2" or not line.startswith("num_rel all"))
            ]
    golden = {"source": "trec_eval 10.0-rc3 in C", "qrels": qrels, "run": run, "outputs": outputs}
    path = Path(__file__).parents[2] / "crates/retrieval-eval/tests/golden/trec_eval.json"
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
