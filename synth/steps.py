"""What a recipe asks of an LLM about every item, besides the item's own task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.base import Strict
from schemas.recipe import GateSettings, Recipe, WritingSettings
from schemas.record import Judgement, Pair
from synth import registry
from synth.gates import apply_gates, build_record_gates
from synth.gates.judge import Judge
from synth.generators import Answer, Call
from synth.language import named
from synth.prompts import load_prompt
from synth.rows import clean_draft, pair_of
from synth.tasks import JUDGE, Outputs, Scoring, Step, TaskInput
from synth.written import Read, writing_prompts, writing_steps

_Grade = Annotated[int, Field(ge=1, le=5)]


class Grades(Strict):
    """What the judge answers to the rubric; the reason comes first, so that the grades follow from it."""

    why: Annotated[str, Field(min_length=1, max_length=240)]
    relevance: _Grade
    answerability: _Grade
    clarity: _Grade
    faithfulness: _Grade

    def judgement(self, model: str) -> Judgement:
        return Judgement(method="rubric", model=model, **vars(self))


class YesNo(Strict):
    """What the judge answers where it is asked in words whether the text alone answers the query."""

    answer: Literal["yes", "no"]

    def judgement(self, model: str) -> Judgement:
        return Judgement(method="asked", model=model, probability=float(self.answer == "yes"))


class Likelihood(Strict):
    """What a server says that scores "yes" against "no"."""

    probability: Annotated[float, Field(ge=0, le=1)]

    def judgement(self, model: str) -> Judgement:
        return Judgement(method="scored", model=model, probability=round(self.probability, 4))


def recipe_steps(recipe: Recipe) -> tuple[Step, ...]:
    """What follows from a recipe: a judgement where there is the gate `judge`, and negatives to be written."""
    place = next((n for n, gate in enumerate(recipe.gates) if gate.name == JUDGE), None)
    writing = writing_steps(recipe, _reader(recipe, recipe.gates))
    if place is None:
        return writing
    return (_judge(_reader(recipe, recipe.gates[:place]), recipe.gates[place]), *writing)


def step_prompts(gates: Sequence[GateSettings], writing: WritingSettings) -> dict[str, str]:
    """Step -> sha256 of its prompt, of the steps that a recipe adds."""
    judge = {gate.name: load_prompt(_prompt_of(gate)).sha256 for gate in gates if gate.name == JUDGE}
    return {**judge, **writing_prompts(writing)}


def _prompt_of(gate: GateSettings) -> str:
    return "judge-yes-no" if Judge.Settings(**gate.settings).ask == "yes_no" else "judge"


def _reader(recipe: Recipe, chosen: Sequence[GateSettings]) -> Read:
    """Reads outputs as the record that gates see; None where one of the `chosen` gates drops it."""
    gates, cleaners = build_record_gates(chosen), build_record_gates(recipe.gates)
    last: tuple[tuple[Any, ...], Pair | None] = ((), None)

    def read(task_input: TaskInput, outputs: Outputs) -> Pair | None:
        """Asked whether and then what to ask about the same item, so the last one is kept."""
        nonlocal last
        key = (task_input.item.id, task_input.item.model, *outputs)
        if key != last[0]:
            last = (key, read_anew(task_input, outputs))
        return last[1]

    def read_anew(task_input: TaskInput, outputs: Outputs) -> Pair | None:
        answer = Answer(outputs, "llm", task_input.item.model)
        task = registry.find("tasks", task_input.item.task)
        draft = clean_draft(Call(task, task_input), answer, cleaners)
        if not draft.query or not draft.positive:
            return None
        record = pair_of(task_input, recipe, answer, draft)
        return record if all(verdict.keep for verdict in apply_gates(gates, record)) else None

    return read


def _judge(read: Read, gate: GateSettings) -> Step:
    def inputs(task_input: TaskInput, outputs: Outputs) -> Mapping[str, Any]:
        record = read(task_input, outputs)
        assert record is not None
        return {
            "title": task_input.passage.title,
            "passages": record.positives,
            "query": record.query,
            "instruction": record.instruction,
            "language": named(record.language),
        }

    def when(task_input: TaskInput, outputs: Outputs) -> bool:
        return read(task_input, outputs) is not None

    prompt = _prompt_of(gate)
    if prompt == JUDGE:
        return Step(JUDGE, prompt, Grades, inputs, in_language=False, when=when)
    scoring = Scoring(("yes", "no"), Likelihood)
    return Step(JUDGE, prompt, YesNo, inputs, in_language=False, when=when, scoring=scoring)
