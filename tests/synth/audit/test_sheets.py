from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.audit.guard import CELL, guarded
from synth.audit.sheets import ANSWERS, Line, as_csv, table_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def read(content: bytes, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=separator))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+49 30 1", "-5 %", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=cmd|'/c calc'!A1", "＝1+1", "－1", "\u00a0=1"],
)
def test_a_text_that_a_spreadsheet_would_run_stands_behind_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "5 - 3", "a=b", "'=1", "1", "Profit, +5 %"])
def test_other_texts_are_as_they_are(text: str) -> None:
    assert guarded(text) == text


@given(
    st.lists(st.tuples(TEXTS, TEXTS, st.lists(TEXTS, min_size=1, max_size=2), st.lists(TEXTS, max_size=3))),
    st.sampled_from(",;"),
)
def test_no_cell_is_a_formula_and_all_texts_are_whole(
    made: list[tuple[str, str, list[str], list[str]]], separator: str
) -> None:
    lines = [Line(number, *texts) for number, texts in enumerate(made, 1)]
    content = as_csv(table_of(lines, "a1b2c3", 2), separator)
    assert content.startswith(b"\xef\xbb\xbf")
    header, *rows = read(content, separator)
    assert header[-4:] == list(ANSWERS)
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        assert len(row) == len(header)
        assert not [cell for cell in row if cell.strip().startswith(("=", "+", "-", "@"))]
        shown = dict(zip(header, row, strict=True))
        assert shown["query"] == guarded(line.query)
        assert shown["positive"] == guarded(line.positive)
        assert [shown[f"negative {n}"] for n, _ in enumerate(line.negatives, 1)] == [*map(guarded, line.negatives)]


def test_a_passage_that_is_longer_than_a_cell_goes_on_beside_it() -> None:
    long = "".join(f"{number} " for number in range(20_000))
    lines = [Line(1, "", "short", [long], ["no"]), Line(2, "", "short", ["short"])]
    header, first, second = read(as_csv(table_of(lines, "a1b2c3", 1), ","))
    places = [place for place, name in enumerate(header) if name.startswith("positive")]
    assert [header[place] for place in places][:2] == ["positive", "positive (continued 1)"]
    assert len(places) == -(-len(long) // CELL)
    assert "".join(first[place] for place in places) == long
    assert [second[place] for place in places] == ["short", *[""] * (len(places) - 1)]


def test_several_positives_are_numbered() -> None:
    assert Line(1, "", "q", ["one", "two"]).positive == "[1] one\n\n[2] two"


def test_rows_say_what_is_asked_and_by_whom() -> None:
    lines = [Line(17, "", "q", ["p"]), Line(17, "", "q", ["p"], ["n"])]
    table = table_of(lines, "a1b2c3", 3)
    assert [row[0] for row in table] == ["row", "a1b2c3-3-017", "a1b2c3-3-017n"]
    assert "right for the query under the instruction" in table[1][1]
    assert "Their numbers" in table[2][1]
