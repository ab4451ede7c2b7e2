"""Texts to unit vectors by all-MiniLM-L6-v2: ours and its peers in turn, on the same texts and threads; one JSON line a case and peer.

    pip install -r benches/peers/requirements.txt
    python benches/peers/embed.py     # all cases, about half an hour; --quick: fewer texts, the fastest peers, under a minute once built
    python benches/peers/embed.py --without-ours --peers openvino candle    # peers alone, against the first of them

The texts are real ones of `../shared/data` (or the folder that PRETRAIN_SHARED names), each as often as it is there:

- `mixed`: 2,000 questions, glosses, claims, first sentences, paragraphs and abstracts of SQuAD, WordNet and SciFact, cut at 256 tokens,
  shuffled: half of them have at most 26 tokens, a tenth 197 or more; 123,000 together.
- `abstracts`: 1,033 abstracts of SciFact cut at 160 tokens, as most are.
- `glosses`: 5,000 of WordNet, of 7 to 100 tokens and about 20, as the first lines of a documentation are.
- `short query`: one question of 12 tokens, by itself; seconds are those of one of many.

A line has:

- `ours_s` and `peer_s`: medians of repetitions in each of which ours embeds the texts and every peer after it, all warm, each in a process
  of its own, from strings in memory to unit vectors in memory: with the tokenizer and with sorting. `ratio` is peer_s / ours_s.
  `ours_cpu_s` and `peer_cpu_s` are the least seconds of all processors together: on a machine that others use as well these vary less.
- `dtype`: the peer's; bf16 and int8 are left out where the processor has no instructions for them, or go by `--dtypes`. `ours` says which of
  ours it is beside: f32 beside f32, else products in 16-bit integers (int16), which is a line of its own as well, as a peer of f32.
- `ours_peak_mb` and `peer_peak_mb`: the largest resident size of that process while it embedded, the peer's with Python.
- `difference`: the largest 1 - cosine of a text's two vectors. The script fails where it is more than rounding explains.

`openvino` and `onnxruntime` have the model from PyTorch, with pooling and norm in the graph, the latter with the fused operators of its
own optimizer; texts are sorted by length and cut into batches of 512 tokens with padding, a thread a batch, but all on the one query.
`sentence-transformers` sorts for itself; `fastembed` and `fastembed-rs` (the crate), both on such a fused graph and the same ONNX Runtime,
have texts sorted; these three take 16 texts at a time. `candle` is candle-transformers' BertModel on its `gemm`, sorted, batches of 256
tokens, a thread each, as its element-wise operators know one thread only. int8 is weights and activations by nncf for OpenVINO (slower
than its f32 without VNNI), and dynamic for ONNX Runtime. A peer that cannot be imported, built, or that fails on a case, is named on stderr
and left out. The model's other forms are kept in `target/peers/embed`.

Every process, ours `timed_embed FOLDER` as well as each peer's, answers a line on stdin with one JSON line on stdout, until stdin ends; all
else that it has to say goes to stderr. FOLDER is a sentence-transformers folder. Ours goes by RAYON_NUM_THREADS. The questions:

- `model`, the first: it is read. The answer is `{"dim": 384}`.
- `{"texts": "/a/texts.json", "max_tokens": 256, "precision": "f32", "out": "/a/vectors.npy"}`: the file is an array of strings, read when it is first asked for
  and kept by its path; a text has so many tokens at most, [CLS] and [SEP] among them;
  `precision` is asked of ours alone. The answer is `{"seconds": 1.25}`, from these strings
  to unit vectors in memory, nothing of which is kept for the next question. `out`, unless it is null, is then written: f32,
  `[texts, dim]`, rows in the order of the texts.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from eval import Process
from importing import left_out
from kmeans import ROOT
from train import begin_peak, peak_mb

import embed_peers as peers

SHARED = Path(os.environ.get("PRETRAIN_SHARED", ROOT.parent / "shared"))
RUST = Path(__file__).resolve().parent / "rust"
THREADS = 2
# Of `mixed`: a file, the key of its text, how many in a thousand, and whether these are first sentences.
MIXTURE = [
    ("squad/queries.jsonl", "text", 140, False), ("wordnet.jsonl", "passage", 200, False), ("scifact/queries.jsonl", "text", 140, False),
    ("squad/corpus.jsonl", "text", 285, True), ("squad/corpus.jsonl", "text", 155, False), ("scifact/corpus.jsonl", "text", 80, False),
]  # fmt: skip
SEED = 7
QUERY = "Which proteins repair breaks of both strands of DNA?"
# Questions of one turn of `short query`.
AT_A_TURN = 100
# The part of the texts that a process embeds before the first that count.
WARM_PART = 8
# Seconds before each turn: threads of some go on spinning for a while.
PAUSE = 0.3
REPETITIONS, QUICK_REPETITIONS = 3, 2


@dataclass
class Case:
    name: str
    texts: list[str]
    max_tokens: int
    at_a_turn: int = 1


def spread(rows: list[str], count: int) -> list[str]:
    """So many of them, evenly from first to last."""
    return [rows[at * len(rows) // count] for at in range(count)]


def column(file: str, key: str) -> list[str]:
    with open(SHARED / "data" / file) as lines:
        return [json.loads(line)[key] for line in lines]


def mixture(count: int) -> list[str]:
    texts = []
    for file, key, share, first_sentences in MIXTURE:
        rows = column(file, key)
        if first_sentences:
            rows = [first for first in (row.split(". ")[0] for row in rows) if len(first.split()) > 2]
        texts += spread(rows, count * share // 1000)
    return [texts[at] for at in np.random.default_rng(SEED).permutation(len(texts))]


def cases(quick: bool) -> list[Case]:
    mixed, abstracts, glosses = (150, 32, 300) if quick else (2000, 1033, 5000)
    return [
        Case("mixed", mixture(mixed), 256),
        Case("abstracts", spread(column("scifact/corpus.jsonl", "text"), abstracts), 160),
        Case("glosses", spread(column("wordnet.jsonl", "passage"), glosses), 256),
        Case("short query", [QUERY], 256, AT_A_TURN),
    ]


@dataclass
class Peer:
    """What it is, the form of the model that it reads, what makes its vectors, if that is Python, and how far they may be from ours."""

    dtype: str = "f32"
    form: str | None = None
    python: object = None
    tolerance: float = 1e-5


PEERS = {
    "ours int16": Peer("int16", tolerance=1e-5),
    "openvino": Peer(form=peers.POOLED_OPENVINO, python=peers.openvino),
    "onnxruntime": Peer(form=peers.POOLED_ONNX, python=peers.onnxruntime),
    "sentence-transformers": Peer(python=peers.sentence_transformers),
    "fastembed": Peer(form=peers.HIDDEN_ONNX, python=peers.fastembed),
    "fastembed-rs": Peer(form=peers.HIDDEN_ONNX),
    "candle": Peer(),
    "openvino bf16": Peer("bf16", peers.POOLED_OPENVINO, partial(peers.openvino, precision="bf16"), 0.01),
    "sentence-transformers bf16": Peer("bf16", None, partial(peers.sentence_transformers, dtype="bfloat16"), 0.01),
    "openvino int8": Peer("int8", peers.INT8_OPENVINO, partial(peers.openvino, form=peers.INT8_OPENVINO), 0.1),
    "onnxruntime int8": Peer("int8", peers.INT8_ONNX, partial(peers.onnxruntime, form=peers.INT8_ONNX), 0.1),
}
INT16 = "ours int16"
QUICK_PEERS = [INT16, "openvino", "onnxruntime"]
# Any of these of a processor's flags.
UNITS = {"f32": ["fpu"], "int16": ["fpu"], "bf16": ["avx512_bf16", "amx_bf16"], "int8": ["avx2"]}


def able_dtypes() -> list[str]:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    return [dtype for dtype, units in UNITS.items() if flags.intersection(units)]


def answer(name: str, model: Path, forms: Path, threads: int) -> None:
    """The side of a peer in Python of what the head of this file says."""
    embed, known = None, {}
    for line in sys.stdin:
        if line == "model\n":
            embed = PEERS[name].python(model, forms, threads)
            result = {"dim": json.loads((model / "config.json").read_text())["hidden_size"]}
        else:
            question = json.loads(line)
            path = question["texts"]
            texts = known[path] if path in known else known.setdefault(path, json.loads(Path(path).read_text()))
            begin = time.perf_counter()
            vectors = embed(texts, question["max_tokens"])
            result = {"seconds": time.perf_counter() - begin}
            if question["out"]:
                np.save(question["out"], vectors)
        print(json.dumps(result), flush=True)


class PeerProcess(Process):
    def __init__(self, name: str, model: Path, forms: Path, threads: int):
        environment = dict(os.environ, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="true")
        if PEERS[name].python:
            command = [sys.executable, __file__, "--answer", name, model, forms, threads]
        else:
            crate, folder = ("fastembed", forms / Path(peers.HIDDEN_ONNX).parent) if name == "fastembed-rs" else (name, model)
            command = [rust_target() / "release/embed-peers", crate, folder, threads]
            if crate == "candle":
                # Of each product: batches are what its threads share.
                environment["RAYON_NUM_THREADS"] = "1"
            else:
                environment["ORT_DYLIB_PATH"] = str(onnxruntime_library())
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, text=True, env=environment)


def rust_target() -> Path:
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "peers/rust"


def onnxruntime_library() -> Path:
    found = importlib.util.find_spec("onnxruntime")
    (library,) = Path(found.submodule_search_locations[0]).glob("capi/libonnxruntime.so.*")
    return library


def ready(names: list[str], model: Path, forms: Path) -> list[str]:
    """Those whose form of the model is there or can be made, and whose program can be built."""
    able = []
    for name in names:
        peer = PEERS[name]
        try:
            if peer.form:
                subprocess.run([sys.executable, __file__, "--form", peer.form, model, forms], check=True)
            if not peer.python and name != INT16:
                command = ["cargo", "build", "--release", "-q", "--locked", "--target-dir", rust_target()]
                subprocess.run(command, cwd=RUST, check=True)
            able.append(name)
        except (OSError, subprocess.CalledProcessError) as error:
            left_out(name, error)
    return able


class Turns:
    """Ours and the peers, each asked in turn; a peer that fails is asked no more. The first is what the others are compared with."""

    def __init__(self, processes: dict[str, Process]):
        self.processes = processes
        self.first = next(iter(processes))
        self.ask("at its start", lambda _: "model", 1)

    def ask(self, case: str, question, times: int) -> dict[str, list[dict]]:
        """All answers to what each is asked by its name; the last has the seconds of all processors as well."""
        answers = {}
        for name, process in list(self.processes.items()):
            time.sleep(PAUSE)
            try:
                begin = process.cpu_seconds()
                answers[name] = [process.ask(question(name)) for _ in range(times)]
                answers[name][-1]["cpu"] = (process.cpu_seconds() - begin) / times
            except (OSError, ValueError) as error:
                if name == self.first:
                    raise
                left_out(f"{name} {case}", error)
                self.processes.pop(name).close()
        return answers

    def embed(self, case: Case, folder: Path, repetitions: int) -> dict[str, list[list[dict]]]:
        """Every process's answers of each repetition; its last vectors are in the folder."""
        files = {"part": case.texts[::WARM_PART], "whole": case.texts}
        for name, texts in files.items():
            (folder / f"{name}.json").write_text(json.dumps(texts))

        def ask(file: str, written: bool) -> dict[str, list[dict]]:
            def question(name):
                out = str(folder / f"{name}.npy") if written else None
                question = {"texts": str(folder / f"{file}.json"), "max_tokens": case.max_tokens, "out": out}
                return json.dumps(question | ({"precision": "int16"} if name == INT16 else {}))

            return self.ask(f"on {case.name}", question, case.at_a_turn)

        ask("part", False)
        for process in self.processes.values():
            begin_peak(process)
        rounds = [ask("whole", repetition == repetitions - 1) for repetition in range(repetitions)]
        self.peaks = {name: peak_mb(process) for name, process in self.processes.items()}
        return {name: [answers[name] for answers in rounds] for name in self.processes}

    def close(self) -> None:
        for process in self.processes.values():
            process.close()


