"""Tasks: the ways of making records.

A task is a prompt, an output schema, a record mapping and, where honest, a rule for the
extractive generator. To add one, write a prompt file and a module here (or in your
package, with an entry point `synth.tasks`) that lists its class in `__all__`:

    class Riddle(PassageTask):
        name = prompt = "riddle"
        example = {"riddle": Query(query="What shrinks when it is paid?")}
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.document import Passage
from schemas.persona import Persona
from synth.language import named
from synth.lexicon import Lexicon
from synth.plan import Item
from synth.prompts import load_prompt


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item made no record: a short code, and what a person would want to know."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TaskInput:
    """Everything a task may use for one item."""

    item: Item
    passage: Passage
    persona: Persona
    """Who asks; of an empty text where no persona shows in the prompt, which then says nothing of one."""
    domain: str
    instruction: str
    """What the record's instruction will be, where its task has none of its own."""
    others: tuple[Passage, ...] = ()
    """Further passages of the same document, for a task that reads several."""
    other_ordinals: tuple[int, ...] = ()
    candidates: tuple[Persona, ...] = ()
    """Personas to choose among, for a task that lets the LLM choose."""
    languages: tuple[str, ...] = ()
    """All that the plan draws from."""
    pinned: str = ""
    """The instruction that a list has for the item, for a task whose records have one of their own."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How to put a step's question to a server that can say how likely the answer is the first of two words.

    The step's prompt has the input `scored`: true where the answer is to be one of the words and nothing else.
    """

    labels: tuple[str, str]
    output: type[BaseModel]
    """Of the field `probability`; takes the place of the step's own output."""


