"""A training step: ours and its peers in turn, from the same weights, on the same pairs and threads, f32; one JSON line a case and peer.

    pip install -r benches/peers/requirements.txt
    python benches/peers/train.py           # all cases; --quick: smaller, fewer steps, the fastest peer, under a minute once built

A step embeds a batch of pairs (queries of 16 tokens, passages of 96), takes InfoNCE of each query among the batch's passages at the
temperature 0.05, backpropagates, clips the gradient of all parameters together to norm 1, and is AdamW's, with decay on every tensor; no
dropout. `static` averages rows of a table of 30,522 tokens, `BERT` tokens of that vocabulary behind layers x columns; both scale to norm 1.
`chunked` never holds the tape of the whole batch (GradCache): peers go by 32 texts, ours by its own budget of tokens.

- `ours_s` and `peer_s`: medians of repetitions in each of which ours takes a step and every peer after it, all warm, each in a process of its
  own. `ratio` is peer_s / ours_s.
- `ours_peak_mb` and `peer_peak_mb`: the largest resident size of that process during its steps, the peer's with Python and PyTorch.
- `difference`: the largest of the losses of any step, relative to ours. The script fails where it is more than 0.001, where the norms of a
  gradient before clipping differ by more than 0.01 of it, or where the models have not as many parameters.

`torch` is transformers' BertModel with sdpa (or EmbeddingBag), one matrix of scores and `cross_entropy`, AdamW `fused`, which is faster than
`foreach` and than neither. `sentence-transformers` is its CachedMultipleNegativesRankingLoss over the same model, by 32 texts, in the same
loop. A peer that cannot be imported, or that fails on a case, is named on stderr and left out.

Every process, ours `timed_train CASE.json FOLDER` as well as each peer's, answers a line on stdin with one JSON line on stdout, until stdin
ends; all else that it has to say goes to stderr. CASE.json is an object (paths are absolute):

- `model`: `{"kind": "static", "vocab_size", "dim", "std"}`, fresh rows being normal with deviation `std`; or `{"kind": "bert"}` with the keys
  of a Hugging Face `config.json`: `vocab_size`, `hidden_size`, `num_hidden_layers`, `num_attention_heads`, `intermediate_size`,
  `max_position_embeddings`; the others are BERT's defaults. `seed`: of the fresh weights.
- `queries`, `passages`: .npy files of token ids, u32, `[pairs, query_tokens]` and `[pairs, passage_tokens]` (these three sizes are keys too),
  whole texts: nothing is added to or cut from them. All texts are distinct. `batch`: pairs of a step; step n, counted from 0, takes the pairs
  from n * batch on, modulo all pairs.
- `chunked`: whether the batch is backpropagated in chunks. `temperature`, `clip_norm`, `learning_rate`, which is constant, `beta1`, `beta2`,
  `epsilon`, `weight_decay`.

The questions, `model` first:

- `model`: ours has drawn its weights and writes them as a sentence-transformers folder to FOLDER/model (BERT: `config.json` and
  `model.safetensors` there; static: `embedding.weight` in `0_StaticEmbedding/model.safetensors`), peers read them there. The answer is
  `{"parameters": 11720448}`, how many numbers are trained.
- `step`: the next step. The answer is `{"seconds": 0.25, "loss": 5.5, "norm": 0.7}`: from token ids in memory to the new weights; the loss
  in nats before them; the L2 norm of the gradient of all parameters before clipping.
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
from eval import Process
from importing import left_out
from kmeans import ROOT

VOCABULARY, QUERY_TOKENS, PASSAGE_TOKENS = 30_522, 16, 96
# Tokens that a passage has of its query, so that there is something to learn.
SHARED = 8
# Batches until the first comes again.
BATCHES = 4
SETTINGS = {
    "temperature": 0.05, "clip_norm": 1.0, "learning_rate": 1e-4, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01,
    "seed": 7, "query_tokens": QUERY_TOKENS, "passage_tokens": PASSAGE_TOKENS,
}  # fmt: skip
TEXTS_AT_A_TIME = 32
# Seconds before each step.
PAUSE = 0.5
# Steps before the first that counts.
WARM = 1
REPETITIONS, QUICK_REPETITIONS = 5, 2
TOLERANCE, NORM_TOLERANCE = 1e-3, 1e-2


def bert(layers: int, columns: int, heads: int) -> dict:
    return {
        "kind": "bert", "vocab_size": VOCABULARY, "hidden_size": columns, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": 4 * columns, "max_position_embeddings": 512,
    }  # fmt: skip


MODELS = {
    "static 384": {"kind": "static", "vocab_size": VOCABULARY, "dim": 384, "std": 0.1},
    "BERT 2 x 128": bert(2, 128, 2),
    "BERT 2 x 384": bert(2, 384, 12),
    "BERT 6 x 384": bert(6, 384, 12),
}
# Model, pairs of a batch, and whether it is chunked.
FULL = [("static 384", 4096, False), ("BERT 2 x 128", 256, False), ("BERT 6 x 384", 32, False), ("BERT 2 x 384", 256, True)]
QUICK = [("static 384", 4096, False), ("BERT 2 x 128", 256, False), ("BERT 2 x 384", 64, True)]
QUICK_PEERS = ["torch"]
# Those of many pairs; a static model it refuses.
SENTENCE_TRANSFORMERS = ["BERT 2 x 128", "BERT 2 x 384"]


def write_case(folder: Path, model: dict, batch: int, chunked: bool) -> Path:
    """Its file: made-up texts, frequent tokens and rare ones, passages with the first tokens of their queries."""
    rng = np.random.default_rng(SETTINGS["seed"])
    # Not the token 0, padding to BertModel, which keeps its row from being trained.
    weights = rng.permutation(1 / (np.arange(VOCABULARY - 1) + 20.0))
    cumulated = np.cumsum(weights / weights.sum())
    drawn = lambda tokens: (1 + np.searchsorted(cumulated[:-1], rng.random((BATCHES * batch, tokens)))).astype(np.uint32)  # noqa: E731
    queries, passages = drawn(QUERY_TOKENS), drawn(PASSAGE_TOKENS)
    passages[:, :SHARED] = queries[:, :SHARED]
    case = {"model": model, "batch": batch, "chunked": chunked, **SETTINGS, "pairs": BATCHES * batch}
    for side, ids in [("queries", queries), ("passages", passages)]:
        case[side] = str(folder / f"{side}.npy")
        np.save(case[side], ids)
    path = folder / "case.json"
    path.write_text(json.dumps(case))
    return path


# What follows is of a peer's process, which alone imports peers.


def read_model(case: dict, folder: Path):
    """The model that ours wrote, and what makes unit vectors of rows of token ids by it."""
    import torch
    from torch.nn.functional import normalize

    if case["model"]["kind"] == "static":
        from safetensors.torch import load_file

        table = load_file(folder / "0_StaticEmbedding/model.safetensors")["embedding.weight"]
        model = torch.nn.EmbeddingBag.from_pretrained(table, freeze=False, mode="mean")
        return model, lambda ids: normalize(model(ids))
    from transformers import AutoModel

    model, loading = AutoModel.from_pretrained(
        folder, add_pooling_layer=False, attn_implementation="sdpa", output_loading_info=True
    )
    if loading["missing_keys"]:
        sys.exit(f"{folder} lacks {', '.join(loading['missing_keys'])}")
    # Without dropout.
    model.eval()
    return model, lambda ids: normalize(model(input_ids=ids).last_hidden_state.mean(1))


# Each function gives what leaves the gradients of queries' and passages' token ids in the model, and returns the loss.


def torch_loss(case: dict, model, embed):
    import torch
    from torch.nn.functional import cross_entropy

    def of_vectors(queries, passages):
        value = cross_entropy(queries @ passages.T / case["temperature"], torch.arange(len(queries)))
        value.backward()
        return value.item()

    def whole(*sides):
        return of_vectors(*map(embed, sides))

    def chunked(*sides):
        chunks = [ids.split(TEXTS_AT_A_TIME) for ids in sides]
        with torch.no_grad():
            vectors = [torch.cat([embed(ids) for ids in side]) for side in chunks]
        leaves = [each.requires_grad_() for each in vectors]
        value = of_vectors(*leaves)
        for side, leaf in zip(chunks, leaves):
            for ids, gradient in zip(side, leaf.grad.split(TEXTS_AT_A_TIME)):
                embed(ids).backward(gradient)
        return value

    return chunked if case["chunked"] else whole


def sentence_transformers_loss(case: dict, model, embed):
    import torch
    from sentence_transformers.losses import CachedMultipleNegativesRankingLoss

    class Encoder(torch.nn.Sequential):
        """As much of a SentenceTransformer as the loss asks for."""

        def forward(self, features):
            return {"sentence_embedding": embed(features["input_ids"])}

    cached = CachedMultipleNegativesRankingLoss(Encoder(model), scale=1 / case["temperature"], mini_batch_size=TEXTS_AT_A_TIME)

    def loss(*sides):
        value = cached([{"input_ids": ids} for ids in sides], None)
        value.backward()
        return value.item()

    return loss


PEERS = {"torch": torch_loss, "sentence-transformers": sentence_transformers_loss}


def answer(name: str, case: dict, folder: Path) -> None:
    """The peer's side of what the head of this file says."""
    import torch

    torch.set_num_threads(os.cpu_count())
    model = step = None
    for line in sys.stdin:
        if line == "model\n":
            model, embed = read_model(case, folder / "model")
            step = steps(case, model, PEERS[name](case, model, embed))
            result = {"parameters": sum(each.numel() for each in model.parameters())}
        else:
            result = next(step)
        print(json.dumps(result), flush=True)


