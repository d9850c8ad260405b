from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.record import Pair, Verdict
from synth.gates.leak import Leak

MakePair = Callable[..., Pair]

REVENUE = "Revenue in 2019 was $1,496.5 million, up 8% because prices of eggs rose in the second half of the year."


def judge(record: Pair, **settings: object) -> Verdict:
    return Leak(Leak.Settings.model_validate(settings)).judge(record)


@pytest.mark.parametrize(
    ("query", "leaked"),
    [
        ("What was the 2019 revenue, which was $1,496.5 million?", "1,496.5"),
        ("How much was revenue ($1,496.5 million)?", "1,496.5 million"),
        ("What was revenue? Answer: it rose", "Answer:"),
        ("Q: What was revenue? A: about 1.5 billion", "A:"),
        ("Why did revenue rise? prices of eggs rose", "prices of eggs rose"),
        (
            "Why did revenue rise, given that prices of eggs rose in the second half?",
            "prices of eggs rose in the second half",
        ),
        ("prices of eggs rose in the second half. Why?", "prices of eggs rose in the second half"),
        ("by how much did it grow - was it 8%?", "8%"),
    ],
)
def test_a_query_that_names_its_answer_is_dropped(make_pair: MakePair, query: str, leaked: str) -> None:
    verdict = judge(make_pair(query, REVENUE))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, "leak", leaked)


def test_a_command_that_stands_in_its_query_is_a_leak(make_pair: MakePair) -> None:
    assert judge(make_pair("show the kernel release uname -r", "uname -r")).detail == "uname r"


@pytest.mark.parametrize(
    "query",
    [
        "What was revenue in 2019 compared with the second half of the year 2018?",
        "In which year did revenue exceed 1,496.5 million?",
        "Was revenue higher in 2018?",
        'which file holds "prices of eggs rose" and nothing else',
        "I lost my card. What do I do now?",
        "share of eggs as a part of the year",
    ],
)
def test_names_periods_and_figures_inside_a_question_are_no_leak(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query, REVENUE)).keep


def test_a_row_of_a_table_is_a_leak(make_pair: MakePair) -> None:
    table = "(in thousands) | 2019 | 2018\nRaw materials | 1,272 | 654"
    assert judge(make_pair("inventories of raw materials | 1,272 | 654", table)).detail == "raw materials 1,272 654"


def test_how_many_words_make_a_clause_can_be_set(make_pair: MakePair) -> None:
    record = make_pair("Why did revenue rise? prices of eggs rose", REVENUE)
    assert judge(record, min_words=5).keep


def test_english_words_are_not_looked_for_in_other_languages(make_pair: MakePair) -> None:
    assert judge(make_pair("Was stieg? answer: eier", REVENUE, language="de")).keep


@pytest.mark.parametrize("method", ["extractive:title", "extractive:span", "extractive:crop", "extractive:cloze"])
def test_text_that_was_cut_out_is_no_question(make_pair: MakePair, method: str) -> None:
    verdict = judge(make_pair("Results: prices of eggs rose in the second half", REVENUE, method=method))
    assert (verdict.keep, verdict.detail) == (True, "made by copying")
