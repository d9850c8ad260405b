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

    def clean_source(self, text: str) -> str:
        """A whole document or title as it may be stored: masked, unless the user chose otherwise.

        Before chunking, so that a key that spans two passages is seen, and so that nothing
        that is masked reaches the store or a language model.
        """
        return mask(text, find_sensitive(text)) if self.settings.action == "mask" else text

    def clean_passage(self, text: str) -> tuple[str | None, list[str]]:
        """The passage, or None where it must be dropped, and the kinds of data in it."""
        kinds = sorted(set(self._kinds(text)))
        return None if kinds and self.settings.action == "drop" else text, kinds

    def mend(self, record: Pair) -> Pair:
        if self.settings.action != "mask":
            return record
        query, passage = find_sensitive(record.query), _find_in_passage(record.positive.text)
        if not query and not passage:
            return record
        positive = record.positive.model_copy(update={"text": mask(record.positive.text, passage)})
        return record.model_copy(update={"query": mask(record.query, query), "positive": positive})

    def judge(self, record: Pair) -> Verdict:
        kinds = [*self._kinds(record.query), *self._kinds(record.positive.text)]
        keep = not kinds or self.settings.action != "drop"
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


_find_in_passage = lru_cache(maxsize=1024)(find_sensitive)
"""A passage has several queries, and is the same text each time."""
