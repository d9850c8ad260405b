"""A few items of a plan, made for somebody to look at before a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from schemas.recipe import Recipe
from synth import registry
from synth.errors import InputError
from synth.gates import build_record_gates
from synth.generators import Answer, Call, Equipment, build_generator
from synth.generators.llm import asked_after, first_messages
from synth.plan import models_of
from synth.progress import Reporter
from synth.prompts import Message
from synth.recipe import EXTRACTIVE
from synth.rows import ItemRow, judge_outcome
from synth.tasks import Step


@dataclass(frozen=True)
class Look:
    """One item: what is asked, and what each model makes of it."""

    call: Call
    messages: Sequence[Message]
    later: list[tuple[Step, Sequence[Message]]] = field(default_factory=list)
    """Steps that the first model was asked after that, with what each asked."""
    rows: dict[str, ItemRow] = field(default_factory=dict)
    """By model, or `extractive` where no model is asked."""


def only_task(recipe: Recipe, task: str) -> Recipe:
    """The recipe if its plan draws `task`, else one that draws nothing else; InputError where there is no such task."""
    registry.find("tasks", task)
    if task in recipe.plan.tasks:
        return recipe
    return recipe.model_copy(update={"plan": recipe.plan.model_copy(update={"tasks": {task: 1.0}})})


def choose_calls(calls: Iterable[Call], task: str, count: int) -> list[Call]:
    """The first `count` calls of a task, each about another passage; InputError where there is none."""
    found = list(islice(_one_a_passage(calls, task), count))
    if not found:
        raise InputError(f"the plan has no item of the task {task!r}; give it more weight in the recipe (plan: tasks)")
    return found


def _one_a_passage(calls: Iterable[Call], task: str) -> Iterator[Call]:
    seen: set[int] = set()
    for call in calls:
        item = call.input.item
        if item.task == task and item.passage not in seen:
            seen.add(item.passage)
            yield call


def preview(calls: Sequence[Call], equipment: Equipment, reporter: Reporter) -> list[Look]:
    """Make each call with every model that the recipe has for its task, and judge it by the record gates.

    What models answer is kept in the store, for a run that asks the same.
    """
    recipe = equipment.recipe
    looks = {call.input.item.position: Look(call, first_messages(call)) for call in calls}
    asked = [variant for call in calls for variant in _variants(call, recipe)]
    gates = build_record_gates(recipe.gates)
    generator = build_generator(equipment)
    try:
        for outcome in generator.generate(asked, reporter):
            item = outcome.call.input.item
            look = looks[item.position]
            if isinstance(outcome.result, Answer) and not look.later:
                look.later.extend(asked_after(outcome.call, outcome.result.outputs))
            look.rows[item.model or EXTRACTIVE] = judge_outcome(outcome, recipe, gates)
            reporter.advance()
    finally:
        close = getattr(generator, "close", None)
        if close is not None:
            close()
    return list(looks.values())


def _variants(call: Call, recipe: Recipe) -> list[Call]:
    names = sorted(models_of(recipe, call.input.item.task)) or [""]
    items = [replace(call.input.item, model=name) for name in names]
    return [replace(call, input=replace(call.input, item=item)) for item in items]
