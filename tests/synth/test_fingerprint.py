from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.arrow import arrow_schema
from schemas.base import canonical_json
from schemas.record import NTuple
from synth.fingerprint import _RECORD_TEXT, ContentHash, VersionHash, content_sha256

TEXTS = st.text("ab é", max_size=3)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), max_size=6)
SCHEMA = pa.schema([("first", pa.string()), ("second", pa.string())])


def table(rows: list[tuple[str, str]]) -> pa.Table:
    return pa.Table.from_pylist([{"first": a, "second": b} for a, b in rows], schema=SCHEMA)


def content_hash(*batches: pa.Table) -> str:
    content = ContentHash(["first", "second"])
    for batch in batches:
        content.add(batch)
    return content.hexdigest()


@given(ROWS, st.lists(st.integers(0, 6), max_size=4))
def test_the_hash_does_not_depend_on_batches(rows: list[tuple[str, str]], cuts: list[int]) -> None:
    edges = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    batches = [table(rows[start:end]) for start, end in pairwise(edges)]
    assert content_hash(*batches, table([])) == content_hash(table(rows))
    if batches:
        assert content_hash(pa.concat_tables(batches)) == content_hash(table(rows))


@given(ROWS, ROWS)
def test_two_tables_share_a_hash_only_where_they_are_equal(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    assert (content_hash(table(first)) == content_hash(table(second))) == (first == second)


@pytest.mark.parametrize(
    "moved",
    [
        [("a", "bc"), ("de", "f")],
        [("ab", "cd"), ("e", "f")],
        [("abd", "cf"), ("", "")],
        [("de", "f"), ("ab", "c")],
        [("c", "ab"), ("f", "de")],
        [("ab", "c"), ("de", "f"), ("", "")],
    ],
    ids=["columns", "rows", "into one row", "row order", "columns swapped", "an empty row"],
)
def test_moving_a_boundary_changes_the_hash(moved: list[tuple[str, str]]) -> None:
    assert content_hash(table(moved)) != content_hash(table([("ab", "c"), ("de", "f")]))


def test_the_type_of_text_and_a_slice_of_a_table_do_not_change_the_hash() -> None:
    rows = table([("x", "y"), ("ab", "c"), ("de", "é")])
    large = rows.cast(pa.schema([("first", pa.large_string()), ("second", pa.large_string())]))
    assert content_hash(large) == content_hash(rows)
    assert content_hash(rows.slice(1)) == content_hash(table([("ab", "c"), ("de", "é")]))


def test_the_name_of_a_column_is_part_of_the_content() -> None:
    renamed = ContentHash(["first", "third"])
    renamed.add(table([("a", "b")]).rename_columns(["first", "third"]))
    assert renamed.hexdigest() != content_hash(table([("a", "b")]))


def test_a_null_is_refused_rather_than_hashed_as_something_else() -> None:
    with pytest.raises((TypeError, ValueError)):
        content_hash(pa.table({"first": [None], "second": ["a"]}, schema=SCHEMA))


def test_the_hash_is_the_same_on_every_machine() -> None:
    """Golden value: a changed hash would publish unchanged content again."""
    assert (
        content_hash(table([("ab", "c"), ("de", "é")]))
        == "0bebc7196555210266fcd5bedca3ea0938d9a869106b67a751892d5a3d9c6eef"
    )


PASSAGES = st.lists(st.fixed_dictionaries({"passage_id": TEXTS, "text": TEXTS}), max_size=3)
GRADES = st.none() | st.fixed_dictionaries({"relevance": st.integers(1, 5), "why": TEXTS})
ATTRIBUTES = st.lists(st.fixed_dictionaries({"name": TEXTS, "value": TEXTS}), max_size=2)
RECORDS = st.lists(st.tuples(TEXTS, PASSAGES, PASSAGES, st.lists(TEXTS, max_size=3), ATTRIBUTES, GRADES), max_size=5)


def records_of(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Records as a version holds them; what is not drawn is the same in all."""
    passage = {"passage_id": "p", "document_id": "d", "text": "t", "score": 0.5, "rank": 1}
    made = []
    for query, more, negatives, mask, attributes, grades in rows:
        record = dict.fromkeys(("instruction", "language", "kind"), "") | {"split": "train", "short": False}
        record |= {"id": "r", "query": query, "positive": passage, "verdicts": [], "in_batch_complete": True}
        record |= {"more_positives": [passage | each for each in more], "in_batch_mask": mask}
        bare = {"method": "mined", "made_from": "", "changes": [], "generator_model": "", "prompt": ""}
        record |= {"negatives": [passage | bare | each for each in negatives], "attributes": attributes}
        made.append(record | {"judgement": grades and {"method": "rubric", "model": "", **grades}, "provenance": None})
    return pa.Table.from_pylist(made, schema=arrow_schema(NTuple))


def spelt_out(table: pa.Table) -> str:
    """The hash of records as the definition says it, a value at a time."""
    content = ContentHash(_RECORD_TEXT)
    for row in table.to_pylist():
        for name in ("more_positives", "negatives"):
            row[name] = "\x1e".join(f"{each['passage_id']}\x1f{each['text']}" for each in row[name])
        row["positive"] = f"{row['positive']['passage_id']}\x1f{row['positive']['text']}"
        row["in_batch_mask"] = "\x1e".join(row["in_batch_mask"])
        for name in ("attributes", "judgement"):
            row[name] = canonical_json(row[name]).decode() if row[name] else ""
        content.add(pa.table({name: pa.array([row[name]], pa.string()) for name in _RECORD_TEXT}))
    return content.hexdigest()


@given(RECORDS, st.integers(0, 5), st.integers(1, 3))
def test_records_are_hashed_by_texts_ids_and_what_was_said_of_them(
    rows: list[tuple[Any, ...]], start: int, size: int
) -> None:
    whole = records_of(rows).slice(start)
    content = VersionHash()
    for batch in whole.to_batches(max_chunksize=size):
        content.add_records(pa.Table.from_batches([batch]))
    assert content._parts["train"].hexdigest() == spelt_out(whole)


def test_the_hash_of_the_files_is_the_one_that_was_published(finance: Any) -> None:
    assert content_sha256(finance.version) == finance.hash
