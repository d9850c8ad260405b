from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.record import Pair, Verdict
from synth.gates.truncated import Truncated

MakePair = Callable[..., Pair]


def judge(record: Pair) -> Verdict:
    return Truncated(Truncated.Settings()).judge(record)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("net sales by segment,", "ends with ','"),
        ("net sales (", "ends with '('"),
        ("effect of currencies (such as the euro", "'(' is not closed"),
        ('what does "net sales mean', "a quotation mark is not closed"),
        ("find files named 'report", "a quotation mark is not closed"),
        ("effect of foreign currencies on the", "ends with 'the'"),
        ("why did iPhone sales and...", "ends with 'and'"),
        ("What was the change in net", "a question without its mark"),
        ("effect of foreign curren", "'curren' is no whole word"),
        ("what is the diff", "'diff' is no whole word"),
        ("driven by higher sales of Serv", "'Serv' is no whole word"),
        ("how is revenue th", "'th' is no whole word"),
    ],
)
def test_a_query_that_breaks_off_is_dropped_and_it_is_said_why(make_pair: MakePair, query: str, detail: str) -> None:
    verdict = judge(make_pair(query))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, "truncated", detail)


@pytest.mark.parametrize(
    "query",
    [
        "What did the company rely on?",
        "net sales growth drivers 2022",
        "How to switch contactless payments off",
        "python check if string is empty",
        "which bonds does Kestrow own",
        "Find all files named `report'",
        "merged cells in a spreadsheet",
        "who is the CEO of ACME",
        "the sellers' rights in a sale",
        "capex guidance Warrego",
        "",
    ],
)
def test_a_whole_query_is_kept(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query or "?")).keep


def test_a_word_of_the_passage_is_whole(make_pair: MakePair) -> None:
    assert not judge(make_pair("compare two files with diff")).keep
    assert judge(make_pair("compare two files with diff", "diff compares files line by line.")).keep


def test_in_other_languages_only_punctuation_is_judged(make_pair: MakePair) -> None:
    verdict = judge(make_pair("Warum fiel der Umsatz mit", language="de"))
    assert (verdict.keep, verdict.detail) == (True, "abstained from words")
    assert not judge(make_pair("Warum fiel der Umsatz (ohne", language="de")).keep


@pytest.mark.parametrize("method", ["extractive:title", "extractive:span", "extractive:crop", "extractive:cloze"])
def test_text_that_was_cut_out_may_end_anywhere(make_pair: MakePair, method: str) -> None:
    assert judge(make_pair("weakness in the", method=method)).detail == "made by copying"
