"""Updates that ask an LLM, and updates that are killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_embedder import Embedder
from fake_llm import FakeLlm, Fill, Say, Script, always, fake_llm

from synth.errors import RunError
from synth.llm.budget import Budget
from synth.llm.settings import LlmSettings, reach
from synth.recipe import Choices, resolve
from synth.run import Run, create_run, execute
from synth.store import Store, VersionRef
from synth.update import as_update
from synth.verify import verify_version

Make = Callable[..., Any]
Serve = Callable[..., FakeLlm]


class PowerCut(BaseException):
    """Stands for the end of the process: nothing in synth may catch it."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(script: Script = always) -> FakeLlm:
            return stack.enter_context(fake_llm(script))

        yield start


@pytest.fixture
def start(tmp_path: Path, write_rows: Make) -> Callable[..., Run]:
    def new(
        texts: dict[str, str], llm: FakeLlm, config: dict[str, Any] | None = None, *, update: bool = False, **how: Any
    ) -> Run:
        documents = write_rows(tmp_path / "documents.jsonl", texts)
        (tmp_path / "config.yaml").write_bytes(orjson.dumps({"set_gates": [], **(config or {})}))
        reached: LlmSettings = reach([llm.url]).model_copy(update=how)
        chosen = Choices(
            "finance", documents=(documents,), config=tmp_path / "config.yaml", models=tuple(reached.models)
        )
        store = Store(tmp_path / "store")
        return create_run(as_update(resolve(chosen), store, update=update), store, llm=reached, shard_size=9)

    return new


def records(version: VersionRef) -> list[dict[str, Any]]:
    return [row for file in version.record_files() for row in pq.read_table(file).to_pylist()]


def test_an_llm_is_asked_about_new_passages_alone(serve: Serve, start: Callable[..., Run], make_texts: Make) -> None:
    fake, texts = serve(), make_texts(10)
    execute(start(texts, fake))
    fake.bodies.clear()
    texts |= {"doc001": make_texts(1, seed=4)["doc000"], "new": make_texts(1, seed=5)["doc000"]}
    second = execute(start(texts, fake, update=True))
    assert len(fake.bodies) == second.manifest.funnel.planned > 0
    new = {row["id"]: row["text"] for row in pq.read_table(second.file("passages.parquet")).to_pylist()}
    asked = [text for key, text in new.items() if key.startswith(("doc001#", "new#"))]
    assert all(any(text in prompt for text in asked) for prompt in fake.prompts)
    assert verify_version(second) == []


def test_deletions_alone_ask_nothing(serve: Serve, start: Callable[..., Run], make_texts: Make) -> None:
    fake, texts = serve(), make_texts(6)
    execute(start(texts, fake))
    fake.bodies.clear()
    del texts["doc002"]
    run = start(texts, fake, update=True)
    fake.down = True
    second = execute(run)
    assert fake.bodies == []
    assert second.manifest.update is not None
    assert list(second.manifest.update.retired) == ["document_deleted"]


def test_a_carried_record_wins_over_a_new_one_with_the_same_query(
    serve: Serve, start: Callable[..., Run], make_texts: Make
) -> None:
    fake = serve(lambda prompt, asked: Say('{"query": "what became of the notes and loans that were named"}'))
    alone = {"set_gates": [{"name": "duplicates"}]}
    first = execute(start(make_texts(3), fake, alone))
    second = execute(start(make_texts(3) | {"aaa": make_texts(1, seed=5)["doc000"]}, fake, alone, update=True))
    assert [row["id"] for row in records(second)] == [row["id"] for row in records(first)]
    assert second.manifest.funnel.rejected == {"duplicate": second.manifest.funnel.planned}
    (kept,) = {row["detail"] for row in pq.read_table(second.file("rejects.parquet")).to_pylist()}
    assert kept == "kept: carried over, 'what became of the notes and loans that were named'"


def test_negatives_that_an_llm_wrote_are_carried_over(
    serve: Serve, start: Callable[..., Run], make_texts: Make
) -> None:
    fake = serve(lambda prompt, asked: Fill())
    writing = {"writing": {"negatives": 1, "check": False}}
    first = execute(start(make_texts(4), fake, writing))
    second = execute(start(make_texts(5), fake, writing, update=True))

    def written(version: VersionRef) -> dict[str, list[dict[str, Any]]]:
        return {row["id"]: [n for n in row["negatives"] if n["method"] == "llm"] for row in records(version)}

    before, after = written(first), written(second)
    assert any(before.values())
    assert {key: after[key] for key in before} == before


