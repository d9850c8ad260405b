"""What writes text: takes task inputs and an output schema, gives validated outputs or failures.

`generate` is one stream in, one stream out: it pulls calls as it has room for them and
yields outcomes in any order. The extractive generator answers at once; a client of vLLM
keeps thousands in flight. Neither raises for a bad answer: that is a Failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from synth import registry
from synth.lexicon import Lexicon
from synth.tasks import Failure, Task, TaskInput


@dataclass(frozen=True, slots=True)
class Call:
    """One item to make."""

    task: type[Task]
    input: TaskInput


@dataclass(frozen=True, slots=True)
class Answer:
    """An output that is valid against the task's schema, and how it was made."""

    output: BaseModel
    method: str
    model: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call."""

    call: Call
    result: Answer | Failure


class Generator(Protocol):
    """Made anew for each shard, with the term statistics of the corpus."""

    name: str

    def generate(self, calls: Iterable[Call]) -> Iterator[Outcome]: ...


def build_generator(name: str, lexicon: Lexicon) -> Generator:
    """The generator that a recipe names."""
    found: Any = registry.find("generators", name)
    generator: Generator = found(lexicon)
    return generator
