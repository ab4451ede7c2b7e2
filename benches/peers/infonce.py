"""InfoNCE of one batch with both gradients: ours and its peers in turn, on the same rows and threads, f32; one JSON line a case and peer.

    pip install -r benches/peers/requirements.txt
    python benches/peers/infonce.py           # all cases; --quick: small ones and the fastest peers, under a minute once built

A case is named by pairs and columns; each query has one positive and the other queries' as negatives, at the temperature 0.05. With
`guide`, other rows of as many columns, given as well, mask the negatives that they score at least as high as 0.95 of the positive.
With `prefixes` the loss is the sum of three, on cosines of all columns, of the first third and of the first sixth (Matryoshka).

- `ours_s` and `peer_s`: medians of repetitions in each of which ours is measured once and every peer after it, all warm. `ratio` is
  peer_s / ours_s. `difference` is that of the losses, relative to ours; the script fails if a loss, or the
  first value of a gradient of a repetition, is not the same.
- `ours_extra_mb` and `peer_extra_mb`: the largest resident size during one loss beyond the one just before it and beyond the two
  gradients, each the first of a process of its own, the peer's after a tiny one.
- 65536 pairs are ours alone, once and cold: their matrix of scores by itself is 17 GB. The script fails if `ours_total_mb`, inputs (no
  guide), gradients and extra together, is not below 1024.

`torch` is the matrix of all scores and `cross_entropy`, with GISTEmbed's mask from a second such matrix; with prefixes a matrix for each,
of rows normalised, and one backward pass for all. `sentence-transformers` is its cached losses, from ready embeddings to the gradients
that it would cache, without a model. Without guide it takes 512 rows at a time, on dot products; with prefixes its MatryoshkaLoss goes
around that and normalises. With guide its queries meet passages only, as ours do (`contrast_anchors` and `contrast_positives` are off),
on cosines, whose loss on unit rows is the same and whose gradients are those along the sphere. It then writes out each product of two
columns: it takes as few rows at a time as make 16 MB of them (its default, 32, took three times as long; much of `peer_extra_mb` is freed
pieces that the allocator keeps), is measured once, in its process of its own, and is left out of --quick and from 16384 pairs on.
A peer that cannot be imported, or that fails on a case, is named on stderr and left out.
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
from importing import imported, left_out
from eval import Process
from kmeans import ROOT, unit  # it also sets up the peer's linear algebra, before the peer is imported

# Pairs, columns, and what the loss has besides.
FULL = [(pairs, dim, also) for pairs in (4096, 16_384) for dim in (384, 768) for also in ("", "guide")] + [(4096, 768, "prefixes")]
QUICK = [(4096, 384, ""), (4096, 384, "guide"), (1024, 768, "")]
QUICK_PEERS = {4096: ["torch", "sentence-transformers"], 1024: ["torch"]}
ALONE, LIMIT_MB = (65_536, 128), 1024
TEMPERATURE, MARGIN = 0.05, 0.05
TOPICS = 32
# What the columns are divided by, as in ours.
PARTS = [1, 3, 6]
ROWS_AT_A_TIME, PRODUCTS_AT_A_TIME = 512, 2**22
# Seconds before each of our losses.
PAUSE = 0.5
# Losses before the first that counts, where they are short.
WARM = 4
# The peer whose loss with a guide takes minutes, and the pairs up to which it is measured at all.
SLOW, SMALL = "sentence-transformers", 4096
REPETITIONS, FEWER_REPETITIONS = 5, 3
TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4
FILES = ["queries.npy", "passages.npy"]
GUIDE_FILES = ["guide_queries.npy", "guide_passages.npy"]
WIDTHS_FILE = "widths.json"


def write_case(folder: Path, pairs: int, dim: int, also: str) -> None:
    """Unit rows: passages near their queries, and of the guide both near one of a few topics, so that it masks some of the same topic.

    With them the widths of the prefixes, none where the loss is of the rows as they are.
    """
    rng = np.random.default_rng(pairs + dim)
    normal = lambda n: unit(rng.standard_normal((n, dim), dtype=np.float32))  # noqa: E731
    queries = normal(pairs)
    np.save(folder / FILES[0], queries)
    np.save(folder / FILES[1], unit(0.5 * queries + 0.9 * normal(pairs)))
    topics = normal(TOPICS)[rng.integers(0, TOPICS, pairs)]
    for name in GUIDE_FILES if also == "guide" else []:
        np.save(folder / name, unit(topics + normal(pairs)))
    widths = [dim // part for part in PARTS] if also == "prefixes" else []
    (folder / WIDTHS_FILE).write_text(json.dumps(widths))


# Each function imports its peer, and gives what makes a loss of queries, passages and maybe the guide's, and of the prefixes' widths:
# nothing in, the loss and the gradients (the first of them, where they are in parts) out. A loss has leaves of its own, and so no
# gradients of the last one.


def torch_dense():
    import torch
    from torch.nn.functional import cross_entropy, normalize

    torch.set_num_threads(os.cpu_count())

    def false_negatives(queries, passages):
        scores = queries @ passages.T
        positive = scores.diagonal()[:, None]
        return (scores >= positive - MARGIN * positive.abs()).fill_diagonal_(False)

    def peer(*rows, widths):
        rows, guide = [torch.from_numpy(each) for each in rows[:2]], [torch.from_numpy(each) for each in rows[2:]]
        labels = torch.arange(len(rows[0]))

        def of_cosines(queries, passages):
            return cross_entropy(normalize(queries) @ normalize(passages).T / TEMPERATURE, labels)

        def loss():
            queries, passages = (each.detach().requires_grad_() for each in rows)
            if widths:
                value = sum(of_cosines(queries[:, :width], passages[:, :width]) for width in widths)
            else:
                logits = queries @ passages.T / TEMPERATURE
                if guide:
                    logits = logits.masked_fill(false_negatives(*guide), -torch.inf)
                value = cross_entropy(logits, labels)
            value.backward()
            return value.item(), [queries.grad, passages.grad]

        return loss

    return peer


def sentence_transformers():
    import torch
    from sentence_transformers.losses import CachedGISTEmbedLoss, CachedMultipleNegativesRankingLoss, MatryoshkaLoss
    from sentence_transformers.util import dot_score
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    torch.set_num_threads(os.cpu_count())

    class NoModel(list):
        """As much of a model as the losses look at before they embed."""

        tokenizer, max_seq_length = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({}))), 1

        def get_sentence_embedding_dimension(self) -> None:
            """It is not known, and so no width is checked."""

    model = NoModel([None])

    def peer(*rows, widths):
        parts = [torch.from_numpy(each).split(ROWS_AT_A_TIME) for each in rows]
        guide = [parts[2:]] if len(parts) > 2 else []
        if not guide:
            cached = CachedMultipleNegativesRankingLoss(model, 1 / TEMPERATURE, dot_score, ROWS_AT_A_TIME)
        else:
            cached = CachedGISTEmbedLoss(
                model, model, TEMPERATURE, max(1, PRODUCTS_AT_A_TIME // rows[0].size), margin_strategy="relative", margin=MARGIN,
                contrast_anchors=False, contrast_positives=False,
            )  # fmt: skip
        if widths:
            MatryoshkaLoss(model, cached, widths)  # puts its own calculation into the one that it is given

        def loss():
            leaves = [[part.detach().requires_grad_() for part in of_one] for of_one in parts[:2]]
            value = cached.calculate_loss_and_cache_gradients(leaves, *guide)
            return value.item(), [of_one[0] for of_one in cached.cache]

        return loss

    return peer


PEERS = {"torch": torch_dense, "sentence-transformers": sentence_transformers}


def timed(loss) -> dict:
    """As our process answers."""
    begin = time.perf_counter()
    value, gradients = loss()
    seconds = time.perf_counter() - begin
    largest = [float(gradient[0].abs().max()) for gradient in gradients]
    return {"seconds": seconds, "loss": value, "firsts": [float(each[0, 0]) for each in gradients], "largest": largest}


def loaded(folder: Path) -> list[np.ndarray]:
    return [np.load(folder / name) for name in FILES + GUIDE_FILES if (folder / name).exists()]


def widths_of(folder: Path) -> list[int]:
    return json.loads((folder / WIDTHS_FILE).read_text())


def resident(key: str) -> float:
    """A size of this process in MB, as Linux tells it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024 / 1e6


