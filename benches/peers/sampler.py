"""Batches of one cluster each: a whole epoch of ours and of its peers in turn, one thread each; one JSON line a case and peer.

    pip install -r benches/peers/requirements.txt
    python benches/peers/sampler.py            # --quick: under a minute once built

A case is that many pairs in batches of 4,096. The pairs' clusters have sizes as k-means makes them, in proportion to (rank + 20)^-0.8:
100 clusters of 2,761 to 11,499 pairs for 500k, 1,000 of 1,795 to 41,659 for 5M, scattered over the pairs. In cases named `unique` there
are no clusters, but passages, half as many as pairs, of which no batch is to have one twice.

`peer_s` and `ours_s` are seconds of a whole epoch in a warm process, medians of repetitions in each of which ours is measured once and
every peer after it; `ratio` is peer_s / ours_s. `peer_setup_s` and `ours_setup_s` are what comes before the first epoch, measured
once. Ours (leftovers `Mix`) and `numpy` draw every pair once, in batches of one cluster but for leftovers. `torch` knows no clusters.
`group-by-label` goes through the clusters one after another, not shuffled within, and drops the last pair of an odd one. `no-duplicates` and
ours (`UniqueBy`, its compilation included) defer pairs to later batches; ours leaves a few at the end unplaced, where `no-duplicates` goes on with
short batches. A peer that cannot be imported, or that takes longer than `--limit` for its
set-up or an epoch, is named on stderr and left out.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
from importing import imported, left_out  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
# Pairs and clusters; and the peers of each.
CASES = {"500k": (500_000, 100), "5M": (5_000_000, 1_000), "100k unique": (100_000, 1), "500k unique": (500_000, 1), "5M unique": (5_000_000, 1)}
QUICK = ["500k", "5M", "100k unique"]
UNIQUE_PEERS = ["no-duplicates"]
BATCH = 4096
REPETITIONS = 5


def skewed(pairs: int, clusters: int, seed: int) -> np.ndarray:
    """The cluster of each pair."""
    rng = np.random.default_rng(seed)
    weights = (np.arange(clusters) + 20.0) ** -0.8
    ends = np.round(np.cumsum(weights) / weights.sum() * pairs).astype(np.int64)
    names = rng.permutation(clusters).astype(np.uint32)
    return rng.permutation(np.repeat(names, np.diff(ends, prepend=0)))


class Ours:
    """A process that holds the sampler and answers epochs."""

    def __init__(self, labels: np.ndarray, keys: np.ndarray | None, folder: Path):
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/examples/timed_sampler"
        command, paths, pipe = [program], [], subprocess.PIPE
        for name, numbers in [("labels", labels)] + ([("keys", keys)] if keys is not None else []):
            paths.append(folder / f"{name}.u32")
            numbers.tofile(paths[-1])
        command = [program, str(BATCH), *paths]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.setup = self.answer()["seconds"]
        for path in paths:
            path.unlink()

    def answer(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def epoch(self, number: int) -> tuple[float, int]:
        self.process.stdin.write(f"epoch {number}\n")
        self.process.stdin.flush()
        answer = self.answer()
        return answer["seconds"], answer["indices"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


# Each function imports its peer, and gives what sets it up for labels and keys: a function from the epoch's number to its batches.


def torch():
    import torch
    from torch.utils.data import BatchSampler, RandomSampler

    torch.set_num_threads(1)

    def setup(labels, _):
        generator = torch.Generator()
        sampler = BatchSampler(RandomSampler(range(len(labels)), generator=generator), BATCH, drop_last=False)

        def epoch(number):
            generator.manual_seed(number)
            return sampler

        return epoch

    return setup


def by_numpy():
    def setup(labels, _):
        order = np.argsort(labels, kind="stable").astype(np.uint32)
        ends = np.cumsum(np.bincount(labels))
        clusters = np.split(order, ends[:-1])

        def epoch(number):
            rng = np.random.default_rng(number)
            batches, left = [], []
            for cluster in clusters:
                cluster = rng.permutation(cluster)
                whole = len(cluster) // BATCH * BATCH
                batches += [cluster[at : at + BATCH] for at in range(0, whole, BATCH)]
                left.append(cluster[whole:])
            left = rng.permutation(np.concatenate(left))
            whole = len(left) // BATCH * BATCH
            batches += [left[at : at + BATCH] for at in range(0, whole, BATCH)]
            rng.shuffle(batches)
            return batches + ([left[whole:]] if whole < len(left) else [])

        return epoch

    return setup


def group_by_label():
    import torch
    from datasets import Dataset
    from sentence_transformers.sampler import GroupByLabelBatchSampler

    def setup(labels, _):
        generator = torch.Generator()
        data = Dataset.from_dict({"label": labels})
        sampler = GroupByLabelBatchSampler(
            data, BATCH, drop_last=False, valid_label_columns=["label"], generator=generator, seed=0
        )

        def epoch(number):
            sampler.set_epoch(number)
            return sampler

        return epoch

    return setup


def no_duplicates():
    import torch
    from datasets import Dataset
    from sentence_transformers.sampler import NoDuplicatesBatchSampler

    def setup(_, keys):
        data = Dataset.from_dict({"passage": [f"p{key}" for key in keys]})
        sampler = NoDuplicatesBatchSampler(data, BATCH, drop_last=False, generator=torch.Generator(), seed=0)

        def epoch(number):
            sampler.set_epoch(number)
            return sampler

        return epoch

    return setup


PEERS = {"torch": torch, "numpy": by_numpy, "group-by-label": group_by_label, "no-duplicates": no_duplicates}


@contextmanager
def within(seconds: int, what: str):
    """Raises where what is done takes longer."""

    def too_long(*_):
        raise TimeoutError(f"{what} took more than {seconds} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def timed(epoch, number: int) -> tuple[float, int]:
    """Seconds of an epoch, and how many indices its batches have."""
    begin = time.perf_counter()
    indices = sum(len(batch) for batch in epoch(number))
    return time.perf_counter() - begin, indices


def warm(case: str, peers: dict, labels: np.ndarray, keys: np.ndarray | None, limit: int) -> dict:
    """Those of the peers that finish within the limit: set-up seconds, and the function of epochs."""
    able = {}
    for name, setup in peers.items():
        try:
            begin = time.perf_counter()
            with within(limit, "set-up"):
                epoch = setup(labels, keys)
            seconds = time.perf_counter() - begin
            with within(limit, "an epoch"):
                _, indices = timed(epoch, 0)
            # The one that drops pairs drops one a cluster at most.
            assert len(labels) - len(np.unique(labels)) <= indices <= len(labels), f"{indices} indices"
            able[name] = seconds, epoch
        except Exception as error:
            left_out(f"{name} on {case}", error)
    return able


def compare(case: str, ours: Ours, peers: dict, pairs: int, repetitions: int) -> None:
    seconds = {name: [] for name in ["ours", *peers]}
    for number in range(1, repetitions + 1):
        taken, indices = ours.epoch(number)
        assert 0.999 * pairs <= indices <= pairs, f"{indices} indices of {pairs} pairs"
        seconds["ours"].append(taken)
        for name, (_, epoch) in peers.items():
            seconds[name].append(timed(epoch, number)[0])
    ours_s = statistics.median(seconds["ours"])
    for name, (setup, _) in peers.items():
        peer_s = statistics.median(seconds[name])
        line = {
            "case": case, "ours_s": round(ours_s, 5), "ours_setup_s": round(ours.setup, 4), "peer": name,
            "peer_s": round(peer_s, 5), "peer_setup_s": round(setup, 4), "ratio": round(peer_s / ours_s, 2),
            "ours_millions_per_s": round(pairs / ours_s / 1e6, 1), "peer_millions_per_s": round(pairs / peer_s / 1e6, 2),
            "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three repetitions, small cases, and a limit of 12 seconds")
    parser.add_argument("--data", type=Path, default=ROOT / "target/peers", help="where the labels pass through")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--cases", nargs="+", choices=CASES, help="default: all; with --quick, " + ", ".join(QUICK))
    parser.add_argument("--limit", type=int, help="most seconds of a set-up and of an epoch; default: 120")
    parser.add_argument("--repetitions", type=int)
    args = parser.parse_args()
    command = ["cargo", "build", "--release", "-q", "-p", "stratified-sampler", "--example", "timed_sampler"]
    subprocess.run(command, cwd=ROOT, check=True)
    args.data.mkdir(parents=True, exist_ok=True)
    repetitions = args.repetitions or (3 if args.quick else REPETITIONS)
    limit = args.limit or (12 if args.quick else 120)
    peers = imported(PEERS, args.peers)
    for case in args.cases or (QUICK if args.quick else CASES):
        pairs, clusters = CASES[case]
        labels = skewed(pairs, clusters, seed=7)
        unique = case.endswith("unique")
        keys = np.random.default_rng(7).integers(0, pairs // 2, pairs, dtype=np.uint32) if unique else None
        of_case = {name: setup for name, setup in peers.items() if (name in UNIQUE_PEERS) == unique}
        if args.quick and case == "5M":
            of_case.pop("group-by-label", None)
        able = warm(case, of_case, labels, keys, limit)
        ours = Ours(labels, keys, args.data)
        ours.epoch(0)
        compare(case, ours, able, pairs, repetitions)
        ours.close()


if __name__ == "__main__":
    main()
