"""Drops queries that break off: "What was the change in net", "how to merge the", "(for example"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import CUT, verdict
from synth.language import primary
from synth.overlap import distinct_words, words_in_order
from synth.text import STOP_WORDS, words
from synth.vocabulary import begins_known, is_beginning, is_known

__all__ = ["Truncated"]

_LANGUAGE = "en"
_OPEN_END = re.compile(r"""[,;:(\[{–—‘“„«，、：；（【「『《-]$ | (?:^|[\s(])["'`]$""", re.VERBOSE)
_STOPS = tuple(".?!。？！؟")
_CLOSING = "\"'”’)]"
_OPENING = re.compile(r"""[,;:(\[{–—‘“„«"'`，、：；（【「『《-]""")
"""Without any of these nothing is left open."""
_BRACKETS = tuple(zip("([{“„«（【「『《", ")]}””»）】」』》", strict=True))
_OPENED_QUOTE = re.compile(r"(?:^|[\s(])['`](?!s\b)(?=\w)[^'`’]*$")
_LAST_WORD = re.compile(r"(?:^|[(\"'/-])([^\W\d_]+)$")
"""Of what follows the last space."""
_QUESTION = re.compile(
    r"(?:What|Which|Who|Whom|Whose|When|Where|Why|How(?! to\b)|Is|Are|Was|Were|Does|Did|Can|Could|Should|Would|Will)\b"
)
_MAY_END = frozenset(
    "above again another below down here her him it me now off once other out own same them this too up us".split()
)
"""Function words that end whole queries too: "how do I switch it off"."""
_CANNOT_END = STOP_WORDS - _MAY_END


class Truncated:
    """Looks at how a query ends.

    In any language: with a comma or bracket after which something must come, or with a bracket or
    quotation mark that is never closed. In English also: with an article, conjunction or other
    function word, in the middle of a word, or a question written with a capital and no mark.
    """

    name = "truncated"

    class Settings(Strict):
        """`exempt` lists the methods that cut anywhere by construction."""

        exempt: list[str] = list(CUT)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        if record.provenance.method in self.settings.exempt:
            return verdict(self.name, detail="made by copying")
        query = record.query.strip()
        fault, abstention = _open_end(query), ""
        if not fault and primary(record.language) == _LANGUAGE:
            fault = _english_end(query, record.positive.text)
        elif not fault:
            abstention = "abstained from words"
        return verdict(self.name, "truncated" if fault else "", detail=fault or abstention)


def _open_end(query: str) -> str:
    if not _OPENING.search(query):
        return ""
    query = _quoted_as_in_english(query)
    if found := _OPEN_END.search(query, max(len(query) - 2, 0)):
        return f"ends with {found[0].strip()!r}"
    if query.count('"') % 2 or _OPENED_QUOTE.search(query):
        return "a quotation mark is not closed"
    return next((f"{left!r} is not closed" for left, right in _BRACKETS if query.count(left) > query.count(right)), "")


def _quoted_as_in_english(query: str) -> str:
    """German „…“ and »…« close with what opens elsewhere."""
    if "„" in query:
        query = query.replace("“", "”")
    if 0 <= query.find("»") < query.find("«"):
        query = query.translate({ord("»"): "«", ord("«"): "»"})
    return query


def _english_end(query: str, passage: str) -> str:
    bare = query.rstrip(_CLOSING)
    if query.endswith(("..", "…")):
        query = query.rstrip(".… ")
    elif bare.endswith(_STOPS):
        return ""
    if not query:
        return ""
    if _QUESTION.match(query):
        return "a question without its mark"
    found = _LAST_WORD.search(query.rsplit(None, 1)[-1])
    if found is None:
        return ""
    last = found[1]
    if last.lower() in _CANNOT_END:
        return f"ends with {last!r}"
    if _is_cut(last, passage, words(query)[:-1]):
        return f"{last!r} is no whole word"
    return ""


def _is_cut(word: str, passage: str, before: Sequence[str]) -> bool:
    """Whether a word is none, and the beginning of one that is known, or of the passage, or stands before it."""
    lower, told = word.lower(), distinct_words(passage)
    if lower in told or lower in before or lower in STOP_WORDS or (word.isupper() and len(word) > 1):
        return False
    is_name = word[0].isupper()  # which may be any word
    if not is_name and is_known(lower):
        return False
    if not is_name and begins_known(lower):
        return True
    if any(is_beginning(lower, other) for other in before):
        return True
    return f" {lower}" in words_in_order(passage) and any(is_beginning(lower, other) for other in told)
