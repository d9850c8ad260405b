"""What an LLM is asked for personas: who looks for a text, and who is close to such a person.

These are requests, not items of a plan; they have the shape of a task's first step, so that the LLM generator
asks, mends, journals and archives them as it does any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.persona import Expertise, Style
from synth.plan import Item
from synth.tasks import Outputs, TaskInput, declared_inputs
from synth.text import draw

RELATIONS = (
    "adversary",
    "apprentice",
    "auditor",
    "beneficiary",
    "client",
    "colleague in another department",
    "competitor",
    "lawyer",
    "neighbour who is affected by this work",
    "regulator",
    "successor",
    "supervisor",
    "supplier",
)


class Described(Strict):
    """What a model answers."""

    text: Annotated[str, Field(min_length=40, max_length=600)]
    asks: Annotated[list[Annotated[str, Field(min_length=3, max_length=120)]], Field(min_length=2, max_length=5)]
    style: Style
    expertise: Expertise


class PersonaFromText:
    """Text -> a person who would look for it."""

    name: ClassVar[str] = "persona-from-text"
    prompt: ClassVar[str] = "persona-from-text"
    prompt_folder: ClassVar[Path | None] = None
    output: ClassVar[type[BaseModel]] = Described

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, _: Outputs) -> Mapping[str, Any]:
        return declared_inputs(cls.prompt, task_input)


class PersonaFromPersona:
    """A person -> somebody close to them, in a relation drawn for the request."""

    name: ClassVar[str] = "persona-from-persona"
    prompt: ClassVar[str] = "persona-from-persona"
    prompt_folder: ClassVar[Path | None] = None
    output: ClassVar[type[BaseModel]] = Described

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, _: Outputs) -> Mapping[str, Any]:
        asks, relation = "; ".join(task_input.persona.asks), relation_of(task_input.item)
        return declared_inputs(cls.prompt, task_input) | {"asks": asks, "relation": relation}


def relation_of(item: Item) -> str:
    """The relation that a request asks for: it depends on the request alone."""
    return RELATIONS[int(draw(item.id, "relation") * len(RELATIONS))]
