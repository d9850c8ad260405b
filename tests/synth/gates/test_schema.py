from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.record import Pair, Verdict
from synth.gates.schema import Schema, _fault

MakePair = Callable[..., Pair]


def judge(record: Pair) -> Verdict:
    return Schema(Schema.Settings()).judge(record)


@pytest.mark.parametrize(
    "query",
    [
        "Why did net sales increase in 2022?",
        "two lines:\nwhat changed\tand why",
        "was bedeutet „Rückstellung“ für 株式会社?",
        "what does [[ -f file ]] test in bash",
        'awk {print $1} with a quote "x"',
        "vector<int> a < b || c > d",
        "family emoji 👨‍👩‍👧 in a URL",
    ],
)
def test_text_that_may_be_a_query_is_kept(make_pair: MakePair, query: str) -> None:
    verdict = judge(make_pair(query))
    assert (verdict.keep, verdict.reason, verdict.detail) == (True, "", "")


@pytest.mark.parametrize(
    ("query", "reason", "detail"),
    [
        (" \n\t ", "blank", ""),
        ("\u200b\ufeff\u00a0", "blank", ""),
        ('{"query": "what are net sales?"}', "structured", '{"'),
        ('[{"query": "what are net sales?"}]', "structured", "[{"),
        ('["what are net sales?"]', "structured", '["'),
        ('```json\n{"query": 1}', "structured", "```"),
        ('"query": "what are net sales?"', "structured", '"query":'),
    ],
)
def test_text_that_is_no_query_is_dropped(make_pair: MakePair, query: str, reason: str, detail: str) -> None:
    verdict = judge(make_pair(query))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, reason, detail)


def test_a_query_that_is_only_its_instruction_again_is_dropped(make_pair: MakePair) -> None:
    record = make_pair("find  THE passage that answers", instruction="Find the passage that answers")
    assert judge(record).reason == "repeats_instruction"


def test_there_is_nothing_to_set() -> None:
    with pytest.raises(ValidationError):
        Schema.Settings.model_validate({"strict": True})


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_letters_and_digits_alone_are_never_a_fault(query: str) -> None:
    assert _fault(query, "") == ("", "")
