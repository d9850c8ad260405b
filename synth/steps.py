"""What a recipe asks of an LLM about every item, besides the item's own task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

JUDGE_PAIR = "judge-pair"
"""Prompt of the step `judge` for a text pair."""
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


class PairGrades(Strict):
    """What the judge answers about a text pair; the reason comes first, so that the grades follow from it."""

    why: Annotated[str, Field(min_length=1, max_length=240)]
    positive: _Grade
    negatives: _Grade
    natural: _Grade

    def judgement(self, model: str) -> Judgement:
        grades = {"relevance": self.positive, "answerability": self.negatives, "clarity": self.natural}
        return Judgement(method="rubric", model=model, why=self.why, **grades)


class YesNo(Strict):
    """What the judge answers where it is asked in words: whether the text alone answers the query, or the pair is right."""

    answer: Literal["yes", "no"]

    def judgement(self, model: str) -> Judgement:
        return Judgement(method="asked", model=model, probability=float(self.answer == "yes"))


class Likelihood(Strict):
    """What a server says that scores "yes" against "no"."""

    probability: Annotated[float, Field(ge=0, le=1)]

    def judgement(self, model: str) -> Judgement:
        return Judgement(method="scored", model=model, probability=round(self.probability, 4))


def recipe_steps(recipe: Recipe, *, text_pairs: bool = False) -> tuple[Step, ...]:
    """What follows from a recipe: a judgement where there is the gate `judge`, and negatives to be written.

    A text pair is judged by other grades, and has its negatives already.
    """
    place = next((n for n, gate in enumerate(recipe.gates) if gate.name == JUDGE), None)
    writing = () if text_pairs else writing_steps(recipe, _reader(recipe, recipe.gates))
    if place is None:
        return writing
    return (_judge(_reader(recipe, recipe.gates[:place]), recipe.gates[place], text_pairs), *writing)


def makes_text_pairs(task: Any) -> bool:
    """Whether a task's records are text pairs."""
    return bool(getattr(task, "text_pairs", False))


def step_prompts(gates: Sequence[GateSettings], writing: WritingSettings, tasks: Iterable[str]) -> dict[str, str]:
    """Step -> sha256 of its prompt, of the steps that a recipe adds to the tasks; the judge of text pairs is `judge-pair`."""
    kinds = {makes_text_pairs(registry.find("tasks", name)) for name in tasks}
    names = {True: JUDGE_PAIR, False: JUDGE}
    judge = {
        names[kind]: load_prompt(_prompt_of(gate, kind)).sha256
        for gate in gates
        for kind in sorted(kinds)
        if gate.name == JUDGE
    }
    return {**judge, **(writing_prompts(writing) if False in kinds else {})}


def added_steps(gates: Sequence[GateSettings], writing: WritingSettings) -> set[str]:
    """Names of the steps that a recipe adds, for which a model can be kept."""
    judge = {JUDGE} & {gate.name for gate in gates}
    return judge | writing_prompts(writing).keys()


def _prompt_of(gate: GateSettings, text_pairs: bool) -> str:
    asked = JUDGE_PAIR if text_pairs else JUDGE
    return f"{asked}-yes-no" if Judge.Settings(**gate.settings).ask == "yes_no" else asked


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


def _judge(read: Read, gate: GateSettings, text_pairs: bool) -> Step:
    def inputs(task_input: TaskInput, outputs: Outputs) -> Mapping[str, Any]:
        record = read(task_input, outputs)
        assert record is not None
        asked = _pair_inputs(record) if text_pairs else {"passages": record.positives, "query": record.query}
        return {
            "title": task_input.passage.title,
            "instruction": record.instruction,
            "language": named(record.language),
            **asked,
        }

    def when(task_input: TaskInput, outputs: Outputs) -> bool:
        return read(task_input, outputs) is not None

    prompt = _prompt_of(gate, text_pairs)
    if Judge.Settings(**gate.settings).ask == "rubric":
        output = PairGrades if text_pairs else Grades
        return Step(JUDGE, prompt, output, inputs, in_language=False, when=when)
    scoring = Scoring(("yes", "no"), Likelihood)
    return Step(JUDGE, prompt, YesNo, inputs, in_language=False, when=when, scoring=scoring)


def _pair_inputs(record: Pair) -> dict[str, Any]:
    return {"text": record.query, "positive": record.positive.text, "negatives": record.written}
