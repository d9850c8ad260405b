from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.record import Pair, Verdict
from synth.gates.copy import Copy

MakePair = Callable[..., Pair]

VERBATIM = "net sales increased 8% during 2022 compared to 2021, driven by higher sales"


def judge(record: Pair, **settings: object) -> Verdict:
    return Copy(Copy.Settings.model_validate(settings)).judge(record)


def test_a_query_that_repeats_its_passage_is_dropped(make_pair: MakePair) -> None:
    verdict = judge(make_pair(VERBATIM))
    assert (verdict.keep, verdict.reason, verdict.score) == (False, "copied", 1.0)


def test_a_question_of_its_own_is_kept(make_pair: MakePair) -> None:
    verdict = judge(make_pair("Why were exchange rates bad for Apple's revenue?"))
    assert (verdict.keep, verdict.reason, verdict.score) == (True, "", 0.0)


def test_case_and_punctuation_hide_no_copy(make_pair: MakePair) -> None:
    assert judge(make_pair(VERBATIM.upper().replace(",", " --") + "?")).reason == "copied"


def test_words_in_another_order_are_not_a_copy(make_pair: MakePair) -> None:
    assert judge(make_pair(" ".join(reversed(VERBATIM.split())))).keep


def test_words_that_occur_one_by_one_are_not_a_copy(make_pair: MakePair) -> None:
    passage = "the report is of 2019 and what it says of the amount held there in cash"
    verdict = judge(make_pair("the of what amount in", passage))
    assert verdict.keep
    assert verdict.score == 0.0


def test_the_share_itself_is_still_allowed(make_pair: MakePair) -> None:
    record = make_pair("sales increased 8% why", "Net sales increased 8% in 2022.")
    assert judge(record, max_share=0.75).keep
    assert not judge(record, max_share=0.74).keep


@pytest.mark.parametrize("method", ["extractive:span", "extractive:crop", "extractive:cloze"])
def test_methods_that_copy_by_construction_are_measured_but_kept(make_pair: MakePair, method: str) -> None:
    verdict = judge(make_pair(VERBATIM, method=method))
    assert (verdict.keep, verdict.score, verdict.detail) == (True, 1.0, "made by copying")


def test_titles_are_not_exempt(make_pair: MakePair) -> None:
    assert not judge(make_pair(VERBATIM, method="extractive:title")).keep


@pytest.mark.parametrize("query", ["net sales increased", "???"])
def test_a_very_short_query_is_not_judged(make_pair: MakePair, query: str) -> None:
    verdict = judge(make_pair(query))
    assert (verdict.keep, verdict.detail) == (True, "abstained")
