"""A sheet as one HTML file that needs no network: driven by the keyboard, saved as the sheet's CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from synth.audit.guard import FORMULA
from synth.audit.sheets import ANSWERS, Line

_TEMPLATE = Path(__file__).with_name("page.html")


def render_page(lines: Sequence[Line], table: Sequence[Sequence[str]], name: str, separator: str) -> bytes:
    """The page of a sheet; `table` is what it saves, with the answers filled in."""
    shown = [
        {
            "name": row[0],
            "instruction": line.instruction,
            "query": line.query,
            "positive": line.positive,
            "negatives": line.negatives,
        }
        for line, row in zip(lines, table[1:], strict=True)
    ]
    data = {
        "sheet": name,
        "separator": separator,
        "formula": FORMULA,
        "answers": ANSWERS,
        "table": table,
        "lines": shown,
    }
    script = orjson.dumps(data).replace(b"<", b"\\u003c").replace(b"\xe2\x80\xa8", b"\\u2028")
    return _TEMPLATE.read_bytes().replace(b'"DATA"', script.replace(b"\xe2\x80\xa9", b"\\u2029"), 1)
