"""Writes crates/infonce/tests/golden/infonce.json: the contrastive loss with every option and every pair of options.

Pinned: Python 3.11, torch 2.15.0 (on the CPU), sentence-transformers 5.1.2, pytorch-metric-learning 2.9.0. Run from the root
of the repository:
    python tools/golden/infonce.py [OUTPUT]

Each case holds rows and settings rounded to float32, so that Rust reads the very inputs, and what torch makes of them in
float64: scores as matrices, masks as matrices, `logsumexp` over what is left, gradients by autograd. Nothing here shares a
formula with the crate. Other losses have to agree wherever they cover a case. Run as they are: `NTXentLoss` of
pytorch-metric-learning, `MultipleNegativesRankingLoss` and its symmetric kin of sentence-transformers, alone and in
`MatryoshkaLoss`. Written anew: torch's `cross_entropy`, and `MultipleNegativesRankingLoss` and `GISTEmbedLoss` as
sentence-transformers 6.2 computes them.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import wraps
from itertools import chain, combinations, product
from pathlib import Path

import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.losses import NTXentLoss
from pytorch_metric_learning.reducers import DoNothingReducer
from sentence_transformers.losses import (
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
    MultipleNegativesSymmetricRankingLoss,
)
from sentence_transformers.util import cos_sim, dot_score

OUTPUT = Path("crates/infonce/tests/golden/infonce.json")
DIRECTIONS = ["query-to-passage", "passage-to-query", "query-to-query", "passage-to-passage"]
MINUS_INFINITY = float("-inf")


@dataclass
class Ids:
    """Ids of texts, and for each query those of the passages known to answer it."""

    queries: list[int] = field(default_factory=list)
    passages: list[int] = field(default_factory=list)
    known: list[list[int]] = field(default_factory=list)

    def same(self, i: int, j: int) -> bool:
        same_query = bool(self.queries) and j < len(self.queries) and self.queries[i] == self.queries[j]
        same_passage = bool(self.passages) and self.passages[i] == self.passages[j]
        return same_query or same_passage

    def answers(self, passage: int, query: int) -> bool:
        in_batch = bool(self.known) and bool(self.passages) and query < len(self.known)
        return in_batch and self.passages[passage] in self.known[query]

    def known_positive(self, direction: str, i: int, j: int) -> bool:
        known = {
            "query-to-passage": self.answers(passage=j, query=i),
            "passage-to-query": self.answers(passage=i, query=j),
            "query-to-query": self.answers(passage=j, query=i) or self.answers(passage=i, query=j),
            "passage-to-passage": self.answers(passage=j, query=i) or self.answers(passage=i, query=j),
        }
        return known[direction]


@dataclass
class Config:
    temperature: float
    directions: list[str]
    partition: str
    hardness: float
    mask_duplicates: bool
    guide: dict | None
    similarity: str
    known_positives: str
    matryoshka: list[dict]


@dataclass
class Batch:
    queries: torch.Tensor
    passages: torch.Tensor
    hard: int
    ids: Ids
    strata: list[int] = field(default_factory=list)
    part: list[int] | None = None
    guide_queries: torch.Tensor | None = None
    guide_passages: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def rows(self) -> list[int]:
        """The pairs whose losses are summed."""
        first, count = self.part or [0, len(self)]
        return list(range(first, first + count))

    def prefixes(self, config: Config) -> Iterator[tuple["Batch", float]]:
        """The rows as they are compared, with the weight of their loss; the widest first."""
        whole = [{"width": self.queries.shape[1], "weight": 1.0}]
        for prefix in sorted(config.matryoshka or whole, key=lambda prefix: -prefix["width"]):
            queries, passages = (rows[:, : prefix["width"]] for rows in [self.queries, self.passages])
            if config.similarity == "cosine":
                queries, passages = normalized(queries), normalized(passages)
            yield replace(self, queries=queries, passages=passages), prefix["weight"]

    def scores(self, direction: str) -> torch.Tensor:
        return scores(direction, self.queries, self.passages)

    def own(self, direction: str) -> torch.Tensor:
        """What belongs to the pair itself."""
        mask = torch.zeros(self.scores(direction).shape, dtype=torch.bool)
        for i in range(len(self)):
            mask[i, i] = True
            if direction == "passage-to-passage":
                first = len(self) + i * self.hard
                mask[i, first : first + self.hard] = True
        return mask

    def masked(self, direction: str, config: Config) -> torch.Tensor:
        """What is no negative for another reason."""
        own = self.own(direction)
        mask = self.known(direction, config)
        if config.mask_duplicates:
            for i, j in own.logical_not().nonzero().tolist():
                mask[i, j] = self.ids.same(i, j) or self.ids.known_positive(direction, i, j)
        if config.guide:
            mask |= self.guided(direction, config.guide)
        return mask & ~own

    def known(self, direction: str, config: Config) -> torch.Tensor:
        """Known positives if they count as more than masked."""
        own = self.own(direction)
        mask = torch.zeros_like(own)
        if config.known_positives == "positives":
            for i, j in own.logical_not().nonzero().tolist():
                mask[i, j] = self.ids.known_positive(direction, i, j)
        return mask

    def further_positives(self, direction: str, config: Config) -> torch.Tensor:
        """Those of them that are no copies of the pair's own text."""
        mask = self.known(direction, config)
        texts = {"query-to-passage": self.ids.passages, "passage-to-query": self.ids.queries}.get(direction, [])
        for i, j in mask.nonzero().tolist():
            mask[i, j] = not texts or texts[i] != texts[j]
        return mask

    def guided(self, direction: str, guide: dict) -> torch.Tensor:
        guided = scores(direction, self.guide_queries, self.guide_passages)
        positive = (self.guide_queries * self.guide_passages[: len(self)]).sum(dim=1, keepdim=True)
        room = positive.abs() * guide["margin"] if guide["relative"] else guide["margin"]
        above = guided - (positive - room)
        # Rust may round another way.
        assert (above[~self.own(direction)].abs() > 1e-5).all(), "a guide score at its threshold"
        return above >= 0


