from __future__ import annotations

from collections.abc import Callable

import pytest

Change = Callable[[str, str, str], str | None]


def test_an_organisation_becomes_another_of_the_corpus_wherever_it_is_named(change: Change) -> None:
    text = "Cobalt Corp. (“Cobalt”) repaid early; Cobalt's lenders agreed."
    made = change("entity", "When did Cobalt repay?", text)
    assert made is not None
    assert "Cobalt" not in made
    name = made.split(" Corp.")[0]
    assert name in {"Harbour Bank", "Meridian Foods", "Northline Group", "Alder Bank"}
    assert made == f"{name} Corp. (“{name}”) repaid early; {name}'s lenders agreed."


def test_a_name_that_was_introduced_whole_is_shortened_as_before(change: Change) -> None:
    made = change("entity", "When did Harbour Bank repay?", "Harbour Bank plc repaid. Harbour is a bank.")
    assert made == "Alder Bank plc repaid. Alder is a bank."


def test_a_bank_becomes_a_bank(change: Change) -> None:
    made = change("entity", "What did Harbour Bank report?", "Harbour Bank plc reported more.")
    assert made == "Alder Bank plc reported more."


def test_a_person_becomes_another_person(change: Change) -> None:
    made = change("entity", "What did Mr. Vance sell?", "Tobias Vance sold. Mr. Vance left.")
    assert made == "Tobias Okafor sold. Mr. Okafor left."


@pytest.mark.parametrize(
    ("query", "text", "why"),
    [
        ("What did it report?", "Harbour Bank reported more.", "the query names nobody"),
        ("What did Harbour Bank report?", "It reported more.", "the passage names nobody"),
        ("What did Cobalt repay?", "Cobalt Corp. and COBALT repaid.", "the name stands in capitals too"),
        ("What did Harbour Bank report?", "Harbour Bank (HB) reported.", "its initials stand there"),
        ("Cobalt and Harbour Bank?", "Cobalt Corp. repaid Harbour Bank.", "the query names two"),
        ("What did Cobalt repay?", "Cobalt Corp. pays for cobalt.", "the word is common here"),
        ("What of Cobalt?", "The Humboldt Cobalt reactor of Cobalt Corp.", "it is a part of a longer name"),
    ],
)
def test_there_is_no_negative_where(change: Change, query: str, text: str, why: str) -> None:
    assert change("entity", query, text) is None, why
