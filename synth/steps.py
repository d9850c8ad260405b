"""What a recipe asks of an LLM about every item, besides the item's own task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from schemas.base import Strict
from schemas.recipe import GateSettings, Recipe
from schemas.record import Grade
from synth import registry
from synth.gates import build_record_gates
from synth.generators import Answer, Call
from synth.prompts import load_prompt
from synth.rows import clean_draft, pair_of
from synth.tasks import JUDGE, Outputs, Step, TaskInput


class Grades(Strict):
    """What the judge answers; the reason comes first, so that the grades follow from it."""

    why: Annotated[str, Field(min_length=1, max_length=240)]
    relevance: Grade
    answerability: Grade
    clarity: Grade
    faithfulness: Grade


def recipe_steps(recipe: Recipe) -> tuple[Step, ...]:
    """The steps that follow from the recipe's gates: a judgement where there is the gate `judge`."""
    names = [gate.name for gate in recipe.gates]
    return (_judge(recipe, recipe.gates[: names.index(JUDGE)]),) if JUDGE in names else ()


def step_prompts(gates: Sequence[GateSettings]) -> dict[str, str]:
    """Step -> sha256 of its prompt, of the steps that some gates need."""
    return {JUDGE: load_prompt(JUDGE).sha256} if any(gate.name == JUDGE for gate in gates) else {}


def _judge(recipe: Recipe, cheaper: Sequence[GateSettings]) -> Step:
    gates = build_record_gates(cheaper)
    cleaners = build_record_gates(recipe.gates)

    def pair(task_input: TaskInput, outputs: Outputs) -> Any:
        answer = Answer(outputs, "llm", task_input.item.model)
        task = registry.find("tasks", task_input.item.task)
        draft = clean_draft(Call(task, task_input), answer, cleaners)
        return pair_of(task_input, recipe, answer, draft) if draft.query and draft.positive else None

    def when(task_input: TaskInput, outputs: Outputs) -> bool:
        record = pair(task_input, outputs)
        return record is not None and all(gate.judge(record).keep for gate in gates)

    def inputs(task_input: TaskInput, outputs: Outputs) -> Mapping[str, Any]:
        record = pair(task_input, outputs)
        passages = [record.positive, *record.more_positives]
        return {
            "title": task_input.passage.title,
            "passages": [passage.text for passage in passages],
            "query": record.query,
            "instruction": record.instruction,
            "language": record.language,
        }

    return Step(JUDGE, JUDGE, Grades, inputs, in_language=False, when=when)
