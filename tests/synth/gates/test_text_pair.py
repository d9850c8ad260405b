from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.record import Attribute, Pair, Verdict
from synth.gates.text_pair import TextPair

MakePair = Callable[..., Pair]

SENTENCE = "Net debt fell by 4.25% in the year to June."


def judge(record: Pair) -> Verdict:
    return TextPair(TextPair.Settings()).judge(record)


def text_pair(make_pair: MakePair, task: str, query: str, positive: str, *negatives: str, **attributes: str) -> Pair:
    said = [Attribute(name=name, value=value) for name, value in attributes.items()]
    return make_pair(query, positive, "llm:text", task, written=list(negatives), attributes=said)


def test_a_query_about_a_passage_is_none_of_its_business(make_pair: MakePair) -> None:
    verdict = judge(make_pair("net sales", "Net sales"))
    assert (verdict.keep, verdict.detail) == (True, "")


@pytest.mark.parametrize(
    ("task", "positive", "negative", "reason"),
    [
        ("semantic-similarity", SENTENCE.upper(), "Net debt rose.", "copied"),
        ("semantic-similarity", "In the year to June net debt went down by 4.25%.", SENTENCE, "negative_is_positive"),
        ("semantic-similarity", "In the year to June net debt went down by 4.5%.", "It rose.", "changed_number"),
        ("classification", "net debt", "cost of sales", "label_in_text"),
        ("classification", "change of debt", "Change of  debt", "negative_is_positive"),
    ],
)
def test_the_rules_for_all_come_before_those_of_the_task(
    make_pair: MakePair, task: str, positive: str, negative: str, reason: str
) -> None:
    verdict = judge(text_pair(make_pair, task, SENTENCE, positive, negative))
    assert (verdict.keep, verdict.reason, verdict.gate) == (False, reason, "text-pair")


def test_a_right_pair_of_each_task_is_kept(make_pair: MakePair) -> None:
    right = [
        ("semantic-similarity", "By June debt had come down 4.25% in twelve months.", "Net debt rose by 4.25% in May."),
        ("classification", "leverage", "revenue"),
        ("clustering", "Borrowings of the airline shrank over twelve months.", "Staff of the airline grew."),
        ("short-short", "Debt falls 4.25%", "Debt rises 4.25%"),
        ("long-long", "A rival paid back 40 million.", "A rival borrowed 40 million."),
    ]
    for task, positive, negative in right:
        assert judge(text_pair(make_pair, task, SENTENCE, positive, negative, theme="debt", other_theme="staff")).keep


def test_a_task_that_is_not_installed_has_the_common_rules_alone(make_pair: MakePair) -> None:
    assert judge(text_pair(make_pair, "gone", SENTENCE, "anything", "else")).keep
    assert judge(text_pair(make_pair, "gone", SENTENCE, SENTENCE, "else")).reason == "copied"
