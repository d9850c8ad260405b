"""Citations, categories, duplicate reports and taxonomies as pairs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_hub import lines

from synth.errors import DocumentError
from synth.imports import Import, ItemFields, import_dataset
from synth.imports.relations import Item, _ring
from synth.pairs.read import read_pairs
from synth.progress import Silent
from synth.store import Store, VersionRef
from synth.verify import verify_version

DATA = Path(__file__).parents[2] / "data" / "imports"


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., VersionRef]:
    """Import a fixture, or rows, under the name of their shape."""

    def imported(shape: str, rows: list[dict[str, Any]] | None = None, **fields: Any) -> VersionRef:
        file = next(DATA.glob(f"{shape}.*"))
        if rows is not None:
            file = tmp_path / "items.jsonl"
            file.write_bytes(lines(rows))
        wanted = Import(str(file), shape, shape, items=ItemFields(**fields))  # type: ignore[arg-type]
        return import_dataset(wanted, Store(tmp_path / "store"), Silent())

    return imported


def read(version: VersionRef, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(version.file(f"{name}.parquet")).to_pylist()
    return rows


def pairs_of(version: VersionRef) -> set[tuple[str, str]]:
    """Ids of items: of the query, and of the positive."""
    rows = read(version, "records/train")
    return {(row["attributes"][0]["value"], row["positive"]["passage_id"]) for row in rows}


def rejected(version: VersionRef) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in read(version, "rejects"):
        found.setdefault(row["reason"], []).append(row["detail"])
    return found


def test_the_title_of_a_citing_item_asks_for_what_it_cites(take: Callable[..., VersionRef]) -> None:
    version = take("citations")
    assert verify_version(version) == []
    assert {("p04", "p01"), ("p04", "p02"), ("p12", "p11")} <= pairs_of(version)
    assert ("p01", "p02") not in pairs_of(version)
    row = next(row for row in read(version, "records/train") if row["attributes"][0]["value"] == "p04")
    assert row["query"] == "Predicting surge with regression"
    assert row["positive"]["text"].startswith("Harmonic analysis of tides\nDecomposes")
    assert set(row["in_batch_mask"]) == {"p01", "p02"}
    assert rejected(version) == {
        "unknown_id": ["citations.csv, row 12: it cites 'p99', which is no item"],
        "itself": ["citations.csv, row 22: it cites itself"],
    }
    assert version.manifest.sources.dropped == {"no_text": 1}
    assert "p23" in {row["id"] for row in read(version, "passages")}


def test_texts_of_a_category_are_pairs_and_never_each_others_negatives(
    take: Callable[..., VersionRef], tmp_path: Path
) -> None:
    version = take("categories")
    assert verify_version(version) == []
    assert version.manifest.funnel.accepted == 15 + 15 + 10 + 6 + 6
    assert list(rejected(version)) == ["alone"]
    assert version.manifest.sources.dropped == {"no_link": 1, "no_text": 1, "repeated_text": 1, "several_links": 1}
    masks: dict[str, set[str]] = {row["positive"]["document_id"]: set() for row in read(version, "records/train")}
    for row in read(version, "records/train"):
        masks[row["positive"]["document_id"]].add(row["positive"]["passage_id"])
    for row in read(version, "records/train"):
        assert set(row["in_batch_mask"]) == masks[row["positive"]["document_id"]]
    groups = {row["text"]: row["document_id"] for row in read(version, "passages")}
    assert groups["I want a new PIN"] == groups["PIN forgotten"] == "category:pin_change"
    pairs = read_pairs("categories", Store(tmp_path / "store"))
    assert set(pairs.groups) == {
        f"category:{name}"
        for name in ("card_lost", "transfer_late", "exchange_rate", "pin_change", "close_account", "other")
    }


def test_a_category_gives_a_bounded_number_of_pairs_in_which_all_take_their_turn(
    take: Callable[..., VersionRef],
) -> None:
    rows = [{"text": f"text number {n}", "label": "same"} for n in range(300)]
    version = take("categories", rows, per_group=200)
    assert version.manifest.funnel.accepted == 200
    assert len(rejected(version)["beyond_limit"]) == 300 - 201
    found = {tuple(sorted((row["query"], row["positive"]["text"]))) for row in read(version, "records/train")}
    again = take("categories", rows[::-1], per_group=200)
    assert {tuple(sorted((row["query"], row["positive"]["text"]))) for row in read(again, "records/train")} == found


@given(count=st.integers(0, 40), most=st.integers(1, 900))
def test_a_ring_gives_every_pair_once(count: int, most: int) -> None:
    members = [Item(str(n), "", "train", "", "", ()) for n in range(count)]
    found = [frozenset((first.id, second.id)) for first, second in _ring(members, most)]
    assert len(set(found)) == len(found) == min(most, count * (count - 1) // 2)
    assert all(len(pair) == 2 for pair in found)


def test_reports_of_the_same_thing_are_pairs_through_any_chain_of_them(take: Callable[..., VersionRef]) -> None:
    version = take("duplicates")
    assert verify_version(version) == []
    found = {frozenset(pair) for pair in pairs_of(version)}
    assert {frozenset(pair) for pair in (("1", "3"), ("10", "12"), ("12", "13"), ("20", "22"), ("5", "6"))} <= found
    assert len(found) == 3 + 3 + 1 + 6 + 1 + 3 + 3 + 1
    groups = {row["id"]: row["document_id"] for row in read(version, "passages")}
    assert {groups[name] for name in ("10", "11", "12", "13")} == {"duplicates:10"}
    assert groups["7"] == "duplicates:7"
    assert {reason: len(told) for reason, told in rejected(version).items()} == {"unknown_id": 1, "itself": 1}


def test_a_child_asks_for_its_parent_and_no_ancestor_is_a_negative_in_a_batch(take: Callable[..., VersionRef]) -> None:
    version = take("taxonomy")
    assert verify_version(version) == []
    assert {("barn owl", "owl"), ("owl", "bird"), ("viper", "snake")} <= pairs_of(version)
    assert ("owl", "barn owl") not in pairs_of(version)
    row = next(row for row in read(version, "records/train") if row["attributes"][0]["value"] == "barn owl")
    assert row["in_batch_mask"] == ["owl", "bird", "animal"]


def test_cycles_and_missing_parents_are_told(take: Callable[..., VersionRef]) -> None:
    version = take("taxonomy")
    assert version.manifest.funnel.rejected == {"cycle": 3, "unknown_parent": 1}
    assert rejected(version)["unknown_parent"] == ["taxonomy.csv, row 25: its parent 'cryptid' is no item"]
    assert any("its parent 'ouroboros' lies below it" in told for told in rejected(version)["cycle"])


def test_items_without_an_id_go_by_their_text(take: Callable[..., VersionRef]) -> None:
    rows = [
        {"parent": None, "text": "tools"},
        {"parent": "tools", "text": "hammers, small"},
        {"parent": "hammers, small", "text": "nails"},
    ]
    assert pairs_of(take("taxonomy", rows)) == {("hammers, small", "tools"), ("nails", "hammers, small")}


@pytest.mark.parametrize("shape", ["citations", "categories", "duplicates", "taxonomy"])
def test_the_same_items_give_the_same_version(take: Callable[..., VersionRef], shape: str) -> None:
    first = take(shape)
    assert take(shape) == first


def test_a_missing_field_is_named(take: Callable[..., VersionRef]) -> None:
    with pytest.raises(DocumentError, match=r"line 1 has no field that is known to hold a link .*--link-field"):
        take("taxonomy", [{"id": 1, "text": "a"}])
    with pytest.raises(DocumentError, match="has no field 'heading', which --title-field names"):
        take("taxonomy", [{"id": 1, "text": "a", "parent": ""}], title="heading")


@pytest.mark.parametrize("shape", ["citations", "categories", "duplicates", "taxonomy"])
def test_groups_may_stand_in_both_splits(shape: str, tmp_path: Path) -> None:
    source = next(DATA.glob(f"{shape}.*"))
    folder = tmp_path / "items"
    folder.mkdir()
    for split in ("train", "test"):
        shutil.copy(source, folder / f"{split}{source.suffix}")
    version = import_dataset(Import(str(folder), shape, shape), Store(tmp_path / "store"), Silent())  # type: ignore[arg-type]
    assert verify_version(version) == []
