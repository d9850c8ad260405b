"""The plan: one unbounded, deterministic sequence of items.

Position -> item is arithmetic, so nothing is stored and any shard can be planned alone.
The sequence goes over all passages, in an order that depends on nothing but the seed and
the passage ids; each passage gives `items_per_passage` adjacent items (they share a
prompt prefix). After the last passage the next round begins with other draws.

What a passage's items are (persona, type, difficulty …) is spread over the passage: the
first is drawn by hash, the next ones lie round the circle as the van der Corput sequence
has them. So items about one passage differ, shares keep close to their weights, and a
passage's items depend on nothing but itself and the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from schemas.recipe import Recipe
from synth.language import primary
from synth.text import draw, hash64, join

Nearest = npt.NDArray[np.int32]


_DRAWN = ("task", "persona", "query_type", "difficulty", "length", "language", "cross_lingual", "model")


@dataclass(frozen=True, slots=True)
class Item:
    """One intended record. `passage` is the ordinal in passages.parquet."""

    position: int
    id: str
    passage: int
    occurrence: int
    """How many items this passage has had before in the plan."""
    task: str
    persona: str
    query_type: str
    difficulty: str
    length: str
    language: str
    seed: int
    model: str = ""
    """Which model of the recipe writes it; empty for a generator without models."""


class Plan:
    """Items by position, for one recipe and one corpus.

    `nearest` has the numbers of the personas (in the order of their ids) that each passage draws from, shape
    (passages, k), -1 for none; without it, or where a row has none, it draws from all. Items are about the passages
    with the ordinals `only`, where these are given; `languages` are those of the passages, '' where one is not known.
    """

    def __init__(
        self,
        recipe: Recipe,
        passage_ids: Sequence[str],
        persona_ids: Sequence[str],
        nearest: Nearest | None = None,
        only: npt.NDArray[np.int64] | None = None,
        languages: Sequence[str] = (),
    ) -> None:
        self._recipe = recipe
        self._drawn = np.arange(len(passage_ids)) if only is None else only
        self._passage_ids = passage_ids
        self._persona_ids = [""] if recipe.persona.scope == "none" else sorted(persona_ids)
        self._nearest = nearest
        settings = recipe.plan
        self._tasks = Choice(settings.tasks)
        self._models = {task: Choice(models_of(recipe, task)) for task in settings.tasks}
        self._query_types, self._difficulties = Choice(settings.query_type), Choice(settings.difficulty)
        self._lengths = Choice(settings.length)
        self._languages = _Languages(settings.language, settings.cross_lingual, languages)
        self._order = lru_cache(maxsize=2)(self._order_of_round)
        self._first_points = lru_cache(maxsize=16)(self._first_points_of)

    @property
    def items_per_round(self) -> int:
        """Items in one full pass over the passages."""
        return len(self._drawn) * self._recipe.plan.items_per_passage

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Items at positions start, start + 1 … stop - 1."""
        for position in range(start, stop):
            yield self._item(position)

    def _item(self, position: int) -> Item:
        settings = self._recipe.plan
        round_number, place = divmod(position, self.items_per_round)
        rank, slot = divmod(place, settings.items_per_passage)
        passage = int(self._order(round_number)[rank])
        occurrence = round_number * settings.items_per_passage + slot
        whole = (self._recipe.seed, self._passage_ids[passage], occurrence)
        first, step = self._first_points(passage), spread(occurrence)

        def point(name: str) -> float:
            return (first[name] + step) % 1.0

        task = self._tasks.at(point("task"))
        return Item(
            position=position,
            id=f"{hash64(repr((*whole, task))):016x}",
            passage=passage,
            occurrence=occurrence,
            task=task,
            persona=self._persona_at(passage, point("persona")),
            query_type=self._query_types.at(point("query_type")),
            difficulty=self._difficulties.at(point("difficulty")),
            length=self._lengths.at(point("length")),
            language=self._languages.of(passage, point("language"), point("cross_lingual")),
            seed=hash64(repr((*whole, "seed"))) >> 1,
            model=self._models[task].at(point("model")),
        )

    def _first_points_of(self, passage: int) -> dict[str, float]:
        """Where on its circle each draw of a passage's items begins."""
        start = join(self._recipe.seed, self._passage_ids[passage])
        return {name: draw(start, name) for name in _DRAWN}

    def _persona_at(self, passage: int, point: float) -> str:
        ids = self.personas_for(passage)
        return ids[int(point * len(ids))]

    def personas_for(self, passage: int) -> list[str]:
        """The personas that may ask about a passage: the nearest to it, or all."""
        near = [n for n in self._nearest[passage].tolist() if n >= 0] if self._nearest is not None else []
        return [self._persona_ids[n] for n in near] or self._persona_ids

    def _order_of_round(self, round_number: int) -> npt.NDArray[np.int64]:
        start = f"{self._recipe.seed}\x1f{round_number}\x1f"
        keys = [hash64(f"{start}{self._passage_ids[passage]}") for passage in self._drawn.tolist()]
        return self._drawn[np.argsort(np.asarray(keys, dtype=np.uint64), kind="stable")]