def difference(folder: Path, case: Case, first: str, name: str) -> float:
    """The largest 1 - cosine."""
    ours, peer = (np.load(folder / f"{each}.npy").astype(np.float64) for each in (first, name))
    for vectors in (ours, peer):
        if len(vectors) != len(case.texts) or not np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-2:
            sys.exit(f"{case.name}: {first} or {name} has no unit vector of each text")
    cosines = (ours * peer).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(peer, axis=1)
    return max(0.0, float((1 - cosines).max()))


def compare(turns: Turns, case: Case, model: Path, threads: int, repetitions: int) -> None:
    tokenizer = peers.tokenizer_of(model)
    tokenizer.enable_truncation(case.max_tokens)
    tokens = sum(len(each.ids) for each in tokenizer.encode_batch_fast(case.texts))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rounds = turns.embed(case, folder, repetitions)
        differences = {name: difference(folder, case, turns.first, name) for name in rounds}
    median = lambda name: statistics.median(each["seconds"] for answers in rounds[name] for each in answers)  # noqa: E731
    cpu = lambda name: round(min(answers[-1]["cpu"] for answers in rounds[name]), 4)  # noqa: E731
    has_ours = "ours" in rounds
    int16 = INT16 if INT16 in rounds else "ours"
    for name in rounds:
        if name == "ours":
            continue
        peer_s, peer = median(name), PEERS[name]
        line = {"case": case.name}
        ours = "ours" if peer.dtype in ["f32", "int16"] else int16
        if has_ours:
            line |= {"ours": "int16" if ours == INT16 else "f32", "ours_s": round(median(ours), 5)}
        line |= {"peer": name, "peer_s": round(peer_s, 5)}
        if has_ours:
            line |= {"ratio": round(peer_s / median(ours), 2), "ours_cpu_s": cpu(ours)}
        line["peer_cpu_s"] = cpu(name)
        if has_ours:
            line["ours_peak_mb"] = turns.peaks[ours]
        line |= {
            "peer_peak_mb": turns.peaks[name], "texts": len(case.texts), "tokens": tokens, "threads": threads, "dtype": peer.dtype,
            "difference": float(f"{differences[name]:.1e}"), "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        print(json.dumps(line), flush=True)
        if not differences[name] <= max(peer.tolerance, PEERS[turns.first].tolerance if not has_ours else 0):
            sys.exit(f"{case.name}: {name} differs from {turns.first} by {differences[name]:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer texts and repetitions, the fastest peers")
    parser.add_argument("--model", type=Path, default=SHARED / "models/all-MiniLM-L6-v2", help="the model's folder")
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="default: all of the dtypes, or with --quick the fastest")
    parser.add_argument("--dtypes", nargs="+", choices=UNITS, help="default: those that the processor has instructions for")
    parser.add_argument("--only", metavar="TEXT", default="", help="the cases whose name has it, such as 'mixed'")
    parser.add_argument("--threads", type=int, default=THREADS, help=f"of each process; default: {THREADS}")
    parser.add_argument("--repetitions", type=int, help=f"default: {REPETITIONS}, with --quick {QUICK_REPETITIONS}")
    parser.add_argument("--without-ours", action="store_true", help="peers alone, compared with the first")
    parser.add_argument("--forms", type=Path, default=ROOT / "target/peers/embed", help="where the model's other forms are kept")
    parser.add_argument("--answer", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--form", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        name, model, forms, threads = args.answer
        return answer(name, Path(model), Path(forms), int(threads))
    if args.form:
        name, model, forms = args.form
        return peers.write_form(name, Path(model), Path(forms), column("wordnet.jsonl", "passage"))
    if not args.without_ours:
        subprocess.run(["cargo", "build", "--release", "-q", "-p", "embed", "--example", "timed_embed"], cwd=ROOT, check=True)
    os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(args.threads)
    dtypes = args.dtypes or able_dtypes()
    wanted = args.peers or (QUICK_PEERS if args.quick else [name for name, peer in PEERS.items() if peer.dtype in dtypes])
    processes = {} if args.without_ours else {"ours": Process("timed_embed", args.model)}
    wanted = [name for name in wanted if processes or name != INT16]
    forms = args.forms / args.model.name
    for name in ready(wanted, args.model, forms):
        ours = name == INT16
        processes[name] = Process("timed_embed", args.model) if ours else PeerProcess(name, args.model, forms, args.threads)
    turns = Turns(processes)
    for case in cases(args.quick):
        if args.only in case.name:
            compare(turns, case, args.model, args.threads, args.repetitions or (QUICK_REPETITIONS if args.quick else REPETITIONS))
    turns.close()


if __name__ == "__main__":
    main()
