from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from schemas.audit import AuditKey
from synth.audit.answers import Answer, Sheet, read_sheets
from synth.audit.sheets import ANSWERS, Line, as_csv, table_of
from synth.errors import InputError

Cells = Mapping[str, Mapping[str, str]]
"""Row, without the name of the audit and the auditor -> column -> what is written there."""
Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path, key: AuditKey) -> Fill:
    """Write the sheet of an auditor with some cells filled, as the program that is named saves it."""

    def filled(cells: Cells, auditor: int = 1, name: str = "", saved_by: str = "export", drop: int = 0) -> Path:
        pairs = [Line(row.number, "find it", f'say "{row.id}";\nor not', ["ein Café, 5 €"]) for row in key.rows]
        asked = [
            Line(row.number, "find it", "q", ["p"], ["n"] * len(row.negatives)) for row in key.rows if row.negatives
        ]
        table = table_of([*pairs, *asked], key.audit, auditor)
        header = table[0]
        for row in table[1:]:
            for column, text in cells.get(row[0].rpartition("-")[2], {}).items():
                row[header.index(column)] = text
        path = tmp_path / (name or f"sheet-{auditor}.csv")
        path.write_bytes(SAVED[saved_by](table[: len(table) - drop]))
        return path

    return filled


def _saved(table: list[list[str]], separator: str, end: str = "\r\n") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(table)
    return text.getvalue()


SAVED: dict[str, Callable[[list[list[str]]], bytes]] = {
    "export": lambda table: as_csv(table, ","),
    "Excel, German, CSV UTF-8": lambda table: _saved(table, ";").encode("utf-8-sig"),
    "Excel, German, CSV": lambda table: _saved(table, ";").encode("cp1252"),
    "Excel, Unicode text": lambda table: _saved(table, "\t").encode("utf-16"),
    "LibreOffice": lambda table: _saved(table, ",", "\n").encode(),
    "Excel with a hint": lambda table: b"sep=;\r\n" + _saved(table, ";").encode("cp1252"),
    "capitals and blank lines": lambda table: _saved([["ROW", *table[0][1:]], [], *table[1:], []], ",").encode(),
}


def only(folder: Path, key: AuditKey) -> Sheet:
    (sheet,) = read_sheets(folder, key)
    return sheet


ALL = {
    "001": {"relevant": "yes", "clear": "no", "note": "hm"},
    "002": {"relevant": "unsure", "clear": "yes"},
    "003": {"relevant": "no"},
    "001n": {"negatives_right": "1 2"},
    "002n": {"negatives_right": "0"},
}


@pytest.mark.parametrize("program", SAVED)
def test_a_sheet_is_read_whatever_saved_it(tmp_path: Path, fill: Fill, key: AuditKey, program: str) -> None:
    fill(ALL, saved_by=program)
    sheet = only(tmp_path, key)
    assert sheet.problems == []
    assert sheet.answers[1] == Answer(1.0, False, frozenset({1, 2}), "hm")
    assert sheet.answers[2] == Answer(0.5, True, frozenset())
    assert sheet.answers[3] == Answer(0.0)
    assert sheet.answers[4] == Answer()
    assert (sheet.asked, sheet.filled, sheet.partly, sheet.empty, sheet.missing) == (8, 4, 1, 3, 0)


@pytest.mark.parametrize("said", ["yes", "Yes", " Y ", "1", "TRUE", "true", "WAHR", "ja", "vrai", "'yes"])
def test_yes_is_read_as_people_and_spreadsheets_write_it(tmp_path: Path, fill: Fill, key: AuditKey, said: str) -> None:
    fill({"001": {"relevant": said, "clear": said}})
    assert only(tmp_path, key).answers[1] == Answer(1.0, True)


@pytest.mark.parametrize("said", ["no", "N", "0", "FALSE", "FALSCH", "nein"])
def test_no_is_read_as_people_and_spreadsheets_write_it(tmp_path: Path, fill: Fill, key: AuditKey, said: str) -> None:
    fill({"001": {"relevant": said, "clear": said}})
    assert only(tmp_path, key).answers[1] == Answer(0.0, False)


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ("1", {1}),
        ("1 2", {1, 2}),
        ("1,2", {1, 2}),
        ("1.2", {1, 2}),
        ("2; 1", {1, 2}),
        ("1 and 2", {1, 2}),
        ("none", set()),
        ("-", set()),
    ],
)
def test_numbers_of_negatives_are_read_with_any_separator(
    tmp_path: Path, fill: Fill, key: AuditKey, said: str, numbers: set[int]
) -> None:
    fill({"001n": {"negatives_right": said}})
    assert only(tmp_path, key).answers[1].negatives == numbers


