from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synth.errors import InputError
from synth.mining.candidates import BEYOND
from synth.mining.consistency import Bounds, Filtered, consistency_filter, retrieve_reverse
from synth.mining.table import retrieve
from synth.pairs import Pairs
from synth.progress import Silent
from synth.store import Store

ROWS = [
    ("gold price", "The gold price rose.", "news"),
    ("covenant breach", "A breach of the covenant.", "news"),
    ("interest rate", "Bananas are yellow.", "forum"),
    ("swap rate", "The swap rate fell.", "forum"),
    ("rate", "An exchange rate is a price, they say in long reports about markets and rates.", "forum"),
]
MORE = ["Interest on the rate.", "The interest rate rose.", "Gold and silver.", "A rate."]


def some_pairs() -> Pairs:
    pairs = Pairs()
    for query, positive, source in ROWS:
        pairs.add(query, [pairs.add_passage(positive)], source=source)
    for text in MORE:
        pairs.add_passage(text)
    return pairs


def judged(folder: Path, bounds: Bounds, direction: str = "query", pairs: Pairs | None = None) -> Filtered:
    pairs, store = pairs or some_pairs(), Store(folder)
    table = retrieve(pairs, "lexical", store=store, depth=9)
    reverse = retrieve_reverse(pairs, "lexical", store=store, depth=9, reporter=Silent())
    return consistency_filter(pairs, table, bounds, reverse=reverse, direction=direction)  # type: ignore[arg-type]


def test_a_positive_that_the_teacher_does_not_find_is_dropped_with_its_rank(tmp_path: Path) -> None:
    filtered = judged(tmp_path, Bounds(k=2))
    kept, dropped = filtered.tables()
    assert kept["query"].to_pylist() == ["gold price", "covenant breach", "swap rate"]
    assert dropped["reason"].to_pylist() == ["inconsistent"] * 2
    assert min(dropped["rank"].to_pylist()) > 2
    assert filtered.counts == {"kept": 3, "inconsistent": 2}
    assert filtered.by_source["forum"] == {"kept": 1, "inconsistent": 2}


def test_a_source_can_have_a_k_of_its_own(tmp_path: Path) -> None:
    filtered = judged(tmp_path, Bounds(k=1, per_source={"forum": 9}))
    assert filtered.k == {"news": 1, "forum": 9}
    assert filtered.by_source["forum"]["kept"] == 2, "the third is not found at all"


def test_a_quantile_chooses_the_rank_that_a_share_of_each_source_reaches(tmp_path: Path) -> None:
    filtered = judged(tmp_path, Bounds(quantile=0.6))
    assert filtered.by_source["forum"]["kept"] == 2
    assert filtered.by_source["news"]["kept"] == 2
    assert filtered.k["news"] == 1


def test_a_positive_that_the_search_never_reached_is_beyond_any_k_and_any_quantile(tmp_path: Path) -> None:
    """KaLM's filter passed every pair whose positive lay beyond the window that it searched."""
    pairs = Pairs.of(["gold price", "covenant"], [["Tin is soft."], ["A covenant."]], ["Gold price."])
    for bounds in (Bounds(k=30_000), Bounds(quantile=1.0)):
        filtered = judged(tmp_path, bounds, pairs=pairs)
        assert sorted(filtered.reason) == ["", "inconsistent"]
        assert max(filtered.rank.tolist()) == BEYOND


@pytest.mark.parametrize(("bounds", "message"), [
    ({"k": 70_000}, "a k of 70,000 is more than a search can tell; give at most 30,000"),
    ({"per_source": {"news": 40_000}}, "a k of 40,000 is more"),
    ({"min_score": float("nan")}, "a floor of nan keeps all or nothing"),
])  # fmt: skip
def test_bounds_that_bound_nothing_are_refused(bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Bounds(**bounds)


def test_a_positive_at_or_below_the_floor_is_dropped(tmp_path: Path) -> None:
    filtered = judged(tmp_path, Bounds(k=9, min_score=0.0))
    assert filtered.reason == ["", "", "low_score", "", ""]


def test_queries_are_ranked_for_the_passage_too(tmp_path: Path) -> None:
    query, passage, mutual = (judged(tmp_path, Bounds(k=1), direction) for direction in ("query", "passage", "mutual"))
    assert passage.rank.tolist() != query.rank.tolist()
    assert mutual.rank.tolist() == [max(pair) for pair in zip(query.rank.tolist(), passage.rank.tolist(), strict=True)]
    assert passage.rank[0] == 1, "no other query is nearer to the passage about the gold price"


def test_known_positives_and_copies_never_push_a_pair_out(tmp_path: Path) -> None:
    """nomic's filter tests index equality, so an identical document under another row pushes a good pair out."""
    pairs = Pairs()
    twins = ["The gold price rose.", "the  GOLD price rose.", "The gold price rose again."]
    pairs.add("gold price", [pairs.add_passage(text) for text in twins])
    pairs.add("tin", [pairs.add_passage("Tin is soft.")])
    assert judged(tmp_path, Bounds(k=1), pairs=pairs).counts == {"kept": 3}


def test_a_wrong_source_or_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pair has the source 'forums'; did you mean 'forum'"):
        judged(tmp_path, Bounds(per_source={"forums": 3}))
    pairs = some_pairs()
    table = retrieve(pairs, "lexical", store=Store(tmp_path))
    with pytest.raises(InputError, match="the direction 'mutual' needs the table of retrieve_reverse"):
        consistency_filter(pairs, table, Bounds(), direction="mutual")
    plain = Pairs.of(["gold"], [["Gold."]])
    with pytest.raises(InputError, match="the pairs name no source, see --source-field"):
        judged(tmp_path, Bounds(per_source={"x": 3}), pairs=plain)
