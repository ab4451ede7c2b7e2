"""The static student of a finished run, trained once more in plain PyTorch: the same work, so that a poor figure shows where it comes from.

    pip install -r benches/peers/requirements.txt
    cargo run --release --example quickstart
    python benches/peers/static_student.py runs/quickstart            # --arms fine-groups --seeds 0 1: those alone

For each arm and seed: the run's own data, split, vocabulary and batches (`pretrain plan`), learning rates (those of `metrics.jsonl`), loss and
AdamW; only the initial table is PyTorch's own draw, of the same deviation and weights, since no generator of burn's is in PyTorch. Takes
runs over doc comments, which keep their data, with a student from scratch. One JSON line an arm and seed:

- `ours` and `peer`: nDCG@10 on the test queries, ours as the run recorded it. `ours_by_peer` is our exported table, judged here: where
  it is not `ours`, the evaluations differ; where only `peer` differs, the trainings do. The script fails if it is off by more than 0.0005.
- `ours_loss` and `peer_loss`: means over the last epoch. `ours_s` and `peer_s`: seconds of training; `threads` are the peer's.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy, embedding_bag, normalize

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 5e-4


class Texts:
    """Token ids of many texts, without padding."""

    def __init__(self, tokenizer: Tokenizer, texts: list[str], limit: int):
        encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
        self.rows = [torch.tensor(text.ids[:limit], dtype=torch.int64) for text in encoded]

    def embed(self, table: torch.Tensor, rows) -> torch.Tensor:
        """Unit vectors of the texts `rows`: the mean of their tokens; of a text without tokens, as ours, the constant one."""
        tokens = [self.rows[row] for row in rows]
        lengths = torch.tensor([len(text) for text in tokens])
        offsets = torch.cumsum(lengths, 0) - lengths
        units = normalize(embedding_bag(torch.cat(tokens), table, offsets, mode="mean"), dim=1)
        constant = torch.full_like(units, table.shape[1] ** -0.5)
        return torch.where((lengths == 0)[:, None], constant, units)


@dataclass
class Member:
    """An arm with a seed: its settings, and the files that the run left."""

    arm: str
    seed: int
    config: dict
    folder: Path
    plans: list[tuple[np.ndarray, int]]

    def steps(self) -> list[dict]:
        lines = map(json.loads, (self.folder / "metrics.jsonl").read_text().splitlines())
        return [line for line in lines if "learning_rate" in line]

    def batches(self):
        for pairs, size in self.plans:
            for start in range(0, len(pairs), size):
                yield pairs[start : start + size]


class Run:
    """A finished run: data, vocabulary, arms."""

    def __init__(self, folder: Path, pretrain: list[str]):
        self.folder, self.pretrain = folder, pretrain
        self.config = tomllib.loads((folder / "config.toml").read_text())
        data = folder / "dataset.json"
        if not data.exists():
            sys.exit(f"{data} is missing: only runs over doc comments keep their data")
        self.data = json.loads(data.read_text())
        self.train = np.array([[pair["query"], pair["passage"]] for pair in self.data["train"]])

    def arms(self) -> dict[str, dict]:
        """The settings of each arm, by its name in files."""
        arms = {}
        for arm in self.config["run"]["arms"] or [self.config["cluster"]["of"]]:
            arm = {"name": arm} if isinstance(arm, str) else arm
            merged = {key: {**section, **arm.get(key, {})} for key, section in self.config.items() if isinstance(section, dict)}
            arms[arm["name"].replace(" ", "-")] = merged
        return arms

    def member(self, arm: str, seed: int, config: dict) -> Member:
        plans = []
        for epoch in range(config["train"]["epochs"]):
            command = [*self.pretrain, "plan", str(self.folder), "--arm", arm, "--seed", str(seed), "--epoch", str(epoch)]
            plan, report = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
            plans.append((np.load(plan).astype(np.int64), json.loads(Path(report).read_text())["batch_size"]))
        return Member(arm, seed, config, Path(plan).parent, plans)

    def tokenizer(self, student: dict) -> Tokenizer:
        own = self.folder / f"tokenizer-{student['vocab_size']}.json"
        tokenizer = Tokenizer.from_file(str(own if own.exists() else self.folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def texts(self, tokenizer: Tokenizer, limits: dict) -> tuple[Texts, Texts]:
        sides = [("queries", limits["max_query_tokens"]), ("passages", limits["max_passage_tokens"])]
        return tuple(Texts(tokenizer, [text["text"] for text in self.data[side]], limit) for side, limit in sides)


def inverse_document_frequency(texts: list[torch.Tensor], vocabulary: int) -> torch.Tensor:
    """ln(1 + n / (1 + df)) of each token, scaled to mean 1."""
    frequency = torch.bincount(torch.cat([text.unique() for text in texts]), minlength=vocabulary).double()
    weights = torch.log1p(len(texts) / (1 + frequency))
    return (weights / weights.mean()).float()


def initial(run: Run, member: Member, vocabulary: int, queries: Texts, passages: Texts) -> torch.Tensor:
    student = member.config["student"]
    if student["kind"] != "static" or student.get("from"):
        sys.exit(f"arm {member.arm}: the student is not a static one from scratch")
    generator = torch.Generator().manual_seed(member.seed)
    table = torch.randn(vocabulary, student.get("dim", 768), generator=generator) * student["init_std"]
    if student.get("idf", True):
        sides = [(queries, run.train[:, 0]), (passages, run.train[:, 1])]
        texts = [side.rows[row] for side, rows in sides for row in np.unique(rows)]
        table *= inverse_document_frequency(texts, vocabulary)[:, None]
    return table.requires_grad_()


def info_nce(queries: torch.Tensor, passages: torch.Tensor, ids: torch.Tensor, loss: dict) -> torch.Tensor:
    """In nats, of a batch whose pairs' query and passage numbers are the columns of `ids`."""
    clip = ["query-to-passage", "passage-to-query"]
    symmetric = loss["directions"] == clip and loss["partition"] == "separate"
    more = [key for key in ("guide", "hardness", "learn_temperature") if loss.get(key)]
    if more or not (symmetric or loss["directions"] == clip[:1]):
        sys.exit(f"the loss here has no {', '.join(more) or 'such directions'}")
    scores = queries @ passages.T / loss["temperature"]
    if loss["mask_duplicates"]:
        same = (ids[:, None] == ids[None, :]).any(2).fill_diagonal_(False)
        scores = scores.masked_fill(same, -math.inf)
    own = torch.arange(len(scores))
    forward = cross_entropy(scores, own)
    return (forward + cross_entropy(scores.T, own)) / 2 if symmetric else forward


