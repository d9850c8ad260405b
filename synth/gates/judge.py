"""Drops records that an LLM judged too badly; judgements are kept, so that the bounds can move without asking again."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Strict
from schemas.record import Judgement, Pair, Verdict

__all__ = ["Judge"]

_Bound = Annotated[int, Field(ge=1, le=5)]


class Judge:
    """Least grades, 1 to 5 on each axis (NVIDIA's retriever data and Qwen3's annotators grade alike), or a least probability.

    Of a text pair `relevance` says that its positive is right under its instruction, `answerability` that every
    negative is wrong, `clarity` that its texts are natural.
    A recipe with this gate asks an LLM about every record that the gates before it keep. A
    record that nobody judged, such as an extractive one, passes.
    """

    name = "judge"

    class Settings(Strict):
        """How to ask, and what drops a record: a grade or the probability below its bound. 1 turns an axis off."""

        ask: Literal["rubric", "yes_no"] = "rubric"
        """Four grades with a reason, or one word: whether the text alone answers the query."""
        relevance: _Bound = 4
        answerability: _Bound = 3
        clarity: _Bound = 3
        faithfulness: _Bound = 3
        probability: Annotated[float, Field(ge=0, le=1)] = 0.5

        @model_validator(mode="after")
        def _bounds_fit(self) -> Self:
            idle = {"probability"} if self.ask == "rubric" else _REASONS.keys()
            if wrong := sorted(idle & self.model_fields_set):
                right = ", ".join(_REASONS) if self.ask == "rubric" else "probability"
                raise ValueError(f"{wrong[0]!r} bounds nothing with ask: {self.ask}; the bounds there are {right}")
            return self

    def __init__(self, settings: Settings) -> None:
        self._ask, self._least = settings.ask, settings.probability
        self._bounds = {axis: int(getattr(settings, axis)) for axis in _REASONS}

    @property
    def bounds(self) -> dict[str, float]:
        """What a judgement must reach to be kept, by what it says."""
        return dict(self._bounds) if self._ask == "rubric" else {"probability": self._least}

    def judge(self, record: Pair) -> Verdict:
        judgement = record.judgement
        if judgement is None:
            return Verdict(gate=self.name, keep=True, detail="not judged")
        return self.weigh(judgement, is_text_pair=record.is_text_pair)

    def weigh(self, judgement: Judgement, *, is_text_pair: bool) -> Verdict:
        """What a judgement comes to."""
        if judgement.probability is None:
            return self._grade(judgement)
        return self._compare(judgement.probability, is_text_pair)

    def _compare(self, probability: float, is_text_pair: bool) -> Verdict:
        if probability >= self._least:
            return Verdict(gate=self.name, keep=True, score=probability)
        reason, detail = "wrong_pair" if is_text_pair else "irrelevant", f"probability {probability:g}"
        return Verdict(gate=self.name, keep=False, reason=reason, score=probability, detail=detail)

    def _grade(self, judgement: Judgement) -> Verdict:
        found = {axis: getattr(judgement, axis) for axis in self._bounds}
        grades = {axis: grade for axis, grade in found.items() if grade is not None}
        mean = round(sum(grades.values()) / len(grades), 4)
        low = [axis for axis, grade in grades.items() if grade < self._bounds[axis]]
        if not low:
            return Verdict(gate=self.name, keep=True, score=mean)
        said = ", ".join(f"{axis} {grades[axis]}" for axis in low)
        reason = (_PAIR_REASONS if judgement.faithfulness is None else _REASONS)[low[0]]
        return Verdict(gate=self.name, keep=False, reason=reason, score=mean, detail=_detail(said, judgement))


_REASONS = {
    "relevance": "irrelevant",
    "answerability": "unanswerable",
    "clarity": "unclear",
    "faithfulness": "unfaithful",
}

_PAIR_REASONS = {"relevance": "wrong_positive", "answerability": "negative_is_positive", "clarity": "unnatural"}
"""Of text pairs that the prompt `judge-pair` asks about: nobody grades their faithfulness. A needle is judged as a query."""


def _detail(said: str, judgement: Judgement) -> str:
    return f"{said}: {judgement.why}" if judgement.why else said
