from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.arrow import arrow_schema
from schemas.document import Passage
from synth.known import KnownDocuments, content_of, keys_of, read_contents, write_known


def passage(document: str, number: int = 0, **said: Any) -> Passage:
    whole = {"title": "Bonds", "heading": "Yields", "text": f"Text {number} of {document}.", "split": "train"}
    return Passage(id=f"{document}#{number}", document_id=document, start=0, end=9, **(whole | said))


def write(path: Path, *passages: Passage) -> Path:
    pq.write_table(pa.Table.from_pylist([p.model_dump() for p in passages], schema=arrow_schema(Passage)), path)
    return path


def known(folder: Path, *passages: Passage, frozen: bool = True) -> KnownDocuments:
    write_known(write(folder / "passages.parquet", *passages), folder / "documents.parquet")
    return KnownDocuments.load(folder / "documents.parquet", frozen=frozen)


@pytest.mark.parametrize("change", [{"title": "Loans"}, {"heading": ""}, {"text": "Another."}])
def test_another_title_heading_or_text_is_a_change(tmp_path: Path, change: dict[str, str]) -> None:
    before = known(tmp_path, passage("a"), passage("b"), passage("b", 1))
    now = read_contents(write(tmp_path / "now.parquet", passage("a"), passage("b"), passage("b", 1, **change)))
    assert now.ids == ["a", "b"]
    assert before.is_unchanged(now.key, now.content).tolist() == [True, False]
    assert before.is_known(now.key).all()


def test_places_flags_and_splits_are_no_content() -> None:
    moved = passage("a", split="test", flags=["email"]).model_copy(update={"start": 40, "end": 80})
    assert content_of([passage("a")]) == content_of([moved])


def test_what_stands_in_which_field_is_part_of_the_content() -> None:
    contents = {
        content_of([passage("a", title="ab", heading="c")]),
        content_of([passage("a", title="a", heading="bc")]),
        content_of([passage("a", title="", heading="abc")]),
        content_of([passage("a", title="ab", heading="c"), passage("a", 1)]),
    }
    assert len(contents) == 4


def test_a_version_without_passages_knows_nothing(tmp_path: Path) -> None:
    nothing = known(tmp_path)
    assert nothing.is_known(keys_of(["a"])).tolist() == [False]
    assert nothing.is_unchanged(keys_of(["a"]), np.asarray([1], dtype=np.uint64)).tolist() == [False]
    assert nothing.split_of("a", [passage("a")]) == "train"


@pytest.mark.parametrize(
    ("frozen", "splits"),
    [(True, ["test", "train", "train", "train"]), (False, ["test", "test", "train", None])],
)
def test_a_frozen_test_split_takes_nothing_in(tmp_path: Path, frozen: bool, splits: list[str | None]) -> None:
    before = known(tmp_path, passage("a", split="test"), passage("b", split="test"), passage("c"), frozen=frozen)
    now = [passage("a"), passage("b", text="Edited."), passage("c", text="Edited."), passage("new")]
    assert [before.split_of(each.document_id, [each]) for each in now] == splits


def test_what_is_known_has_a_hash_that_freezing_is_part_of(tmp_path: Path) -> None:
    frozen = known(tmp_path, passage("a"))
    assert frozen.sha256 != KnownDocuments.load(tmp_path / "documents.parquet", frozen=False).sha256
    assert frozen.sha256 == KnownDocuments.load(tmp_path / "documents.parquet", frozen=True).sha256
