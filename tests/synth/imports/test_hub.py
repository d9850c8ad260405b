"""Imports from the Hub, with the real clients against a fake Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fake_hub import FakeHub
from served_hub import lines, parquet, reached_hub

from synth.card import Place, render_card
from synth.errors import InputError
from synth.hub import push
from synth.imports import Import, PairFields, import_dataset
from synth.progress import Silent
from synth.release import Release
from synth.store import Store, VersionRef
from synth.survey import Survey
from synth.verify import verify_version


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with reached_hub(tmp_path) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def take(store: Store, source: str, name: str = "mine", **options: Any) -> VersionRef:
    return import_dataset(Import(source, name, **options), store, Silent())


def rows(version: VersionRef, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(version.file(f"{name}.parquet")).to_pylist()
    return found


def test_triplets_of_the_hub_keep_their_splits_and_the_licence_of_the_card(hub: FakeHub, store: Store) -> None:
    made = [{"anchor": f"ask {n}", "positive": f"Answer {n}.", "negative": f"No answer {n}."} for n in range(20)]
    files = {
        "triplet/train-00000-of-00001.parquet": parquet(made[:15]),
        "triplet/dev-00000-of-00001.parquet": parquet(made[15:]),
        "README.md": b"---\nlicense: mit\nconfigs:\n- config_name: triplet\n  data_files:\n  - split: train\n    path: triplet/train-*\n  - split: dev\n    path: triplet/dev-*\n---\n",
    }
    hub.create("acme/triplets", private=False, files=files)
    version = take(store, "hf://acme/triplets/triplet")
    manifest, commit = version.manifest, hub.repos["acme/triplets"].commits[-1].oid
    assert manifest.splits == {"train": 15, "test": 5}
    assert manifest.licences == {"mit": 20}
    assert manifest.origin is not None
    assert manifest.origin.source == f"hf://acme/triplets@{commit}/triplet"
    assert (manifest.origin.revision, manifest.candidates) == (commit, {"selected": 20})
    assert verify_version(version) == []
    assert take(store, f"hf://acme/triplets@{commit}") == version
    assert take(store, "hf://acme/triplets:dev", "held").manifest.splits == {"test": 5}


def test_a_beir_dataset_of_the_hub_is_one_version(hub: FakeHub, store: Store) -> None:
    card = b"""---
configs:
- config_name: corpus
  data_files: [{split: corpus, path: corpus.jsonl}]
- config_name: queries
  data_files: [{split: queries, path: queries.jsonl}]
- config_name: default
  data_files: [{split: test, path: qrels/test.jsonl}]
