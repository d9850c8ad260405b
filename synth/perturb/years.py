"""Periods by year: all years of a passage move by one offset, so that the years asked about are gone.

A passage speaks of years in relation to each other ("2019 | 2018", "the prior year", "three years
ended"). Moved together these stay true to each other, and nothing implied by them stays behind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.facts import Years
from synth.perturb.phrases import Exchange, Span, any_of, put, whole
from synth.perturb.terms import Roll

OFFSETS = (*range(-12, -1), *range(2, 13))
MARGIN = 1
"""Years beside those of a passage that it may speak of without naming them: the prior year, the next."""

_FULL = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_PREFIX = re.compile(r"(?:\b(?:FYE?|CY|[1-4]Q|Q[1-4]|[12]H|H[12])|\b[A-Z][a-z]{2,8})$")
_SUFFIX = re.compile(r"[AEFPB](?![A-Za-z])")
_NOTHING_AFTER = re.compile(r"(?![\w%]|[.,]\d)")
_NUMERIC_DATE = re.compile(r"\b\d{1,2}([/.-])\d{1,2}\1$")
_CURRENCY = re.compile(r"[$€£¥₹]\s?$")
_BARE = re.compile(r"\(?\d[\d.,]*%?\)?")
_SHORT_MARK = r"\b(?:FYE?|CY|[1-4]Q|Q[1-4]|[12]H|H[12])[ -]?['’]?"
_LEAP_DAY = re.compile(r"\bFeb(?:ruary|\.)?\s+29\b|\b29(?:th)?\s+Feb", re.IGNORECASE)


@dataclass(frozen=True)
class _Year:
    """A number that may be a year, at text[start:end]; short ones have two digits."""

    start: int
    end: int
    year: int
    role: str
    """`year`, `amount`, or `unclear`: part of a name, or not to be told from an amount."""


class YearShift:
    """Moves every year of a passage that shares a year with its query."""

    def __init__(self, years: Years, latest: int) -> None:
        self._latest = latest
        self._before_names = any_of(rf"{whole(phrase)}[\s(]*$" for phrase in years.before_names)
        after = (rf"[ \t-]+(?:[A-Z][\w&]*[ \t]+){{0,3}}{whole(phrase)}" for phrase in years.after_names)
        self._after_names = any_of(after, match_case=True)
        self._amounts = any_of(rf"[\s-]?{whole(phrase)}" for phrase in years.amounts)
        self._unless = any_of(map(whole, years.unless))
        self._not_years = any_of(map(whole, years.not_years))
        months = "|".join(map(re.escape, sorted(years.months, key=len, reverse=True)))
        marks = [_SHORT_MARK, r"(?<![\w'’])['’]", r"(?<!\d)\d{1,2}/\d{1,2}/"]
        if months:
            marks.append(rf"\b(?:{months})(?:-['’]?|\s?['’])")
        self._short = re.compile(rf"(?:{'|'.join(marks)})(\d\d)(?![\d/.,-]\d|\w)", re.IGNORECASE)

    def __call__(self, query: str, text: str, roll: Roll) -> Exchange | None:
        """None where they share no year, or where one of the query's would stay in any reading."""
        asked = {each.year for each in self._find(query) if each.role == "year"}
        found = self._find(text)
        years = [each for each in found if each.role == "year"]
        present = {each.year for each in years}
        if not asked & present or self._unless.search(text):
            return None
        if any(each.year in asked for each in found if each.role == "unclear") or self._has_traces(text, found, asked):
            return None
        offset = self._draw(asked, present, text, roll)
        if offset is None:
            return None
        years.sort(key=lambda each: each.start)
        made = put(text, [Span(each.start, each.end, _write(each, offset)) for each in years])
        first = [change for change in made.changes if int(change.before) % 100 in {year % 100 for year in asked}]
        return Exchange(made.text, (*first, *(change for change in made.changes if change not in first)))

    def _draw(self, asked: set[int], present: set[int], text: str, roll: Roll) -> int | None:
        step = 4 if _LEAP_DAY.search(text) else 1
        shared = asked & present
        fitting = [
            offset
            for offset in OFFSETS
            if offset % step == 0
            and max(shared) + offset <= self._latest
            and 1900 <= min(present) + offset <= max(present) + offset <= 2099
            and not asked & set(range(min(present) + offset - MARGIN, max(present) + offset + MARGIN + 1))
            and not present & {year + offset for year in present}
        ]
        return fitting[int(roll("offset") * len(fitting))] if fitting else None

    def _find(self, text: str) -> list[_Year]:
        found = []
        for match in _FULL.finditer(text):
            found.append(_Year(*match.span(), int(match[0]), self._role(text, *match.span())))
            found += _second_of_range(text, found[-1])
        taken = {each.start for each in found}
        for match in self._short.finditer(text):
            if match.start(1) not in taken:
                number = int(match[1])
                found.append(_Year(*match.span(1), number + (1900 if number >= 70 else 2000), "year"))
        return found

    def _role(self, text: str, start: int, end: int) -> str:
        before, after = text[max(0, start - 60) : start], text[end : end + 60]
        if _CURRENCY.search(before) or after.startswith("%") or self._amounts.match(after):
            return "amount"
        if self._before_names.search(before) or self._after_names.match(after):
            return "unclear"
        if before[-1:].isalnum() and not _PREFIX.search(before):
            return "unclear"
        if before[-1:] in (".", "/", "-", "–") and before[-2:-1].isdigit() and not _is_dated(before):
            return "unclear"
        if _is_reference(after, int(text[start:end])):
            return "unclear"
        if not (_NOTHING_AFTER.match(after) or _SUFFIX.match(after) or _FULL.match(after, 1)):
            return "unclear"
        return "unclear" if _is_cell_among_amounts(text, start, end) else "year"

    def _has_traces(self, text: str, found: list[_Year], asked: set[int]) -> bool:
        """Whether the last two digits of an asked year stand where a year could, or its decade is named."""
        known = {each.start for each in found if each.role != "amount"}
        rest = self._not_years.sub(lambda match: " " * len(match[0]), text)
        for year in asked:
            ends = re.finditer(rf"(?<=[A-Za-z'’/–-])(?<!\d[-–]){year % 100:02}(?![\d%]|[.,]\d)", rest)
            if any(match.start() not in known for match in ends):
                return True
            if re.search(rf"(?<!\d){year // 10}0['’]?s\b|['’]{year // 10 % 10}0s\b", rest):
                return True
        return False


