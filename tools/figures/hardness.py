"""Draws how similar queries and in-batch negatives are while arms train, as docs/figures/hardness.svg.

    python tools/figures/hardness.py "Doc comments, 1,024 pairs=runs/quickstart" "SQuAD, 256 pairs=runs/squad"

A column is a run of several arms and one seed, trained with `loss.percentile = true`; the rows are its arms without and with
`loss.guide`. An arm named "passage clusters, guide" has the colour of "passage clusters". Needs tools/figures/requirements.txt.
"""

import argparse
import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D

# Okabe and Ito's colours, which readers of every colour vision can tell apart.
COLOURS = ["#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7"]
STYLES = {"negative": "-", "negative_p95": (0, (4, 1.5))}
LABELS = {"negative": "mean of the negatives", "negative_p95": "95th percentile"}
BATCHES = {"none": "unclustered", "passages": "passage clusters", "queries": "query clusters", "random": "random clusters"}
ROWS = {False: "without guide", True: "with guide"}
POINTS = 120


@dataclass
class Arm:
    batches: str
    guided: bool
    steps: np.ndarray
    similarities: dict[str, np.ndarray]


def read_arms(run: Path) -> list[Arm]:
    """The arms of a run folder, in the order of its configuration."""
    config = tomllib.loads((run / "config.toml").read_text())
    return [read_arm(run, config, arm if isinstance(arm, dict) else {"name": arm}) for arm in config["run"]["arms"]]


def read_arm(run: Path, config: dict, arm: dict) -> Arm:
    loss = config["loss"] | arm.get("loss", {})
    if not loss.get("percentile"):
        sys.exit(f"{run}: {arm['name']} was trained without `loss.percentile = true`")
    folder = arm["name"].lower().replace(" ", "-")
    lines = [json.loads(line) for line in (run / "arms" / folder / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "loss" in line]
    return Arm(
        batches=BATCHES.get(arm["name"], arm["name"]).removesuffix(", guide"),
        guided="guide" in loss,
        steps=np.array([line["step"] for line in lines]),
        similarities={key: np.array([line["similarities"][key] for line in lines]) for key in STYLES},
    )


def titled(argument: str) -> tuple[str, Path]:
    title, equals, run = argument.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{argument!r} is not TITLE=RUN")
    return title, Path(run)


def smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """Means of a window around each value, which grows from one value at the start, where similarities fall fast."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    half = np.minimum(at, window // 2)
    end = np.minimum(at + half + 1, len(values))
    return (sums[end] - sums[at - half]) / (end - at + half)


def draw(panel, arms: list[Arm], colours: dict[str, str], window: int) -> None:
    for arm in arms:
        shown = np.unique(np.linspace(0, len(arm.steps) - 1, POINTS).round().astype(int))
        for key, style in STYLES.items():
            values = smoothed(arm.similarities[key], window)
            panel.plot(arm.steps[shown], values[shown], color=colours[arm.batches], linestyle=style, linewidth=1.3)


def figure(runs: dict[str, list[Arm]], window: int) -> plt.Figure:
    guides = sorted({arm.guided for arms in runs.values() for arm in arms})
    names = list(dict.fromkeys(arm.batches for arms in runs.values() for arm in arms))
    colours = dict(zip(names, COLOURS, strict=False))
    result = plt.figure(figsize=(8, 1 + 2.4 * len(guides)), layout="constrained")
    panels = result.subplots(len(guides), len(runs), sharex="col", sharey="col", squeeze=False)
    for column, (title, arms) in enumerate(runs.items()):
        for row, guided in enumerate(guides):
            panel = panels[row, column]
            draw(panel, [arm for arm in arms if arm.guided == guided], colours, window)
            panel.set_title(f"{title}, {ROWS[guided]}", loc="left")
            panel.margins(x=0)
        panels[-1, column].set_xlabel("training step")
    for row in panels:
        row[0].set_ylabel("similarity (cosine)")
    batches = [Line2D([], [], color=colour, linewidth=2, label=name) for name, colour in colours.items()]
    result.legend(handles=batches, loc="outside upper left", ncols=len(batches), frameon=False)
    styles = [Line2D([], [], color="black", linestyle=STYLES[key], label=LABELS[key]) for key in reversed(STYLES)]
    panels[0, 0].legend(handles=styles, loc="upper right", frameon=False, handlelength=2.5)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=titled, metavar="TITLE=RUN", help="a column's title and its run folder")
    parser.add_argument("--window", type=int, default=25, help="steps that a point is the mean of (default: 25)")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/hardness.svg"), help="default: docs/figures/hardness.svg")
    arguments = parser.parse_args()

    try:
        runs = {title: read_arms(run) for title, run in arguments.runs}
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is not there: is this a run folder, and trained?")

    plt.rcParams.update({
        "svg.fonttype": "none",
        "svg.hashsalt": "hardness",
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "0.9",
    })
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if arguments.out.suffix == ".svg" else None
    figure(runs, arguments.window).savefig(arguments.out, dpi=200, metadata=metadata)


if __name__ == "__main__":
    main()
