"""What a recipe asks of an LLM about every item, besides the item's own task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.base import Strict
from schemas.recipe import GateSettings, Recipe
from schemas.record import Judgement
from synth import registry
from synth.gates import build_record_gates
from synth.gates.judge import Judge
from synth.generators import Answer, Call
from synth.prompts import load_prompt
from synth.rows import clean_draft, pair_of
from synth.tasks import JUDGE, Outputs, Scoring, Step, TaskInput

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
    """The steps that follow from the recipe's gates: a judgement where there is the gate `judge`."""
    names = [gate.name for gate in recipe.gates]
    return (_judge(recipe, names.index(JUDGE)),) if JUDGE in names else ()


def step_prompts(gates: Sequence[GateSettings]) -> dict[str, str]:
    """Step -> sha256 of its prompt, of the steps that some gates need."""
    return {gate.name: load_prompt(_prompt_of(gate)).sha256 for gate in gates if gate.name == JUDGE}


def _prompt_of(gate: GateSettings) -> str:
    return "judge-yes-no" if Judge.Settings(**gate.settings).ask == "yes_no" else "judge"


def _judge(recipe: Recipe, place: int) -> Step:
    gates = build_record_gates(recipe.gates[:place])
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

    prompt = _prompt_of(recipe.gates[place])
    if prompt == JUDGE:
        return Step(JUDGE, prompt, Grades, inputs, in_language=False, when=when)
    scoring = Scoring(("yes", "no"), Likelihood)
    return Step(JUDGE, prompt, YesNo, inputs, in_language=False, when=when, scoring=scoring)
