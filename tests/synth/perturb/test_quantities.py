from __future__ import annotations

from collections.abc import Callable

import pytest

Change = Callable[[str, str, str], str | None]


@pytest.mark.parametrize(
    ("query", "text", "after"),
    [
        ("Why $4.2 million?", "It paid $4.2 million. The $4.2 million was cash.", {"thousand", "billion"}),
        ("Why €63m?", "An additional €63m, of €100m.", {"k", "bn"}),
        ("A 25 basis point fee?", "A 25 basis point fee was paid.", {"percentage"}),
        ("A fee of 25bps?", "The fee was 25bps.", {"pp"}),
    ],
)
def test_the_unit_of_an_amount_that_the_query_states_is_another_wherever_it_stands(
    change: Change, query: str, text: str, after: set[str]
) -> None:
    made = change("unit", query, text)
    assert made is not None
    assert any(unit in made for unit in after)
    number = query.split()[1].strip("$€m?") if "fee" not in query else "25"
    assert made.count(number) == text.count(number)


@pytest.mark.parametrize(
    "text",
    [
        "It paid $5.2 million.",
        "It paid $4.2 million, or 4,200 thousand.",
        "It paid $4.2 million, or $4,200,000.",
        "It paid $4.2 million (2023: 4.2).",
        "It paid 14.2 million.",
        "It paid $4.2 billion.",
    ],
)
def test_an_amount_that_is_not_there_or_is_there_in_another_way_is_left_alone(change: Change, text: str) -> None:
    assert change("unit", "Why $4.2 million?", text) is None


def test_a_unit_without_a_number_is_no_fact(change: Change) -> None:
    assert change("unit", "Revenue in millions?", "Revenue (in millions): 4.2 million") is None
