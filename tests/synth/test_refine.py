from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
import yaml

from schemas.manifest import Manifest
from synth.errors import InputError
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.refine import Changes, as_refinement
from synth.run import Run, create_run, execute, read_corpus
from synth.store import Store, VersionRef
from synth.update import as_update
from synth.verify import verify_version

FEWER = {"mining": {"negatives": 2, "strategy": "perc_pos"}}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("published") / "store")
    execute(create_run(resolve(Choices("finance", limit=60)), store))
    return store


@pytest.fixture
def store(published: Store, tmp_path: Path) -> Store:
    """A store with finance@1."""
    shutil.copytree(published.root, tmp_path / "store")
    return Store(tmp_path / "store")


@pytest.fixture
def config(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def write(settings: dict[str, Any]) -> Path:
        path = tmp_path / "changes.yaml"
        path.write_text(yaml.safe_dump(settings))
        return path

    return write


def begin(store: Store, changes: Changes, reference: str = "finance") -> Run:
    return create_run(as_refinement(store.find(reference), changes), store)


def records(version: VersionRef) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for path in version.record_files() for row in pq.read_table(path).to_pylist()}


def manifest(store: Store, reference: str = "finance") -> Manifest:
    return store.find(reference).manifest


def test_the_same_records_are_mined_anew(store: Store, config: Any) -> None:
    before = records(store.find("finance@1"))
    refined = execute(begin(store, Changes(config(FEWER))))
    after = records(refined)
    assert (str(refined), refined.manifest.parent, refined.manifest.funnel.planned) == ("finance@2", "finance@1", 0)
    assert verify_version(refined) == []
    assert after.keys() == before.keys()
    assert {(row["query"], row["split"], row["positive"]["text"]) for row in after.values()} == {
        (row["query"], row["split"], row["positive"]["text"]) for row in before.values()
    }
    assert max(len(row["negatives"]) for row in after.values()) == 2
    assert max(len(row["negatives"]) for row in before.values()) > 2


def test_a_gate_that_got_stricter_retires_records_and_says_why(store: Store, config: Any) -> None:
    gates = [gate.model_dump() for gate in manifest(store).recipe.gates]
    length = next(gate for gate in gates if gate["name"] == "length")
    length["settings"] = {"max_words": 8}
    refined = execute(begin(store, Changes(config({"gates": gates}))))
    before, after = records(store.find("finance@1")), records(refined)
    assert after.keys() == {id for id, row in before.items() if len(row["query"].split()) <= 8}  # noqa: A001
    update = refined.manifest.update
    assert update is not None
    assert update.retired == {"too_long": len(before) - len(after)}
    retired = pq.read_table(refined.file("retired.parquet")).to_pylist()
    assert Counter((row["stage"], row["reason"]) for row in retired) == {("length", "too_long"): len(retired)}
    assert verify_version(refined) == []


@pytest.mark.slow
def test_kept_records_show_the_verdicts_of_the_gates_that_judged_them_last(store: Store, config: Any) -> None:
    refined = execute(begin(store, Changes(config({"gates": [{"name": "schema"}, {"name": "copy"}]}))))
    for row in records(refined).values():
        assert [verdict["gate"] for verdict in row["verdicts"]] == ["schema", "copy"]


@pytest.mark.slow
def test_a_refinement_needs_neither_the_run_nor_the_documents(store: Store, config: Any) -> None:
    wanted = execute(begin(store, Changes(config(FEWER)))).manifest.content_sha256
    for folder in (store.runs, store.corpora, store.versions / "finance" / "2"):
        shutil.rmtree(folder)
    assert execute(begin(store, Changes(config(FEWER)))).manifest.content_sha256 == wanted


def test_an_interrupted_refinement_goes_on(store: Store, config: Any) -> None:
    run = begin(store, Changes(config(FEWER)))
    read_corpus(run, Silent())
    assert run.recipe.corpus_sha256 == manifest(store).recipe.corpus_sha256
    assert str(execute(Run(store, run.id))) == "finance@2"


@pytest.mark.slow
def test_a_refined_version_can_be_refined_and_an_older_one_too(store: Store, config: Any) -> None:
    execute(begin(store, Changes(config(FEWER))))
    again = execute(begin(store, Changes(config({"mining": {"negatives": 1}}))))
    older = execute(begin(store, Changes(config({"mining": {"negatives": 3}})), "finance@1"))
    assert [version.manifest.parent for version in (again, older)] == ["finance@2", "finance@1"]
    assert manifest(store, "finance@3").recipe.mining.strategy == "perc_pos"
    assert manifest(store, "finance@4").recipe.mining.strategy == "multi_signal"


@pytest.mark.slow
def test_a_refined_version_can_be_updated(store: Store, config: Any) -> None:
    execute(begin(store, Changes(config(FEWER))))
    resolved = as_update(resolve(Choices("finance", limit=60, config=config(FEWER))), store, update=True)
    assert execute(create_run(resolved, store)).manifest.content_sha256 == manifest(store, "finance@2").content_sha256


def test_what_would_make_other_records_is_refused(store: Store, config: Any) -> None:
    with pytest.raises(InputError, match=r"items_per_passage was 4 and is 9: leave that out"):
        as_refinement(store.find("finance"), Changes(config({"plan": {"items_per_passage": 9}})))


def test_changing_nothing_is_refused(store: Store, config: Any) -> None:
    for changes in (Changes(), Changes(config({"mining": {"negatives": 4}})), Changes(teacher=("lexical",))):
        with pytest.raises(InputError, match="nothing differs from finance@1: change gates"):
            as_refinement(store.find("finance"), changes)


@pytest.mark.slow
def test_a_version_that_was_kept_out_of_an_evaluation_set_stays_out(store: Store, config: Any, tmp_path: Path) -> None:
    row = next(iter(records(store.find("finance")).values()))
    held = tmp_path / "held.jsonl"
    held.write_bytes(orjson.dumps({"query": row["query"]}))
    clean = execute(begin(store, Changes(decontaminate=(str(held),))))
    assert row["id"] not in records(clean)
    with pytest.raises(InputError, match="finance@2 was kept out of held: say where that is with --decontaminate"):
        as_refinement(clean, Changes(config(FEWER)))
    both = execute(begin(store, Changes(config(FEWER), decontaminate=(str(held),))))
    assert records(both).keys() == records(clean).keys()