---
"""
    judged = [{"query-id": f"q{n}", "corpus-id": f"d{n}", "score": 1.0} for n in range(3)]
    files = {
        "corpus.jsonl": lines([{"_id": f"d{n}", "title": "", "text": f"Body {n}."} for n in range(6)]),
        "queries.jsonl": lines([{"_id": f"q{n}", "text": f"question {n}"} for n in range(3)]),
        "qrels/test.jsonl": lines(judged),
        "README.md": card,
    }
    hub.create("acme/beir", private=False, files=files)
    version = take(store, "hf://acme/beir")
    assert (version.manifest.splits, version.manifest.passages) == ({"test": 3}, 6)
    assert version.manifest.licences == {"unknown": 3}
    assert verify_version(version) == []


def test_a_pushed_version_comes_back_with_the_same_records_passages_and_recipe(
    hub: FakeHub, store: Store, finance: Any
) -> None:
    pushed: VersionRef = finance.version
    push(pushed, Release("acme/finance", licence="MIT"))
    version = take(store, "hf://acme/finance@v1", "back")
    for name in ("records/train", "records/test", "passages"):
        assert rows(version, name) == rows(pushed, name)
    manifest, before = version.manifest, pushed.manifest
    assert manifest.origin is not None
    assert (manifest.origin.shape, manifest.origin.sha256) == ("version", before.content_sha256)
    assert (manifest.recipe, manifest.teacher, manifest.licences) == (before.recipe, before.teacher, before.licences)
    assert manifest.funnel.planned == manifest.funnel.accepted == before.funnel.accepted
    assert verify_version(version) == []
    assert take(store, "hf://acme/finance@v1", "back") == version


def test_pushing_and_importing_again_changes_no_content(hub: FakeHub, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(
        lines([{"query": f"ask {n}", "positive": f"Answer {n}.", "negative": f"No {n}."} for n in range(9)])
    )
    first = take(store, str(file), licence="mit")
    push(first, Release("acme/mine", licence="MIT"))
    second = take(store, "hf://acme/mine", "again")
    assert second.manifest.content_sha256 == first.manifest.content_sha256
    assert second.manifest.origin is not None and second.manifest.origin.shape == "version"


def test_a_config_of_a_pushed_version_is_imported_as_pairs(hub: FakeHub, store: Store, finance: Any) -> None:
    push(finance.version, Release("acme/finance", licence="MIT"))
    version = take(store, "hf://acme/finance/pair", "pairs")
    assert version.manifest.origin is not None and version.manifest.origin.shape == "pairs"
    assert version.manifest.sources.read == finance.manifest.funnel.accepted


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("hf://acme/none", "has no dataset 'acme/none'"),
        ("hf://acme/small@v7", "has no revision 'v7'"),
        ("hf://acme/small:dev", "has no split 'dev'; it has train"),
        ("hf://acme", "names no dataset of the Hub"),
    ],
)
def test_what_the_hub_does_not_have_is_told_in_one_sentence(hub: FakeHub, store: Store, source: str, said: str) -> None:
    hub.create("acme/small", private=False, files={"train.jsonl": lines([{"query": "a", "positive": "b"}])})
    with pytest.raises(InputError, match=said):
        take(store, source)
    assert store.names() == []


def test_records_of_a_pushed_version_without_a_licence_get_the_one_that_is_given(
    hub: FakeHub, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(lines([{"query": f"ask {n}", "positive": f"Answer {n}."} for n in range(3)]))
    push(take(store, str(file)), Release("acme/mine", licence="CC BY-SA 4.0"))
    of_the_card, given = take(store, "hf://acme/mine", "card"), take(store, "hf://acme/mine", "given", licence="MIT")
    assert of_the_card.manifest.licences == {"cc-by-sa-4.0": 3}
    assert given.manifest.licences == {"MIT": 3}
    assert {row["provenance"]["licence"] for row in rows(given, "records/train")} == {"MIT"}
    assert verify_version(of_the_card) == verify_version(given) == []


@pytest.mark.parametrize("options", [{"language": "de"}, {"pairs": PairFields(query="q")}])
def test_flags_that_a_pushed_version_has_no_use_for_are_refused(
    hub: FakeHub, store: Store, finance: Any, options: dict[str, Any]
) -> None:
    push(finance.version, Release("acme/finance", licence="MIT"))
    with pytest.raises(InputError, match="is a version that synth pushed and is read as it is: .*acme/finance/pair"):
        take(store, "hf://acme/finance", **options)
    assert store.names() == []


def test_a_version_keeps_what_it_is_on_its_way_to_the_hub_and_back(
    hub: FakeHub, store: Store, finance: Any, tmp_path: Path
) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(lines([{"query": f"ask {n}", "positive": f"Answer {n}."} for n in range(3)]))
    push(take(store, str(file), licence="mit"), Release("acme/mine"))
    push(finance.version, Release("acme/finance", licence="MIT"))
    imported, made = (take(store, f"hf://acme/{name}", f"{name}-back").manifest for name in ("mine", "finance"))
    assert (imported.is_imported, made.is_imported) == (True, False)
    assert made.sources.kept == finance.manifest.sources.kept
    cards = [render_card(manifest, Place(), [], Survey()) for manifest in (imported, made)]
    assert ["synthetic" in card.split("---")[1] for card in cards] == [False, True]
    assert "extended|acme/mine" in cards[0]
