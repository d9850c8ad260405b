"""A topic tree that an LLM draws up from a domain's name and description: `synth topics tree`.

One request for the branches, one a branch for its sections, one a section for its leaves. A name that stands in the
tree already is dropped, and so is a place of which nothing lies below; both are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

import yaml
from pydantic import Field

from schemas.base import Strict
from schemas.recipe import Recipe
from schemas.topics import Topic, Topics
from synth.asked import AskedCount, Tally, ask, asking
from synth.errors import InputError
from synth.files import write_bytes
from synth.generators import Answer, Call, Generator
from synth.ingest import main_language
from synth.llm.settings import LlmSettings
from synth.personas.scope import NOBODY
from synth.plan import Choice
from synth.progress import Reporter
from synth.store import Store
from synth.tasks import Task
from synth.topics.requests import TopicsUnder, request_input

_LEVEL = 10**6
"""Requests of level n have positions from n * _LEVEL on."""


class Shape(Strict):
    """How many names are asked for on each level."""

    branches: Annotated[int, Field(ge=2, le=16)] = 10
    sections: Annotated[int, Field(ge=1, le=16)] = 6
    leaves: Annotated[int, Field(ge=1, le=16)] = 5


@dataclass(frozen=True)
class Tree:
    """The topics, and the count of requests: those that brought nothing new are duplicates."""

    topics: Topics
    count: AskedCount


def derive_tree(
    recipe: Recipe, domain: tuple[str, str], shape: Shape, store: Store, settings: LlmSettings, reporter: Reporter
) -> Tree:
    """Ask level by level; `domain` is its name and description. Raises InputError where no leaf came of it."""
    with asking(recipe, store, settings) as generator:
        work = _Work(recipe, domain, generator, reporter)
        found: dict[str, dict[str, list[str]]] = {}
        for branch in work.under([Topic("", "", "")], shape.branches, 0)[0]:
            found[branch] = {}
        branches = [Topic(branch, "", "") for branch in found]
        for topic, names in zip(branches, work.under(branches, shape.sections, 1), strict=True):
            found[topic.branch] = {name: [] for name in names}
        sections = [Topic(branch, name, "") for branch, names in found.items() for name in names]
        for topic, names in zip(sections, work.under(sections, shape.leaves, 2), strict=True):
            found[topic.branch][topic.section] = names
    whole = {branch: {name: leaves for name, leaves in under.items() if leaves} for branch, under in found.items()}
    whole = {branch: under for branch, under in whole.items() if under}
    count = work.tally.count(work.fruitful)
    if not whole:
        raise InputError(f"no topic came of it ({count.describe()}); try another model")
    return Tree(Topics(topics=whole), count)


@dataclass
class _Work:
    recipe: Recipe
    domain: tuple[str, str]
    generator: Generator
    reporter: Reporter
    tally: Tally = field(default_factory=Tally)
    fruitful: int = 0
    _known: set[str] = field(default_factory=set)

    def under(self, places: Sequence[Topic], count: int, level: int) -> list[list[str]]:
        """The new names under each place."""
        self.reporter.stage(("name branches", "name sections", "name topics")[level], len(places))
        calls = [self._call(place, level * _LEVEL + number, count) for number, place in enumerate(places)]
        outcomes = ask(self.generator, calls, self.reporter) if calls else []
        self.tally.asked += len(calls)
        found: list[list[str]] = []
        for outcome in outcomes:
            if not isinstance(outcome.result, Answer):
                self.tally.failed[outcome.result.reason if outcome.result else "unasked"] += 1
                found.append([])
                continue
            said: Any = outcome.result.outputs[TopicsUnder.name]
            found.append(self._new(said.names[:count]))
            if found[-1]:
                self.fruitful += 1
            else:
                self.tally.duplicate["name"] += 1
        return found

    def _new(self, names: Sequence[str]) -> list[str]:
        fresh = []
        for name in (" ".join(name.split()) for name in names):
            if name and name.casefold() not in self._known:
                self._known.add(name.casefold())
                fresh.append(name)
        return fresh

    def _call(self, place: Topic, position: int, count: int) -> Call:
        models = Choice({model.name: model.weight for model in self.recipe.models})
        drawn = {"size": str(count), "language": main_language(self.recipe)}
        drawn["model"] = models.draw(self.recipe.seed, place.path)
        seed = self.recipe.seed
        given = request_input(TopicsUnder, place, position, seed=seed, domain=self.domain, person=NOBODY, drawn=drawn)
        return Call(cast("type[Task]", TopicsUnder), given)


def save_tree(file: Path, tree: Tree) -> None:
    """YAML, atomically."""
    text = yaml.safe_dump(tree.topics.model_dump(), allow_unicode=True, sort_keys=False, width=110)
    write_bytes(file, text.encode())
