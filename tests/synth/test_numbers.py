from __future__ import annotations

import pytest

from synth.numbers import figures, numbers_of, times


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("no figure at all", set()),
        ("up 4.25% to $1,234.5m in 2024.", {"425", "12345", "2024"}),
        ("1,750 and 1750 and 1 750", {"1750"}),
        ("2024年6月底债务180万", {"2024", "6", "180"}),
        ("٤٢ and ४२", {"42"}),
    ],
)
def test_numbers_are_compared_without_the_marks_between_thousands(text: str, numbers: set[str]) -> None:
    assert numbers_of(text) == numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no figure", set()),
        ("1,234.50 and 1.234,5 and 1 234,5", {"12345"}),
        ("٤٢ مليون and ४२ लाख and 42", {"42"}),
        ("1,25,000 or 125 thousand or 12.5万", {"125"}),
        ("open 9:30 to 18:00, 9h30, 15.30 Uhr, 15 Uhr, 3 pm, 9:30开门", set()),
        ("in 2023 300 people, x²", {"2023", "3"}),
        ("0 and 00", {"0"}),
    ],
)
def test_numbers_are_their_figures_in_the_digits_of_any_script(text: str, found: set[str]) -> None:
    assert set(figures(text)) == found


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("9:30 to 18:00", {570, 360}),
        ("9h30 à 18 h", {570, 360}),
        ("9.30 Uhr, 6 p.m.", {570, 360}),
        ("9点30分", {570}),
        ("9.30 Euro", set()),
    ],
)
def test_times_of_day_are_minutes_of_a_clock_of_twelve_hours(text: str, minutes: set[int]) -> None:
    assert times(text) == minutes