def first_loss(name: str, folder: Path) -> None:
    """Prints the answer of one loss in this process, and the memory it took at most beside its inputs and gradients."""
    peer, rows, widths = PEERS[name](), loaded(folder), widths_of(folder)
    peer(*(each[:64].copy() for each in rows), widths=widths)()
    loss = peer(*rows, widths=widths)
    # Linux begins to count the largest resident size anew.
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS:")
    answer = timed(loss)
    answer["extra_mb"] = resident("VmHWM:") - before - gradients_mb(rows)
    print(json.dumps(answer))


def in_own_process(name: str, folder: Path) -> dict:
    command = [sys.executable, __file__, "--first-loss", name, folder]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def gradients_mb(rows: list[np.ndarray]) -> float:
    return sum(each.nbytes for each in rows[:2]) / 1e6


class Ours:
    """A process that holds the rows and answers losses."""

    def __init__(self, folder: Path):
        paths = [folder / name for name in FILES + GUIDE_FILES if (folder / name).exists()]
        self.kind = "prefixes" if widths_of(folder) else "tiled" if len(paths) == 2 else "guided"
        self.process = Process("timed_loss", *paths)
        self.close = self.process.close

    def loss(self) -> dict:
        return self.process.ask(self.kind)


def checked(case: str, name: str, ours: dict, peer: dict) -> float:
    """The difference of the losses."""
    difference = abs(ours["loss"] - peer["loss"]) / abs(ours["loss"])
    if not difference <= TOLERANCE:
        sys.exit(f"{case}: {name} has the loss {peer['loss']}, ours is {ours['loss']}")
    return difference


