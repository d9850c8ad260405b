"""Exports: exact columns in order, nothing lost without being counted, nothing half written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from exports import read_export, read_records

from synth.errors import InputError, StoreError
from synth.export import default_format, export_version
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


def make_version(root: Path, name: str, config: str) -> VersionRef:
    file = root / f"{name}.yaml"
    file.write_text(config)
    return execute(
        create_run(resolve(Choices(domain="finance", name=name, limit=60, config=file)), Store(root / "store"))
    )


@pytest.fixture(scope="module")
def without_negatives(root: Path) -> VersionRef:
    return make_version(root, "bare", "{mining: {negatives: 0}, splits: {test: 0}}")


def test_a_pair_is_a_query_and_its_positive(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "pair", tmp_path)
    assert result.columns == ("anchor", "positive")
    assert result.rows == version.manifest.splits
    assert result.left_out == 0
    for split in ("train", "test"):
        expected = [{"anchor": r["query"], "positive": r["positive"]["text"]} for r in read_records(version, split)]
        assert read_export(tmp_path, "pair", split) == expected


def test_a_triplet_is_one_row_for_each_negative(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "triplet", tmp_path)
    for split in ("train", "test"):
        records = read_records(version, split)
        expected = [(r["query"], r["positive"]["text"], n["text"]) for r in records for n in r["negatives"]]
        assert [tuple(row.values()) for row in read_export(tmp_path, "triplet", split)] == expected
        assert result.rows[split] == len(expected)
    assert sum(result.rows.values()) == version.manifest.candidates["selected"]


def test_exported_triplets_load_in_a_trainer_with_exactly_three_columns(version: VersionRef, tmp_path: Path) -> None:
    export_version(version, "triplet", tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out" / "triplet"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == ["anchor", "positive", "negative"]


def test_an_n_tuple_has_all_its_negatives_or_is_counted_as_left_out(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "n-tuple", tmp_path)
    assert result.columns == ("anchor", "positive", "negative_1", "negative_2", "negative_3", "negative_4")
    left_out = 0
    for split in ("train", "test"):
        records = read_records(version, split)
        whole = [r for r in records if len(r["negatives"]) == 4]
        left_out += len(records) - len(whole)
        expected = [(r["query"], r["positive"]["text"], *(n["text"] for n in r["negatives"])) for r in whole]
        assert [tuple(row.values()) for row in read_export(tmp_path, "n-tuple", split)] == expected
    assert result.left_out == left_out > 0


Make = Callable[..., Any]


def test_made_negatives_are_rows_of_triplets_too(perturbed: VersionRef, tmp_path: Path) -> None:
    result = export_version(perturbed, "triplet", tmp_path)
    assert sum(result.rows.values()) == sum(perturbed.manifest.negatives.values())
    assert sum(result.rows.values()) > perturbed.manifest.candidates["selected"]


def test_made_negatives_fill_the_places_of_an_n_tuple_that_mining_left_empty(
    make: Make, dated_texts: dict[str, str], tmp_path: Path
) -> None:
    def version(asked: int, **more: Any) -> VersionRef:
        mining = {"negatives": asked, "rank_max": 6, "strategy": "naive"}
        found: VersionRef = make(dated_texts, settings={"mining": mining, "splits": {"test": 0}} | more).version
        return found

    filled = version(6, perturbation={"negatives": 2})
    with_made = export_version(filled, "n-tuple", tmp_path / "made")
    without = export_version(version(5), "n-tuple", tmp_path / "mined")
    assert with_made.columns == (*without.columns, "negative_6")
    mined = {row["anchor"]: list(row.values()) for row in read_export(tmp_path / "mined", "n-tuple", "train")}
    rows = read_export(tmp_path / "made", "n-tuple", "train")
    assert rows
    for row in rows:
        assert list(row.values())[:-1] == mined[row["anchor"]]


def test_n_tuples_of_made_negatives_only_have_as_many_as_were_asked_for(
    make: Make, dated_texts: dict[str, str], tmp_path: Path
) -> None:
    settings = {"perturbation": {"negatives": 1}, "mining": {"negatives": 0}}
    result = export_version(make(dated_texts, settings=settings).version, "n-tuple", tmp_path)
    assert result.columns == ("anchor", "positive", "negative_1")
    assert result.left_out > 0


def test_full_holds_the_records_as_they_were_published(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "full", tmp_path)
    assert read_export(tmp_path, "full", "train") == read_records(version, "train")
    exported = pq.read_schema(result.files[0])
    assert exported.equals(pq.read_schema(version.path / "records" / "train.parquet"), check_metadata=True)


def test_an_empty_split_makes_no_file(without_negatives: VersionRef, tmp_path: Path) -> None:
    result = export_version(without_negatives, "pair", tmp_path)
    assert [file.name for file in result.files] == ["train-00000-of-00001.parquet"]
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == {*result.files, tmp_path / "README.md"}
    assert list(result.rows) == ["train"]


@pytest.mark.parametrize("name", ["triplet", "n-tuple"])
def test_a_version_made_without_negatives_names_pair(name: str, without_negatives: VersionRef, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"its recipe asked for 0 negatives; export `pair` instead"):
        export_version(without_negatives, name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_version_where_no_candidate_passed_names_pair(root: Path, tmp_path: Path) -> None:
    strict = make_version(root, "strict", "mining: {negatives: 4, strategy: abs, max_score: 0}")
    assert default_format(strict.manifest) == "pair"
    with pytest.raises(StoreError, match="no record has a hard negative; export `pair` instead"):
        export_version(strict, "triplet", tmp_path)


def test_n_tuples_that_no_record_can_fill_name_triplet(root: Path, tmp_path: Path) -> None:
    greedy = make_version(root, "greedy", "mining: {negatives: 40, rank_max: 20}")
    with pytest.raises(StoreError, match="none of 60 records has all 40 negatives; export `triplet` instead"):
        export_version(greedy, "n-tuple", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_suggests_the_nearest(version: VersionRef, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no format 'triplets'; did you mean 'triplet'\?"):
        export_version(version, "triplets", tmp_path)
    with pytest.raises(
        InputError, match=r"no format 'arrows'; known: beir, flagembedding, full, list, margin, n-tuple"
    ):
        export_version(version, "arrows", tmp_path)


def test_a_folder_that_holds_something_is_refused(version: VersionRef, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not empty; choose another --out"):
        export_version(version, "pair", tmp_path)
    with pytest.raises(StoreError, match="is not empty; choose another --out"):
        export_version(version, "pair", tmp_path / "notes.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_version_is_one_sentence(damage: str, version: VersionRef, tmp_path: Path) -> None:
    copy = replace(version, path=tmp_path / "copy")
    shutil.copytree(version.path, copy.path)
    file = copy.path / "records" / "train.parquet"
    file.unlink() if damage == "gone" else file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(StoreError, match=r"finance@1 is damaged: can't read .*train\.parquet"):
        export_version(copy, "pair", tmp_path / "out")


def test_a_version_without_records_has_nothing_to_export(version: VersionRef, tmp_path: Path) -> None:
    copy = replace(version, path=tmp_path / "copy")
    shutil.copytree(version.path, copy.path)
    for file in (copy.path / "records").iterdir():
        pq.write_table(pq.read_table(file).slice(0, 0), file)
    with pytest.raises(StoreError, match="finance@1 has no records"):
        export_version(copy, "pair", tmp_path / "out")
