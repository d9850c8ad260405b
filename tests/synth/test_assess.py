from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from synth.assess import Assessment, assess, read_items
from synth.mining.consistency import Bounds, consistency_filter, retrieve_reverse
from synth.mining.table import retrieve
from synth.pairs import Pairs
from synth.progress import Silent
from synth.run import Run, prepare
from synth.shard import Shard, Workshop, make_shard
from synth.store import Store
from synth.text import hash64, normalise

Make = Callable[..., Any]


@pytest.fixture
def judge(new_run: Make) -> Make:
    """Make the first items of a run, cut at `cuts`, and judge them."""

    def judged(texts: dict[str, str], *, cuts: list[int], limit: int | None = None, **options: Any) -> Any:
        shop = prepare(new_run(texts, **options), Silent())
        shards = [Shard(start, stop) for start, stop in zip([0, *cuts], cuts, strict=False)]
        for shard in shards:
            make_shard(shop, shard, Silent())
        return shop, assess(shop, shards, limit)

    return judged


def total(assessment: Assessment) -> int:
    funnel = assessment.funnel
    return funnel.accepted + sum(funnel.rejected.values()) + sum(funnel.failed.values())


def test_what_is_accepted_and_rejected_does_not_depend_on_the_shards(judge: Make, make_texts: Make) -> None:
    texts = make_texts(10)
    _, whole = judge(texts, cuts=[200], limit=30)
    _, parts = judge(texts, cuts=[1, 7, 90, 199, 200], limit=30)
    assert np.array_equal(whole.positions, parts.positions)
    assert whole.set_rejects == parts.set_rejects
    assert whole.funnel == parts.funnel
    assert whole.known_positives.keys() == parts.known_positives.keys()


def test_the_first_in_plan_order_are_kept_and_the_rest_is_surplus(judge: Make, make_texts: Make) -> None:
    _, unlimited = judge(make_texts(), cuts=[96])
    _, limited = judge(make_texts(), cuts=[96], limit=20)
    assert limited.accepted == 20
    assert limited.positions.tolist() == unlimited.positions[:20].tolist()
    surplus = {position for position, verdict in limited.set_rejects.items() if verdict.reason == "surplus"}
    assert surplus == set(unlimited.positions[20:].tolist())
    assert all(limited.set_rejects[p].detail == "beyond the 20 records asked for" for p in surplus)
    assert total(limited) == total(unlimited) == 96


def test_a_limit_that_is_not_reached_changes_nothing(judge: Make, make_texts: Make) -> None:
    _, unlimited = judge(make_texts(), cuts=[48])
    _, limited = judge(make_texts(), cuts=[48], limit=1_000)
    assert limited.funnel == unlimited.funnel


def test_a_set_gate_does_not_see_what_an_earlier_one_dropped(judge: Make, make_texts: Make) -> None:
    first = {"name": "consistency", "settings": {"k": 1, "min_score": 0.5}}
    second = {"name": "duplicates", "settings": {"near": 0.6}}
    _, both = judge(make_texts(3), cuts=[120], settings={"set_gates": [first, second]})
    gates = {position: verdict.gate for position, verdict in both.set_rejects.items()}
    assert set(gates.values()) == {"consistency", "duplicates"}
    kept = set(both.positions.tolist())
    for verdict in both.set_rejects.values():
        if verdict.gate == "duplicates":
            assert gates.get(int(verdict.score)) != "consistency"
            assert int(verdict.score) in kept or gates[int(verdict.score)] == "duplicates"


def test_without_set_gates_everything_that_passed_is_accepted(judge: Make, make_texts: Make) -> None:
    _, found = judge(make_texts(4), cuts=[60], settings={"set_gates": []})
    assert found.accepted == 60
    assert not found.set_rejects


def test_a_shard_in_which_nothing_was_accepted_is_no_trouble(judge: Make, make_texts: Make) -> None:
    texts = {"a": "Far too short a text.", "b": "Nor is there enough of it here."}
    _, found = judge(texts, cuts=[4, 8])
    assert found.accepted == 0
    assert found.funnel.failed == {"passage_too_short": 8}
    assert found.known_positives == {}
    assert total(found) == 8


