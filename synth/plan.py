"""The plan: one unbounded, deterministic sequence of items.

Position -> item is arithmetic, so nothing is stored and any shard can be planned alone.
The sequence goes over all passages, in an order that depends on nothing but the seed and
the passage ids; each passage gives `items_per_passage` adjacent items (they share a
prompt prefix). After the last passage the next round begins with other draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from schemas.recipe import Recipe
from synth.text import draw, hash64


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
    """Items by position, for one recipe and one corpus."""

    def __init__(self, recipe: Recipe, passage_ids: Sequence[str], persona_ids: Sequence[str]) -> None:
        self._recipe = recipe
        self._passage_ids = passage_ids
        self._persona_ids = sorted(persona_ids)
        self._models = {task: _models_of(recipe, task) for task in recipe.plan.tasks}
        self._order = lru_cache(maxsize=2)(self._order_of_round)

    @property
    def items_per_round(self) -> int:
        """Items in one full pass over the passages."""
        return len(self._passage_ids) * self._recipe.plan.items_per_passage

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
        key = (self._recipe.seed, self._passage_ids[passage], occurrence)
        task = choose(settings.tasks, *key, "task")
        return Item(
            position=position,
            id=f"{hash64(repr((*key, task))):016x}",
            passage=passage,
            occurrence=occurrence,
            task=task,
            persona=self._persona_ids[int(draw(*key, "persona") * len(self._persona_ids))],
            query_type=choose(settings.query_type, *key, "query_type"),
            difficulty=choose(settings.difficulty, *key, "difficulty"),
            length=choose(settings.length, *key, "length"),
            language=choose(settings.language, *key, "language"),
            seed=hash64(repr((*key, "seed"))) >> 1,
            model=choose(self._models[task], *key, "model") if self._models[task] else "",
        )

    def _order_of_round(self, round_number: int) -> npt.NDArray[np.int64]:
        keys = [hash64(f"{self._recipe.seed}\x1f{round_number}\x1f{passage}") for passage in self._passage_ids]
        return np.argsort(np.asarray(keys, dtype=np.uint64), kind="stable")


def _models_of(recipe: Recipe, task: str) -> dict[str, float]:
    """Weights of the models that write for a task."""
    weights: dict[str, float] = {}
    for model in recipe.models:
        if not model.tasks or task in model.tasks:
            weights[model.name] = weights.get(model.name, 0.0) + model.weight
    return weights


def choose(weights: Mapping[str, float], *key: object) -> str:
    """One of the names, drawn by weight; depends only on `key`, not on the order of the names."""
    names, values, total = _sorted_weights(tuple(weights.items()))
    point = draw(*key) * total
    for name, weight in zip(names, values, strict=True):
        point -= weight
        if point < 0:
            return name
    return names[-1]


@lru_cache(maxsize=256)
def _sorted_weights(items: tuple[tuple[str, float], ...]) -> tuple[tuple[str, ...], tuple[float, ...], float]:
    names = tuple(sorted(name for name, _ in items))
    weights = dict(items)
    return names, tuple(weights[name] for name in names), sum(weights.values())
