from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.facts import Facts, Group, NameType, Years


def test_kinds_are_what_the_file_has_words_for() -> None:
    group = Group(values={"a": ["x"], "b": ["y"]})
    assert Facts().kinds == []
    facts = Facts(years=Years(), names={"firm": NameType()}, terms={"route": [group]}, quantities={"unit": [group]})
    assert facts.kinds == ["entity", "period", "route", "unit"]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"values": {"up": ["rose", "grew"], "down": ["fell"]}}, "as many forms as the others"),
        ({"values": {"up": ["rose"]}}, "at least 2 items"),
        ({"values": {"up": [], "down": []}}, "at least 1 item"),
        ({"values": {"up": ["rose"], "down": ["Rose"]}}, "'Rose' stands for both 'up' and 'down'"),
        (
            {"values": {"up": ["rose"], "down": ["fell"]}, "traces": {"upp": ["x"]}},
            "traces of 'upp', which is no value",
        ),
        ({"values": {"up": ["rose"], "down": [""]}}, "at least 1 character"),
    ],
)
def test_a_group_that_can_not_be_exchanged_both_ways_is_refused(group: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Group.model_validate(group)


def test_forms_that_differ_in_case_may_stand_for_two_values_where_case_matters() -> None:
    Group(values={"month": ["May"], "verb": ["may"]}, match_case=True)
