"""Writes crates/infonce/tests/golden/infonce.json: the contrastive loss with every option and every pair of options.

Pinned: Python 3.11, torch 2.15.0 (on the CPU). Run from the root of the repository:
    python tools/golden/infonce.py

Each case holds rows and settings rounded to float32, so that Rust reads the very inputs, and what torch makes of them in
float64: scores as matrices, masks as matrices, `logsumexp` over what is left, gradients by autograd. Nothing here shares a
formula with the crate. Three more losses, each written on its own, have to agree wherever they cover a case: torch's
`cross_entropy`, and `MultipleNegativesRankingLoss` and `GISTEmbedLoss` as sentence-transformers 6.2 computes them.
"""

import json
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import torch
import torch.nn.functional as F

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

    def false_negative(self, direction: str, i: int, j: int) -> bool:
        known = {
            "query-to-passage": self.answers(passage=j, query=i),
            "passage-to-query": self.answers(passage=i, query=j),
            "query-to-query": self.answers(passage=j, query=i) or self.answers(passage=i, query=j),
            "passage-to-passage": self.answers(passage=j, query=i) or self.answers(passage=i, query=j),
        }
        return self.same(i, j) or known[direction]


@dataclass
class Config:
    temperature: float
    directions: list[str]
    partition: str
    hardness: float
    mask_duplicates: bool
    guide: dict | None


@dataclass
class Batch:
    queries: torch.Tensor
    passages: torch.Tensor
    hard: int
    ids: Ids
    guide_queries: torch.Tensor | None = None
    guide_passages: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.queries)

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
        mask = torch.zeros_like(own)
        if config.mask_duplicates:
            for i, j in own.logical_not().nonzero().tolist():
                mask[i, j] = self.ids.false_negative(direction, i, j)
        if config.guide:
            mask |= self.guided(direction, config.guide)
        return mask & ~own

    def guided(self, direction: str, guide: dict) -> torch.Tensor:
        guided = scores(direction, self.guide_queries, self.guide_passages)
        positive = (self.guide_queries * self.guide_passages[: len(self)]).sum(dim=1, keepdim=True)
        room = positive.abs() * guide["margin"] if guide["relative"] else guide["margin"]
        above = guided - (positive - room)
        # Rust may round another way.
        assert (above[~self.own(direction)].abs() > 1e-5).all(), "a guide score at its threshold"
        return above >= 0


