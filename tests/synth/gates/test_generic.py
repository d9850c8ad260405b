from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.record import Pair, Verdict
from synth.gates.generic import Generic

MakePair = Callable[..., Pair]


def judge(record: Pair, **settings: object) -> Verdict:
    return Generic(Generic.Settings.model_validate(settings)).judge(record)


@pytest.mark.parametrize(
    "query",
    [
        "What is this about?",
        "What does the passage say?",
        "Can you summarise the main points of the document?",
        "what are the key takeaways",
        "Why is this important?",
        "List the key facts.",
        "What recommendations are provided?",
    ],
)
def test_a_query_that_fits_any_passage_is_dropped(make_pair: MakePair, query: str) -> None:
    verdict = judge(make_pair(query))
    assert (verdict.keep, verdict.reason) == (False, "generic")


@pytest.mark.parametrize(
    "query",
    ["What does this text say about sales?", "key insights on currencies", "Summarize the main points about Mac"],
)
def test_one_word_of_the_domain_does_not_save_it(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query)).detail.startswith("about the passage as such")
    assert judge(make_pair(query), max_words=0).keep


@pytest.mark.parametrize(
    "query",
    [
        "According to the report, why did iPhone and Mac sales rise in 2022?",
        "Which currencies does the passage compare with the dollar in 2022?",
    ],
)
def test_nobody_who_searches_can_name_the_passage(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query)).detail.startswith("names the passage")


@pytest.mark.parametrize(
    "query",
    [
        "What does EBITDA mean?",
        "What is the principal value of the note?",
        "get list element by key",
        "What are the main components of operating lease cost?",
        "Tell me about the card PIN",
        "Who is the author of the book The Iron Lady?",
        "print the contents of the page as plain text",
    ],
)
def test_a_short_query_about_something_is_kept(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query)).keep


def test_the_score_is_the_number_of_telling_words(make_pair: MakePair) -> None:
    assert judge(make_pair("Why did net sales of the Mac grow?")).score == 4.0


def test_it_abstains_from_other_languages(make_pair: MakePair) -> None:
    verdict = judge(make_pair("Worum geht es?", language="de"))
    assert (verdict.keep, verdict.detail) == (True, "abstained")


def test_a_query_without_words_is_left_to_other_gates(make_pair: MakePair) -> None:
    assert judge(make_pair("???")).keep
