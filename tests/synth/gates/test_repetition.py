from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.record import Pair, Verdict
from synth.gates.repetition import Repetition

MakePair = Callable[..., Pair]


def judge(record: Pair, **settings: object) -> Verdict:
    return Repetition(Repetition.Settings.model_validate(settings)).judge(record)


@pytest.mark.parametrize(
    ("query", "detail", "times"),
    [
        ("why did net sales sales sales grow", "sales", 3),
        ("net sales in 2022 net sales in 2022", "net sales in 2022", 2),
        ("Why did sales grow? Why did sales grow? Why did sales grow?", "why did sales grow", 3),
        ("what was of the of the of the revenue", "of the", 3),
        ("revenue of 2019? 2019? 2019?", "2019", 3),
    ],
)
def test_a_loop_is_dropped_and_named(make_pair: MakePair, query: str, detail: str, times: int) -> None:
    verdict = judge(make_pair(query))
    assert (verdict.keep, verdict.reason, verdict.detail, verdict.score) == (False, "repetition", detail, times)


@pytest.mark.parametrize("query", ["what does hahahahaha mean", "sooooooo what was revenue"])
def test_letters_in_a_loop_are_dropped(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query)).reason == "repetition"


def test_a_few_words_shuffled_again_and_again_are_dropped(make_pair: MakePair) -> None:
    verdict = judge(make_pair("net sales of net income sales net of sales income net sales of income"))
    assert (verdict.reason, verdict.detail) == ("repetition", "4 different words of 14")


@pytest.mark.parametrize(
    "query",
    [
        "is a very very old card still accepted",
        "What was the change in net debt from 2018 to 2019 and from 2019 to 2020?",
        "mktemp -d .daemonXXXXXXX",
        "???",
    ],
)
def test_what_people_say_twice_is_kept(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query)).keep


def test_how_often_a_word_may_stand_can_be_set(make_pair: MakePair) -> None:
    assert not judge(make_pair("a very very old card"), times=2).keep


def test_rows_of_tables_that_were_cut_out_are_not_judged(make_pair: MakePair) -> None:
    verdict = judge(make_pair("rent 12 12 12 12", method="extractive:span"))
    assert (verdict.keep, verdict.detail) == (True, "made by copying")
