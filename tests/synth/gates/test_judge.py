from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.recipe import GateSettings
from schemas.record import Judgement, Pair
from synth.errors import DomainError
from synth.gates import build_gate
from synth.gates.judge import Judge

MakePair = Callable[..., Pair]


def gate(**settings: Any) -> Judge:
    return Judge(Judge.Settings(**settings))


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


@pytest.mark.parametrize("method", ["scored", "asked"])
@pytest.mark.parametrize(("probability", "keeps"), [(1.0, True), (0.7, True), (0.6999, False), (0.0, False)])
def test_a_probability_is_kept_from_its_bound_on(
    make_pair: MakePair, method: str, probability: float, keeps: bool
) -> None:
    said = Judgement(method=method, probability=probability)  # type: ignore[arg-type]
    verdict = gate(ask="yes_no", probability=0.7).judge(make_pair("what fee?").model_copy(update={"judgement": said}))
    assert (verdict.keep, verdict.score) == (keeps, probability)
    assert (verdict.reason, verdict.detail) == (("", "") if keeps else ("irrelevant", f"probability {probability:g}"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probability": 0.5}, "'probability' bounds nothing with ask: rubric; the bounds there are relevance, answer"),
        (
            {"ask": "yes_no", "clarity": 2},
            "'clarity' bounds nothing with ask: yes_no; the bounds there are probability",
        ),
        ({"ask": "yes_no", "probability": 2}, "setting 'probability': Input should be less than or equal to 1"),
    ],
)
def test_a_bound_that_would_do_nothing_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError, match=f"gate 'judge': {message}"):
        build_gate(GateSettings(name="judge", settings=settings))


def text_pair(make_pair: MakePair, **said: Any) -> Pair:
    judged = make_pair("net debt fell", "debt went down", "llm:text", "semantic-similarity", written=["debt rose"])
    return judged.model_copy(update={"judgement": Judgement(**said)})


@pytest.mark.parametrize(
    ("axis", "reason"),
    [("relevance", "wrong_positive"), ("answerability", "negative_is_positive"), ("clarity", "unnatural")],
)
def test_of_a_text_pair_the_bounds_hold_what_its_grades_mean(make_pair: MakePair, axis: str, reason: str) -> None:
    grades = {"relevance": 5, "answerability": 5, "clarity": 5}
    kept = gate().judge(text_pair(make_pair, **grades))
    assert (kept.keep, kept.score) == (True, 5.0), "nobody graded its faithfulness"
    verdict = gate().judge(text_pair(make_pair, **grades | {axis: 2}, why="label 2 fits as well"))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, reason, f"{axis} 2: label 2 fits as well")
    assert gate(**{axis: 1}).judge(text_pair(make_pair, **grades | {axis: 2})).keep


def test_a_text_pair_that_is_probably_wrong_is_dropped_as_such(make_pair: MakePair) -> None:
    verdict = gate(ask="yes_no").judge(text_pair(make_pair, method="scored", probability=0.2))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, "wrong_pair", "probability 0.2")


def test_a_text_pair_that_is_judged_as_a_query_has_the_reasons_of_one(make_pair: MakePair) -> None:
    """Such as a needle, which is a question about a passage that was changed."""
    grades = {"relevance": 5, "answerability": 5, "clarity": 5, "faithfulness": 1}
    verdict = gate().judge(text_pair(make_pair, **grades))
    assert (verdict.keep, verdict.reason) == (False, "unfaithful")