Outputs = Mapping[str, Any]
"""What was answered so far for an item, by the name of the step; the task's own under its own name."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a task makes of its outputs: the texts of a record, before provenance."""

    query: str
    positive: str
    method: str
    instruction: str = ""
    """Where the record has one of its own; else it takes the recipe's."""
    more_positives: tuple[Passage, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    """What the LLM chose instead of the plan: `persona`, `query_type`, `difficulty`."""
    negatives: tuple[str, ...] = ()
    """Hard negatives of a text pair; only a draft whose method ends with `schemas.record.TEXT_PAIR` may have any."""


@dataclass(frozen=True, slots=True)
class Step:
    """One question to an LLM about an item.

    Its model is the one that `--llm …,task=NAME` gives to the step's name, else the item's.
    """

    name: str
    prompt: str
    output: type[BaseModel]
    inputs: Callable[[TaskInput, Outputs], Mapping[str, Any]]
    prompt_folder: Path | None = None
    in_language: bool = True
    """Whether its texts must be in the item's language, or in that of `language`."""
    language: Callable[[TaskInput], str] | None = None
    """What they must be in where that is not the item's."""
    when: Callable[[TaskInput, Outputs], bool] | None = None
    """Whether to ask at all, after the outputs so far; None for always."""
    required: bool = True
    """Whether the item fails with it; else its Failure stands in its place among the outputs."""
    scoring: Scoring | None = None
    tokens: int = 0
    """Of its answer, where that needs more than the recipe's `sampling.max_tokens`."""


def not_pinned(task_input: TaskInput, _: Outputs) -> bool:
    """When to have an instruction invented."""
    return not task_input.pinned


def instruction_of(task_input: TaskInput, outputs: Outputs, step: str) -> str:
    """The instruction that a list has for the item, else what was invented in a step."""
    said: Any = outputs.get(step)
    return task_input.pinned or " ".join(said.instruction.split())


JUDGE = "judge"
"""Name of the step that judges a record, and of the gate that reads the judgement."""


class Task(Protocol):
    """One way of making records.

    It may have more than is listed below:

    - `earlier`, `later`: steps that are asked before and after the task's own
    - `extract`: its rule for the extractive generator, where there is an honest one
    - `refuse(task_input)`: why nothing can be made of an item, before anything is asked
    - `passages`: how many of a document it reads at most, where that is more than one
    - `candidates`: how many personas the LLM may choose among
    - `most_words`: of its queries, where that is more than the length gate allows
    - `languages`: how many a plan must have at least, where that is more than one
    - `answer_language(task_input)`: what its answer must be in, where that is not the item's language
    - `text_pairs`: whether its records are text pairs (`synth.text_pairs`), which another judge reads
    - `most_share`: of a plan that it may have, 0 to 1
    - `exempt`: gates that do not suit its queries
    - `tokens`: of its answer, where that needs more than the recipe's `sampling.max_tokens`
    - `negatives_by_rule`: whether its drafts have negatives that no LLM wrote
    - `instructing`: the step in which its instruction is invented, where no list has one
    """

    name: ClassVar[str]
    prompt: ClassVar[str]
    prompt_folder: ClassVar[Path | None]
    """Where the prompt file lies; None for the shipped prompts."""
    output: ClassVar[type[BaseModel]]
    """What a generator must answer; its JSON Schema constrains an LLM."""
    paper: ClassVar[str]
    """Where the method comes from; `docs/tasks.md` prints it."""
    example: ClassVar[Mapping[str, BaseModel]]
    """Outputs by step about the example passage of `docs/tasks.md`."""

    @staticmethod
    def prompt_inputs(task_input: TaskInput, outputs: Outputs) -> Mapping[str, Any]: ...

    @staticmethod
    def draft(task_input: TaskInput, outputs: Outputs, method: str) -> Draft: ...


@dataclass(frozen=True, slots=True)
class Extracted:
    """An output made without an LLM, and how."""

    output: BaseModel
    method: str


Extract = Callable[[TaskInput, Lexicon, random.Random], Extracted | Failure]


def extractive_rule(task: Any) -> Extract | None:
    """The task's rule for the extractive generator; None where only an LLM can do it."""
    rule: Extract | None = getattr(task, "extract", None)
    return rule


@cache
def steps_of(task: Any) -> tuple[Step, ...]:
    """All that a task asks of an LLM, in order."""
    own = Step(
        task.name,
        task.prompt,
        task.output,
        task.prompt_inputs,
        task.prompt_folder,
        language=getattr(task, "answer_language", None),
        tokens=getattr(task, "tokens", 0),
    )
    return (*getattr(task, "earlier", ()), own, *getattr(task, "later", ()))


def language_of(step: Step, task_input: TaskInput) -> str:
    """What a step's texts must be in; '' for any language."""
    if not step.in_language:
        return ""
    return step.language(task_input) if step.language else task_input.item.language


class Query(Strict):
    """A query alone, which is what most tasks want answered."""

    query: Annotated[str, Field(min_length=1, max_length=400)]


class PassageTask:
    """What tasks have in common that write a query about one passage.

    A prompt takes what it declares of `common_inputs`. The query is the output's field
    `query`; its other fields become attributes of the record.
    """

    name: ClassVar[str]
    prompt: ClassVar[str]
    prompt_folder: ClassVar[Path | None] = None
    output: ClassVar[type[BaseModel]] = Query
    instruction: ClassVar[str] = ""
    """Of its records, where the domain's does not fit them."""
    paper: ClassVar[str] = ""
    example: ClassVar[Mapping[str, BaseModel]] = {}

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:  # noqa: ARG003
        return declared_inputs(cls.prompt, task_input, cls.prompt_folder)

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        fields = dict(outputs[cls.name])
        query = " ".join(str(fields.pop("query")).split())
        attributes = {name: as_text(value) for name, value in fields.items()}
        return Draft(query, task_input.passage.text, method, instruction=cls.instruction, attributes=attributes)


def declared_inputs(prompt: str, task_input: TaskInput, prompt_folder: Path | None = None) -> dict[str, Any]:
    """What a prompt declares of `common_inputs`."""
    declared = load_prompt(prompt, prompt_folder).inputs
    return {name: value for name, value in common_inputs(task_input).items() if name in declared}


def common_inputs(task_input: TaskInput) -> dict[str, Any]:
    """What any prompt about a passage may show."""
    item, passage = task_input.item, task_input.passage
    return {
        "domain": task_input.domain,
        "instruction": task_input.instruction,
        "title": passage.title,
        "heading": passage.heading,
        "passage": passage.text,
        "persona": task_input.persona.text,
        "query_type": item.query_type,
        "difficulty": item.difficulty,
        "length": item.length,
        "language": named(item.language),
    }


def as_text(value: Any) -> str:
    """A field of an output as one attribute; the lines of a list are numbered."""
    if isinstance(value, list):
        return "\n".join(f"{number}. {each}" for number, each in enumerate(value, 1))
    return str(value).strip()
