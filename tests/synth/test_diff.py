from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.collect import Wish, find_removals, remove
from synth.diff import choose_pair, compare
from synth.errors import StoreError
from synth.store import Store, VersionRef

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def store(make: Make, make_texts: Make, fresh: Callable[[], Path]) -> Store:
    """finance@1 of ten documents; finance@2 of eleven more and other negatives; read only."""
    store = Store(fresh() / "store")
    make(make_texts(10), store=store)
    make(make_texts(21), store=store, settings={"mining": {"negatives": 2}})
    return store


def rows_of(version: VersionRef) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for path in version.record_files() for row in pq.read_table(path).to_pylist()}


def content(row: dict[str, Any], column: str) -> Any:
    texts = ("positive", "more_positives", "negatives")
    if column == "licence":
        return row["provenance"]["licence"]
    if column not in texts:
        return row[column]
    each = [row[column]] if column == "positive" else row[column]
    return [(passage["passage_id"], passage["text"]) for passage in each]


def test_rows_are_told_apart_by_id_and_columns(store: Store) -> None:
    old, new = (store.find(f"finance@{number}") for number in (1, 2))
    before, after = rows_of(old), rows_of(new)
    found = compare(old, new)
    common = before.keys() & after.keys()
    columns = ("query", "positive", "more_positives", "negatives", "split", "in_batch_mask", "licence", "judgement")
    changed = {
        column: sum(content(before[i], column) != content(after[i], column) for i in common) for column in columns
    }
    assert found.columns == {column: count for column, count in changed.items() if count}
    assert found.columns["negatives"] > 0
    any_changed = sum(any(content(before[i], c) != content(after[i], c) for c in columns) for i in common)
    assert found.rows == {
        "added": len(after.keys() - before.keys()),
        "removed": len(before.keys() - after.keys()),
        "changed": any_changed,
        "same": len(common) - any_changed,
    }
    assert found.rows["added"] > 0
    assert set(found.examples["added"]) <= after.keys() - before.keys()
    assert set(found.examples["changed"]) <= common


def test_a_version_does_not_differ_from_itself(store: Store) -> None:
    version = store.find("finance@2")
    found = compare(version, version)
    accepted = version.manifest.funnel.accepted
    assert found.rows == {"added": 0, "removed": 0, "changed": 0, "same": accepted}
    assert found.columns == {}
    assert {shift.shift.psi for shift in (*found.numbers.values(), *found.types.values())} == {0.0}
    assert {numbers.ks for numbers in found.numbers.values()} == {0.0}


def test_the_other_way_round_added_is_removed(store: Store) -> None:
    one, other = (store.find(f"finance@{number}") for number in (1, 2))
    there, back = compare(one, other), compare(other, one)
    assert there.rows["added"] == back.rows["removed"]
    assert there.rows["changed"] == back.rows["changed"]
    assert there.columns == back.columns


def test_stages_stand_side_by_side(store: Store) -> None:
    found = compare(*choose_pair(store, "finance", None))
    for side, number in ((1, 1), (2, 2)):
        manifest = store.find(f"finance@{number}").manifest
        told = {stage[0]: stage[side] for stage in found.stages}
        assert told["planned"] == manifest.funnel.planned
        assert told["accepted"] == manifest.funnel.accepted
        assert told["passages"] == manifest.passages
        left = sum(count for stage, count in told.items() if stage.startswith(("rejected: ", "failed: ")))
        assert told["planned"] == told["accepted"] + left


def test_lengths_scores_and_types_are_those_of_the_rows(store: Store) -> None:
    version = store.find("finance@2")
    rows = list(rows_of(version).values())
    found = compare(store.find("finance@1"), version)
    lengths = found.numbers["query length"].new
    assert lengths is not None
    assert lengths["mean"] == pytest.approx(sum(len(row["query"]) for row in rows) / len(rows), abs=1e-4)
    gaps = sorted(
        row["positive"]["score"] - max(n["score"] for n in row["negatives"]) for row in rows if row["negatives"]
    )
    gap = found.numbers["gap to best negative"].new
    assert gap is not None
    assert gap["median"] == pytest.approx(gaps[(len(gaps) - 1) // 2], abs=1e-4)
    assert found.types["task"].new == {"query-from-passage": len(rows)}
    assert found.types["split"].new == version.manifest.splits
    assert found.types["language"].new == {"en": len(rows)}


def test_a_name_alone_is_its_newest_version_against_its_parent(store: Store) -> None:
    for reference in ("finance", "finance@2", "finance@latest"):
        assert [*map(str, choose_pair(store, reference, None))] == ["finance@1", "finance@2"]
    assert [*map(str, choose_pair(store, "finance@2", "finance@1"))] == ["finance@2", "finance@1"]


def test_a_version_without_a_parent_says_what_to_type(store: Store) -> None:
    with pytest.raises(StoreError, match=r"finance@1 has no parent .* `synth datasets diff OTHER finance@1`"):
        choose_pair(store, "finance@1", None)


def test_a_parent_that_was_collected_is_said_to_be_gone(make: Make, make_texts: Make, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for number in (4, 5):
        make(make_texts(number), store=store)
    remove(store, find_removals(store, Wish(keep=1)).removals)
    with pytest.raises(StoreError, match="finance@1, the parent of finance@2, is gone"):
        choose_pair(store, "finance", None)


def test_versions_without_records_can_be_compared(make: Make, make_texts: Make, store: Store) -> None:
    nothing = {"gates": [{"name": "length", "settings": {"min_words": 500, "max_words": 900}}]}
    empty = make(make_texts(3), settings=nothing).version
    found = compare(empty, store.find("finance@1"))
    assert found.rows["added"] == store.find("finance@1").manifest.funnel.accepted
    assert found.numbers["query length"].old is None


def rewritten(version: VersionRef, folder: Path, change: Callable[[int, dict[str, Any]], None]) -> VersionRef:
    """A copy of a version with `change` done to each record, given its place in its file."""
    copy = VersionRef("finance", 3, folder)
    (copy.path / "records").mkdir(parents=True)
    (copy.path / "manifest.json").write_bytes((version.path / "manifest.json").read_bytes())
    for path in version.record_files():
        table = pq.read_table(path)
        rows = table.to_pylist()
        for number, row in enumerate(rows):
            change(number, row)
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), copy.path / "records" / path.name)
    return copy


def test_each_column_that_is_changed_is_named(store: Store, tmp_path: Path) -> None:
    def change(number: int, row: dict[str, Any]) -> None:
        row["verdicts"] = []
        row["positive"]["score"] += 1
        if number == 0:
            row["query"] += "?"
            row["attributes"] = [{"name": "answer", "value": "none"}]

    version = store.find("finance@2")
    copy = rewritten(version, tmp_path / "copy", change)
    files = len(version.record_files())
    found = compare(version, copy)
    assert found.columns == {"attributes": files, "query": files}
    assert found.rows["changed"] == files


def test_text_pairs_have_no_score_that_could_shift(store: Store, tmp_path: Path) -> None:
    def change(number: int, row: dict[str, Any]) -> None:
        if number % 2:
            row["provenance"]["method"] = "llm:text"
            row["positive"]["score"] = 0.0

    version = store.find("finance@2")
    copy = rewritten(version, tmp_path / "copy", change)
    kept = [row["positive"]["score"] for row in rows_of(copy).values() if row["provenance"]["method"] != "llm:text"]
    told = compare(version, copy).numbers["positive score"].new
    assert told is not None
    assert told["mean"] == pytest.approx(sum(kept) / len(kept), abs=1e-4)
