"""Drops queries that hold their own answer: who searches does not have it yet."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import CUT, verdict
from synth.language import primary
from synth.overlap import copied_pairs, distinct_words, is_whole
from synth.text import STOP_WORDS, TOKEN, word_count, words

__all__ = ["Leak"]

_ANSWER = re.compile(
    r"""\b(?:(?:correct|right|expected|short)\ )?(?:answer|response|solution)\s*(?:is\b|are\b|was\b|:|=)
      | (?:^|[\s(\[])a\ ?:\s | =>|→""",
    re.VERBOSE | re.IGNORECASE,
)
_BREAK = re.compile(
    r"""[.?!:;]["'”’)\]]*\s | [。？！：；（] | (?:^|\s)[({\[] | \s[-–=]+>?(?:\s|$) | — | \n | [|]""",
    re.VERBOSE,
)
"""Between two words: what follows says something of its own. Quotation marks do not count: names stand in them."""
_SUPPLY = frozenset("assuming because being considering given ie knowing namely since".split())
_SUPPLY_TWO = frozenset(
    f"{first} {second}"
    for first, seconds in {
        "which": "was is were are equals totalled",
        "it": "was is amounted totalled",
        "was": "it",
        "is": "it",
        "that": "is was",
        "i": "e",
        "e": "g",
        "given": "that",
        "know": "that",
        "considering": "that",
        "knowing": "that",
        "true": "that",
        "correct": "that",
        "amounted": "to",
        "amounting": "to",
        "equal": "to",
        "due": "to",
        "thanks": "to",
    }.items()
    for second in seconds.split()
)
"""English words after which a clause or a figure is supplied."""
_AFTER_AS = 6
""""as" supplies a clause of so many words; with fewer it compares ("as a share of revenue")."""
_FIGURE = re.compile(r"\d[\d.,]*[.,]\d+%?|\d+%|\d{5,}|(?!(?:19|20)\d\d$)\d{3,4}")
"""A number that is no year and too precise to be known beforehand."""


class Leak:
    """Looks for a clause or figure of the positive that the query supplies beside its question.

    Copied words are no leak inside the question itself ("What was total equity attributable to
    owners in 2019?"), but after its end, after "which was", "because", a bracket or a dash they are.
    """

    name = "leak"

    class Settings(Strict):
        """`exempt` lists the methods whose queries are no questions but text of the passage."""

        min_words: Annotated[int, Field(ge=2)] = 4
        exempt: list[str] = list(CUT)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        if record.provenance.method in self.settings.exempt:
            return verdict(self.name, detail="made by copying")
        english = primary(record.language) == "en"
        leaked = self._leaked(record.query, record.positive.text, english)
        return verdict(self.name, "leak" if leaked else "", float(len(leaked.split())), leaked[:200])

    def _leaked(self, query: str, passage: str, english: bool) -> str:
        if english and (said := _announced(query)):
            return said
        tokens = words(query)
        runs, figures = _runs(tokens, passage), _figures(tokens, passage)
        for start, stop in runs:
            if stop - start < len(tokens) and is_whole(tokens[start:stop], passage):
                return " ".join(tokens[start:stop])
        runs = [(start, stop) for start, stop in runs if self._says_enough(tokens[start:stop])]
        if not runs and not figures:
            return ""
        gaps = _gaps(query)
        for start, stop in runs:
            if _is_supplied(tokens, gaps, start, stop):
                return " ".join(tokens[start:stop])
        return next((tokens[place] for place in figures if _is_introduced(tokens, gaps, place)), "")

    def _says_enough(self, run: Sequence[str]) -> bool:
        if any(token[0].isdigit() and _FIGURE.fullmatch(token) for token in run):
            return True
        return word_count(run) >= self.settings.min_words and sum(token not in STOP_WORDS for token in run) > 1


_ANNOUNCING = ("answer", "response", "solution", "a:", "a :", "=>", "→")
"""What `_ANSWER` can't match without, which is found sooner."""


def _announced(query: str) -> str:
    """Words that announce an answer, where something follows them."""
    lower = query.lower()
    if not any(map(lower.__contains__, _ANNOUNCING)):
        return ""
    said = _ANSWER.search(query)
    return said[0].strip() if said and said.end() < len(query.rstrip()) else ""


def _figures(tokens: Sequence[str], passage: str) -> list[int]:
    """Places of figures of the passage, the first word left out."""
    known = distinct_words(passage)
    return [
        place
        for place, token in enumerate(tokens)
        if place and token[0].isdigit() and _FIGURE.fullmatch(token) and token in known
    ]


def _gaps(query: str) -> list[str]:
    """What stands before each word and after the last."""
    spans = [found.span() for found in TOKEN.finditer(query.lower())]
    return ["", *(query[before[1] : after[0]] for before, after in itertools.pairwise(spans)), ""]


def _is_supplied(tokens: Sequence[str], gaps: Sequence[str], start: int, stop: int) -> bool:
    """Whether a stretch of copied words stands apart from the question."""
    if any("|" in gap for gap in gaps[start + 1 : stop]):
        return True  # a row of a table, or a command
    if start == 0:
        return _BREAK.search(gaps[stop]) is not None
    return _is_introduced(tokens, gaps, start) or (tokens[start - 1] == "as" and stop - start >= _AFTER_AS)


def _runs(tokens: tuple[str, ...], passage: str) -> list[tuple[int, int]]:
    """Stretches of two or more words that stand in the passage as they do here: [start, stop)."""
    runs, start = [], 0
    pairs = copied_pairs(tokens, passage)
    if True not in pairs:
        return []
    for place, copied in enumerate([*pairs, False]):
        if not copied:
            if place > start:
                runs.append((start, place + 1))
            start = place + 1
    return runs


def _is_introduced(tokens: Sequence[str], gaps: Sequence[str], place: int) -> bool:
    """Whether what begins there is said beside the question."""
    return (
        _BREAK.search(gaps[place]) is not None
        or tokens[place - 1] in _SUPPLY
        or " ".join(tokens[max(place - 2, 0) : place]) in _SUPPLY_TWO
    )