def normalized(rows: torch.Tensor) -> torch.Tensor:
    """Rows of norm 1. A row of zeros is kept, as a constant; torch would divide its gradient by 1e-12."""
    zero = (rows == 0).all(dim=1, keepdim=True)
    return F.normalize(rows.masked_fill(zero, 0.0), dim=1)


def scores(direction: str, queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
    anchor, column = direction.split("-to-")
    anchors = {"query": queries, "passage": passages[: len(queries)]}
    return anchors[anchor] @ {"query": queries, "passage": passages}[column].T


def loss(batch: Batch, config: Config, log_scale: torch.Tensor) -> torch.Tensor:
    """The loss; `log_scale` is zero and takes the gradient with respect to the logarithm of 1/temperature."""
    total = torch.zeros((), dtype=torch.float64)
    for compared, weight in batch.prefixes(config):
        groups = list(losses(compared, config, log_scale))
        total = total + weight * sum(group[batch.rows()].sum() / len(batch) for group in groups) / len(groups)
    return total


def losses(batch: Batch, config: Config, log_scale: torch.Tensor) -> Iterator[torch.Tensor]:
    """For each softmax the losses of the pairs, each the mean over its positives."""
    logits, negatives = {}, {}
    for direction in config.directions:
        score = batch.scores(direction)
        logits[direction] = score / config.temperature * log_scale.exp()
        hardness = config.hardness if direction == "query-to-passage" else 0.0
        out = batch.own(direction) | batch.masked(direction, config)
        negatives[direction] = (logits[direction] + hardness * score.detach()).masked_fill(out, MINUS_INFINITY)
    own = logits["query-to-passage"].diagonal().unsqueeze(1)
    groups = [config.directions] if config.partition == "joint" else [[direction] for direction in config.directions]
    for group in groups:
        # The blocks in which the pair itself is a candidate.
        paired = [direction for direction in group if direction in DIRECTIONS[:2]]
        candidates = torch.cat([negatives[direction] for direction in group], dim=1)
        total = max(len(paired), 1) * softmax_losses(own, candidates, len(paired))
        terms = torch.full([len(batch)], max(len(paired), 1))
        # The other blocks compare texts of one kind: known positives are left out of them, no more.
        for direction in paired:
            further = batch.further_positives(direction, config)
            for j in further.any(dim=0).nonzero().flatten().tolist():
                of_column = softmax_losses(logits[direction][:, [j]], candidates, len(paired))
                total = total + of_column.where(further[:, j], 0.0)
            terms = terms + further.sum(dim=1)
        yield total / terms


def softmax_losses(positive: torch.Tensor, negatives: torch.Tensor, times: int) -> torch.Tensor:
    """With the positive `times` among the candidates; 0 where there is none."""
    candidates = torch.cat([positive] * times + [negatives], dim=1)
    some = (candidates > MINUS_INFINITY).any(dim=1)
    losses = torch.zeros(len(positive), dtype=torch.float64)
    losses[some] = torch.logsumexp(candidates[some], dim=1) - positive[some, 0]
    return losses


def of_each_prefix(peer):
    """The loss of the batch that `peer`, which gives those of the pairs, makes of the rows as they are compared."""

    @wraps(peer)
    def summed(batch: Batch, config: Config) -> torch.Tensor | None:
        total = torch.zeros((), dtype=torch.float64)
        for compared, weight in batch.prefixes(config):
            losses = peer(compared, config)
            if losses is None:
                return None
            total = total + weight * losses[batch.rows()].sum() / len(batch)
        return total

    return summed


@of_each_prefix
def cross_entropy(batch: Batch, config: Config) -> torch.Tensor | None:
    """The mean of the cross-entropies of the row and, with passage-to-query, of the column."""
    symmetric = config.directions == DIRECTIONS[:2] and config.partition == "separate"
    square = len(batch) == len(batch.passages) and not config.guide
    if config.hardness or not (config.directions == DIRECTIONS[:1] or symmetric and square):
        return None
    if batch.further_positives("query-to-passage", config).any():
        return None
    mask = batch.masked("query-to-passage", config)
    logits = (batch.queries @ batch.passages.T / config.temperature).masked_fill(mask, MINUS_INFINITY)
    positives = torch.arange(len(batch))
    sides = [logits, logits.T] if symmetric else [logits]
    return sum(F.cross_entropy(side, positives, reduction="none") for side in sides) / len(sides)


@of_each_prefix
def multiple_negatives_ranking(batch: Batch, config: Config) -> torch.Tensor | None:
    """Without masks and passages of no query, with `all_negatives` as the hardness.

    It refuses `per_direction` with query-to-query and passage-to-passage; here its formula is taken at its word.
    """
    b, width = batch.queries.shape
    masks = any(batch.masked(direction, config).any() for direction in config.directions)
    alone = config.partition == "separate" and b == 1
    if masks or alone or config.guide or len(batch.passages) > b * (1 + batch.hard):
        return None
    negatives = batch.passages[b:].reshape(b, batch.hard, width)
    documents = torch.cat([batch.passages[:b], *negatives.unbind(dim=1)])
    same = torch.eye(b, dtype=torch.bool)
    same_query_documents = same.repeat(1, 1 + batch.hard)
    similarities = {
        "query-to-passage": batch.queries @ documents.T,
        "passage-to-query": (batch.queries @ documents[:b].T).T,
        "query-to-query": (batch.queries @ batch.queries.T).masked_fill(same, MINUS_INFINITY),
        "passage-to-passage": (documents[:b] @ documents.T).masked_fill(same_query_documents, MINUS_INFINITY),
    }
    penalty = config.hardness * similarities["query-to-passage"].detach()
    penalty[:, :b][same] = 0.0
    scaled = {direction: similarities[direction] * (1 / config.temperature) for direction in config.directions}
    scaled["query-to-passage"] = scaled["query-to-passage"] + penalty
    positive = scaled["query-to-passage"].diagonal()
    if config.partition == "joint":
        log_z = torch.logsumexp(torch.cat(list(scaled.values()), dim=1), dim=1)
    else:
        log_z = sum(torch.logsumexp(block, dim=1) for block in scaled.values()) / len(scaled)
    return -(positive - log_z)


@of_each_prefix
def gist(batch: Batch, config: Config) -> torch.Tensor | None:
    """One softmax, without passage-to-query, hardness and ids; at most one hard negative, none with passage-to-passage."""
    b, n = len(batch), len(batch.passages)
    ids = config.mask_duplicates and (batch.ids.queries or batch.ids.passages) or config.known_positives == "positives"
    joint = config.partition == "joint" and "passage-to-query" not in config.directions
    hard = 0 if "passage-to-passage" in config.directions else 1
    if not config.guide or not joint or ids or config.hardness or batch.hard > hard or n > b * (1 + batch.hard):
        return None
    queries, passages = (batch.queries, batch.guide_queries), (batch.passages, batch.guide_passages)
    sides = {
        "query-to-passage": zip(queries, passages),
        "query-to-query": zip(queries, queries),
        "passage-to-passage": zip(passages, passages),
    }
    guided = (batch.guide_queries @ batch.guide_passages[:b].T).diagonal().view(-1, 1)
    margin = guided.abs() * config.guide["margin"] if config.guide["relative"] else config.guide["margin"]
    blocks = []
    for direction in config.directions:
        similarity, guide_similarity = (anchors[:b] @ columns.T for anchors, columns in sides[direction])
        mask = guide_similarity > guided - margin
        if direction == "query-to-passage":
            mask[:, :b] &= ~torch.eye(b, dtype=torch.bool)
        blocks.append(similarity.masked_fill(mask, MINUS_INFINITY))
    return F.cross_entropy(torch.cat(blocks, dim=1) / config.temperature, torch.arange(b), reduction="none")


@of_each_prefix
def nt_xent(batch: Batch, config: Config) -> torch.Tensor | None:
    """pytorch-metric-learning's, without hardness, where each softmax has one block and some row of it a negative.

    It gives a loss for each positive and not for each pair.
    """
    separate = config.partition == "separate" or len(config.directions) == 1
    if config.hardness or not separate or not set(config.directions) <= set(DIRECTIONS[:2]):
        return None
    loss = NTXentLoss(config.temperature, distance=DotProductSimilarity(normalize_embeddings=False))
    loss.reducer = DoNothingReducer()
    total = torch.zeros(len(batch), dtype=torch.float64)
    for direction in config.directions:
        own, further = batch.own(direction), batch.further_positives(direction, config)
        negatives = (~(own | batch.masked(direction, config))).nonzero(as_tuple=True)
        if not len(negatives[0]):
            return None
        anchors, columns = batch.queries, batch.passages
        if direction == "passage-to-query":
            anchors, columns = columns, anchors
        pairs = (*(own | further).nonzero(as_tuple=True), *negatives)
        of_positives = loss(anchors[: len(batch)], indices_tuple=pairs, ref_emb=columns)["loss"]
        sums = total.new_zeros(len(batch)).index_add(0, of_positives["indices"][0], of_positives["losses"])
        total = total + sums / (own | further).sum(dim=1)
    return total / len(config.directions)


class Rows(torch.nn.Module):
    """A model that embeds rows as they are."""

    def get_sentence_embedding_dimension(self) -> None:
        """It warns of prefixes without the whole."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"sentence_embedding": features["rows"]}


def matryoshka(batch: Batch, config: Config) -> torch.Tensor | None:
    """sentence-transformers' own code, one-way or symmetric, without masks and hardness. Its prefixes have norm 1."""
    kinds = {("query-to-passage",): MultipleNegativesRankingLoss}
    if config.partition == "separate":
        kinds["query-to-passage", "passage-to-query"] = MultipleNegativesSymmetricRankingLoss
    kind = kinds.get(tuple(config.directions))
    masks = any(batch.masked(direction, config).any() for direction in config.directions)
    compared = [rows for prefix, _ in batch.prefixes(config) for rows in [prefix.queries, prefix.passages]]
    zeros = any((rows == 0).all(dim=1).any() for rows in compared)
    if not kind or masks or zeros or config.hardness or batch.part or config.matryoshka and config.similarity == "dot":
        return None
    model = Rows()
    similarity = {"dot": dot_score, "cosine": cos_sim}[config.similarity]
    loss = kind(model, scale=1 / config.temperature, similarity_fct=similarity)
    if config.matryoshka:
        widths, weights = zip(*(prefix.values() for prefix in config.matryoshka))
        loss = MatryoshkaLoss(model, loss, widths, weights)
    b = len(batch)
    return loss([{"rows": rows} for rows in [batch.queries, batch.passages[:b], batch.passages[b:]]], None)


def diagnostics(batch: Batch, config: Config) -> dict:
    compared, _ = next(batch.prefixes(config))
    score = compared.scores("query-to-passage").detach()
    own, masked = batch.own("query-to-passage"), batch.masked("query-to-passage", config)
    rows = batch.rows()
    is_negative = ~(own | masked)
    ahead = (score - score.diagonal().unsqueeze(1))[rows][is_negative[rows]]
    # Nearer ones could change sides in float32; ties of exact scores cannot.
    assert ((ahead == 0) | (ahead.abs() > 1e-5)).all(), "a negative at its positive"
    by_stratum = []
    for stratum in sorted({batch.strata[i] for i in rows} if batch.strata else []):
        of_stratum = [i for i in rows if batch.strata[i] == stratum]
        by_stratum.append({"stratum": stratum, "pairs": len(of_stratum), **similarities(score, is_negative, of_stratum)})
    return {
        "masked": sum(int(batch.masked(direction, config)[rows].sum()) for direction in config.directions),
        **similarities(score, is_negative, rows),
        "by_stratum": by_stratum,
    }


def similarities(score: torch.Tensor, is_negative: torch.Tensor, rows: list[int]) -> dict:
    """Of the pairs `rows`."""
    positive = score[rows][:, rows].diagonal().unsqueeze(1)
    score, is_negative = score[rows], is_negative[rows]
    negatives = score[is_negative]
    ahead = (score - positive)[is_negative]
    enough = [v for v in negatives.tolist() if 100 * int((negatives <= v).sum()) >= 95 * len(negatives)]
    others = is_negative.numel() - len(rows)
    return {
        "accuracy": (~is_negative | (score < positive)).all(dim=1).double().mean().item(),
        "positive_similarity": positive.mean().item(),
        "negatives": len(negatives),
        "negative_similarity": negatives.mean().item() if enough else None,
        "negative_p95": min(enough, default=None),
        "harder_share": (ahead > 0).double().mean().item() if enough else None,
        "masked_share": (others - len(negatives)) / others if others else 0.0,
    }


def single(value: float) -> float:
    return torch.tensor(value, dtype=torch.float32).item()


def unit_rows(rows: int, width: int, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.randn(rows, width, dtype=torch.float64, generator=generator)
    return F.normalize(drawn, dim=1).float().double()


def towards(rows: torch.Tensor, queries: torch.Tensor, align: float) -> torch.Tensor:
    return F.normalize(rows + align * queries, dim=1).float().double()


def draw(b, d, hard, extra, align, hard_align, generator) -> tuple[torch.Tensor, torch.Tensor]:
    queries = unit_rows(b, d, generator)
    passages = unit_rows(b + b * hard + extra, d, generator)
    # Trained models have positives near their queries, and hard negatives are near them too.
    passages[:b] = towards(passages[:b], queries, align)
    if hard:
        negatives = slice(b, b + b * hard)
        passages[negatives] = towards(passages[negatives], queries.repeat_interleave(hard, dim=0), hard_align)
    return queries, passages


def of_other_lengths(rows: torch.Tensor) -> torch.Tensor:
    return (rows * torch.linspace(0.4, 1.6, len(rows), dtype=torch.float64).unsqueeze(1)).float().double()


def case(
    name, b, d, temperature, *, hard=0, extra=0, directions=DIRECTIONS[:1], partition="joint", hardness=0.0, query_ids=(),
    passage_ids=(), known=(), mask_duplicates=True, guide=None, guide_align=0.6, align=0.0, hard_align=0.5, rows=None,
    lengths=False, similarity="dot", known_positives="masked", matryoshka=(), strata=(), part=None, seed=0,
):
    generator = torch.Generator().manual_seed(seed)
    if rows:
        queries, passages = (torch.tensor(side, dtype=torch.float64) for side in rows)
    else:
        queries, passages = draw(b, d, hard, extra, align, hard_align, generator)
    if lengths:
        queries, passages = of_other_lengths(queries), of_other_lengths(passages)
    ids = Ids(list(query_ids), list(passage_ids), [list(ids) for ids in known])
    batch = Batch(queries.requires_grad_(), passages.requires_grad_(), hard, ids, list(strata), part)
    guide = guide and {"margin": single(guide["margin"]), "relative": guide["relative"]}
    prefixes = [{"width": width, "weight": single(weight)} for width, weight in matryoshka]
    config = Config(
        single(temperature), list(directions), partition, single(hardness), mask_duplicates, guide, similarity,
        known_positives, prefixes,
    )
    if guide:
        # A guide has a width of its own.
        batch.guide_queries, batch.guide_passages = draw(b, 5, hard, extra, guide_align, 0.7, generator)
        if lengths:
            batch.guide_queries, batch.guide_passages = map(of_other_lengths, [batch.guide_queries, batch.guide_passages])
        masked = torch.cat([batch.guided(direction, guide)[~batch.own(direction)] for direction in directions])
        assert masked.any() and not masked.all(), f"{name}: the guide masks everything or nothing"

    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    value = loss(batch, config, log_scale)
    query_gradient, passage_gradient, scale_gradient = torch.autograd.grad(value, [queries, passages, log_scale])
    for peer in PEERS:
        check(peer, batch, config, name, value, [query_gradient, passage_gradient])
    return {
        "name": name,
        "config": vars(config),
        "hard_negatives": hard,
        "query_ids": ids.queries,
        "passage_ids": ids.passages,
        "known_positives": ids.known,
        "strata": batch.strata,
        "part": batch.part,
        "queries": queries.tolist(),
        "passages": passages.tolist(),
        "guide": guide and {"queries": batch.guide_queries.tolist(), "passages": batch.guide_passages.tolist()},
        "loss": value.item(),
        "query_gradient": query_gradient.tolist(),
        "passage_gradient": passage_gradient.tolist(),
        "scale_gradient": scale_gradient.item(),
        **diagnostics(batch, config),
    }


# How many cases each agreed with.
PEERS = {peer: 0 for peer in [cross_entropy, multiple_negatives_ranking, gist, nt_xent, matryoshka]}


def check(peer, batch: Batch, config: Config, name: str, value: torch.Tensor, gradients: list[torch.Tensor]) -> None:
    expected = peer(batch, config)
    if expected is None:
        return
    expected = [expected, *torch.autograd.grad(expected, [batch.queries, batch.passages])]
    where = f"{name}, {peer.__name__}"
    for ours, theirs in zip([value, *gradients], expected):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12, msg=lambda text: f"{where}: {text}")
    PEERS[peer] += 1


SYMMETRIC = {"directions": DIRECTIONS[:2], "partition": "separate"}
JOINT = {"directions": DIRECTIONS, "partition": "joint"}
SEPARATE = {"directions": DIRECTIONS, "partition": "separate"}
GUIDE = {"margin": 0.1, "relative": False}
RELATIVE = {"margin": 0.05, "relative": True}


def one_way_and_symmetric():
    yield case("plain", 5, 4, 0.05)
    yield case("one pair", 1, 4, 0.02)
    yield case("paper temperature", 6, 8, 0.02, align=1.5, seed=1)
    yield case("cold", 6, 8, 0.01, seed=2)
    yield case("repeated passages", 5, 4, 0.05, passage_ids=[1, 2, 1, 3, 2], seed=3)
    yield case("repeated queries", 5, 4, 0.05, query_ids=[9, 9, 4, 9, 5], seed=4)
    yield case("repeated queries and passages", 6, 4, 0.1, query_ids=[1, 1, 2, 3, 4, 4],
               passage_ids=[7, 7, 8, 8, 9, 6], seed=5)
    yield case("extra negatives", 4, 5, 0.05, extra=3, seed=6)
    yield case("extra negatives that repeat", 4, 5, 0.05, extra=3, query_ids=[1, 2, 2, 3],
               passage_ids=[1, 2, 3, 4, 2, 2, 8], seed=7)
    yield case("symmetric", 5, 4, 0.05, **SYMMETRIC, seed=8)
    yield case("symmetric at the paper temperature", 6, 8, 0.02, **SYMMETRIC, align=1.5, seed=9)
    yield case("symmetric with repeats", 6, 4, 0.05, **SYMMETRIC, query_ids=[1, 2, 3, 1, 5, 6],
               passage_ids=[1, 2, 2, 4, 5, 6], seed=10)
    yield case("every negative masked", 3, 4, 0.02, passage_ids=[1, 1, 1], **SYMMETRIC, seed=11)
    yield case("known positives", 5, 4, 0.05, passage_ids=[1, 2, 3, 4, 5],
               known=[[1, 3], [2], [1, 2, 3, 9], [], [4, 5]], seed=12)
    yield case("known positives among repeats and extra negatives", 5, 4, 0.05, extra=3, query_ids=[1, 2, 1, 3, 4],
               passage_ids=[1, 2, 3, 2, 5, 6, 1, 3], known=[[1, 2, 3], [2, 6], [1, 2, 3], [2], [3]], seed=13)
    yield case("symmetric with known positives", 6, 4, 0.05, **SYMMETRIC, query_ids=[1, 2, 3, 1, 5, 6],
               passage_ids=[1, 2, 2, 4, 5, 6], known=[[4, 5, 6], [2], [2, 1], [1, 5], [5], [2, 6, 6]], seed=14)


def sets_of_directions():
    for size in range(4):
        for others in combinations(DIRECTIONS[1:], size):
            directions = [DIRECTIONS[0], *others]
            for partition in ["joint", "separate"]:
                name = f"{', '.join(directions)}: {partition}"
                yield case(name, 4, 4, 0.2, directions=directions, partition=partition, align=0.3, seed=20 + size)


# Of four pairs, four hard negatives and two further passages: a passage repeats as another positive, as a hard negative of
# its own query, as one of another, and further on.
PASSAGE_IDS = [1, 2, 1, 3] + [2, 5, 6, 3] + [1, 7]
UNIQUE_IDS = list(range(1, 11))
OPTIONS = {
    "hard negatives": {"hard": 1},
    "extra negatives": {"extra": 2},
    "query ids": {"query_ids": [1, 2, 3, 2]},
    "passage ids": {"passage_ids": PASSAGE_IDS},
    "known positives": {"known": [[1, 3, 5], [2, 7, 10, 10], [], [4, 1, 8, 9, 99]]},
    "a guide": {"guide": GUIDE},
    "hardness": {"hardness": 5.0},
    "every direction, joint": JOINT,
    "every direction, separate": SEPARATE,
}
FURTHER_OPTIONS = {
    "cosines": {"similarity": "cosine", "lengths": True},
    "further positives": {"known": OPTIONS["known positives"]["known"], "known_positives": "positives"},
    "prefixes": {"matryoshka": [(2, 0.7), (3, 1.5)]},
    "strata": {"strata": [5, 0, 5, 2]},
    "a part": {"part": [1, 2]},
}
# Their pairs are among the first cases.
ROWS_AND_IDS = {"extra negatives", "query ids", "passage ids", "known positives"}


def with_options(name, chosen, *, temperature=0.2, **more):
    """Known positives alone come with passages that do not repeat."""
    options = OPTIONS | FURTHER_OPTIONS
    settings = {key: value for option in chosen for key, value in options[option].items()} | more
    ids = settings.get("passage_ids", UNIQUE_IDS if "known" in settings else [])
    hard, extra = settings.get("hard", 0), settings.get("extra", 0)
    settings["passage_ids"] = ids[: 4 + 4 * hard] + ids[8 : 8 + extra]
    return case(name, 4, 4, temperature, align=0.5, **settings)


def pairs_of_options():
    for seed, chosen in enumerate(combinations(OPTIONS, 2), start=100):
        is_possible = not all(option.startswith("every") for option in chosen)
        if is_possible and not ROWS_AND_IDS.issuperset(chosen):
            yield with_options(f"{chosen[0]} with {chosen[1]}", chosen, seed=seed)


def pairs_with_further_options():
    pairs = chain(product(OPTIONS, FURTHER_OPTIONS), combinations(FURTHER_OPTIONS, 2))
    for seed, chosen in enumerate(pairs, start=300):
        if chosen != ("known positives", "further positives"):
            yield with_options(f"{chosen[0]} with {chosen[1]}", chosen, seed=seed)


def many_options():
    single_options = [option for option in OPTIONS if not option.startswith("every")]
    kept = {"guide": RELATIVE, "mask_duplicates": False}
    yield with_options("every option, joint", single_options, temperature=0.1, seed=200, **JOINT)
    yield with_options("every option, separate", single_options, temperature=0.1, seed=201, **SEPARATE)
    yield with_options("every option, duplicates kept, joint", single_options, temperature=0.1, seed=202, **JOINT, **kept)
    yield with_options("duplicates kept", ["query ids", "passage ids", "known positives"], seed=203, mask_duplicates=False)


def hard_negatives():
    yield case("one hard negative of each query", 4, 4, 0.05, hard=1, align=0.7, seed=220)
    yield case("two hard negatives of each query", 3, 4, 0.05, hard=2, align=0.7, seed=221)
    hardened = {"hard": 2, "hardness": 9.0, "align": 0.7}
    yield case("two hard negatives with hardness, joint", 3, 5, 0.05, seed=222, **hardened, **JOINT)
    yield case("two hard negatives with hardness, separate", 3, 5, 0.05, seed=223, **hardened, **SEPARATE)
    # 42 negatives, of which the 40th is the 95th percentile.
    yield case("hardness", 7, 4, 0.1, hardness=9.0, align=0.7, seed=224)


def guides():
    yield case("guide, absolute", 5, 4, 0.05, guide=GUIDE, align=0.7, seed=240)
    yield case("guide, no margin", 5, 4, 0.05, guide=GUIDE | {"margin": 0.0}, align=0.7, seed=241)
    yield case("guide, relative", 5, 4, 0.05, guide=RELATIVE, align=0.7, seed=242)
    yield case("guide, relative, joint", 4, 4, 0.1, guide=RELATIVE, align=0.7, seed=243, **JOINT)
    # Some pairs' own guide scores are negative: the margin is a share of the absolute value.
    opposed = {"guide": RELATIVE | {"margin": 0.4}, "guide_align": -0.3, "align": 0.7}
    yield case("guide, relative to negative scores", 5, 4, 0.05, seed=249, **opposed)
    yield case("guide, relative to negative scores, joint", 4, 4, 0.1, seed=250, **opposed, **JOINT)
    with_queries, with_both = DIRECTIONS[::2], [DIRECTIONS[0], *DIRECTIONS[2:]]
    yield case("guide over queries too", 5, 4, 0.1, hard=1, directions=with_queries, guide=GUIDE, align=0.5, seed=246)
    yield case("guide over queries and passages", 5, 4, 0.1, directions=with_both, guide=GUIDE, align=0.5, seed=247)
    yield case("guide with two hard negatives", 3, 4, 0.1, hard=2, hardness=5.0, guide=RELATIVE, seed=248)


def edges():
    a, b, c = [0.5, 0.5, 0.5, 0.5], [0.5, 0.5, -0.5, -0.5], [0.5, -0.5, 0.5, -0.5]
    not_a, not_b = [-x for x in a], [-x for x in b]
    # Positives at 1 beside two ties, at −1, at 0, and at 1; hard negatives at 0, 1, 0 and −1. Every product is exact.
    signs = {"hard": 1, "rows": ([a, b, c, not_a], [a, not_b, a, not_a, c, b, b, a])}
    one_has_none = {"hard": 1, "passage_ids": UNIQUE_IDS[:6], "known": [[1, 2, 3, 5, 6], [2], [3]]}
    yield case("equal and opposite rows", 4, 4, 0.005, **signs)
    yield case("very cold, joint", 4, 5, 0.005, align=1.0, seed=280, **JOINT)
    yield case("rows of other lengths, joint", 4, 5, 0.2, hard=1, hardness=1.5, lengths=True, align=0.7, seed=281, **JOINT)
    yield case("one pair with three negatives, separate", 1, 4, 0.2, hard=2, extra=1, hardness=2.0, seed=282, **SEPARATE)
    yield case("one query without negatives in two directions, separate", 3, 4, 0.2, **one_has_none, seed=283, **SEPARATE)
    for both in [JOINT, SEPARATE]:
        partition = both["partition"]
        yield case(f"equal and opposite rows, {partition}", 4, 4, 0.005, **signs, **both)
        yield case(f"one pair, {partition}", 1, 4, 0.02, seed=284, **both)
        yield case(f"every negative masked, {partition}", 3, 4, 0.02, hard=1, extra=1, passage_ids=[1] * 7, seed=285, **both)


def many_further_options():
    each = [option for option in OPTIONS | FURTHER_OPTIONS if not option.startswith("every")]
    kept = {"guide": RELATIVE, "mask_duplicates": False}
    yield with_options("every option and every further one, joint", each, temperature=0.1, seed=204, **JOINT)
    yield with_options("every option and every further one, separate", each, temperature=0.1, seed=205, **SEPARATE)
    name = "every option and every further one, duplicates kept, joint"
    yield with_options(name, each, temperature=0.1, seed=206, **JOINT, **kept)


FURTHER = {"known_positives": "positives"}
KNOWN = {"passage_ids": [1, 2, 3, 4, 5], "known": [[3, 2, 9], [], [4, 3, 1, 1], [2], [5, 1]]} | FURTHER


def multi_positive():
    across = {"directions": DIRECTIONS[:2], "partition": "joint"}
    yield case("further positives of five", 5, 4, 0.1, **KNOWN, align=0.3, seed=400)
    yield case("further positives, symmetric", 5, 4, 0.1, **KNOWN, **SYMMETRIC, align=0.3, seed=401)
    yield case("further positives, passage to query too, joint", 5, 4, 0.1, **KNOWN, **across, align=0.3, seed=402)
    kept = {"mask_duplicates": False}
    # Passage 1 repeats: each row of it is a positive where it is known, of the pair with it too; of pair 2 it is not.
    repeats = {"query_ids": [1, 2, 1, 3], "passage_ids": [1, 2, 1, 3], "known": [[1, 2], [3], [], [2, 1]]} | FURTHER
    hard = {"hard": 2, "passage_ids": [1, 2, 3] + [4, 5, 6, 7, 8, 4], "known": [[1, 4], [4, 6, 2], [1, 8]]} | FURTHER
    for seed, both in enumerate([JOINT, SEPARATE], start=410):
        partition = both["partition"]
        yield case(f"further positives that repeat, {partition}", 4, 4, 0.1, **repeats, **both, align=0.3, seed=seed)
        name = f"further positives, duplicates kept, {partition}"
        yield case(name, 4, 4, 0.1, **repeats, **kept, **both, align=0.3, seed=seed)
        name = f"hard negatives that are known positives, {partition}"
        yield case(name, 3, 4, 0.1, **hard, **both, hardness=3.0, align=0.3, seed=seed + 2)
        for temperature in [0.02, 0.005]:
            name = f"further positives at {temperature}, {partition}"
            yield case(name, 5, 6, temperature, **KNOWN, **both, align=1.5, seed=seed + 4)
        yield case(f"near further positives, {partition}", 5, 6, 0.02, **near(seed + 5), **both)
        everything = {"passage_ids": [1, 2, 3], "known": [[1, 2, 3]] * 3} | FURTHER
        yield case(f"no negatives but further positives, {partition}", 3, 4, 0.05, **everything, **both, seed=seed + 6)
    yield case("further positives that repeat", 4, 4, 0.1, **repeats, align=0.3, seed=420)
    yield case("hard negatives that are known positives", 3, 4, 0.1, **hard, align=0.3, seed=422)
    yield case("further positives at 0.02", 5, 6, 0.02, **KNOWN, align=1.5, seed=423)
    yield case("further positives at 0.005", 5, 6, 0.005, **KNOWN, align=1.5, seed=424)
    yield case("near further positives", 5, 6, 0.02, **near(425))
    # The guide leaves out most candidates; known positives stay positives.
    strict = GUIDE | {"margin": 1.0}
    yield case("further positives and a strict guide", 5, 4, 0.1, **KNOWN, guide=strict, align=0.3, seed=426)
    further_on = {"extra": 3, "passage_ids": [1, 2, 3, 4, 3, 4], "known": [[3], [4, 4], []]} | FURTHER
    yield case("further positives among extra negatives", 3, 4, 0.1, **further_on, **SYMMETRIC, align=0.3, seed=427)


def near(seed):
    """Two topics, whose queries are all answered by all of their passages."""
    generator = torch.Generator().manual_seed(seed)
    topics = unit_rows(2, 6, generator)[[0, 0, 0, 1, 1]]
    rows = [towards(unit_rows(5, 6, generator), topics, 4.0).tolist() for _ in range(2)]
    return {"rows": rows, "passage_ids": [1, 2, 3, 4, 5], "known": [[1, 2, 3]] * 3 + [[4, 5]] * 2} | FURTHER


def cosines():
    cosine = {"similarity": "cosine", "lengths": True, "align": 0.5}
    yield case("cosines of one way", 5, 4, 0.05, **cosine, seed=430)
    yield case("cosines, symmetric", 5, 4, 0.05, **cosine, **SYMMETRIC, seed=431)
    yield case("cosines, joint", 4, 5, 0.1, hard=2, hardness=3.0, **cosine, **JOINT, seed=432)
    yield case("cosines, separate", 4, 5, 0.1, hard=1, hardness=3.0, **cosine, **SEPARATE, seed=433)
    yield case("cosines of unit rows, very cold", 5, 6, 0.005, similarity="cosine", align=1.5, seed=434)
    a, b, c = [0.5, -1.0, 2.0, 0.75], [-0.25, 1.5, 0.5, 1.0], [1.0, 0.5, -1.5, 0.25]
    zero, late = [0.0] * 4, [0.0, 0.0, 1.5, -0.5]
    rows = ([a, zero, b, c], [b, c, zero, a, late, zero])
    yield case("rows of zeros", 4, 4, 0.2, extra=2, rows=rows, similarity="cosine", **JOINT)
    # Two numbers of the passage `late` are zeros.
    of_zeros = {"extra": 2, "rows": rows, "similarity": "cosine", "matryoshka": [(2, 1.0), (4, 0.5)]}
    yield case("prefixes of zeros", 4, 4, 0.2, **of_zeros, **SEPARATE)


def prefixes():
    widths = {"matryoshka": [(8, 1.0), (4, 0.5), (2, 0.3)]}
    narrow = {"matryoshka": [(2, 0.3), (5, 1.2)]}
    for similarity in ["dot", "cosine"]:
        compared = {"similarity": similarity, "lengths": True, "align": 0.5}
        more = {"hard": 1, "hardness": 2.0}
        yield case(f"prefixes, {similarity}", 4, 8, 0.1, **widths, **compared, seed=440)
        yield case(f"prefixes without the whole row, {similarity}", 4, 8, 0.1, extra=2, **narrow, **compared, seed=441)
        yield case(f"prefixes, symmetric, {similarity}", 4, 8, 0.1, hard=1, **widths, **compared, **SYMMETRIC, seed=442)
        yield case(f"prefixes, joint, {similarity}", 3, 8, 0.1, **widths, **compared, **more, **JOINT, seed=443)
        yield case(f"prefixes, separate, {similarity}", 3, 8, 0.1, **narrow, **compared, **more, **SEPARATE, seed=444)
        yield case(f"prefixes with a guide, {similarity}", 4, 8, 0.1, **widths, **compared, guide=GUIDE, seed=445)
    yield case("one prefix", 4, 8, 0.05, matryoshka=[(4, 0.7)], align=0.5, seed=446)


def strata():
    # Pair 2, alone in its stratum, has no negatives.
    masked = {"passage_ids": [1, 2, 3, 4, 5], "known": [[2], [], [1, 2, 4, 5], [], []], "strata": [7, 0, 3, 7, 0]}
    yield case("three strata, one without negatives", 5, 4, 0.1, **masked, align=0.3, seed=450)
    yield case("three strata, one without negatives, separate", 5, 4, 0.1, **masked, **SEPARATE, align=0.3, seed=451)
    yield case("three strata", 7, 4, 0.1, strata=[1, 2, 1, 0, 2, 2, 0], align=0.7, seed=452)
    yield case("one pair of one stratum", 1, 4, 0.1, strata=[4], seed=454)
    yield case("strata of a part", 6, 4, 0.1, strata=[2, 1, 2, 5, 1, 5], part=[1, 3], hard=1, align=0.5, seed=455)


def parts():
    for both in [JOINT, SEPARATE]:
        for name, part in {"first": [0, 2], "middle": [2, 1], "last": [3, 2]}.items():
            yield case(f"the {name} part, {both['partition']}", 5, 4, 0.1, hard=1, part=part, align=0.5, seed=460, **both)
    yield case("a part of five", 5, 4, 0.1, part=[1, 3], align=0.5, seed=462)
    yield case("a part, symmetric with repeats", 6, 4, 0.05, part=[2, 3], query_ids=[1, 2, 3, 1, 5, 6],
               passage_ids=[1, 2, 2, 4, 5, 6], known=[[4, 5, 6], [2], [2, 1], [1, 5], [5], [2, 6]], **SYMMETRIC, seed=463)
    yield case("a part with further positives", 5, 4, 0.1, part=[2, 3], **KNOWN, **SYMMETRIC, align=0.3, seed=464)
    yield case("a part without negatives", 3, 4, 0.1, part=[1, 1], passage_ids=[1, 2, 3], known=[[], [1, 3], []], seed=465)


FAMILIES = [
    one_way_and_symmetric, sets_of_directions, pairs_of_options, many_options, hard_negatives, guides, edges,
    pairs_with_further_options, many_further_options, multi_positive, cosines, prefixes, strata, parts,
]


def main() -> None:
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else OUTPUT
    torch.set_num_threads(1)
    cases = [case for family in FAMILIES for case in family()]
    assert len({case["name"] for case in cases}) == len(cases), "two cases of one name"
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    output.write_text(f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases, {output.stat().st_size:,} bytes")
    for peer, agreed in PEERS.items():
        print(f"{agreed} agree with {peer.__name__}")


if __name__ == "__main__":
    main()
