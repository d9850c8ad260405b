"""Flags, masks or drops personal and secret data in queries and passages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.sensitive import find_sensitive, mask, masked_kinds

__all__ = ["Sensitive"]


class Sensitive:
    """Looks for emails, phone and card numbers, accounts and secrets (`synth.sensitive`)."""

    name = "sensitive"

    class Settings(Strict):
        """What happens to a text in which something was found."""

        action: Literal["flag", "mask", "drop"] = "mask"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._kinds_in_passage = lru_cache(maxsize=1024)(self._kinds)  # which has several queries

    def clean(self, text: str) -> str:
        """The text as it may be stored: masked, unless the user chose otherwise.

        Documents are cleaned whole, so that a key that spans two passages is seen, and so
        that nothing that is masked reaches the store or a language model.
        """
        return mask(text, find_sensitive(text)) if self.settings.action == "mask" else text

    def clean_passage(self, text: str) -> tuple[str | None, list[str]]:
        """The passage, or None where it must be dropped, and the kinds of data in it."""
        kinds = sorted(set(self._kinds(text)))
        return None if kinds and self.settings.action == "drop" else text, kinds

    def judge(self, record: Pair) -> Verdict:
        kinds = [*self._kinds(record.query), *self._kinds_in_passage(record.positive.text)]
        if not kinds:
            return _CLEAN
        keep = self.settings.action != "drop"
        return Verdict(
            gate=self.name,
            keep=keep,
            reason="" if keep else "sensitive",
            score=float(len(kinds)),
            detail=",".join(sorted(set(kinds))),
        )

    def _kinds(self, text: str) -> Sequence[str]:
        if self.settings.action == "mask":
            return masked_kinds(text)
        return [finding.kind for finding in find_sensitive(text)]


_CLEAN = Verdict(gate=Sensitive.name, keep=True, score=0.0)
