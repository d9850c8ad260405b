"""What writes text: takes task inputs and an output schema, gives validated outputs or failures.

`generate` is one stream in, one stream out: it pulls calls as it has room for them and
yields outcomes in any order. The extractive generator answers at once; a client of vLLM
keeps thousands in flight. Neither raises for a bad answer: that is a Failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from schemas.recipe import Recipe
from synth import registry
from synth.lexicon import Lexicon
from synth.llm.settings import LlmSettings
from synth.progress import Reporter
from synth.tasks import Failure, Step, Task, TaskInput


@dataclass(frozen=True, slots=True)
class Call:
    """One item to make."""

    task: type[Task]
    input: TaskInput
    more: tuple[Step, ...] = ()
    """What the recipe asks besides the task's own steps, such as a judgement."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Outputs that are valid against their schemas, and how they were made."""

    outputs: Mapping[str, BaseModel | Failure]
    """By the name of the step; the task's own under its name. A Failure is that of a step that may fail."""
    method: str
    model: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call; `result` is None for one that was not asked because the budget is spent."""

    call: Call
    result: Answer | Failure | None


@dataclass(frozen=True)
class Equipment:
    """What a generator may use."""

    recipe: Recipe
    lexicon: Lexicon
    answers: Path
    """Folder of the store for answers that were paid for."""
    run_folder: Path
    llm: LlmSettings | None = None


class Generator(Protocol):
    """Made once a process for each run; several threads may call `generate` at once.

    `close()` is called at the end of a run where a generator has it; `live()` may say in a
    few words how it is doing.
    """

    name: str

    def generate(self, calls: Iterable[Call], reporter: Reporter, /) -> Iterator[Outcome]: ...


def build_generator(equipment: Equipment) -> Generator:
    """The generator that a recipe names."""
    found: Any = registry.find("generators", equipment.recipe.generator)
    generator: Generator = found(equipment)
    return generator
