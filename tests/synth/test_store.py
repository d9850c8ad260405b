from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.manifest import Funnel, Manifest, SourceCount, TeacherCard
from schemas.recipe import ChunkSettings, MiningSettings, PlanSettings, Recipe, SplitSettings
from synth.errors import StoreError
from synth.files import write_model
from synth.store import Store, check_name, choose_store


def manifest(name: str, version: int) -> Manifest:
    recipe = Recipe(
        domain=name,
        personas_sha256="",
        prompts={},
        chunk=ChunkSettings(),
        plan=PlanSettings(),
        gates=[],
        set_gates=[],
        mining=MiningSettings(),
        splits=SplitSettings(),
        teacher="lexical",
        generator="extractive",
        seed=0,
    )
    return Manifest(
        name=name,
        version=version,
        created="2026-11-23T00:00:00Z",
        run_id="r1",
        synth_version="0",
        domain=name,
        language=["en"],
        recipe=recipe,
        recipe_sha256=recipe.sha256,
        content_sha256="",
        sources=SourceCount(read=0, kept=0),
        passages=0,
        funnel=Funnel(planned=0, accepted=0),
        candidates={},
        splits={},
        methods={},
        teacher=TeacherCard(name="lexical", identity={}, pool=0, depth=0),
        licences={},
        files=[],
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """`tea` in versions 1, 2 and 10; `finance` in version 1; a folder without versions."""
    for name, number in [("tea", 10), ("tea", 1), ("tea", 2), ("finance", 1)]:
        write_model(tmp_path / "versions" / name / str(number) / "manifest.json", manifest(name, number))
    (tmp_path / "versions" / "empty" / ".half-written").mkdir(parents=True)
    return Store(tmp_path)


def test_the_flag_wins_over_the_variable_which_wins_over_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNTH_STORE", raising=False)
    assert choose_store(None) == Store(tmp_path / "synth-store")
    monkeypatch.setenv("SYNTH_STORE", "from-variable")
    assert choose_store(None) == Store(tmp_path / "from-variable")
    assert choose_store("from-flag") == Store(tmp_path / "from-flag")
    monkeypatch.setenv("SYNTH_STORE", "")
    assert choose_store(None) == Store(tmp_path / "synth-store")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert choose_store("~/x") == Store(tmp_path / "home" / "x")


def test_choosing_and_asking_a_store_creates_nothing(tmp_path: Path) -> None:
    store = choose_store(str(tmp_path / "new"))
    store.check_writable()
    assert store.names() == []
    assert [store.runs, store.embeddings, store.versions, store.catalog] == [
        tmp_path / "new" / name for name in ("runs", "embeddings", "versions", "catalog.duckdb")
    ]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_place_of_the_store_is_refused_early(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("I am no folder")
    with pytest.raises(
        StoreError, match=r"can't be written \(.*file is not a writable folder\); choose another with --store"
    ):
        Store(tmp_path / "file" / below).check_writable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused_early(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="is not a writable folder"):
        Store(tmp_path / "new").check_writable()


def test_versions_are_listed_oldest_first_by_number(store: Store) -> None:
    assert [str(version) for version in store.iterate("tea")] == ["tea@1", "tea@2", "tea@10"]
    assert store.names() == ["finance", "tea"]


@pytest.mark.parametrize(
    ("reference", "number"), [("tea", 10), ("tea@latest", 10), ("tea@", 10), ("tea@2", 2), ("finance", 1)]
)
def test_a_version_is_found_by_name_and_number(store: Store, reference: str, number: int) -> None:
    found = store.find(reference)
    assert (found.number, found.manifest.version) == (number, number)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("tee", "no dataset 'tee' in .*; did you mean 'tea'"),
        ("zzzz", "no dataset 'zzzz' in .*; known: finance, tea"),
        ("empty", "no dataset 'empty'"),
        ("../versions/tea", "no dataset"),
        ("", "no dataset ''"),
        ("tea@3", "tea has no version '3'; it has 1, 2, 10"),
        ("tea@new", "tea has no version 'new'; it has 1, 2, 10"),
    ],
)
def test_an_unknown_version_names_what_there_is(store: Store, reference: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        store.find(reference)


def test_a_missing_or_damaged_manifest_is_named(store: Store) -> None:
    version = store.find("tea@2")
    file = version.path / "manifest.json"
    file.write_text(manifest("tea", 2).model_dump_json().replace('"passages":0', '"passages":"many"'))
    with pytest.raises(StoreError, match=r"manifest\.json is damaged: field passages: .*; publish again"):
        _ = version.manifest
    file.unlink()
    with pytest.raises(StoreError, match=r"tea@2 has no readable manifest \(.*No such file"):
        _ = version.manifest


def test_a_version_with_lost_items_is_damaged(store: Store) -> None:
    version = store.find("tea@1")
    file = version.path / "manifest.json"
    file.write_text(file.read_text().replace('"planned": 0', '"planned": 1'))
    with pytest.raises(StoreError, match=r"field funnel: .*1 items were planned but 0 are accounted for"):
        _ = version.manifest


@pytest.mark.parametrize("name", ["tea", "my-dataset_2.1", "0"])
def test_a_plain_name_is_accepted(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "..", ".hidden", "Tea", "a/b", "a b", "é", "tea\n", "-x"])
def test_a_name_that_is_unsafe_as_a_folder_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="can't name a dataset: use lower-case letters"):
        check_name(name)
