"""What is drawn for each document and instruction: evenly, and the same however many are asked for.

Request i is about topic i of the leaves in an order drawn from the seed, round after round, so that no topic comes
twice before each came once (SPEED, arXiv 2411.03928: one task a topic beat three and five) and every branch has its
share from the beginning. Everything else is drawn
by Kronecker sequences with steps that have nothing in common, so that shares keep to their weights from the
beginning and no two of them move together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from schemas.persona import Persona
from schemas.topics import Topic, Topics
from synth.personas.scope import NOBODY
from synth.plan import Choice
from synth.text import draw, hash64, join

_STEPS = {name: math.sqrt(prime) % 1.0 for name, prime in zip(("kind", "size", "language", "persona", "model"), (2, 3, 5, 7, 11), strict=True)}  # fmt: skip


@dataclass(frozen=True)
class Draw:
    """Topics, people and weights to draw from; equal ones draw the same."""

    topics: Topics
    people: Sequence[Persona]
    kind: Mapping[str, float]
    size: Mapping[str, float]
    language: Mapping[str, float]
    model: Mapping[str, float]
    seed: int

    @cached_property
    def leaves(self) -> list[Topic]:
        """The topics in an order of which every beginning has a share of each branch."""

        def key(topic: Topic) -> int:
            return hash64(join(self.seed, "topic", topic.path))

        branches: dict[str, list[Topic]] = {}
        for topic in sorted(self.topics, key=key):
            branches.setdefault(topic.branch, []).append(topic)
        placed = [((n + 0.5) / len(own), key(topic), topic) for own in branches.values() for n, topic in enumerate(own)]
        return [topic for _, _, topic in sorted(placed)]

    def topic(self, number: int) -> Topic:
        return self.leaves[number % len(self.leaves)]

    def person(self, number: int) -> Persona:
        """Somebody of the people; nobody where there are none."""
        return self.people[int(self._point("persona", number) * len(self.people))] if self.people else NOBODY

    def drawn(self, number: int) -> dict[str, str]:
        """`kind`, `size`, `language` and `model` of a request."""
        weights = {"kind": self.kind, "size": self.size, "language": self.language, "model": self.model}
        return {name: Choice(each).at(self._point(name, number)) for name, each in weights.items()}

    def _point(self, name: str, number: int) -> float:
        return (draw(self.seed, "topics", name) + number * _STEPS[name]) % 1.0
