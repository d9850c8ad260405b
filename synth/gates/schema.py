"""Drops queries that are text, as the type demands, but not a query."""

from __future__ import annotations

import re
import unicodedata

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.text import normalise

__all__ = ["Schema"]

_CHAT_MARKER = re.compile(
    r"""<[|｜][\w▁ ]{1,40}[|｜]>            # <|im_start|>, <|endoftext|>, DeepSeek's full-width bars
      | \[/?(?:INST|gMASK)\] | <</?SYS>>
      | </s> | ^\s*<s>
      | </?(?:think|thinking|tool_call|start_of_turn|end_of_turn)>
      | ^\s*\#{2,}\s*(?:Instruction|Input|Response)\s*:""",
    re.VERBOSE | re.IGNORECASE,
)
_MARKER_STARTS = ("<", "[", "#")
_STRUCTURED = re.compile(
    r"""^\s*(?: ``` | \{\s*["'}] | \[\s*\{ | \["     # a code fence, an object, a list
      | "\w+"\s*: )                                  # a lone "query": ...""",
    re.VERBOSE,
)
_INVISIBLE = frozenset({"Cf", "Zl", "Zp", "Zs"})
_GARBLED = frozenset({"Cc", "Co", "Cs"})


class Schema:
    """Finds blank, garbled and machine-made queries, and those that repeat the instruction."""

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
    if not (query.isascii() and query.isprintable() and query.strip()):
        reason, detail = _unreadable(query)
        if reason:
            return reason, detail
    if any(map(query.__contains__, _MARKER_STARTS)) and (marker := _CHAT_MARKER.search(query)):
        return "chat_marker", marker[0].strip()
    if start := _STRUCTURED.match(query):
        return "structured", start[0].strip()
    if instruction and normalise(query) == normalise(instruction):
        return "repeats_instruction", ""
    return "", ""


def _unreadable(query: str) -> tuple[str, str]:
    if all(char.isspace() or unicodedata.category(char) in _INVISIBLE for char in query):
        return "blank", ""
    for char in query:
        if char == "\ufffd" or (unicodedata.category(char) in _GARBLED and char not in "\t\n\r"):
            return "garbled", f"U+{ord(char):04X}"
    return "", ""
