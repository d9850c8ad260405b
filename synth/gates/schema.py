"""Drops queries that are text, as the type demands, but not a query."""

from __future__ import annotations

import re
import unicodedata

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.text import normalise

__all__ = ["Schema"]

_STRUCTURED = re.compile(
    r"""^\s*(?: ``` | \{\s*["'}] | \[\s*\{ | \["     # a code fence, an object, a list
      | "\w+"\s*: )                                  # a lone "query": ...""",
    re.VERBOSE,
)
_INVISIBLE = frozenset({"Cf", "Zl", "Zp", "Zs"})


class Schema:
    """Finds blank queries, those in the form of JSON or code, and those that repeat the instruction."""

    name = "schema"

    class Settings(Strict):
        """There is nothing to set."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        reason, detail = _fault(record.query, record.instruction)
        return Verdict(gate=self.name, keep=False, reason=reason, detail=detail) if reason else _KEPT


_KEPT = Verdict(gate=Schema.name, keep=True)


def _fault(query: str, instruction: str) -> tuple[str, str]:
    if _is_blank(query):
        return "blank", ""
    if start := _STRUCTURED.match(query):
        return "structured", start[0].strip()
    if instruction and normalise(query) == normalise(instruction):
        return "repeats_instruction", ""
    return "", ""


def _is_blank(query: str) -> bool:
    return all(char.isspace() or unicodedata.category(char) in _INVISIBLE for char in query)
