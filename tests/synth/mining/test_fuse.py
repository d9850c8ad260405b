from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth.corpus import Corpus
from synth.errors import InputError
from synth.mining import table as tables
from synth.mining.candidates import BEYOND
from synth.mining.ensemble import combine
from synth.mining.fuse import fuse
from synth.mining.miner import HardNegativeMiner, MinedDataset
from synth.mining.table import ScoreTable, retrieve
from synth.pairs import Pairs
from synth.store import Store
from synth.teachers import Hits, scoring
from synth.teachers.settings import TeacherSettings

LETTERS = "abcdefgh"
Ask = Callable[..., Any]


class Told:
    """A teacher that gives the passages named in a string their scores: 'ab' says a 0.9, b 0.8, all others less."""

    def __init__(self, order: str) -> None:
        self.identity = {"model": order}
        self._scores = np.array([0.9 - 0.1 * order.index(letter) for letter in LETTERS], dtype=np.float32)

    def index(self, corpus: Corpus, reporter: object) -> None:
        pass

    def search(self, queries: Sequence[str], positives: np.ndarray, depth: int) -> Hits:
        order = np.argsort(-self._scores, kind="stable")[:depth]
        own = np.where(positives >= 0, self._scores[np.maximum(positives, 0)], 0).astype(np.float32)
        best = np.broadcast_to(order, (len(queries), depth))
        return Hits(best.astype(np.int64), self._scores[best], own)


PAIRS = Pairs.of(["one?", "two?"], [["h"], ["a", "h"]], LETTERS).by_text()


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setattr(tables, "build_teacher", lambda name, *_: Told(name))
    monkeypatch.setattr(scoring, "reach_teacher", lambda name: (name, TeacherSettings()))
    return lambda order, depth=4, pairs=PAIRS: retrieve(pairs, order, store=Store(tmp_path), depth=depth)


def ranked(table: ScoreTable, query: int = 0) -> list[tuple[str, float]]:
    ((_, block),) = table.blocks()
    rows = block.query == query
    return [(LETTERS[p], round(float(s), 4)) for p, s in zip(block.passage[rows], block.score[rows], strict=True)]


def test_reciprocal_ranks_add_up(ask: Ask) -> None:
    fused = fuse([ask("abcdefgh"), ask("bacegdfh")])
    both, second, third = (61 / 61 + 61 / 62) / 2, 61 / 63, 61 / 64 / 2
    assert ranked(fused) == [
        ("a", round(both, 4)),
        ("b", round(both, 4)),
        ("c", round(second, 4)),
        ("d", round(third, 4)),
    ]
    assert fused.teacher["model"] == "abcdefgh + bacegdfh"
    ((_, block),) = fused.blocks()
    assert block.positives.rank.tolist() == [BEYOND, 1, BEYOND]
    assert block.positives.score.tolist() == pytest.approx([0, both, 0], abs=1e-4)


def test_a_weight_moves_the_order(ask: Ask) -> None:
    fused = fuse([ask("abcdefgh"), ask("bacegdfh")], weights=[1, 3])
    assert ranked(fused)[0][0] == "b"


def test_stretched_scores_say_how_far_a_positive_beyond_the_list_lies_below(ask: Ask) -> None:
    fused = fuse([ask("abcdefgh"), ask("abcdefgh")], "weighted")
    assert ranked(fused) == [("a", 1.0), ("b", 0.6667), ("c", 0.3333), ("d", 0.0)]
    ((_, block),) = fused.blocks()
    assert block.positives.score.tolist() == pytest.approx([-4 / 3, 1, -4 / 3], abs=1e-4)


def test_what_all_teachers_list_counts_more_by_agreement(ask: Ask) -> None:
    fused = fuse([ask("abcdefgh"), ask("efabcdgh")], "agreement", weights=[1, 1])
    weighted = fuse([ask("abcdefgh"), ask("efabcdgh")], "weighted")
    assert [letter for letter, _ in ranked(fused)][:2] == ["a", "b"]
    assert dict(ranked(weighted))["e"] == 2 * dict(ranked(fused))["e"]


def test_what_was_fused_is_kept_and_mined_like_any_table(ask: Ask) -> None:
    given = [ask("abcdefgh", 8), ask("bacegdfh", 8)]
    fused = fuse(given)
    before = (fused.folder / "table.parquet").stat().st_mtime_ns
    assert (fuse(given).folder / "table.parquet").stat().st_mtime_ns == before
    mined = HardNegativeMiner(strategy="naive", negatives=3).mine(PAIRS, fused)
    assert [PAIRS.passages[n] for n in mined.negatives.passage] == ["a", "b", "c", "b", "c", "e"]


def test_tables_of_other_pairs_and_odd_weights_are_refused(ask: Ask) -> None:
    one = ask("abcdefgh")
    other = ask("abcdefgh", 4, Pairs.of(["three?"], [["h"]], LETTERS).by_text())
    with pytest.raises(InputError, match="score tables of different pairs can't be fused"):
        fuse([one, other])
    with pytest.raises(InputError, match="1 weights were given for 2 teachers; give one above 0 for each"):
        fuse([one, one], weights=[1])
    with pytest.raises(InputError, match="ask at least one teacher"):
        fuse([])


def mined(ask: Ask, **settings: Any) -> list[MinedDataset]:
    miner = HardNegativeMiner(strategy="naive", negatives=3, **settings)
    return [miner.mine(PAIRS, ask(order, 8)) for order in ("abcdefgh", "bacegdfh")]


@pytest.mark.parametrize(("dedup", "expected"), [(False, "abb"), (True, "abc")])
def test_a_row_takes_the_best_of_each_teacher_in_turn(ask: Ask, dedup: bool, expected: str) -> None:
    joined = combine(mined(ask), "intra_sample", dedup=dedup)
    assert "".join(PAIRS.passages[n] for n in joined.negatives.passage[:3]) == expected


def test_a_row_takes_those_of_one_teacher(ask: Ask) -> None:
    joined = combine(mined(ask), "cross_sample", weights=[0.001, 1])
    assert "".join(PAIRS.passages[n] for n in joined.negatives.passage) == "bacbce"


def test_what_is_combined_tells_what_became_of_the_candidates_of_every_teacher(ask: Ask) -> None:
    both = mined(ask)
    report = combine(both, "intra_sample", dedup=True).report
    assert report.candidates == both[0].report.candidates + both[1].report.candidates
    assert sum(report.candidates.values()) == 2 * sum(both[0].report.candidates.values())
    assert (report.queries, report.short, report.negatives) == (2, 0, 6)
    assert report.teacher["model"] == "abcdefgh + bacegdfh"
    assert [each["teacher"]["model"] for each in report.teachers] == ["abcdefgh", "bacegdfh"]
    for fate, held in report.histogram.items():
        each = [one.report.histogram.get(fate, [0] * len(held)) for one in both]
        assert held == [a + b for a, b in zip(*each, strict=True)]


def test_rows_that_were_dropped_can_not_be_combined(ask: Ask) -> None:
    one, other = mined(ask)[0], mined(ask, shortfall="drop", min_score=0.75)[0]
    with pytest.raises(InputError, match="mined datasets of different rows can't be combined"):
        combine([one, other], "intra_sample")
