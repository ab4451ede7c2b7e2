"""Trains a sentence-transformers model on the batches of plan files, one an epoch, and checks that it saw just those.

    pip install -r requirements.txt
    python train_on_plan.py --model MODEL --pairs PAIRS.jsonl --plans plan-0.npy plan-1.npy

A plan is what `pretrain plan` writes: flat indices in a .npy file, and beside it a .json file that says the batch size. PAIRS.jsonl
has a `query` and a `passage` a line; index i is line i. Prints one JSON line of what a PyTorch `DataLoader` gave, and one of
what the trainer trained on. Nothing is saved.
"""

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.losses import MultipleNegativesRankingLoss
from sentence_transformers.sampler import DefaultBatchSampler
from torch.utils.data import DataLoader


class Plan:
    """The batches of an epoch, as lists of indices: what a `DataLoader` takes as its `batch_sampler`."""

    def __init__(self, path: Path):
        self.indices = np.load(path, mmap_mode="r")
        self.report = json.loads(path.with_suffix(".json").read_text())
        self.batch_size = self.report["batch_size"]

    def __len__(self) -> int:
        return self.report["batches"]

    def __iter__(self):
        for start in range(0, len(self.indices), self.batch_size):
            yield self.indices[start : start + self.batch_size].tolist()


class PlannedBatches(DefaultBatchSampler):
    """The batches of a list of plans, one an epoch, as sentence-transformers' trainer asks for them."""

    def __init__(self, dataset: Dataset, plans: list[Plan], **settings):
        super().__init__(dataset, **settings)
        self.plans = plans

    def __len__(self) -> int:
        return len(self.plans[self.epoch])

    def __iter__(self):
        return iter(self.plans[self.epoch])


class RecordedLoss(MultipleNegativesRankingLoss):
    """The loss, and which rows of the data it was given."""

    def __init__(self, model: SentenceTransformer):
        super().__init__(model)
        self.batches, self.losses = [], []

    def forward(self, sentence_features, labels):
        loss = super().forward(sentence_features, labels)
        self.batches.append(labels.tolist())
        self.losses.append(loss.item())
        return loss


def pairs(path: Path) -> Dataset:
    """The pairs, each with its index as its label, which the loss does not look at."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    columns = {side: [row[side] for row in rows] for side in ("query", "passage")}
    return Dataset.from_dict(columns | {"label": list(range(len(rows)))})


def train(model: SentenceTransformer, data: Dataset, plans: list[Plan]) -> RecordedLoss:
    loss = RecordedLoss(model)
    with tempfile.TemporaryDirectory() as folder:
        settings = SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=len(plans),
            per_device_train_batch_size=plans[0].batch_size,
            batch_sampler=partial(PlannedBatches, plans=plans),
            learning_rate=2e-5,
            dataloader_pin_memory=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        SentenceTransformerTrainer(model, settings, train_dataset=data, loss=loss).train()
    return loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a sentence-transformers model")
    parser.add_argument("--pairs", type=Path, required=True, metavar="PAIRS.jsonl")
    parser.add_argument("--plans", type=Path, nargs="+", required=True, metavar="PLAN.npy", help="one an epoch")
    arguments = parser.parse_args()

    data, plans = pairs(arguments.pairs), [Plan(path) for path in arguments.plans]
    expected = [batch for plan in plans for batch in plan]
    assert all(index < len(data) for batch in expected for index in batch), "a plan of more pairs than there are"

    loader = DataLoader(data, batch_sampler=plans[0])
    loaded = [batch["label"].tolist() for batch in loader]
    assert loaded == expected[: len(loader)]
    print(json.dumps({"DataLoader": {"batches": len(loaded), "the plan's": True}}), flush=True)

    model = SentenceTransformer(arguments.model, device="cpu")
    model.max_seq_length = 64
    loss = train(model, data, plans)
    assert loss.batches == expected
    sizes = [len(batch) for batch in loss.batches]
    facts = {
        "steps": len(sizes), "the plans'": True, "pairs": sum(sizes), "smallest batch": min(sizes),
        "first loss": round(loss.losses[0], 4), "last losses' mean": round(float(np.mean(loss.losses[-5:])), 4),
    }  # fmt: skip
    print(json.dumps({"SentenceTransformerTrainer": facts}))


if __name__ == "__main__":
    main()
