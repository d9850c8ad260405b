"""Drops records whose evidence does not lie where they say."""

from __future__ import annotations

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.evidence import wrong_depth
from synth.gates import verdict

__all__ = ["EvidencePlace"]


class EvidencePlace:
    """Finds evidence at the wrong depth (`wrong_depth`); keeps records that name no evidence."""

    name = "evidence"

    class Settings(Strict):
        """There is nothing to set."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        detail = wrong_depth(record)
        return verdict(self.name, "wrong_depth" if detail else "", detail=detail)