def check_gradients(case: str, name: str, ours: dict, peer: dict) -> None:
    for first, expected, largest in zip(ours["firsts"], peer["firsts"], peer["largest"], strict=True):
        if not abs(first - expected) <= GRADIENT_TOLERANCE * largest:
            sys.exit(f"{case}: {name} has gradients that begin with {peer['firsts']}, ours with {ours['firsts']}")


def compare(case: str, folder: Path, peers: dict, repetitions: int) -> None:
    ours, rows = Ours(folder), loaded(folder)
    guided = len(rows) > 2
    first = ours.loss()
    if guided and not first["masked"] > 0:
        sys.exit(f"{case}: the guide masks nothing")
    firsts, answers = {}, {"ours": []}
    for name, peer in peers.items():
        try:
            firsts[name] = in_own_process(name, folder)
            answers[name] = []
        except subprocess.CalledProcessError as error:
            left_out(f"{name} on {case}", error)
    losses = {name: peers[name](*rows, widths=widths_of(folder)) for name in firsts if not (guided and name == SLOW)}
    for _ in range(WARM if first["seconds"] < 1 else 1):
        ours.loss()
        for loss in losses.values():
            loss()
    for _ in range(repetitions):
        # PyTorch's threads go on spinning for a while after each of its losses; after a rest the first loss of anyone is slow.
        time.sleep(PAUSE)
        ours.loss()
        answers["ours"].append(ours.loss())
        for name, loss in losses.items():
            loss()
            answers[name].append(timed(loss))
            check_gradients(case, name, answers["ours"][-1], answers[name][-1])
    ours.close()
    ours_s = statistics.median(answer["seconds"] for answer in answers["ours"])
    for name, of_own_process in firsts.items():
        measured = answers[name] or [of_own_process]
        peer_s = statistics.median(answer["seconds"] for answer in measured)
        difference = checked(case, name, answers["ours"][-1], measured[-1])
        line = {
            "case": case, "ours_s": round(ours_s, 4), "peer": name, "peer_s": round(peer_s, 4), "ratio": round(peer_s / ours_s, 2),
            "ours_extra_mb": round(first["extra_mb"], 1), "peer_extra_mb": round(of_own_process["extra_mb"], 1),
            "difference": float(f"{difference:.1e}"), "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        print(json.dumps(line), flush=True)


def alone(case: str, folder: Path) -> None:
    ours = Ours(folder)
    answer = ours.loss()
    ours.close()
    total = 2 * gradients_mb(loaded(folder)) + answer["extra_mb"]
    if not total < LIMIT_MB:
        sys.exit(f"{case}: inputs, gradients and extra are {total:.0f} MB")
    line = {
        "case": case, "ours_s": round(answer["seconds"], 3), "ours_extra_mb": round(answer["extra_mb"], 1),
        "ours_total_mb": round(total, 1), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small cases, fewest repetitions, no peers that take minutes")
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="default: all, or with --quick the fastest")
    parser.add_argument("--only", metavar="TEXT", default="", help="the cases whose name ends so, such as 'guide' or 'prefixes'")
    parser.add_argument("--repetitions", type=int, help=f"default: {REPETITIONS}, from 16384 pairs on or with --quick {FEWER_REPETITIONS}")
    parser.add_argument("--first-loss", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.first_loss:
        return first_loss(args.first_loss[0], Path(args.first_loss[1]))
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "infonce", "--example", "timed_loss"], cwd=ROOT, check=True)
    peers = imported(PEERS, args.peers or list(PEERS))
    for pairs, dim, also in QUICK if args.quick else [*FULL, (*ALONE, "")]:
        case = f"{pairs} x {dim}" + (f", {also}" if also else "")
        if not case.endswith(args.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            write_case(Path(folder), pairs, dim, also)
            if (pairs, dim) == ALONE:
                alone(case, Path(folder))
                continue
            wanted = args.peers or (QUICK_PEERS[pairs] if args.quick else PEERS)
            able = {name: peer for name, peer in peers.items() if name in wanted}
            fewer = args.quick or pairs > SMALL
            if fewer and also == "guide" and able.pop(SLOW, None):
                left_out(f"{SLOW} on {case}", TimeoutError("a loss takes minutes"))
            compare(case, Path(folder), able, args.repetitions or (FEWER_REPETITIONS if fewer else REPETITIONS))


if __name__ == "__main__":
    main()