def steps(case: dict, model, loss):
    """What each step answers."""
    import torch

    sides = [torch.from_numpy(np.load(case[side]).astype(np.int64)).split(case["batch"]) for side in ("queries", "passages")]
    parameters = list(model.parameters())
    betas = case["beta1"], case["beta2"]
    optimizer = torch.optim.AdamW(parameters, case["learning_rate"], betas, case["epsilon"], case["weight_decay"], fused=True)
    batches = list(zip(*sides))
    while True:
        for batch in batches:
            begin = time.perf_counter()
            optimizer.zero_grad()
            value = loss(*batch)
            norm = torch.nn.utils.clip_grad_norm_(parameters, case["clip_norm"])
            optimizer.step()
            yield {"seconds": time.perf_counter() - begin, "loss": value, "norm": norm.item()}


class Peer(Process):
    """This file as a process that answers for a peer."""

    def __init__(self, name: str, *arguments):
        command = [sys.executable, __file__, "--answer", name, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def begin_peak(process: Process) -> None:
    """Linux begins to count the process's largest resident size anew."""
    Path(f"/proc/{process.process.pid}/clear_refs").write_text("5")


def peak_mb(process: Process) -> float:
    lines = Path(f"/proc/{process.process.pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) * 1024 / 1e6, 1)


class Turns:
    """Ours and the peers of a case, each asked in turn; a peer that fails is asked no more."""

    def __init__(self, case: str, names: list[str], *arguments):
        self.case, self.processes = case, {"ours": Process("timed_train", *arguments)}
        self.processes.update({name: Peer(name, *arguments) for name in names})

    def ask(self, line: str, pause: float) -> dict[str, dict]:
        answers = {}
        for name in list(self.processes):
            # PyTorch's threads go on spinning for a while after each of its steps.
            time.sleep(pause)
            try:
                answers[name] = self.processes[name].ask(line)
            except (OSError, ValueError) as error:
                if name == "ours":
                    raise
                left_out(f"{name} on {self.case}", error)
                self.processes.pop(name).close()
        return answers

    def models(self) -> None:
        """Ours first: the peers read what it writes."""
        answers = self.ask("model", 0)
        for name, answer in answers.items():
            if answer["parameters"] != answers["ours"]["parameters"]:
                sys.exit(f"{self.case}: {name} has {answer['parameters']} parameters, ours {answers['ours']['parameters']}")
            begin_peak(self.processes[name])

    def step(self) -> dict[str, dict]:
        answers = self.ask("step", PAUSE)
        for name, answer in answers.items():
            answer["difference"] = self.difference(name, "loss", answer, answers["ours"], TOLERANCE)
            self.difference(name, "norm", answer, answers["ours"], NORM_TOLERANCE)
        return answers

    def difference(self, name: str, key: str, answer: dict, ours: dict, tolerance: float) -> float:
        """Relative to ours."""
        difference = abs(answer[key] - ours[key]) / abs(ours[key])
        if not difference <= tolerance:
            sys.exit(f"{self.case}: {name} has the {key} {answer[key]}, ours is {ours[key]}")
        return difference

    def close(self) -> None:
        for process in self.processes.values():
            process.close()


def compare(turns: Turns, repetitions: int) -> None:
    turns.models()
    rounds = [turns.step() for _ in range(WARM + repetitions)]
    median = lambda name: statistics.median(answers[name]["seconds"] for answers in rounds[WARM:])  # noqa: E731
    ours_s, ours_peak_mb = median("ours"), peak_mb(turns.processes["ours"])
    for name, process in turns.processes.items():
        if name == "ours":
            continue
        peer_s, difference = median(name), max(answers[name]["difference"] for answers in rounds)
        line = {
            "case": turns.case, "ours_s": round(ours_s, 4), "peer": name, "peer_s": round(peer_s, 4), "ratio": round(peer_s / ours_s, 2),
            "ours_peak_mb": ours_peak_mb, "peer_peak_mb": peak_mb(process), "difference": float(f"{difference:.1e}"),
            "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller case of chunks and no deep one, fewer steps, the fastest peer")
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="default: all, or with --quick the fastest")
    parser.add_argument("--only", metavar="TEXT", default="", help="the cases whose name has it, such as 'static' or 'chunked'")
    parser.add_argument("--repetitions", type=int, help=f"default: {REPETITIONS}, with --quick {QUICK_REPETITIONS}")
    parser.add_argument("--answer", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        name, case, folder = args.answer
        return answer(name, json.loads(Path(case).read_text()), Path(folder))
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "pretrain", "--example", "timed_train"], cwd=ROOT, check=True)
    for model, batch, chunked in QUICK if args.quick else FULL:
        case = f"{model}, batch {batch}" + (", chunked" if chunked else "")
        able = [name for name in PEERS if name == "torch" or model in SENTENCE_TRANSFORMERS]
        names = [name for name in args.peers or (QUICK_PEERS if args.quick else PEERS) if name in able]
        if args.only not in case or not names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            turns = Turns(case, names, write_case(Path(folder), MODELS[model], batch, chunked), folder)
            compare(turns, args.repetitions or (QUICK_REPETITIONS if args.quick else REPETITIONS))
            turns.close()


if __name__ == "__main__":
    main()
