"""Drops text pairs whose texts can't be what the task says they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth import registry
from synth.gates import verdict
from synth.text_pairs import common_fault

__all__ = ["TextPair"]

Fault = Callable[[Pair], tuple[str, str]]


class TextPair:
    """Keeps what is no text pair. Reasons: `copied`, `negative_is_positive`, and those of the record's task.

    It sees copies, numbers, lengths and repeated labels; whether two texts mean the same it leaves to a judge.
    """

    name = "text-pair"

    class Settings(Strict):
        """There is nothing to set."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        if not record.is_text_pair:
            return verdict(self.name)
        reason, detail = common_fault(record)
        if not reason:
            reason, detail = _rule_of(record.provenance.task)(record)
        return verdict(self.name, reason, detail=detail)


def _nothing(_: Pair) -> tuple[str, str]:
    return "", ""


@cache
def _rule_of(task: str) -> Fault:
    """The task's own rule; none for a task that is not installed any more."""
    known = registry.find("tasks", task) if task in registry.names("tasks") else None
    rule: Fault = getattr(known, "fault", _nothing)
    return rule
