from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.record import Judgement, Pair
from synth.gates.judge import Judge

MakePair = Callable[..., Pair]


def gate(**bounds: int) -> Judge:
    return Judge(Judge.Settings(**bounds))


def record(make_pair: MakePair, **grades: Any) -> Pair:
    values = {"relevance": 5, "answerability": 5, "clarity": 5, "faithfulness": 5} | grades
    return make_pair("what is the fee?").model_copy(update={"judgement": Judgement(**values)})


def test_grades_at_the_bounds_pass(make_pair: MakePair) -> None:
    kept = record(make_pair, relevance=4, answerability=3, clarity=3, faithfulness=3)
    assert gate().judge(kept).keep
    assert gate().judge(kept).score == 3.25


@pytest.mark.parametrize(
    ("axis", "reason"),
    [
        ("relevance", "irrelevant"),
        ("answerability", "unanswerable"),
        ("clarity", "unclear"),
        ("faithfulness", "unfaithful"),
    ],
)
def test_each_axis_has_a_reason_of_its_own(make_pair: MakePair, axis: str, reason: str) -> None:
    verdict = gate().judge(record(make_pair, **{axis: 2}))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, reason, f"{axis} 2")
    assert gate(**{axis: 1}).judge(record(make_pair, **{axis: 2})).keep


def test_the_worst_is_told_with_the_judge_s_words(make_pair: MakePair) -> None:
    verdict = gate().judge(record(make_pair, clarity=1, faithfulness=1, why="nobody knows who `it` is"))
    assert (verdict.reason, verdict.detail) == ("unclear", "clarity 1, faithfulness 1: nobody knows who `it` is")


def test_what_nobody_judged_passes_and_says_so(make_pair: MakePair) -> None:
    verdict = gate().judge(make_pair("what is the fee?"))
    assert (verdict.keep, verdict.score, verdict.detail) == (True, None, "not judged")


def test_a_bound_lies_between_1_and_5() -> None:
    with pytest.raises(ValidationError):
        Judge.Settings(clarity=6)
