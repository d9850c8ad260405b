"""Drops records whose texts hold what nobody writes: special tokens, glitch tokens, mojibake, junk."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import CUT, verdict
from synth.junk import junk
from synth.mojibake import mojibake
from synth.special_tokens import glitch_tokens, special_tokens

__all__ = ["Garbage"]


class Garbage:
    """Looks at the query, the instruction and the attributes, and at the positive where an LLM wrote it.

    What the corpus says may be said of it: a query about the tag `<s>`, the hash of a commit, a title with either.
    """

    name = "garbage"

    class Settings(Strict):
        """`allow` lists strings that are ordinary text in a domain: `<s>`, `[MASK]`.

        With `quote` a string that the record's passage holds, or that a query was cut out with, is no fault.
        Mojibake is one in any case, and so is what has bars between angle brackets, `<|im_end|>`.
        """

        allow: list[str] = []
        quote: bool = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._allowed = frozenset(text.lower() for text in settings.allow)

    def judge(self, record: Pair) -> Verdict:
        reason, detail = next(self._faults(record), ("", ""))
        return verdict(self.name, reason, detail=detail)

    def _faults(self, record: Pair) -> Iterator[tuple[str, str]]:
        for where, text in _texts(record):
            for reason, found in _garbage(text, record.language) if text else ():
                if found.lower() not in self._allowed and not self._is_quoted(record, reason, found):
                    yield reason, f"{found} in {where}" if where else found

    def _is_quoted(self, record: Pair, reason: str, found: str) -> bool:
        if not self.settings.quote or reason == "mojibake" or found.endswith(("|>", "｜>")):
            return False
        if _is_written(record):
            return False
        return record.provenance.method in CUT or any(found.lower() in passage.lower() for passage in record.positives)


def _texts(record: Pair) -> Iterator[tuple[str, str]]:
    """What an LLM wrote of a record: '' and the query, a name and any other text."""
    yield "", record.query
    yield "the instruction", record.instruction
    for attribute in record.attributes:
        yield attribute.name, attribute.value
    if _is_written(record):
        yield from (("the positive", text) for text in record.positives)
        yield from (("a negative", text) for text in record.written)


def _is_written(record: Pair) -> bool:
    """Whether an LLM wrote the positive: with the query, or as a document."""
    return record.is_text_pair or bool(record.provenance.passage_written_by)


@lru_cache(maxsize=256)
def _garbage(text: str, language: str) -> tuple[tuple[str, str], ...]:
    """(reason, what was found) of everything in a text; many records share an instruction."""
    garbled = mojibake(text)
    return (
        *([("mojibake", garbled)] if garbled else []),
        *(("special_token", found) for found in special_tokens(text, language)),
        *(("glitch_token", found) for found in glitch_tokens(text, language)),
        *(("junk", found) for found in junk(text, language)),
    )
