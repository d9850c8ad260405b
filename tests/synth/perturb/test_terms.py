from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.facts import Group
from synth.perturb.terms import Terms

Change = Callable[[str, str, str], str | None]

SIGN = Group(
    values={"rise": ["increase", "increased", "growth", "rose"], "fall": ["decrease", "decreased", "decline", "fell"]},
    traces={"rise": ["up", "expan*", "increasing*"], "fall": ["down"]},
    unless=["compared", "from #"],
)


def exchange(query: str, text: str, group: Group = SIGN) -> str | None:
    made = Terms(group)(query, text, lambda _: 0.0)
    return made.text if made is not None else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Revenue increased; the growth continued.", "Revenue decreased; the decline continued."),
        ("Increased demand. AN INCREASE in cost.", "Decreased demand. AN DECREASE in cost."),
        ("This was an increase of 4%.", "This was a decrease of 4%."),
        ("Sales rose.", "Sales fell."),
    ],
)
def test_every_form_becomes_the_same_form_of_its_opposite(text: str, expected: str) -> None:
    assert exchange("Why did revenue increase?", text) == expected.replace("AN DECREASE", "AN DECREASE")


@pytest.mark.parametrize(
    ("query", "text", "why"),
    [
        ("What happened to revenue?", "Revenue increased.", "the query names no value"),
        ("Did it increase or decrease?", "Revenue increased.", "the query names both"),
        ("Why the increase?", "Revenue was 5.", "the passage does not"),
        ("Why the increase?", "Revenue increased and costs fell.", "the opposite stands there already"),
        ("Why the increase?", "Revenue increased and went up.", "another word for it would stay"),
        ("Why the increase?", "Revenue increased by expansion.", "a word that begins like one would stay"),
        ("Why the increase?", "Revenue increased, increasingly.", "a longer word would stay"),
        ("Why the increase?", "Revenue increased compared to 2022.", "figures may tell the direction"),
        ("Why the increase?", "Revenue increased from $4.5m.", "figures may tell the direction"),
    ],
)
def test_there_is_no_negative_where(query: str, text: str, why: str) -> None:
    assert exchange(query, text) is None, why


def test_a_value_within_a_longer_one_is_the_longer_one() -> None:
    group = Group(values={"current": ["current assets"], "fixed": ["non-current assets"]})
    assert exchange("Which current assets?", "Total non-current assets: 4.", group) is None
    assert exchange("Which non-current assets?", "Total non-current assets: 4.", group) == "Total current assets: 4."
    assert exchange("Which current assets?", "Total current assets: 4.", group) == "Total non-current assets: 4."


def test_a_group_may_have_more_than_two_values_and_takes_one_that_nobody_names() -> None:
    group = Group(values={"a": ["oral"], "b": ["rectal"], "c": ["topical"]})
    assert exchange("oral dose?", "Give the oral dose, never rectal.", group) == "Give the topical dose, never rectal."


def test_case_matters_where_the_group_says_so() -> None:
    group = Group(values={"March": ["March"], "May": ["May"]}, match_case=True)
    assert exchange("in March?", "It may rain in March.", group) is None
    assert exchange("in March?", "Rain fell in March.", group) == "Rain fell in May."
    assert exchange("in march?", "Rain fell in March.", group) is None


CURRENCY = [
    ("Costs in euros?", "Costs were €5 million (EUR 4 in 2023), in euros.", True),
    ("Costs of €5 million?", "Costs were €5 million.", True),
    ("Costs of €5 million?", "Costs were €6 million.", False),
    ("Costs of $5 million?", "Costs were A$5 million.", False),
    ("Costs of €5 million?", "Costs were €5 million at €STR.", False),
    ("Costs of €5 million?", "Costs were €5 million in the euro area.", False),
    ("Costs of $5 or €5?", "Costs were €5.", False),
]


@pytest.mark.parametrize(("query", "text", "is_made"), CURRENCY)
def test_a_currency_is_exchanged_in_all_its_spellings_or_not_at_all(
    change: Change, query: str, text: str, is_made: bool
) -> None:
    made = change("currency", query, text)
    assert (made is not None) == is_made
    assert made is None or not any(sign in made for sign in ("€", "EUR", "euro"))


@pytest.mark.parametrize(
    ("kind", "query", "text", "expected"),
    [
        ("scope", "Basic earnings per share?", "Basic earnings per share | 4", "Diluted earnings per share | 4"),
        ("scope", "Basic earnings per share?", "Basic | 4\nDiluted | 3", None),
        ("scope", "Profit before tax?", "Profit before tax was 4.", "Profit after tax was 4."),
        ("scope", "Foreign sales?", "Foreign sales and foreign exchange rose.", None),
        ("sign", "What was the net loss?", "Net loss | 5 | 4", "Net profit | 5 | 4"),
        ("sign", "What was the net loss?", "Net loss | (5) | (4)", None),
        ("sign", "What was the net loss?", "Net loss and other losses", None),
        ("sign", "Why did sales grow?", "Sales did not grow.", None),
        ("sign", "By how much did sales increase?", "Sales | increase 4 | 5", None),
        ("period", "Sales in the third quarter?", "Third quarter sales were 4, in Q3.", None),
        ("period", "Sales to 31 March?", "Sales to 31 March (first quarter) were 4.", None),
        ("period", "Sales to 31 March?", "Sales to 31/3 or March were 4.", None),
    ],
)
def test_the_shipped_words_of_finance(change: Change, kind: str, query: str, text: str, expected: str | None) -> None:
    made = change(kind, query, text)
    if kind == "period" and "quarter" in query:
        assert made is not None
        assert not {"Q3", "Third"} & set(made.replace(",", " ").replace(".", " ").split())
    else:
        assert made == expected


def test_a_month_becomes_one_that_has_as_many_days(change: Change) -> None:
    made = change("period", "Cash at 31 March?", "Cash at 31 March was 5; on 15 Mar it was 4.")
    assert made is not None
    month = made.split()[3]
    assert month in {"January", "May", "July", "August", "October", "December"}
    assert "Mar" not in made


WORDS = st.lists(
    st.sampled_from(["increase", "Increased", "growth", "rose", "costs", "up", "fell", "a", "an"]), min_size=1
)


@given(words=WORDS, asked=st.sampled_from(["increase", "growth", "rose"]))
def test_whatever_the_passage_no_form_of_the_asked_value_is_left(words: list[str], asked: str) -> None:
    made = exchange(f"What {asked}?", " ".join(words))
    if made is None:
        return
    left = {word.lower() for word in made.split()}
    assert not left & {"increase", "increased", "growth", "rose", "up"}
    assert {"fell"} & set(words) == set()