def _is_dated(before: str) -> bool:
    """Whether a year may follow what ends with a sign between digits: a date, or a range of years."""
    return bool(_NUMERIC_DATE.search(before)) or bool(re.search(r"(?<!\d)(?:19|20)?\d\d[/–-]$", before))


def _is_reference(after: str, year: int) -> bool:
    """Whether a number follows after a stroke that is not the next year, as in `2024/886`."""
    found = re.match(r"/(\d+)", after)
    return found is not None and found[1] not in (str(year + 1), f"{(year + 1) % 100:02}")


def _second_of_range(text: str, first: _Year) -> list[_Year]:
    """The short half of `2018/19`; a number that does not follow on makes the pair unclear."""
    match = re.compile(r"[-/–]['’]?(\d\d)(?![\d%]|[.,]\d)").match(text, first.end)
    if match is None or first.role != "year":
        return []
    number = int(match[1])
    follows = number == (first.year + 1) % 100
    if not follows and re.match(r"-\d\d(?!\d)", text[match.end() :]):
        return []
    year = first.year // 100 * 100 + number
    return [_Year(*match.span(1), first.year + 1, "year") if follows else _Year(*match.span(1), year, "unclear")]


def _is_cell_among_amounts(text: str, start: int, end: int) -> bool:
    """Whether it fills a table cell, not the first, and its row holds other numbers that are no years."""
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    if "|" not in line:
        return False
    cells = [cell.strip() for cell in line.split("|")]
    labels_its_row = not line[: start - line_start].strip(" |")
    if text[start:end] not in cells or labels_its_row:
        return False
    numbers = [cell for cell in cells[1:] if _BARE.fullmatch(cell.lstrip("$€£ "))]
    return any(not _FULL.fullmatch(cell) for cell in numbers)


def _write(year: _Year, offset: int) -> str:
    moved = year.year + offset
    return f"{moved % 100:02}" if year.end - year.start == 2 else str(moved)
