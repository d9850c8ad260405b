"""Queries and sentences written for the tests in several languages, none of them a translation of another."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "languages"
STATEMENTS = "statements"


@cache
def sentences(language: str, *kinds: str) -> list[str]:
    """Those of a language; of some kinds only: questions, keywords, fragments, statements."""
    found, kind = [], ""
    for line in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            kind = line[2:]
        elif not kinds or kind in kinds:
            found.append(line)
    return found


def passage(language: str) -> str:
    """A text of that language."""
    return " ".join(sentences(language, STATEMENTS)[:6])