@pytest.mark.parametrize(
    ("row", "column", "said", "allowed"),
    [
        ("001", "relevant", "perhaps", "write yes, no or unsure"),
        ("001", "clear", "unsure", "write yes or no"),
        ("001n", "negatives_right", "12", "write numbers from 1 to 2 with spaces between, or 0 for none"),
        ("001n", "negatives_right", "3", "write numbers from 1 to 2 with spaces between, or 0 for none"),
        ("001n", "negatives_right", "first", "write numbers from 1 to 2 with spaces between, or 0 for none"),
        ("001", "negatives_right", "1", "in this row only relevant and clear are asked for"),
        ("001n", "relevant", "yes", "in this row only negatives_right is asked for"),
    ],
)
def test_a_cell_that_can_not_be_read_is_named_with_what_is_allowed(
    tmp_path: Path, fill: Fill, key: AuditKey, row: str, column: str, said: str, allowed: str
) -> None:
    fill({row: {column: said}, "002": {"relevant": "yes", "clear": "yes"}})
    sheet = only(tmp_path, key)
    line = 2 if row == "001" else 8
    (problem,) = sheet.problems
    assert str(problem) == f"sheet-1.csv, row {line}, column {column}: {said!r} is not used; {allowed}"
    assert sheet.answers[2] == Answer(1.0, True)
    assert sheet.filled + sheet.partly + sheet.empty + sheet.missing == sheet.asked


def test_rows_that_are_gone_are_counted(tmp_path: Path, fill: Fill, key: AuditKey) -> None:
    fill(ALL, drop=3)
    sheet = only(tmp_path, key)
    assert (sheet.filled, sheet.partly, sheet.empty, sheet.missing) == (2, 1, 2, 3)


def test_a_row_that_stands_twice_counts_once(tmp_path: Path, fill: Fill, key: AuditKey) -> None:
    path = fill(ALL)
    lines = path.read_bytes()
    header, *rows = list(csv.reader(io.StringIO(lines.decode("utf-8-sig"), newline="")))
    path.write_text(_saved([header, *rows, rows[0]], ","))
    (problem,) = only(tmp_path, key).problems
    assert str(problem).endswith("row 2 is the same one: leave one of the two")


def test_a_row_that_was_never_asked_is_named(tmp_path: Path, fill: Fill, key: AuditKey) -> None:
    path = fill(ALL)
    path.write_text(path.read_text(encoding="utf-8-sig").replace("a1b2c3-1-004", "a1b2c3-1-099"))
    (problem,) = only(tmp_path, key).problems
    assert "'a1b2c3-1-099' is not used; this audit has no such row" in str(problem)


@pytest.mark.parametrize("name", ["a1b2c4-1-001", "a1b2c3-9-001"])
def test_a_sheet_of_another_audit_is_refused(tmp_path: Path, fill: Fill, key: AuditKey, name: str) -> None:
    path = fill(ALL)
    path.write_text(path.read_text(encoding="utf-8-sig").replace("a1b2c3-1-001", name))
    with pytest.raises(
        InputError, match=f"sheet-1.csv, row 2: '{name}' belongs to another audit than key.json, which is of finance@3"
    ):
        read_sheets(tmp_path, key)


def test_two_downloads_of_one_auditor_are_refused_and_an_empty_original_is_not(
    tmp_path: Path, fill: Fill, key: AuditKey
) -> None:
    fill({})
    fill(ALL, name="sheet-1 (1).csv")
    assert only(tmp_path, key).file == "sheet-1 (1).csv"
    fill(ALL, name="anna.csv")
    with pytest.raises(InputError, match=r"both hold answers of auditor 1; leave the newer one"):
        read_sheets(tmp_path, key)


def test_sheets_of_several_auditors_may_stand_in_one_file(tmp_path: Path, fill: Fill, key: AuditKey) -> None:
    first, second = (fill(ALL, auditor, name="all.csv").read_text(encoding="utf-8-sig") for auditor in (1, 2))
    (tmp_path / "all.csv").write_text(first + "".join(second.splitlines(keepends=True)[1:]))
    assert [(sheet.auditor, sheet.filled) for sheet in read_sheets(tmp_path, key)] == [(1, 4), (2, 4)]


def test_what_lies_beside_the_sheets_is_told_apart(tmp_path: Path, fill: Fill, key: AuditKey) -> None:
    fill(ALL)
    for name in ("key.json", "how-to.md", "sheet-1.html", ".~lock.sheet-1.csv"):
        (tmp_path / name).write_text("something else")
    assert only(tmp_path, key).filled == 4
    (tmp_path / "sheet-2.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"sheet-2.xlsx is a workbook: save it as CSV"):
        read_sheets(tmp_path, key)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is no sheet of an audit"),
        ("a,b\n1,2\n", "is no sheet of an audit: its header must have the columns row, relevant, clear"),
        ("row,relevant,clear,note\n", "has no column 'negatives_right'"),
        ("row,relevant,clear,negatives_right,note\nsum,yes,,,\n", "row 2: 'sum' names no row of an audit"),
    ],
)
def test_a_file_that_is_no_sheet_is_one_sentence(tmp_path: Path, key: AuditKey, content: str, sentence: str) -> None:
    (tmp_path / "sheet-1.csv").write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_sheets(tmp_path, key)


def test_a_folder_without_a_sheet_says_so(tmp_path: Path, key: AuditKey) -> None:
    with pytest.raises(InputError, match="there is no sheet in"):
        read_sheets(tmp_path, key)


def test_the_columns_of_answers_are_those_that_are_read() -> None:
    assert ANSWERS == ("relevant", "clear", "negatives_right", "note")
