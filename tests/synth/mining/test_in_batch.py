from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.mining.ensemble import combine
from synth.mining.judging import LabelJudge
from synth.mining.miner import HardNegativeMiner, MinedDataset
from synth.mining.relabel import relabel_false_negatives
from synth.mining.table import ScoreTable, retrieve
from synth.pairs import Pairs
from synth.store import Store

WORDS = ["bond", "rate", "covenant", "debt", "gold", "loan", "yield", "swap", "coupon", "audit"]


def some_pairs(seed: int) -> Pairs:
    """Eight queries with one to three positives among some forty passages, of which some are nearly the same."""
    source = random.Random(seed)
    passages = sorted({" ".join(source.choices(WORDS, k=source.randint(2, 6))) for _ in range(30)})
    passages += [f"{' '.join(source.choices(WORDS, k=14))} {end}" for _ in range(5) for end in ("", "today")]
    rows = [(" ".join(source.sample(WORDS, 2)), source.sample(passages, source.randint(1, 3))) for _ in range(8)]
    return Pairs.of(*map(list, zip(*rows, strict=True)), passages).by_text()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def masks(mined: MinedDataset) -> list[set[int]]:
    each = mined.in_batch
    return [set(each.passage[each.owner == row].tolist()) for row in range(len(each.held))]


def all_scores(table: ScoreTable) -> np.ndarray:
    """Of every query and passage; what BM25 does not list shares no word with the query."""
    found = np.zeros((8, len(table.corpus)))
    for numbers, block in table.blocks():
        found[numbers[block.query], block.passage] = block.score.astype(np.float64).round(4)
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 7), st.sampled_from([2, 6, 100]), st.sampled_from([0.0, 0.05, 0.4]), st.sampled_from(["min", "each"])
)
def test_what_is_masked_is_what_all_scores_say_where_it_is_complete(
    store: Store, seed: int, depth: int, margin: float, anchor: str
) -> None:
    pairs = some_pairs(seed)
    table = retrieve(pairs, "lexical", store=store, depth=depth)
    score = all_scores(retrieve(pairs, "lexical", store=store, depth=10_000))
    mined = HardNegativeMiner(strategy="perc_pos", in_batch_margin=margin, positive_anchor=anchor, negatives=2).mine(
        pairs, table
    )
    every = np.arange(len(pairs.passages))
    for row, own in enumerate(masks(mined)):
        query, number = int(mined.negatives.query[row]), int(mined.negatives.known[:row].sum())
        known = pairs.positives[query]
        like = {int(n) for p in known for n in every[table.corpus.are_equivalent(np.full(len(every), p), every)]}
        compared = [int(mined.negatives.positive[number])] if anchor == "each" else known
        lowest = round(min(score[query, compared]) - margin, 6)
        high = set(np.flatnonzero(score[query] >= lowest).tolist())
        first = int(mined.negatives.found[:row].sum())
        taken = set(mined.negatives.passage[first : first + mined.negatives.found[row]].tolist())
        assert like <= own <= like | high - taken
        if mined.in_batch.complete[row]:
            assert own == like | high - taken
    assert mined.in_batch.complete.any() or depth < 100 or margin


def test_the_full_format_names_masked_passages_and_no_other_format_does(store: Store, tmp_path: Path) -> None:
    pairs = some_pairs(1)
    mined = HardNegativeMiner(strategy="perc_pos", negatives=2).mine(pairs, retrieve(pairs, "lexical", store=store))
    rows = [row for block in mined.records() for row in block.to_pylist()]
    for row, own in zip(rows, masks(mined), strict=True):
        assert set(row["in_batch_mask"]) == {pairs.passage_ids[n] for n in own}
        assert row["positive"]["passage_id"] in row["in_batch_mask"]
        assert not {negative["passage_id"] for negative in row["negatives"]} & set(row["in_batch_mask"])


def test_negatives_that_a_judge_takes_out_do_not_come_back_from_other_rows(store: Store) -> None:
    pairs = some_pairs(2)
    mined = HardNegativeMiner(strategy="perc_pos", negatives=3).mine(pairs, retrieve(pairs, "lexical", store=store))
    row = int(np.flatnonzero(mined.negatives.found)[0])
    query, passage = int(mined.negatives.query[row]), int(mined.negatives.passage[0])
    judge = LabelJudge.of([(pairs.query_ids[query], pairs.passage_ids[passage], 1)])
    assert passage not in masks(mined)[row]
    for action in ("drop", "promote"):
        after = relabel_false_negatives(mined, [judge], action=action)  # type: ignore[arg-type]
        assert masks(after)[row] == masks(mined)[row] | {passage}
    assert masks(relabel_false_negatives(mined, [judge], action="grade"))[row] == masks(mined)[row]


def test_likely_false_negatives_are_masked_where_their_probability_is_asked_for(store: Store) -> None:
    pairs = some_pairs(3)
    table = retrieve(pairs, "lexical", store=store, evidence=True)
    plain = masks(HardNegativeMiner(strategy="naive").mine(pairs, table))
    judged = HardNegativeMiner(strategy="multi_signal", max_false_negative_rate=0.02).mine(pairs, table)
    assert sum(map(len, plain)) < sum(map(len, masks(judged)))
    assert all(before <= after for before, after in zip(plain, masks(judged), strict=True))


def test_what_any_teacher_masks_is_masked_in_what_they_give_together(store: Store) -> None:
    pairs = some_pairs(4)
    table = retrieve(pairs, "lexical", store=store)
    one, other = (
        HardNegativeMiner(strategy="perc_pos", in_batch_margin=margin).mine(pairs, table) for margin in (0.0, 0.3)
    )
    assert masks(combine([one, other], "intra_sample")) == masks(other) != masks(one)


def test_rows_that_are_dropped_take_their_masks_with_them(store: Store) -> None:
    pairs = some_pairs(5)
    table = retrieve(pairs, "lexical", store=store)
    every = HardNegativeMiner(strategy="abs", max_score=0.3, negatives=8).mine(pairs, table)
    whole = HardNegativeMiner(strategy="abs", max_score=0.3, negatives=8, shortfall="drop").mine(pairs, table)
    assert 0 < len(whole.negatives.query) < len(every.negatives.query)
    kept = np.isin(every.negatives.query, whole.negatives.query)
    assert masks(whole) == [mask for mask, is_kept in zip(masks(every), kept, strict=True) if is_kept]
