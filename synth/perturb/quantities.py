"""Units after a number: `4.2 million` becomes `4.2 billion` where the query states `4.2 million`."""

from __future__ import annotations

import re

from schemas.facts import Group
from synth.perturb.phrases import NUMBER, Exchange, Span, like, put
from synth.perturb.terms import Roll, key_of

_NUMBER = re.compile(rf"(?<![\w.,]){NUMBER}|(?<=[A-Za-z]){NUMBER}")


class Quantities:
    """Exchanges the unit of one amount that query and passage share, wherever the passage states it."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._value_of = {key_of(form): value for value, forms in group.values.items() for form in forms}
        forms = sorted({form for forms in group.values.values() for form in forms}, key=lambda form: (-len(form), form))
        units = "|".join(re.escape(form).replace(r"\ ", r"[\s-]+") for form in forms)
        flags = 0 if group.match_case else re.IGNORECASE
        self._amount = re.compile(rf"(?<![\w.,-])({NUMBER})([\s-]?)({units})(?!\w)", flags)

    def __call__(self, query: str, text: str, roll: Roll) -> Exchange | None:
        """None where no amount is shared, or where its digits stand in the passage in another way too."""
        asked = {self._fact(found) for found in self._amount.finditer(query)}
        shared = sorted(asked & {self._fact(found) for found in self._amount.finditer(text)})
        if not shared:
            return None
        digits, value = shared[int(roll("amount") * len(shared))]
        own = [found for found in self._amount.finditer(text) if self._fact(found) == (digits, value)]
        starts = {found.start(1) for found in own}
        if any(_digits(found[0]) == digits for found in _NUMBER.finditer(text) if found.start() not in starts):
            return None
        targets = [each for each in self._group.values if each != value and (digits, each) not in asked]
        if not targets:
            return None
        target = targets[int(roll("unit") * len(targets))]
        after = {
            key_of(form): other
            for form, other in zip(self._group.values[value], self._group.values[target], strict=True)
        }
        return put(text, [self._exchanged(found, after[self._form(found)]) for found in own])

    def _exchanged(self, found: re.Match[str], after: str) -> Span:
        return Span(
            found.start(1), found.end(3), found[1] + found[2] + (like(found[3], after) if len(found[3]) > 2 else after)
        )

    def _form(self, found: re.Match[str]) -> str:
        return key_of(found[3].replace("-", " "))

    def _fact(self, found: re.Match[str]) -> tuple[str, str]:
        return _digits(found[1]), self._value_of[self._form(found)]


def _digits(number: str) -> str:
    """The digits that are left when an amount is written in another unit: `4.2`, `4,200` and `0.0042` are alike."""
    return re.sub(r"\D", "", number).strip("0") or "0"