def models_of(recipe: Recipe, task: str) -> dict[str, float]:
    """Weights of the models that write for a task."""
    weights: dict[str, float] = {}
    for model in recipe.models:
        if not model.tasks or task in model.tasks:
            weights[model.name] = weights.get(model.name, 0.0) + model.weight
    return weights


def step_model(recipe: Recipe, step: str, item: Item) -> str:
    """Which model a step before or after an item's own is asked of.

    One that is kept for the step; else one that does not write the item, so that a plan is not
    written by who carries it out (Nemotron's cross-model pairs) and nobody judges their own text; else the item's.
    """
    kept = {model.name: model.weight for model in recipe.models if step in model.tasks}
    others = {model.name: model.weight for model in recipe.models if not model.tasks and model.name != item.model}
    return Choice(kept or others).draw(item.id, step) or item.model


@lru_cache(maxsize=4096)
def spread(number: int, base: int = 2) -> float:
    """The van der Corput sequence, in base 2: 0, 1/2, 1/4, 3/4, 1/8 …; every beginning of it is spread over [0, 1).

    What is drawn in one base is spread within each value of what is drawn in another that has no factor of it (Halton).
    """
    point, unit = 0, 1
    while number:
        number, digit = divmod(number, base)
        point, unit = point * base + digit, unit * base
    return point / unit


class _Languages:
    """In which language an item is asked for."""

    def __init__(self, weights: Mapping[str, float], cross_lingual: float, of_passages: Sequence[str]) -> None:
        self._any, self._cross_lingual = Choice(weights), cross_lingual
        self._of_passages = of_passages if len(weights) > 1 else ()
        self._own: dict[str, Choice | None] = {}
        for code in sorted(set(self._of_passages) - {""}):
            alike = {name: w for name, w in weights.items() if primary(name) == primary(code)}
            exact = {code: 1.0} if code in weights and code != primary(code) else alike
            self._own[code] = Choice(exact) if exact else None

    def of(self, passage: int, point: float, cross: float) -> str:
        """The passage's own, or a locale of it where none is told, unless the item draws another."""
        own = self._own.get(self._of_passages[passage]) if self._of_passages else None
        return (own if own and cross >= self._cross_lingual else self._any).at(point)


class Choice:
    """Names to be drawn by weight; without names what is drawn is ''."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._names = sorted(weights)
        self._weights = [weights[name] for name in self._names]
        self._total = sum(self._weights)

    def draw(self, *key: object) -> str:
        """One of the names; depends only on `key`, not on the order of the names."""
        return self.at(draw(*key))

    def at(self, point: float) -> str:
        """The name at a point of [0, 1), of which each has its weight's share."""
        if len(self._names) == 1:
            return self._names[0]
        point *= self._total
        for name, weight in zip(self._names, self._weights, strict=True):
            point -= weight
            if point < 0:
                return name
        return self._names[-1] if self._names else ""
