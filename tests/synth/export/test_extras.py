"""Columns that are asked for, checked against the records and passages they are about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from exports import all_records, is_cut, read_both, read_export

from synth.errors import InputError, StoreError
from synth.export import ExportOptions, export_version
from synth.store import VersionRef

WITH_NEGATIVES = ["triplet", "n-tuple", "pair-class", "margin", "list"]


def export(version: VersionRef, name: str, folder: Path, **options: Any) -> list[dict[str, Any]]:
    export_version(version, name, folder, ExportOptions(**options))
    return read_both(folder, name)


@pytest.mark.parametrize("name", ["pair", *WITH_NEGATIVES, "pair-score"])
def test_extras_stand_behind_the_columns_of_the_format(name: str, version: VersionRef, tmp_path: Path) -> None:
    plain = export(version, name, tmp_path / "plain")
    extras = ("mask", "spans", "scores", "difficulty", "group")
    more = export(version, name, tmp_path / "more", extras=extras)
    added = ["group", "difficulty", "teacher_scores", "spans", "passage_ids", "in_batch_mask", "in_batch_complete"]
    assert list(more[0]) == [*plain[0], *added]
    assert [{key: row[key] for key in plain[0]} for row in more] == plain


def test_a_group_is_a_task_and_a_language(version: VersionRef, tmp_path: Path) -> None:
    rows = export(version, "pair", tmp_path, extras=("group",))
    assert [row["group"] for row in rows] == [
        f"{r['provenance']['task']}/{r['language']}" for r in all_records(version)
    ]


def test_scores_are_those_of_the_rows_texts_and_missing_where_there_is_none(
    perturbed: VersionRef, tmp_path: Path
) -> None:
    rows = export(perturbed, "list", tmp_path, extras=("scores",))
    records = [r for r in all_records(perturbed) if r["negatives"]]
    expected = [
        [None if is_cut(r) else r["positive"]["score"]]
        + [n["score"] if n["method"] == "mined" else None for n in r["negatives"]]
        for r in records
    ]
    assert [row["teacher_scores"] for row in rows] == expected
    assert any(None in scores for scores in expected)


def test_spans_say_where_each_text_lies_in_its_document(perturbed: VersionRef, tmp_path: Path) -> None:
    lies = {
        row["id"]: (row["document_id"], row["start"], row["end"])
        for row in pq.read_table(perturbed.file("passages.parquet")).to_pylist()
    }
    rows = export(perturbed, "triplet", tmp_path, extras=("spans",))
    records = [(r, n) for r in all_records(perturbed) for n in r["negatives"]]
    for row, (record, negative) in zip(rows, records, strict=True):
        for span, passage in zip(row["spans"], (record["positive"], negative), strict=True):
            where = lies.get(passage["passage_id"], (passage["document_id"], None, None))
            assert (span["document_id"], span["start"], span["end"]) == where
    assert any(row["spans"][1]["start"] is None for row in rows)  # made negatives lie nowhere


def test_a_mask_names_passages_by_the_ids_of_its_rows(perturbed: VersionRef, tmp_path: Path) -> None:
    rows = export(perturbed, "triplet", tmp_path, extras=("mask",))
    records = [(r, n) for r in all_records(perturbed) for n in r["negatives"]]
    for row, (record, negative) in zip(rows, records, strict=True):
        own = negative["made_from"] or negative["passage_id"]
        assert row["passage_ids"] == [record["positive"]["passage_id"], own]
        assert row["in_batch_mask"] == record["in_batch_mask"]
        assert row["in_batch_complete"] == record["in_batch_complete"]


@pytest.mark.parametrize("name", ["pair", *WITH_NEGATIVES])
def test_difficulty_rises_as_the_negative_comes_near_the_positive(
    name: str, version: VersionRef, tmp_path: Path
) -> None:
    rows = export(version, name, tmp_path, extras=("difficulty", "scores"))
    own = {r["query"]: r for r in all_records(version)}

    def gap(row: dict[str, Any]) -> float | None:
        record = own[row.get("anchor") or row.get("query")]
        scores = [n["score"] for n in record["negatives"]]
        if name == "triplet" or (name == "pair-class" and not row["label"]):
            scores = row["teacher_scores"][-1:]
        return None if is_cut(record) or not scores else record["positive"]["score"] - max(scores)

    by_level: dict[int | None, list[Any]] = {}
    for row in rows:
        by_level.setdefault(row["difficulty"], []).append(gap(row))
    assert set(by_level.pop(None, [None])) == {None}
    assert sorted(by_level) == [1, 2, 3, 4]
    for easier, harder in ((1, 2), (2, 3), (3, 4)):
        assert min(by_level[easier]) >= max(by_level[harder])
    sizes = [len(gaps) for gaps in by_level.values()]
    assert max(sizes) < 2 * min(sizes)


def test_a_curriculum_has_the_same_rows_easy_ones_first(version: VersionRef, tmp_path: Path) -> None:
    stored = export(version, "triplet", tmp_path / "stored", extras=("difficulty",))
    export_version(version, "triplet", tmp_path / "ordered", ExportOptions(extras=("difficulty",), order="curriculum"))
    for split in ("train", "test"):
        rows = read_export(tmp_path / "ordered", "triplet", split)
        before = read_export(tmp_path / "stored", "triplet", split)
        assert rows == sorted(before, key=lambda row: row["difficulty"] or 5)
    assert len(stored) == len(read_both(tmp_path / "ordered", "triplet"))


def test_a_curriculum_counts_what_is_left_out_once(version: VersionRef, tmp_path: Path) -> None:
    stored = export_version(version, "margin", tmp_path / "stored")
    ordered = export_version(version, "margin", tmp_path / "ordered", ExportOptions(order="curriculum"))
    assert (ordered.rows, ordered.reasons, ordered.columns) == (stored.rows, stored.reasons, stored.columns)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("pair", {"extras": ("groups",)}, r"--with groups: there is no such column; did you mean 'group'\?"),
        ("full", {"extras": ("mask",)}, "`full` has it already; leave it out"),
        ("full", {"instruction": "column"}, "`full` has it already; leave it out"),
        ("beir", {"extras": ("group",)}, "--with, --order and --instruction column do nothing to it"),
        ("tevatron", {"files": "arrow"}, "'tevatron' is read as JSON Lines by its tool; leave it out"),
        (
            "pair",
            {"negatives": 2},
            "--negatives is how many a row of n-tuple or margin has, and does nothing to 'pair'",
        ),
    ],
)
def test_what_a_format_cannot_carry_is_one_sentence(
    name: str, options: dict[str, Any], sentence: str, version: VersionRef, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        export_version(version, name, tmp_path / "out", ExportOptions(**options))
    assert not (tmp_path / "out").exists()


def test_full_takes_what_it_has_not(version: VersionRef, tmp_path: Path) -> None:
    rows = export(version, "full", tmp_path, extras=("group", "difficulty", "spans"))
    assert list(rows[0])[-3:] == ["group", "difficulty", "spans"]
    assert [len(row["spans"]) for row in rows] == [1 + len(row["negatives"]) for row in rows]


def test_a_trainer_of_json_lines_gets_groups_too(
    perturbed: VersionRef, tmp_path: Path, make: Callable[..., Any]
) -> None:
    result = export_version(perturbed, "flagembedding", tmp_path, ExportOptions(extras=("group", "scores")))
    assert result.columns == ("query", "pos", "neg", "type", "pos_scores", "neg_scores", "prompt", "group")


@pytest.mark.parametrize("options", [{"extras": ("difficulty",)}, {"order": "curriculum"}])
def test_without_scored_negatives_there_is_no_difficulty(
    options: dict[str, Any], make: Callable[..., Any], make_texts: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    version = make(make_texts(6), settings={"mining": {"negatives": 0}}).version
    with pytest.raises(StoreError, match="has no difficulties for 'pair': no row has a positive and a negative"):
        export_version(version, "pair", tmp_path / "out", ExportOptions(**options))
    assert list(tmp_path.iterdir()) == []
