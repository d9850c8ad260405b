"""Perturbed negatives: a copy of the positive in which one fact that the query asks about is another.

Its non-relevance is known, not guessed: only a fact that the query itself names is changed, every
mention of it in the passage is, and where a reading remains in which it stays there is no negative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from schemas.facts import ENTITY, PERIOD, Facts
from schemas.recipe import PerturbationSettings
from schemas.record import Change, Negative, PassageText
from synth.corpus import Corpus
from synth.language import primary
from synth.perturb.names import Names
from synth.perturb.phrases import Exchange, any_of, whole
from synth.perturb.quantities import Quantities
from synth.perturb.surroundings import NameFinder, Surroundings, survey
from synth.perturb.terms import Roll, Terms
from synth.perturb.years import YearShift
from synth.text import draw, hash64

METHOD = "perturbed:"
NOT_ASKED = frozenset({"extractive:span", "extractive:crop", "extractive:cloze"})
"""Queries that are cut out of a text and ask for nothing: with one fact changed, the passage still speaks of the rest."""

Way = Callable[[str, str, Roll], Exchange | None]
"""(query, passage, draws) -> the passage with a fact changed, or None where that can't be guaranteed."""


@dataclass(frozen=True)
class Asked:
    """The query of a record, how it was made and in which language."""

    id: str
    query: str
    method: str
    language: str


@dataclass(frozen=True)
class Perturbed:
    """A passage with one fact changed."""

    kind: str
    text: str
    changes: tuple[Change, ...]


class Perturber:
    """Makes perturbed negatives of a run's records; the same record always gets the same."""

    def __init__(self, facts: Facts, settings: PerturbationSettings, seed: int, surroundings: Surroundings) -> None:
        self._facts, self._settings, self._seed = facts, settings, seed
        self._surroundings = surroundings
        self._joined = any_of(rf"{whole(phrase)}\s+(?!\d)" for phrase in facts.conjunctions)
        self._ways = {kind: list(_ways(facts, kind, surroundings)) for kind in settings.kinds or facts.kinds}

    def negatives(self, record: Asked, positive: PassageText) -> list[Negative]:
        """At most `settings.negatives` made negatives, each of another kind; none in other languages than the facts'."""
        if primary(record.language) != self._facts.language or record.method in NOT_ASKED:
            return []
        made: list[Negative] = []
        for kind in self._order(record.id):
            if len(made) == self._settings.negatives:
                break
            found = self.perturb(record.id, record.query, positive.text, kind)
            if found is not None and found.text not in {each.text for each in made}:
                made.append(_negative(found, positive))
        return made

    def perturb(self, record_id: str, query: str, text: str, kind: str) -> Perturbed | None:
        """`text` with a fact of one kind changed, or None."""

        def roll(name: str) -> float:
            return draw(self._seed, "perturb", record_id, kind, name)

        joined = bool(self._joined.search(query))
        for way in self._ways[kind]:
            if joined and not isinstance(way, YearShift):
                continue
            found = way(query, text, roll)
            if found is not None and found.text != text and not self._surroundings.holds(found.text):
                return Perturbed(kind, found.text, found.changes)
        return None

    def _order(self, record_id: str) -> list[str]:
        """Kinds in the order they are tried: drawn by weight without replacement (Efraimidis and Spirakis 2006)."""
        weights = self._settings.kinds or dict.fromkeys(self._ways, 1.0)
        keys = {
            kind: -math.log(1 - draw(self._seed, "kind", record_id, kind)) / weight for kind, weight in weights.items()
        }
        return sorted(keys, key=lambda kind: (keys[kind], kind))


def make_perturber(facts: Facts, settings: PerturbationSettings, seed: int, corpus: Corpus) -> Perturber:
    """A perturber for the records of a corpus, which is read once."""
    return Perturber(facts, settings, seed, survey(corpus, NameFinder(facts.names)))


def _ways(facts: Facts, kind: str, surroundings: Surroundings) -> Iterator[Way]:
    if kind == PERIOD and facts.years is not None:
        yield YearShift(facts.years, surroundings.latest)
    if kind == ENTITY and facts.names:
        yield Names(NameFinder(facts.names), surroundings)
    yield from map(Quantities, facts.quantities.get(kind, ()))
    yield from map(Terms, facts.terms.get(kind, ()))


def _negative(made: Perturbed, positive: PassageText) -> Negative:
    """Ids of passages end with their number, so an id that ends with a hash is none of them."""
    return Negative(
        passage_id=f"{positive.passage_id}~{made.kind}-{hash64(made.text):016x}",
        document_id=positive.document_id,
        text=made.text,
        method=f"{METHOD}{made.kind}",
        made_from=positive.passage_id,
        changes=list(made.changes),
    )


__all__: Sequence[str] = ("METHOD", "Asked", "Perturbed", "Perturber", "make_perturber")
