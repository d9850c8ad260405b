from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import registry
from synth.errors import ConservationError
from synth.generators import Answer, Call, Outcome
from synth.generators.extractive import Extractive
from synth.progress import Reporter, Silent
from synth.run import prepare
from synth.shard import Shard, Workshop, make_shard
from synth.tasks import Failure, Query

Make = Callable[..., Any]
TOTAL = 60


@pytest.fixture
def open_shop(new_run: Make, make_texts: Make) -> Make:
    """What the shards of a run over small documents share."""

    def opened(texts: dict[str, str] | None = None, **options: Any) -> Workshop:
        return prepare(new_run(texts or make_texts(15), **options), Silent())

    return opened


@pytest.fixture(scope="module")
def shops(new_run: Make, make_texts: Make) -> Iterator[Workshop]:
    """The same run again and again, each in a folder of its own."""
    return (prepare(new_run(make_texts(15)), Silent()) for _ in itertools.count())


@pytest.fixture(scope="module")
def whole(shops: Iterator[Workshop]) -> tuple[pa.Table, pa.Table, pa.Table]:
    return make_all(next(shops), [TOTAL])


def make_all(shop: Workshop, cuts: list[int]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Items, score rows and positives of positions 0 … TOTAL - 1, cut at `cuts`."""
    edges = sorted({0, TOTAL, *cuts})
    shards = [Shard(start, stop) for start, stop in itertools.pairwise(edges)]
    for shard in shards:
        make_shard(shop, shard, Silent())
    return (
        pa.concat_tables([pq.read_table(shard.items_path(shop.folder)) for shard in shards]),
        pa.concat_tables([pq.read_table(shard.scores_folder(shop.folder) / "table.parquet") for shard in shards]),
        pa.concat_tables([pq.read_table(shard.scores_folder(shop.folder) / "positives.parquet") for shard in shards]),
    )


@settings(max_examples=6, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(1, TOTAL - 1), max_size=5))
def test_items_and_scores_do_not_depend_on_where_the_plan_is_cut(
    shops: Iterator[Workshop], whole: tuple[pa.Table, ...], cuts: list[int]
) -> None:
    for made, expected in zip(make_all(next(shops), cuts), whole, strict=True):
        assert made.equals(expected)


def items(shop: Workshop, stop: int = TOTAL) -> list[dict[str, Any]]:
    shard = Shard(0, stop)
    make_shard(shop, shard, Silent())
    rows: list[dict[str, Any]] = pq.read_table(shard.items_path(shop.folder)).to_pylist()
    return rows


def test_every_position_has_one_item_in_plan_order(open_shop: Make) -> None:
    rows = items(open_shop())
    assert [row["position"] for row in rows] == list(range(TOTAL))
    assert len({row["id"] for row in rows}) == TOTAL
    assert {row["status"] for row in rows} == {"accepted"}


def test_items_carry_what_the_plan_drew_for_them(open_shop: Make) -> None:
    shop = open_shop()
    drawn = ("id", "position", "passage", "persona", "query_type", "difficulty", "length", "language", "seed", "task")
    for row, item in zip(items(shop), shop.plan.items(0, TOTAL), strict=True):
        assert [row[name] for name in drawn] == [getattr(item, name) for name in drawn]
        assert row["split"] == ("test" if shop.corpus.is_test[item.passage] else "train")


def test_a_shard_that_is_made_is_not_made_again(open_shop: Make) -> None:
    shop, shard = open_shop(), Shard(0, 10)
    assert not shard.is_made(shop.folder)
    make_shard(shop, shard, Silent())
    assert shard.is_made(shop.folder)
    before = _times(shop.folder)
    make_shard(shop, shard, Silent())
    assert _times(shop.folder) == before


def test_a_shard_that_died_before_its_scores_keeps_its_items(open_shop: Make) -> None:
    shop, shard = open_shop(), Shard(0, 10)
    make_shard(shop, shard, Silent())
    scores = (shard.scores_folder(shop.folder) / "table.parquet").read_bytes()
    (shard.scores_folder(shop.folder) / "queries.parquet").unlink()
    assert not shard.is_made(shop.folder)
    before = shard.items_path(shop.folder).stat().st_mtime_ns
    make_shard(shop, shard, Silent())
    assert shard.is_made(shop.folder)
    assert shard.items_path(shop.folder).stat().st_mtime_ns == before
    assert (shard.scores_folder(shop.folder) / "table.parquet").read_bytes() == scores


def _times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_train_document_like_a_test_one_is_rejected_as_a_split_leak(
    open_shop: Make, make_texts: Make, ids_of: Make
) -> None:
    first, second, third = make_texts(3).values()
    (held_out,), (copied, other) = ids_of("test", 1), ids_of("train", 2)
    shop = open_shop({held_out: first, copied: first + " End.", other: second + third})
    rows = items(shop, shop.plan.items_per_round)
    by_document: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        name = shop.corpus.ids[row["passage"]].partition("#")[0]
        by_document.setdefault(name, set()).add((row["status"], row["reason"]))
    assert by_document[copied] == {("rejected", "split_leak")}
    assert by_document[held_out] == by_document[other] == {("accepted", "")}
    leak = next(row for row in rows if row["reason"] == "split_leak")
    assert leak["stage"] == "plan"
    assert leak["query"] == ""
    assert leak["query_key"] == 0
    assert "test split" in leak["detail"]


def test_a_gate_that_drops_is_the_last_verdict_and_gives_its_reason(open_shop: Make) -> None:
    gates = [{"name": "length", "settings": {"min_words": 9}}, {"name": "language"}]
    rows = items(open_shop(settings={"gates": gates}))
    dropped = [row for row in rows if row["status"] == "rejected"]
    kept = [row for row in rows if row["status"] == "accepted"]
    assert dropped
    assert kept
    for row in dropped:
        assert (row["stage"], row["reason"]) == ("length", "too_short")
        assert [verdict["gate"] for verdict in row["verdicts"]] == ["length"]
        assert row["score"] == row["verdicts"][0]["score"]
        assert row["query"]
        assert row["query_key"] != 0
    for row in kept:
        assert [verdict["gate"] for verdict in row["verdicts"]] == ["length", "language"]
        assert all(verdict["keep"] for verdict in row["verdicts"])


def test_only_accepted_items_are_scored(open_shop: Make) -> None:
    shop = open_shop(settings={"gates": [{"name": "length", "settings": {"min_words": 9}}]})
    accepted = [row["position"] for row in items(shop) if row["status"] == "accepted"]
    folder = Shard(0, TOTAL).scores_folder(shop.folder)
    for name in ("queries", "positives"):
        assert pq.read_table(folder / f"{name}.parquet")["query"].to_pylist() == accepted


def test_a_passage_without_room_for_a_query_fails_with_a_reason(open_shop: Make, make_texts: Make) -> None:
    rows = items(open_shop({**make_texts(2), "short": "Too short to ask about."}), 12)
    failed = [row for row in rows if row["status"] == "failed"]
    assert {row["reason"] for row in failed} == {"passage_too_short"}
    assert {row["stage"] for row in failed} == {"generate"}
    assert len(failed) == 4


def test_positives_are_kept_apart_only_where_they_differ_from_the_passage(open_shop: Make) -> None:
    shop = open_shop()
    rows = items(shop)
    assert {row["method"] for row in rows if row["positive"]} == {"extractive:cloze"}
    for row in rows:
        if row["positive"]:
            assert row["query"] not in row["positive"]


class _Plugin(Extractive):
    """A generator as a plug-in would bring it."""

    def change(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        raise NotImplementedError

    def generate(self, calls: Iterable[Call], reporter: Reporter) -> Iterator[Outcome]:
        yield from self.change(super().generate(calls, reporter))


class Lossy(_Plugin):
    name = "lossy"

    def change(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        return itertools.islice(outcomes, 5)


class Twofold(_Plugin):
    name = "twofold"

    def change(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        return itertools.chain.from_iterable((outcome, outcome) for outcome in outcomes)


class Shuffled(_Plugin):
    name = "shuffled"

    def change(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        return reversed(list(outcomes))


class Blank(_Plugin):
    name = "blank"

    def change(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        for outcome in outcomes:
            yield Outcome(outcome.call, Answer({outcome.call.task.name: Query(query="  ")}, method="extractive:span"))


class Offline(_Plugin):
    name = "offline"

    def change(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        for outcome in outcomes:
            yield Outcome(outcome.call, Failure("unreachable", "connection refused"))


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.names("generators")
    known = dict(registry._found["generators"])
    monkeypatch.setitem(registry._found, "generators", known)
    for generator in (Lossy, Twofold, Shuffled, Blank, Offline):
        registry.register("generators", generator.name, generator)


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("generator", ["lossy", "twofold"])
def test_a_generator_that_loses_or_doubles_an_item_is_found_out(open_shop: Make, generator: str) -> None:
    shop, shard = open_shop(settings={"generator": generator}), Shard(0, 20)
    with pytest.raises(ConservationError, match="shard 0-20: "):
        make_shard(shop, shard, Silent())
    assert not shard.items_path(shop.folder).exists()


@pytest.mark.usefixtures("plugins")
def test_the_order_in_which_answers_arrive_does_not_matter(open_shop: Make) -> None:
    keep = ("position", "id", "query", "status", "passage")
    asked, arrived = items(open_shop()), items(open_shop(settings={"generator": "shuffled"}))
    assert [[row[k] for k in keep] for row in asked] == [[row[k] for k in keep] for row in arrived]


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(("generator", "reason"), [("blank", "empty"), ("offline", "unreachable")])
def test_what_a_generator_can_not_answer_fails_with_its_reason(open_shop: Make, generator: str, reason: str) -> None:
    rows = items(open_shop(settings={"generator": generator}))
    assert {(row["status"], row["reason"], row["stage"]) for row in rows} == {("failed", reason, "generate")}
