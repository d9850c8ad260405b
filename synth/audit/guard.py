"""Cells that spreadsheets show and never run."""

from __future__ import annotations

import re

FORMULA = r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r]"
"""What Excel, LibreOffice or Google Sheets would take for a formula; the page of an audit tests the same."""
CELL = 32_000
"""Characters; Excel cuts a cell at 32,767."""
_FORMULA = re.compile(FORMULA)


def guarded(text: str) -> str:
    """The text, behind an apostrophe where a spreadsheet would run it.

    >>> guarded("=1+1")
    "'=1+1"
    """
    return f"'{text}" if _FORMULA.match(text) else text


def pieces(text: str) -> list[str]:
    """Parts that fit in a cell each; one part for most texts."""
    return [text[start : start + CELL] for start in range(0, len(text), CELL)] or [""]
