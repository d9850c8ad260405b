from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.facts import Facts
from synth.perturb.years import MARGIN, YearShift

Change = Callable[[str, str, str], str | None]


def years_of(text: str) -> list[int]:
    return [int(year) for year in re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", text)]


def test_all_years_of_a_table_move_together_and_none_that_was_asked_for_is_left(change: Change) -> None:
    made = change("period", "What was revenue in 2023?", "| 2024 | 2023 | 2022 |\n| Revenue | 8,217 | 7,527 | 6,447 |")
    assert made is not None
    moved = years_of(made)
    assert (moved[0] - moved[1], moved[1] - moved[2]) == (1, 1)
    assert not set(moved) & {2022, 2023, 2024}
    assert made.endswith("| Revenue | 8,217 | 7,527 | 6,447 |")


@pytest.mark.parametrize(
    "passage",
    [
        "In FY2023 revenue grew.",
        "In fiscal 2023 revenue grew.",
        "FY23 revenue was 4.",
        "FY 23 revenue was 4.",
        "Revenue of '23 was 4.",
        "Revenue in 2022/23 was 4.",
        "Revenue in 2022-23 was 4.",
        "Revenue of 2022–2023 was 4.",
        "Revenue to 31.12.2023 was 4.",
        "Revenue to 12/31/2023 was 4.",
        "Revenue to 12/31/23 was 4.",
        "Revenue to 2023-12-31 was 4.",
        "Revenue of Q3 2023 and 4Q23 was 4.",
        "Revenue to Dec-23 was 4.",
        "Revenue for 2021,2022 and 2023 was 4.",
        "December 31, 2023 | December 31, 2022",
        "Revenue was 4 (2023: 3).",
        "Year to 30 June 2023A | 2024E",
    ],
)
def test_every_spelling_of_a_year_is_found(change: Change, passage: str) -> None:
    made = change("period", "What was revenue in 2023?", passage)
    assert made is not None
    assert not re.search(r"(?<!\d)(?:20)?23(?!\d)", made)
    assert re.sub(r"\d", "#", made) == re.sub(r"\d", "#", passage)


@pytest.mark.parametrize(
    ("passage", "kept"),
    [
        ("In 2023 it paid $ 2,023 and $2023 for 2,023.5 acres.", ["$ 2,023", "$2023", "2,023.5"]),
        ("In 2023 it sold 2023 shares and 2023 units.", ["2023 shares", "2023 units"]),
        ("In 2023 yields were 20.23% and costs 12023.", ["20.23%", "12023"]),
    ],
)
def test_amounts_that_look_like_years_stay(change: Change, passage: str, kept: list[str]) -> None:
    made = change("period", "What happened in 2023?", passage)
    assert made is not None
    assert "In 2023" not in made
    assert all(amount in made for amount in kept)


@pytest.mark.parametrize(
    "passage",
    [
        "Nothing is said of that year.",
        "The 2023 Incentive Plan was amended in 2024 and 2023.",
        "In 2023 the Notes due 2023 were repaid.",
        "| Revenue | 2023 | 1,850 |\n| Costs 2023 | 1 | 2 |",
        "Regulation 2023/886 applied from 2023.",
        "In 2023 the 2020s were young.",
        "Sales grew in 2023, that is in FYE23 and in twenty twenty terms.",
        "In 2023 clause A/23 applied.",
        "The code X2023 was used in 2023.",
    ],
)
def test_where_a_year_may_stay_in_another_reading_there_is_no_negative(change: Change, passage: str) -> None:
    assert change("period", "What happened in 2023?", passage) is None


def test_names_that_hold_other_years_are_left_as_they_are(change: Change) -> None:
    made = change("period", "Effect of the Tax Act in 2023?", "In 2023 the Tax Act of 2017 and ASU 2016-02 applied.")
    assert made is not None
    assert "Tax Act of 2017 and ASU 2016-02" in made


def test_a_virus_is_no_year(change: Change) -> None:
    made = change("period", "What did COVID-19 cost in 2019?", "In 2019 COVID-19 cost nothing.")
    assert made is not None
    assert "COVID-19" in made


def test_the_29th_of_february_stays_in_leap_years(change: Change) -> None:
    made = change("period", "Cash at February 29, 2024?", "Cash at February 29, 2024 was 5.")
    assert made is not None
    assert years_of(made)[0] % 4 == 0


def test_no_year_becomes_one_that_the_corpus_does_not_speak_of_yet(facts: Facts) -> None:
    assert facts.years is not None
    shift = YearShift(facts.years, latest=2025)
    for number in range(200):
        made = shift("in 2024", "It was 2024.", lambda _, n=number: n / 200)  # type: ignore[misc]
        assert made is not None
        assert years_of(made.text)[0] <= 2025


def test_the_year_that_was_asked_for_is_told_first(facts: Facts) -> None:
    assert facts.years is not None
    made = YearShift(facts.years, latest=2025)("in 2022", "2024 | 2023 | 2022", lambda _: 0.0)
    assert made is not None
    assert [change.before for change in made.changes] == ["2022", "2024", "2023"]


SPELLINGS = ("in {0}", "FY{0}", "FY{1}", "December 31, {0}", "({0}: 3)", "12/31/{0}", "Q3 {0}", "'{1}", "{0}-12-31")


@given(
    years=st.lists(st.integers(1990, 2030), min_size=1, max_size=4, unique=True),
    spellings=st.lists(st.sampled_from(SPELLINGS), min_size=4, max_size=4),
    asked=st.integers(0, 3),
    roll=st.floats(0, 1, exclude_max=True),
)
def test_whatever_the_years_none_that_was_asked_for_is_left_or_implied(
    facts: Facts, years: list[int], spellings: list[str], asked: int, roll: float
) -> None:
    assert facts.years is not None
    wanted = years[asked % len(years)]
    pairs = zip(years, spellings, strict=False)
    text = "; ".join(f"sales {spelling.format(year, f'{year % 100:02}')} were high" for year, spelling in pairs)
    made = YearShift(facts.years, latest=2025)(f"Sales in {wanted}?", text, lambda _: roll)
    if made is None:
        return
    moved = [int(change.after) for change in made.changes if len(change.after) == 4]
    assert wanted not in {year + near for year in moved for near in range(-MARGIN, MARGIN + 1)}
    assert not re.search(rf"(?<!\d){wanted}(?!\d)|FY{wanted % 100:02}(?!\d)|'{wanted % 100:02}(?!\d)", made.text)