def scores(direction: str, queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
    anchor, column = direction.split("-to-")
    anchors = {"query": queries, "passage": passages[: len(queries)]}
    return anchors[anchor] @ {"query": queries, "passage": passages}[column].T


def loss(batch: Batch, config: Config, log_scale: torch.Tensor) -> torch.Tensor:
    """The loss; `log_scale` is zero and takes the gradient with respect to the logarithm of 1/temperature."""
    logits = {}
    for direction in config.directions:
        score = batch.scores(direction)
        logits[direction] = score / config.temperature * log_scale.exp()
        if direction == "query-to-passage":
            positive = logits[direction].diagonal().unsqueeze(1)
            logits[direction] = logits[direction] + config.hardness * score.detach()
        out = batch.own(direction) | batch.masked(direction, config)
        logits[direction] = logits[direction].masked_fill(out, MINUS_INFINITY)
    # The blocks in which the pair itself is a candidate.
    paired = [direction for direction in config.directions if direction in DIRECTIONS[:2]]
    if config.partition == "joint":
        candidates = torch.cat([positive] * len(paired) + list(logits.values()), dim=1)
        return (torch.logsumexp(candidates, dim=1) - positive[:, 0]).mean()
    total = torch.zeros((), dtype=torch.float64)
    for direction, negatives in logits.items():
        candidates = torch.cat([positive, negatives], dim=1) if direction in paired else negatives
        some = (candidates > MINUS_INFINITY).any(dim=1)
        total = total + (torch.logsumexp(candidates[some], dim=1) - positive[some, 0]).sum() / len(batch)
    return total / len(logits)


def cross_entropy(batch: Batch, config: Config) -> torch.Tensor | None:
    """The mean of the cross-entropies of the rows and, with passage-to-query, of the columns."""
    symmetric = config.directions == DIRECTIONS[:2] and config.partition == "separate"
    square = len(batch) == len(batch.passages) and not config.guide
    if config.hardness or not (config.directions == DIRECTIONS[:1] or symmetric and square):
        return None
    mask = batch.masked("query-to-passage", config)
    logits = (batch.queries @ batch.passages.T / config.temperature).masked_fill(mask, MINUS_INFINITY)
    positives = torch.arange(len(batch))
    if not symmetric:
        return F.cross_entropy(logits, positives)
    return (F.cross_entropy(logits, positives) + F.cross_entropy(logits.T, positives)) / 2


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
    return -(positive - log_z).mean()


def gist(batch: Batch, config: Config) -> torch.Tensor | None:
    """One softmax, without passage-to-query, hardness and ids; at most one hard negative, none with passage-to-passage."""
    b, n = len(batch), len(batch.passages)
    ids = config.mask_duplicates and (batch.ids.queries or batch.ids.passages)
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
    return F.cross_entropy(torch.cat(blocks, dim=1) / config.temperature, torch.arange(b))


def diagnostics(batch: Batch, config: Config) -> dict:
    score = batch.scores("query-to-passage").detach()
    own, masked = batch.own("query-to-passage"), batch.masked("query-to-passage", config)
    positive = score.diagonal().unsqueeze(1)
    is_negative = ~(own | masked)
    negatives = score[is_negative]
    ahead = (score - positive)[is_negative]
    # Nearer ones could change sides in float32; ties of exact scores cannot.
    assert ((ahead == 0) | (ahead.abs() > 1e-5)).all(), "a negative at its positive"
    enough = [v for v in negatives.tolist() if 100 * int((negatives <= v).sum()) >= 95 * len(negatives)]
    others = int((~own).sum())
    return {
        "masked": sum(int(batch.masked(direction, config).sum()) for direction in config.directions),
        "accuracy": (~is_negative | (score < positive)).all(dim=1).double().mean().item(),
        "positive_similarity": positive.mean().item(),
        "negative_similarity": negatives.mean().item() if enough else None,
        "negative_p95": min(enough, default=None),
        "harder_share": (ahead > 0).double().mean().item() if enough else None,
        "masked_share": int(masked.sum()) / others if others else 0.0,
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
    lengths=False, seed=0,
):
    generator = torch.Generator().manual_seed(seed)
    if rows:
        queries, passages = (torch.tensor(side, dtype=torch.float64) for side in rows)
    else:
        queries, passages = draw(b, d, hard, extra, align, hard_align, generator)
    if lengths:
        queries, passages = of_other_lengths(queries), of_other_lengths(passages)
    ids = Ids(list(query_ids), list(passage_ids), [list(ids) for ids in known])
    batch = Batch(queries.requires_grad_(), passages.requires_grad_(), hard, ids)
    guide = guide and {"margin": single(guide["margin"]), "relative": guide["relative"]}
    config = Config(single(temperature), list(directions), partition, single(hardness), mask_duplicates, guide)
    if guide:
        # A guide has a width of its own.
        batch.guide_queries, batch.guide_passages = draw(b, 5, hard, extra, guide_align, 0.7, generator)
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
PEERS = {cross_entropy: 0, multiple_negatives_ranking: 0, gist: 0}


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
# Their pairs are among the first cases.
ROWS_AND_IDS = {"extra negatives", "query ids", "passage ids", "known positives"}


def with_options(name, chosen, *, temperature=0.2, **more):
    """Known positives alone come with passages that do not repeat."""
    settings = {key: value for option in chosen for key, value in OPTIONS[option].items()} | more
    ids = settings.get("passage_ids", UNIQUE_IDS if "known" in settings else [])
    hard, extra = settings.get("hard", 0), settings.get("extra", 0)
    settings["passage_ids"] = ids[: 4 + 4 * hard] + ids[8 : 8 + extra]
    return case(name, 4, 4, temperature, align=0.5, **settings)


def pairs_of_options():
    for seed, chosen in enumerate(combinations(OPTIONS, 2), start=100):
        is_possible = not all(option.startswith("every") for option in chosen)
        if is_possible and not ROWS_AND_IDS.issuperset(chosen):
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


FAMILIES = [one_way_and_symmetric, sets_of_directions, pairs_of_options, many_options, hard_negatives, guides, edges]


def main() -> None:
    torch.set_num_threads(1)
    cases = [case for family in FAMILIES for case in family()]
    assert len({case["name"] for case in cases}) == len(cases), "two cases of one name"
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    OUTPUT.write_text(f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases, {OUTPUT.stat().st_size:,} bytes")
    for peer, agreed in PEERS.items():
        print(f"{agreed} agree with {peer.__name__}")


if __name__ == "__main__":
    main()
