"""Sheets as auditors hand them in: read whatever a spreadsheet made of them, and say of each cell that can't be read why."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas.audit import AuditKey, AuditRow
from synth.audit.sheets import ANSWERS, ROW, row_name
from synth.errors import InputError

YES = frozenset("yes y 1 true t ja wahr oui vrai sí si verdadero".split())
NO = frozenset("no n 0 false f nein falsch non faux falso".split())
UNSURE = frozenset("unsure u ? maybe".split()) | {"not sure", "don't know"}
NONE = frozenset("0 none no n -".split())
_SHOWN = 40
"""Characters of a cell that can't be read."""
_SEPARATORS = ",;\t|"
_TABLES = (".csv", ".tsv", ".txt")
_BOOKS = (".xlsx", ".xls", ".ods", ".numbers")
_NAME = re.compile(r"([a-z0-9]+)-(\d+)-(\d+)(n?)")
_BETWEEN = re.compile(r"[\s,;.&+/]+|\band\b")


@dataclass(frozen=True)
class Problem:
    """A cell or row that could not be used. `line` is the row of the spreadsheet; its header is row 1."""

    file: str
    line: int
    column: str
    said: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.line}, column {self.column}: {self.said!r} is not used; {self.allowed}"


@dataclass
class Answer:
    """What one auditor says of one record; None where nothing was answered.

    relevant: 1, 0, or 0.5 for unsure; negatives: numbers of those that are right as well
    """

    relevant: float | None = None
    clear: bool | None = None
    negatives: frozenset[int] | None = None
    note: str = ""


@dataclass
class Sheet:
    """What an auditor handed in, and what became of each row that was asked: asked = filled + partly + empty + missing.

    A row with a cell that can't be read counts by its other cells.
    """

    auditor: int
    file: str
    asked: int = 0
    filled: int = 0
    partly: int = 0
    empty: int = 0
    missing: int = 0
    answers: dict[int, Answer] = field(default_factory=dict)
    """By the number of the row in the key."""
    problems: list[Problem] = field(default_factory=list)


def read_sheets(folder: Path, key: AuditKey) -> list[Sheet]:
    """All sheets of a folder, by auditor; those of people who answered nothing among them.

    Raises InputError where a file is no sheet of this audit, or two files hold answers of one auditor.
    """
    found: dict[int, Sheet] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in _BOOKS:
            raise InputError(
                f"{path} is a workbook: save it as CSV (in Excel 'CSV UTF-8') and remove or move the workbook"
            )
        if path.suffix.lower() not in _TABLES:
            continue
        for sheet in _Reader(path, key).sheets():
            before = found.get(sheet.auditor)
            if before is None or not _answered(before):
                found[sheet.auditor] = sheet
            elif _answered(sheet):
                raise InputError(
                    f"{folder / before.file} and {path} both hold answers of auditor {sheet.auditor}; leave the newer one in {folder}"
                )
    if not found:
        raise InputError(f"there is no sheet in {folder}: put the CSV files that the auditors filled beside key.json")
    return [found[auditor] for auditor in sorted(found)]


def _answered(sheet: Sheet) -> bool:
    return bool(sheet.filled or sheet.partly or sheet.problems)


