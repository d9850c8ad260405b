"""What an LLM is asked where there are no documents: a document about a topic, a task instruction, topics themselves.

These are requests, not items of a plan (`synth.asked`). The topic stands in the place of the passage: its branch as
the title, its section as the heading, its leaf as the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.document import Passage
from schemas.persona import Persona
from schemas.topics import Topic
from synth.language import named
from synth.plan import Item
from synth.prompts import load_prompt
from synth.tasks import Outputs, TaskInput
from synth.text import hash64, join


class Invented(Strict):
    """A document as a model writes it."""

    title: Annotated[str, Field(min_length=1, max_length=160)]
    text: Annotated[str, Field(min_length=20, max_length=12_000)]


class Instructed(Strict):
    """A task instruction as a model writes it."""

    instruction: Annotated[str, Field(min_length=10, max_length=240)]


class Listed(Strict):
    """Names of what lies under a topic, as a model lists them."""

    names: Annotated[list[Annotated[str, Field(min_length=2, max_length=80)]], Field(min_length=1, max_length=16)]


class _Request:
    """The shape that the LLM generator wants of a task; a prompt takes what it declares."""

    name: ClassVar[str]
    prompt: ClassVar[str]
    prompt_folder: ClassVar[Path | None] = None
    output: ClassVar[type[BaseModel]]

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, _: Outputs) -> Mapping[str, Any]:
        item, passage = task_input.item, task_input.passage
        known = {
            "domain": task_input.domain,
            "about": task_input.instruction,
            "branch": passage.title,
            "section": passage.heading,
            "topic": passage.text,
            "persona": task_input.persona.text,
            "genre": item.query_type,
            "task": item.query_type,
            "count": item.length,
            "words": item.length,
            "language": named(item.language),
        }
        return {name: known[name] for name in load_prompt(cls.prompt).inputs}


class DocumentFromTopic(_Request):
    """A topic -> a document of a drawn genre, length and language, for or by a drawn person."""

    name: ClassVar[str] = "document-from-topic"
    prompt: ClassVar[str] = "document-from-topic"
    output: ClassVar[type[BaseModel]] = Invented


class InstructionFromTopic(_Request):
    """A topic -> the instruction of a task that somebody who works on it would need."""

    name: ClassVar[str] = "instruction-from-topic"
    prompt: ClassVar[str] = "instruction-from-topic"
    output: ClassVar[type[BaseModel]] = Instructed


class TopicsUnder(_Request):
    """A topic, or the whole domain -> the names of what lies under it."""

    name: ClassVar[str] = "topics-under"
    prompt: ClassVar[str] = "topics-under"
    output: ClassVar[type[BaseModel]] = Listed


Request = type[DocumentFromTopic | InstructionFromTopic | TopicsUnder]


def request_input(
    request: Request,
    topic: Topic,
    position: int,
    *,
    seed: int,
    domain: tuple[str, str],
    person: Persona,
    drawn: Mapping[str, str],
) -> TaskInput:
    """A request about a topic; `domain` is its name and description, `drawn` has `kind`, `size`, `language`, `model`."""
    key = hash64(join(seed, request.name, position, topic.path, *sorted(drawn.values())))
    item = Item(
        position=position,
        id=f"{key:016x}",
        passage=0,
        occurrence=position,
        task=request.name,
        persona=person.id,
        query_type=drawn.get("kind", ""),
        difficulty="",
        length=drawn.get("size", ""),
        language=drawn["language"],
        seed=key >> 1,
        model=drawn["model"],
    )
    leaf = topic.leaf or topic.section or topic.branch or domain[0]
    passage = Passage(
        id=f"topic-{key:016x}",
        document_id="topics",
        title=topic.branch,
        heading=topic.section,
        text=leaf,
        start=0,
        end=len(leaf),
        split="train",
    )
    return TaskInput(item, passage, person, domain[0], domain[1])
