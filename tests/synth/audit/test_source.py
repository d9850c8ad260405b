"""Texts of rejects, which a version does not store: from the run, or where the version itself tells them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_llm import Fill, fake_llm

from schemas.record import Judgement
from synth.audit.source import AuditSource, Shown, open_source
from synth.llm.settings import reach
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef

TASKS = {"query-from-passage": 0.4, "multi-hop-query": 0.3, "passage-rephrasing": 0.3}
CONFIG = {"plan": {"tasks": TASKS}, "gates": [{"name": "judge"}], "set_gates": []}


def script(prompt: str, _: int) -> Fill:
    """Every other record is graded too low."""
    return Fill({"relevance": 1 + 4 * (len(prompt) % 2), "answerability": 5, "clarity": 5, "faithfulness": 5})


@pytest.fixture(scope="module")
def written(fresh: Callable[[], Path], make_texts: Any, write_rows: Any) -> VersionRef:
    """A version of three tasks, one of which has several positives, written and judged by a scripted LLM."""
    import orjson

    folder = fresh()
    documents = write_rows(folder / "documents.jsonl", make_texts(12, sentences=30))
    (folder / "config.yaml").write_bytes(orjson.dumps(CONFIG))
    with fake_llm(script) as fake:
        llm = reach([fake.url])
        choices = Choices("finance", documents=(documents,), config=folder / "config.yaml", models=tuple(llm.models))
        return execute(create_run(resolve(choices), Store(folder / "store"), llm=llm))


def shown(source: AuditSource) -> dict[str, Shown]:
    picks = [pick.id for pick in source.rejected() if not pick.left_out]
    return {each.id: each for each in source.rejects(picks)}


@pytest.mark.slow
def test_rejects_of_a_run_are_shown_as_the_gates_saw_them(written: VersionRef) -> None:
    with open_source(Store(written.path.parents[2]), written) as source:
        assert source.has_run
        found = shown(source)
        records = {each.id: each for each in source.records([pick.id for pick in source.accepted()])}
    assert len(found) == written.manifest.funnel.rejected["irrelevant"]
    assert len(records) == written.manifest.records
    hops = [each for each in [*found.values(), *records.values()] if each.task == "multi-hop-query"]
    assert min(len(each.positives) for each in hops) >= 2
    instructions = {each.task: each.instruction for each in records.values()}
    for each in found.values():
        assert each.positives[0] and each.query
        assert each.instruction == instructions[each.task]
        assert each.judgement is not None
        assert Judgement(**each.judgement).relevance == 1
        assert each.negatives == []


@pytest.mark.slow
def test_without_the_run_only_what_the_version_tells_is_shown(written: VersionRef, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(written.path.parents[2], root, ignore=lambda folder, names: {"runs"} & set(names))
    copied = Store(root).find("finance")
    with open_source(Store(written.path.parents[2]), written) as source:
        whole = shown(source)
    with open_source(Store(root), copied) as source:
        assert not source.has_run
        found = shown(source)
        left = [pick.cause for pick in source.rejected() if pick.left_out]
    assert {each.task for each in found.values()} == {"query-from-passage", "passage-rephrasing"}
    assert found == {name: each for name, each in whole.items() if each.task != "multi-hop-query"}
    assert set(left) == {"text no longer known/irrelevant"}
    assert len(left) + len(found) == len(whole)


@pytest.mark.slow
def test_a_positive_that_was_cut_is_shown_as_it_was_cut(make: Any, make_texts: Any) -> None:
    made = make(make_texts(6), settings={"gates": [{"name": "length", "settings": {"max_words": 8}}]})
    with open_source(made.run.store, made.version) as source:
        found = [each for each in shown(source).values() if each.method == "extractive:cloze"]
    passages = {row["text"] for row in made.passages.values()}
    assert found
    for each in found:
        assert each.positives[0] not in passages
        assert each.query not in each.positives[0]


def test_what_a_pair_can_not_tell_is_left_out_and_counted(finance: Any) -> None:
    with open_source(finance.run.store, finance.version) as source:
        left = [pick.cause for pick in source.rejected() if pick.left_out]
        kept = {pick.cause for pick in source.rejected() if not pick.left_out}
    assert {"limit/surplus", "duplicates/duplicate"} <= set(left)
    assert left.count("limit/surplus") == finance.manifest.funnel.rejected["surplus"]
    assert kept
    assert not {cause.partition("/")[0] for cause in kept} & {"limit", "duplicates", "plan"}


@pytest.mark.slow
def test_a_version_in_a_bucket_is_audited_like_one_on_disk(make: Any, make_texts: Any, remote: Store) -> None:
    here, there = make(make_texts(6)), make(make_texts(6), store=remote)
    found = []
    for made in (here, there):
        with open_source(made.run.store, made.run.store.find("finance")) as source:
            records = source.records([pick.id for pick in source.accepted()])
            found.append((sorted(each.id for each in records), shown(source)))
    assert found[0] == found[1]
    assert found[0][0]
