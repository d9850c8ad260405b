"""Drops records that an LLM graded too low; the grades are kept, so that the bounds can move without asking again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Judgement, Pair, Verdict

__all__ = ["Judge"]

_Bound = Annotated[int, Field(ge=1, le=5)]


class Judge:
    """Least grades, 1 to 5 on each axis (NVIDIA's retriever data and Qwen3's annotators grade alike).

    A recipe with this gate asks an LLM about every record that the gates before it keep. A
    record that nobody graded, such as an extractive one, passes.
    """

    name = "judge"

    class Settings(Strict):
        """A grade below its bound drops the record; 1 turns an axis off."""

        relevance: _Bound = 4
        answerability: _Bound = 3
        clarity: _Bound = 3
        faithfulness: _Bound = 3

    def __init__(self, settings: Settings) -> None:
        self._bounds = settings.model_dump()

    def judge(self, record: Pair) -> Verdict:
        judgement = record.judgement
        if judgement is None:
            return Verdict(gate=self.name, keep=True, detail="not judged")
        grades = {axis: getattr(judgement, axis) for axis in self._bounds}
        mean = round(sum(grades.values()) / len(grades), 4)
        low = [axis for axis, bound in self._bounds.items() if grades[axis] < bound]
        if not low:
            return Verdict(gate=self.name, keep=True, score=mean)
        said = ", ".join(f"{axis} {grades[axis]}" for axis in low)
        return Verdict(gate=self.name, keep=False, reason=_REASONS[low[0]], score=mean, detail=_detail(said, judgement))


_REASONS = {
    "relevance": "irrelevant",
    "answerability": "unanswerable",
    "clarity": "unclear",
    "faithfulness": "unfaithful",
}


def _detail(said: str, judgement: Judgement) -> str:
    return f"{said}: {judgement.why}" if judgement.why else said
