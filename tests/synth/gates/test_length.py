from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.record import Pair
from synth.gates.length import Length

MakePair = Callable[..., Pair]


def judge(record: Pair, **settings: int) -> tuple[bool, str]:
    verdict = Length(Length.Settings(**settings)).judge(record)
    return verdict.keep, verdict.reason


def test_an_ordinary_query_is_kept_and_scored_by_its_words(make_pair: MakePair) -> None:
    verdict = Length(Length.Settings()).judge(make_pair("Why did net sales grow 4.25% in 2022?"))
    assert (verdict.keep, verdict.reason, verdict.score, verdict.detail) == (True, "", 8.0, "")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("profitability", "too_short"),
        ("net tax", "too_short"),
        ("word " * 65, "too_long"),
        ("incomprehensibilities " * 30, "too_long"),
    ],
)
def test_words_and_characters_are_both_bounded(make_pair: MakePair, query: str, reason: str) -> None:
    assert judge(make_pair(query)) == (False, reason)


def test_bounds_are_inclusive(make_pair: MakePair) -> None:
    assert judge(make_pair("net sale"), min_words=2, max_words=2, min_chars=8, max_chars=8) == (True, "")


def test_an_overlong_passage_drops_the_record_and_says_so(make_pair: MakePair) -> None:
    verdict = Length(Length.Settings(max_passage_chars=10)).judge(make_pair("Why did sales grow?", "x" * 11))
    assert (verdict.keep, verdict.reason) == (False, "too_long")
    assert verdict.detail == "passage: 11 characters, at most 10"


@pytest.mark.parametrize("settings", [{"min_words": 9, "max_words": 8}, {"min_chars": 9, "max_chars": 8}])
def test_crossed_bounds_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="is above max_"):
        Length.Settings(**settings)


@pytest.mark.parametrize("query", ["六月底的净债务是多少", "जून के अंत में शुद्ध ऋण कितना था?"])
def test_words_are_counted_where_no_spaces_or_other_letters_are(make_pair: MakePair, query: str) -> None:
    verdict = Length(Length.Settings(min_words=4, max_words=8)).judge(make_pair(query))
    assert (verdict.keep, verdict.reason) == (True, "")
