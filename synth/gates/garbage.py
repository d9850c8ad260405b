"""Drops records whose texts hold what nobody writes: special tokens, glitch tokens, mojibake, junk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import verdict
from synth.junk import junk
from synth.mojibake import mojibake
from synth.special_tokens import glitch_tokens, special_tokens

__all__ = ["Garbage"]

_Find = Callable[[str, str], Iterator[str]]
_KINDS: tuple[tuple[str, _Find], ...] = (
    ("special_token", special_tokens),
    ("glitch_token", glitch_tokens),
    ("junk", junk),
)


class Garbage:
    """Looks at the query, the instruction and the attributes, and at the positive where an LLM wrote it.

    What a passage of the corpus says may be said of it: a query about the tag `<s>`, the hash of a commit.
    """

    name = "garbage"

    class Settings(Strict):
        """`allow` lists strings that are ordinary text in a domain: `<s>`, `[MASK]`.

        With `quote` a string that the record's passage holds, where it is text of the corpus, is no fault.
        Mojibake is one in any case, and so is what has bars between angle brackets, `<|im_end|>`.
        """

        allow: list[str] = []
        quote: bool = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._allowed = frozenset(text.lower() for text in settings.allow)
        self._instruction = lru_cache(maxsize=1024)(self._faults)  # that many records share

    def judge(self, record: Pair) -> Verdict:
        reason, detail = self._fault(record)
        return verdict(self.name, reason, detail=detail)

    def _fault(self, record: Pair) -> tuple[str, str]:
        language = record.language
        for reason, found in self._faults(record.query, language):
            if not self._is_quoted(record, reason, found):
                return reason, found
        for reason, found in self._instruction(record.instruction, language) if record.instruction else ():
            return reason, f"{found} in the instruction"
        for attribute in record.attributes:
            for reason, found in self._faults(attribute.value, language):
                if not self._is_quoted(record, reason, found):
                    return reason, f"{found} in {attribute.name}"
        for reason, found in self._faults(record.positive.text, language) if record.positive_written else ():
            return reason, f"{found} in the positive"
        return "", ""

    def _faults(self, text: str, language: str) -> list[tuple[str, str]]:
        """(reason, what was found) of everything in a text that is not allowed."""
        garbled = mojibake(text)
        faults = [("mojibake", garbled)] if garbled else []
        for reason, find in _KINDS:
            faults += [(reason, found) for found in find(text, language) if found.lower() not in self._allowed]
        return faults

    def _is_quoted(self, record: Pair, reason: str, found: str) -> bool:
        if not self.settings.quote or reason == "mojibake" or found.endswith(("|>", "｜>")):
            return False
        passages = [each.text for each in record.more_positives]
        if not record.positive_written:
            passages.append(record.positive.text)
        return any(found.lower() in passage.lower() for passage in passages)