@pytest.mark.slow
def test_records_of_several_passages_are_carried_over_whole(
    serve: Serve, start: Callable[..., Run], make_texts: Make
) -> None:
    fake = serve(lambda prompt, asked: Fill())
    several = {"plan": {"tasks": {"multi-hop-query": 1}}, "chunk": {"max_chars": 240, "min_chars": 60}, "gates": []}
    texts = make_texts(5)
    first = execute(start(texts, fake, several))
    texts["doc004"] = make_texts(1, seed=7)["doc000"]
    second = execute(start(texts, fake, several, update=True))
    after = {row["id"]: row for row in records(second)}
    kept = [row for row in records(first) if row["positive"]["document_id"] != "doc004"]
    assert any(row["more_positives"] for row in kept)
    for row in kept:
        own = after[row["id"]]
        assert [each["text"] for each in own["more_positives"]] == [each["text"] for each in row["more_positives"]]
    assert verify_version(second) == []


def test_a_teacher_embeds_what_is_new_and_nothing_again(make: Make, make_texts: Make, tmp_path: Path) -> None:
    store, embedder = Store(tmp_path / "store"), Embedder()
    with fake_llm(embedder=embedder) as server:
        first = make(make_texts(6), store=store, teacher=server.url)
        before = set(embedder.texts)
        embedder.bodies.clear()
        second = make(make_texts(7), store=store, teacher=server.url, update={})
    assert second.manifest.update.carried == second.manifest.update.records > 0
    assert second.manifest.teacher.name == "served:fake"
    old = [row["text"] for row in first.passages.values()] + [row["query"] for row in first.records]
    assert not [text for text in embedder.texts if text in before and any(each in text for each in old)]
    assert set(embedder.texts) - before


@pytest.mark.slow
def test_a_budget_ends_an_update_cleanly_and_resume_makes_it_fuller(
    serve: Serve, start: Callable[..., Run], make_texts: Make
) -> None:
    fake, texts = serve(), make_texts(8)
    first = execute(start(texts, fake))
    texts |= {f"new{n}": text for n, text in enumerate(make_texts(6, seed=4).values())}
    run = start(texts, fake, update=True, budget=Budget(requests=10))
    partial = execute(run)
    assert partial.manifest.partial.startswith("budget: 10 requests with ")
    assert partial.manifest.update is not None
    assert partial.manifest.update.carried == first.manifest.records
    fuller = execute(Run(run.store, run.id))
    assert fuller.manifest.funnel.accepted > partial.manifest.funnel.accepted
    assert (fuller.manifest.parent, fuller.number) == ("finance@1", 3)
    assert verify_version(fuller) == []


@pytest.mark.slow
def test_an_update_cut_off_at_any_rename_ends_with_the_same_content(
    make: Make, new_run: Make, restarted: Make, make_texts: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = make_texts(3, sentences=3)
    parent = make(texts).run
    texts = {**texts, "doc001": make_texts(1, seed=3, sentences=3)["doc000"], "new": make_texts(1, seed=4)["doc000"]}
    del texts["doc002"]
    expected = make(texts, store=restarted(parent).store, update={}, shard_size=5).hash
    broken: list[str] = []
    for number in range(1_000):
        run = new_run(texts, store=restarted(parent).store, update={}, shard_size=5)
        with monkeypatch.context() as patched:
            reached = _cut_power(patched, number)
            try:
                execute(run)
            except PowerCut:
                pass
        try:
            found = execute(restarted(run))
            problems = [] if found.manifest.content_sha256 == expected else ["another content"]
            problems += verify_version(found)
        except RunError as error:
            problems = [str(error)]
        broken += [f"{reached[-1]}: {problem}" for problem in problems]
        if len(reached) <= number:
            break
    assert number > 20
    assert not broken


def _cut_power(patched: pytest.MonkeyPatch, number: int) -> list[str]:
    """Die at the rename with this number; everything that lasts is renamed into place."""
    reached: list[str] = []

    def interrupted(real: Callable[..., None]) -> Callable[..., None]:
        def rename(source: Any, target: Any) -> None:
            reached.append(Path(target).name)
            if len(reached) - 1 == number:
                raise PowerCut
            real(source, target)

        return rename

    for name in ("replace", "rename"):
        patched.setattr(os, name, interrupted(getattr(os, name)))
    return reached
