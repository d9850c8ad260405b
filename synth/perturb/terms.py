"""Words that exclude each other: increase and decrease, basic and diluted, euros and pounds."""

from __future__ import annotations

import re
from collections.abc import Callable

from schemas.facts import Group
from synth.perturb.phrases import NUMBER, Exchange, Span, any_of, blank, like, loose, put, whole

Roll = Callable[[str], float]
"""A number in [0, 1) for a name; the same for the same record."""


class Terms:
    """Exchanges the one value of a group that the query names for one that neither text names."""

    def __init__(self, group: Group) -> None:
        self._group = group
        forms = [(form, value) for value, forms in group.values.items() for form in forms]
        self._value_of = {key_of(form): value for form, value in forms}
        longest_first = sorted({form for form, _ in forms}, key=lambda form: (-len(form), form))
        self._forms = any_of(map(whole, longest_first), match_case=group.match_case)
        either = "|".join(map(whole, longest_first))
        self._beside = any_of(
            (rf"(?:{either})\s?(?P<after>{NUMBER})", rf"(?P<before>{NUMBER})(?:\s?[A-Za-z]+)?\s(?:{either})"),
            match_case=group.match_case,
        )
        self._unless = any_of(map(whole, group.unless))
        self._traces = {
            value: any_of([*map(loose, forms), *map(whole, group.traces.get(value, ()))])
            for value, forms in group.values.items()
        }

    def __call__(self, query: str, text: str, roll: Roll) -> Exchange | None:
        """None where the query names no value or several, or where the value would not be gone for certain."""
        named = list(self._forms.finditer(query))
        asked = {self._value(found[0]) for found in named}
        if len(asked) != 1 or self._unless.search(text):
            return None
        value = asked.pop()
        mentions = list(self._forms.finditer(text))
        own = [found for found in mentions if self._value(found[0]) == value]
        rest = blank(text, [found.span() for found in own])
        if not own or self._traces[value].search(rest) or not self._is_tied(query, text):
            return None
        others = blank(query, [found.span() for found in named])
        targets = [each for each in self._group.values if each != value and self._is_absent(each, others, rest)]
        if not targets:
            return None
        target = targets[int(roll(value) * len(targets))]
        forms = reversed(list(zip(self._group.values[value], self._group.values[target], strict=True)))
        after = {key_of(form): other for form, other in forms}
        return put(text, [Span(*found.span(), like(found[0], after[key_of(found[0])])) for found in own])

    def _is_tied(self, query: str, text: str) -> bool:
        if not self._group.tied:
            return True
        asked, stated = ({found[1] or found[2] for found in self._beside.finditer(each)} for each in (query, text))
        return not asked or bool(asked & stated)

    def _is_absent(self, value: str, *texts: str) -> bool:
        return not any(self._traces[value].search(text) for text in texts)

    def _value(self, form: str) -> str:
        return self._value_of[key_of(form)]


def key_of(form: str) -> str:
    """A form without case and line breaks."""
    return re.sub(r"\s+", " ", form).casefold()
