"""When a run has made enough; the plain cases of a limit and of one pass are in test_run."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import FakeLlm, Say, Script, fake_llm

from synth import enough, regions
from synth.llm.budget import Budget
from synth.llm.settings import reach
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.run import Run, create_run, execute, map_in_process, open_workshop
from synth.store import Store

STOP = {"new_regions": 0.2, "block": 20, "after": 40}
SUBJECTS = ("covenant breach", "pension deficit", "goodwill impairment", "card refund", "rail franchise")


class PowerCut(BaseException):
    """Stands for the end of the process."""


def repetitive(prompt: str, _asked: int) -> Say:
    """A model that has five things to ask about."""
    source = random.Random(prompt)
    subject, year = source.choice(SUBJECTS), source.randint(1_900, 2_099)
    return Say(json.dumps({"query": f"how was the {subject} treated and what did the {subject} cost by {year}"}))


def varied(prompt: str, _asked: int) -> Say:
    """A model that never asks about the same thing twice."""
    source = random.Random(prompt)
    words = ["".join(source.choices("bcdfghklmnprstvw", k=6)) for _ in range(4)]
    return Say(json.dumps({"query": "how does " + " affect ".join(words)}))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], FakeLlm]]:
    monkeypatch.setattr(enough, "BLOCK", 30)
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(fake_llm(script))


@pytest.fixture
def start(tmp_path: Path, make_texts: Callable[..., Any], write_rows: Callable[..., Path]) -> Callable[..., Run]:
    def begun(
        fake: FakeLlm, *, shard_size: int = 40, budget: Budget | None = None, limit: int | None = None, **config: Any
    ) -> Run:
        documents = write_rows(tmp_path / "documents.jsonl", make_texts(60))
        file = tmp_path / "config.yaml"
        file.write_bytes(orjson.dumps({"gates": [], "set_gates": [], "stop": STOP, **config}))
        llm = reach([fake.url]).model_copy(update={"budget": budget or Budget()})
        chosen = Choices("finance", documents=(documents,), config=file, limit=limit, models=tuple(llm.models))
        store = Store(tmp_path / f"store{len(list(tmp_path.glob('store*')))}")
        return create_run(resolve(chosen), store, llm=llm, shard_size=shard_size)

    return begun


def test_a_run_that_repeats_itself_stops_early_and_says_so(serve: Any, start: Any) -> None:
    notes: list[str] = []

    class Notes(Silent):
        def note(self, message: str) -> None:
            notes.append(message)

    run = start(serve(repetitive))
    manifest = execute(run, Notes()).manifest
    funnel = manifest.funnel
    assert re.fullmatch(r"nothing new: the last 20 of 40 queries opened (no|[123]) regions?", manifest.partial)
    assert notes == [f"{manifest.partial}; the run stops here, as its recipe says (stop)"]
    assert funnel.accepted == sum(manifest.splits.values()) == 40
    assert funnel.planned == 40 + funnel.rejected["surplus"] + funnel.rejected.get("split_leak", 0) == 60
    assert funnel.planned < open_items(run)
    assert manifest.diversity is not None
    assert len(SUBJECTS) <= manifest.diversity.regions.regions <= len(SUBJECTS) + 2, "a year in a query may open one"
    assert run.result is not None


def open_items(run: Run) -> int:
    return open_workshop(run, Silent()).plan.items_per_round


@pytest.mark.slow
def test_a_run_that_brings_new_things_goes_on_to_its_end(serve: Any, start: Any) -> None:
    run = start(serve(varied))
    manifest = execute(run).manifest
    assert manifest.partial == ""
    assert manifest.funnel.planned == open_items(run) > 200
    assert manifest.diversity is not None
    assert manifest.diversity.regions.regions > 0.9 * manifest.funnel.accepted


def test_without_the_setting_a_run_repeats_itself_to_its_end(serve: Any, start: Any) -> None:
    run = start(serve(repetitive), stop=None)
    manifest = execute(run).manifest
    assert manifest.partial == ""
    assert manifest.funnel.planned == open_items(run)
    assert manifest.diversity is not None
    assert manifest.diversity.regions.opened_by_last_tenth == 0


@pytest.mark.slow
def test_looking_for_the_end_changes_nothing_where_there_is_none(serve: Any, start: Any) -> None:
    looking, plain = start(serve(varied)), start(serve(varied), stop=None)
    assert execute(looking).manifest.content_sha256 == execute(plain).manifest.content_sha256


def test_a_limit_that_is_far_away_is_not_reached_and_the_reason_is_told(serve: Any, start: Any) -> None:
    manifest = execute(start(serve(repetitive), limit=5_000)).manifest
    assert manifest.partial.startswith("nothing new: the last 20 of 40 queries opened ")
    assert manifest.partial.endswith(" (5,000 were asked for)")
    assert manifest.funnel.accepted == 40


@pytest.mark.parametrize("limit", [30, 40])
def test_a_limit_that_comes_first_is_kept(serve: Any, start: Any, limit: int) -> None:
    manifest = execute(start(serve(repetitive), limit=limit)).manifest
    assert (manifest.partial, manifest.funnel.accepted) == ("", limit)


def test_records_beyond_the_end_are_kept_as_surplus(serve: Any, start: Any) -> None:
    version = execute(start(serve(repetitive)))
    rejects = pq.read_table(version.path / "rejects.parquet").to_pylist()
    surplus = [row for row in rejects if row["reason"] == "surplus"]
    assert len(surplus) == version.manifest.funnel.rejected["surplus"]
    assert {row["detail"] for row in surplus} == {"beyond the 40 records after which nothing new came"}
    assert all(row["query"] for row in surplus)


@pytest.mark.slow
def test_the_end_does_not_depend_on_shards_nor_on_interruptions(serve: Any, start: Any) -> None:
    def late(prompt: str, asked: int) -> Say:
        """Varied about most passages, repetitive about the others: the end comes after some blocks."""
        return (varied if random.Random(prompt[::-1]).random() < 0.35 else repetitive)(prompt, asked)

    fake = serve(late)
    runs = [start(fake, shard_size=size) for size in (7, 40, 1_000)]
    manifests = [execute(run).manifest for run in runs]
    assert manifests[0].partial.startswith("nothing new: the last 20 of ")
    assert manifests[0].funnel.accepted > 60
    cut = start(fake, shard_size=11)
    died = 0
    while cut.result is None:
        try:
            execute(cut, map_shards=_one_shard_then_dies)
        except PowerCut:
            died += 1
    manifests.append(cut.store.find("finance").manifest)
    assert died > 4
    assert len({(m.content_sha256, m.partial, m.funnel.planned) for m in manifests}) == 1
    assert manifests[0].diversity == manifests[-1].diversity


def _one_shard_then_dies(run: Run, shards: Any, reporter: Any) -> None:
    map_in_process(run, shards[:1], reporter)
    if len(shards) > 1:
        raise PowerCut


@pytest.mark.slow
def test_a_budget_does_not_move_the_end(serve: Any, start: Any) -> None:
    fake = serve(repetitive)
    whole = execute(start(fake)).manifest
    run = start(fake, budget=Budget(requests=25))
    first = execute(run).manifest
    assert first.partial.startswith("budget: 25 requests with ")
    assert run.result is None
    last = execute(run).manifest
    assert (last.partial, last.funnel.accepted) == (whole.partial, whole.funnel.accepted)
    assert run.result is not None


def test_with_very_many_regions_no_end_is_in_sight(serve: Any, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "MOST_REGIONS", 4)
    assert execute(start(serve(repetitive))).manifest.partial == ""