def test_every_passage_a_query_was_made_from_is_a_known_positive(judge: Make, make_texts: Make) -> None:
    shop, found = judge(_with_a_shared_heading(make_texts), cuts=[8])
    made: dict[int, set[int]] = {}
    for row in pq.read_table(Shard(0, 8).items_path(shop.folder)).to_pylist():
        assert row["query_key"] == hash64(normalise(row["query"]))
        made.setdefault(row["query_key"], set()).add(row["passage"])
    expected = {key: passages for key, passages in made.items() if len(passages) > 1}
    assert expected
    assert {key: set(group.tolist()) for key, group in found.known_positives.items()} == expected
    dropped = [verdict for verdict in found.set_rejects.values() if verdict.reason == "duplicate"]
    assert len(dropped) == 1


def _with_a_shared_heading(make_texts: Make) -> dict[str, str]:
    first, second = make_texts(2).values()
    heading = "Quarterly covenant compliance statement"
    return {"a": f"# {heading}\n\n{first}", "b": f"# {heading}\n\n{second}"}


def test_score_tables_of_other_items_are_refused(new_run: Make, make_texts: Make) -> None:
    run: Run = new_run(make_texts(4))
    shop: Workshop = prepare(run, Silent())
    one, other = Shard(0, 8), Shard(8, 16)
    for shard in (one, other):
        make_shard(shop, shard, Silent())
    (other.scores_folder(shop.folder) / "positives.parquet").replace(
        one.scores_folder(shop.folder) / "positives.parquet"
    )
    with pytest.raises(AssertionError, match="score tables do not cover"):
        assess(shop, [one], None)


def failing(judge: Make, texts: dict[str, str], **settings: Any) -> set[int]:
    gate = {"name": "consistency", "settings": {"k": 2, "min_score": -1.0, **settings}}
    _, found = judge(texts, cuts=[40, 120], settings={"set_gates": [gate]})
    return {position for position, verdict in found.set_rejects.items() if verdict.reason == "inconsistent"}


def test_a_run_ranks_its_queries_for_a_passage_as_the_verb_gate_does(
    judge: Make, make_texts: Make, tmp_path: Path
) -> None:
    texts = make_texts(6)
    shop, whole = judge(texts, cuts=[120], settings={"set_gates": []})
    rows = [
        r
        for t in read_items(shop.folder, whole.shards, whole.positions, ["query", "positive", "passage"])
        for r in t.to_pylist()
    ]
    own = [row["positive"] or shop.corpus.texts([row["passage"]])[0] for row in rows]
    pairs = Pairs.of(
        [row["query"] for row in rows], [[text] for text in own], shop.corpus.texts(range(len(shop.corpus)))
    )
    how: dict[str, Any] = {"store": Store(tmp_path / "own"), "depth": 100, "reporter": Silent()}
    tables = retrieve(pairs, "lexical", **how), retrieve_reverse(pairs, "lexical", **how)
    filtered = consistency_filter(pairs, tables[0], Bounds(k=2), reverse=tables[1], direction="passage")
    dropped = {
        (int(q), int(p)) for q, p, why in zip(filtered.query, filtered.passage, filtered.reason, strict=True) if why
    }
    numbers = {normalise(text): number for number, text in enumerate(pairs.queries)}
    ordinals = {normalise(text): number for number, text in enumerate(pairs.passages)}
    expected = {
        int(position)
        for position, row, text in zip(whole.positions, rows, own, strict=True)
        if (numbers[normalise(row["query"])], ordinals[normalise(text)]) in dropped
    }
    assert failing(judge, texts, direction="passage") == expected
    assert 0 < len(expected) < len(rows)


def test_both_directions_drop_what_either_drops(judge: Make, make_texts: Make) -> None:
    texts = make_texts(6)
    query, passage, mutual = (failing(judge, texts, k=1, direction=each) for each in ("query", "passage", "mutual"))
    assert mutual == query | passage
    assert query
    assert passage - query


def test_of_queries_ranked_for_passages_only_the_last_round_is_kept(judge: Make, make_texts: Make) -> None:
    gate = {"name": "consistency", "settings": {"direction": "passage"}}
    shop, _ = judge(make_texts(6), cuts=[40, 120], settings={"set_gates": [gate]})
    before = [each.name for each in (shop.folder / "consistency").iterdir()]
    assess(shop, [Shard(0, 40)], None)
    after = [each.name for each in (shop.folder / "consistency").iterdir()]
    assert len(before) == len(after) == 1
    assert before != after
