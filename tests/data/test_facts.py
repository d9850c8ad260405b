"""The shipped facts of finance: every exchange can be made, and undone, on its own words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas.facts import Facts, Group
from synth.perturb.terms import Terms
from synth.resources import find_shipped
from synth.yaml_model import load_yaml_model

FACTS = load_yaml_model(find_shipped("data", "facts", "finance.yaml"), Facts)


def groups() -> Iterator[tuple[str, Group]]:
    for kind, listed in FACTS.terms.items():
        yield from ((kind, group) for group in listed)


def test_finance_has_the_six_kinds() -> None:
    assert FACTS.kinds == ["currency", "entity", "period", "scope", "sign", "unit"]


@pytest.mark.parametrize(
    ("kind", "group"), list(groups()), ids=lambda each: each if isinstance(each, str) else next(iter(each.values))
)
def test_every_form_can_be_exchanged_on_its_own(kind: str, group: Group) -> None:
    terms = Terms(group)
    stuck = [
        form
        for forms in group.values.values()
        for form in forms
        if (made := terms(f"the {form} 5", f"the {form} 5", lambda _: 0.0)) is None or made.text == f"the {form} 5"
    ]
    assert stuck == []