class _Reader:
    """One file; it may hold sheets of several auditors, one below the other."""

    def __init__(self, path: Path, key: AuditKey) -> None:
        self._path, self._key = path, key
        self._rows = {row.number: row for row in key.rows}
        self._sheets: dict[int, Sheet] = {}
        self._cells: dict[tuple[int, str], int] = {}

    def sheets(self) -> list[Sheet]:
        for line, cells in _rows_of(self._path):
            self._take(line, cells)
        asked = [row_name("", 0, row.number, about_negatives=each) for row in self._key.rows for each in _parts(row)]
        for auditor, sheet in self._sheets.items():
            seen = {name for owner, name in self._cells if owner == auditor}
            sheet.asked = len(asked)
            sheet.missing = len(asked) - len(seen)
        return list(self._sheets.values())

    def _take(self, line: int, cells: Mapping[str, str]) -> None:
        name = cells[ROW].strip().lstrip("'")
        if not name and not any(cells.get(column, "").strip() for column in ANSWERS):
            return
        auditor, row, part = self._identify(line, name)
        sheet = self._sheets.setdefault(auditor, Sheet(auditor, self._path.name))
        if row is None:
            sheet.problems.append(
                self._problem(line, ROW, name, "this audit has no such row: leave the names of rows as they were")
            )
            return
        own = (auditor, f"{row.number}{part}")
        if own in self._cells:
            told = f"row {self._cells[own]} is the same one: leave one of the two"
            sheet.problems.append(self._problem(line, ROW, name, told))
            return
        self._cells[own] = line
        answer = sheet.answers.setdefault(row.number, Answer())
        wanted = ["negatives_right"] if part else ["relevant", "clear"]
        given = [self._answer(sheet, answer, line, column, cells, row) for column in wanted]
        self._refuse_unasked(sheet, line, cells, wanted)
        answer.note = " ".join(filter(None, [answer.note, cells.get("note", "").strip()]))
        what = "filled" if all(given) else "partly" if any(given) else "empty"
        setattr(sheet, what, getattr(sheet, what) + 1)

    def _identify(self, line: int, name: str) -> tuple[int, AuditRow | None, str]:
        found = _NAME.fullmatch(name)
        key = self._key
        if found is None:
            raise InputError(
                f"{self._path}, row {line}: {name!r} names no row of an audit; rows of this one are called such as {row_name(key.audit, 1, 1, about_negatives=False)!r}"
            )
        audit, auditor, number, part = found.groups()
        if audit != key.audit or not 1 <= int(auditor) <= key.auditors:
            raise InputError(
                f"{self._path}, row {line}: {name!r} belongs to another audit than key.json, which is of {key.dataset}: put the sheet beside the key it was exported with"
            )
        row = self._rows.get(int(number))
        asked = row is not None and (not part or bool(row.negatives))
        return int(auditor), row if asked else None, part

    def _answer(
        self, sheet: Sheet, answer: Answer, line: int, column: str, cells: Mapping[str, str], row: AuditRow
    ) -> bool:
        said = " ".join(cells.get(column, "").casefold().lstrip("'").split())
        if not said:
            return False
        try:
            setattr(answer, column.removesuffix("_right"), _READ[column](said, len(row.negatives)))
        except ValueError as error:
            sheet.problems.append(self._problem(line, column, cells[column], str(error)))
            return False
        return True

    def _refuse_unasked(self, sheet: Sheet, line: int, cells: Mapping[str, str], wanted: Sequence[str]) -> None:
        for column in ("relevant", "clear", "negatives_right"):
            said = cells.get(column, "").strip()
            if said and column not in wanted:
                told = f"in this row only {' and '.join(wanted)} {'is' if len(wanted) == 1 else 'are'} asked for"
                sheet.problems.append(self._problem(line, column, said, told))

    def _problem(self, line: int, column: str, said: str, allowed: str) -> Problem:
        return Problem(self._path.name, line, column, said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…", allowed)


def _parts(row: AuditRow) -> Iterable[bool]:
    return (False, True) if row.negatives else (False,)


def _relevant(said: str, _: int) -> float:
    if said in UNSURE:
        return 0.5
    return float(_yes(said, "write yes, no or unsure"))


def _clear(said: str, _: int) -> bool:
    return _yes(said, "write yes or no")


def _yes(said: str, allowed: str) -> bool:
    if said not in YES | NO:
        raise ValueError(allowed)
    return said in YES


def _negatives(said: str, shown: int) -> frozenset[int]:
    if said in NONE:
        return frozenset()
    parts = [part for part in _BETWEEN.split(said) if part]
    numbers = [int(part) for part in parts if part.isdecimal()]
    if len(numbers) < len(parts) or not numbers or not all(1 <= number <= shown for number in numbers):
        raise ValueError(f"write numbers from 1 to {shown} with spaces between, or 0 for none")
    return frozenset(numbers)


_READ: dict[str, Callable[[str, int], object]] = {
    "relevant": _relevant,
    "clear": _clear,
    "negatives_right": _negatives,
}


def _rows_of(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows below the header as column -> cell, with their numbers in a spreadsheet."""
    text = _decoded(path)
    for separator in _SEPARATORS:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        for start, cells in enumerate(rows[:5]):
            header = [cell.strip().casefold() for cell in cells]
            if ROW in header and any(column in header for column in ANSWERS):
                missing = [column for column in ANSWERS if column not in header]
                if missing:
                    raise InputError(f"{path} has no column {missing[0]!r}: leave the header of the sheet as it was")
                for number, row in enumerate(rows[start + 1 :], start + 2):
                    yield number, dict(zip(header, [*row, *[""] * (len(header) - len(row))], strict=False))
                return
    raise InputError(f"{path} is no sheet of an audit: its header must have the columns row, {', '.join(ANSWERS)}")


def _decoded(path: Path) -> str:
    """Text of UTF-8, UTF-16 with its mark, or the code page that Excel for Windows writes unless told otherwise."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