def trained(run: Run, member: Member, table: torch.Tensor, queries: Texts, passages: Texts) -> tuple[torch.Tensor, list[float]]:
    """The table after the run's steps, and the loss of each."""
    settings, rates = member.config["train"], [step["learning_rate"] for step in member.steps()]
    optimizer = torch.optim.AdamW(
        [table], betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"], weight_decay=settings["weight_decay"]
    )
    losses = []
    for rate, batch in zip(rates, member.batches(), strict=True):
        ids = run.train[batch]
        rows = [np.unique(side, return_inverse=True) for side in ids.T]
        vectors = [texts.embed(table, distinct)[place] for texts, (distinct, place) in zip((queries, passages), rows)]
        loss = info_nce(*vectors, torch.from_numpy(ids), member.config["loss"])
        optimizer.zero_grad()
        loss.backward()
        if settings["clip_norm"] > 0:
            torch.nn.utils.clip_grad_norm_([table], settings["clip_norm"])
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        losses.append(loss.item())
    return table.detach(), losses


@torch.no_grad()
def ndcg_at_10(run: Run, table: torch.Tensor, queries: Texts, passages: Texts) -> float:
    """By exact search; the gain is the grade, as in trec_eval."""
    tests = run.data["test"]
    corpus = passages.embed(table, range(len(run.data["passages"])))
    discounts = 1 / np.log2(np.arange(2, 12))
    values = []
    for start in range(0, len(tests), 512):
        block = tests[start : start + 512]
        scores = queries.embed(table, [test["query"] for test in block]) @ corpus.T
        for row, test in enumerate(block):
            if test.get("own") is not None:
                scores[row, test["own"]] = -math.inf
        for test, found in zip(block, scores.topk(10, dim=1).indices.tolist()):
            grades = dict(test["relevant"])
            ideal = sorted([*grades.values(), *test.get("missing", [])], reverse=True)[:10]
            gained = sum(discounts[rank] * grades.get(passage, 0) for rank, passage in enumerate(found))
            values.append(gained / sum(discounts[: len(ideal)] * ideal))
    return float(np.mean(values))


def compare(run: Run, member: Member) -> None:
    config = member.config
    tokenizer = run.tokenizer(config["student"])
    training, test = (run.texts(tokenizer, config[section]) for section in ["train", "eval"])
    table = initial(run, member, tokenizer.get_vocab_size(), *training)
    begin = time.perf_counter()
    peer, losses = trained(run, member, table, *training)
    seconds = time.perf_counter() - begin
    scores = json.loads((member.folder / "eval.json").read_text())
    ours = scores["means"][scores["measures"].index("nDCG@10")]
    ours_table = load_file(member.folder / "model/0_StaticEmbedding/model.safetensors")["embedding.weight"]
    steps = member.steps()
    last = [step["loss"] for step in steps if step["epoch"] == steps[-1]["epoch"]]
    line = {
        "arm": member.arm, "seed": member.seed, "steps": len(steps), "ours": round(ours, 4),
        "ours_by_peer": round(ndcg_at_10(run, ours_table, *test), 4), "peer": round(ndcg_at_10(run, peer, *test), 4),
        "ours_loss": round(float(np.mean(last)), 4), "peer_loss": round(float(np.mean(losses[-len(last) :])), 4),
        "ours_s": round(sum(step["seconds"] for step in steps), 1), "peer_s": round(seconds, 1), "threads": torch.get_num_threads(),
    }  # fmt: skip
    if config["train"].get("keep", "last") != "last":
        print(f"arm {member.arm}: ours is the best step's, the peer the last's", file=sys.stderr)
    print(json.dumps(line), flush=True)
    if abs(line["ours_by_peer"] - ours) > TOLERANCE:
        sys.exit(f"arm {member.arm}, seed {member.seed}: our table has nDCG@10 {line['ours_by_peer']} here, {ours} in the run")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("--arms", nargs="+", help="by their names in files; default: all")
    parser.add_argument("--seeds", nargs="+", type=int, help="default: all of the run's")
    parser.add_argument("--threads", type=int, help="of PyTorch; default: as many as it takes")
    parser.add_argument("--pretrain", metavar="PROGRAM", help="default: the release build, made first")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    program = args.pretrain
    if program is None:
        subprocess.run(["cargo", "build", "--release", "-q", "-p", "pretrain"], cwd=ROOT, check=True)
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/pretrain"
    run = Run(args.run, [str(program)])
    arms = run.arms()
    for name in args.arms or arms:
        if name not in arms:
            sys.exit(f"no arm {name}; there are {', '.join(arms)}")
        for seed in args.seeds or run.config["run"]["seeds"] or [run.config["train"]["seed"]]:
            compare(run, run.member(name, seed, arms[name]))


if __name__ == "__main__":
    main()
