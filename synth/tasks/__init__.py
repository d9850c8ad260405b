"""Tasks: the ways of making records.

A task is a prompt, an output schema, a record mapping and, where honest, a rule for the
extractive generator. To add one, write a prompt file and a module here (or in your
package, with an entry point `synth.tasks`) that lists its class in `__all__`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from schemas.document import Passage
from schemas.persona import Persona
from synth.lexicon import Lexicon
from synth.plan import Item


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
    """What the record's instruction will be."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a task makes of an output: the texts of a record, before provenance."""

    query: str
    positive: str
    method: str


@dataclass(frozen=True, slots=True)
class Step:
    """One more question to an LLM about an item, after the outputs before it, such as a judgement.

    Its model is the one that `--llm …,task=NAME` gives to the step's name, else the item's.
    """

    name: str
    prompt: str
    output: type[BaseModel]
    inputs: Callable[[TaskInput, Mapping[str, BaseModel]], Mapping[str, Any]]
    """From the outputs so far: the task's own under its name, earlier steps under theirs."""
    prompt_folder: Path | None = None


class Task(Protocol):
    """One way of making records. It may have `later: ClassVar[tuple[Step, ...]]`."""

    name: ClassVar[str]
    prompt: ClassVar[str]
    prompt_folder: ClassVar[Path | None]
    """Where the prompt file lies; None for the shipped prompts."""
    output: ClassVar[type[BaseModel]]
    """What a generator must answer; its JSON Schema constrains an LLM."""

    @staticmethod
    def prompt_inputs(task_input: TaskInput) -> Mapping[str, Any]: ...

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure: ...

    @staticmethod
    def draft(task_input: TaskInput, output: Any, method: str) -> Draft: ...


@dataclass(frozen=True, slots=True)
class Extracted:
    """An output made without an LLM, and how."""

    output: BaseModel
    method: str
