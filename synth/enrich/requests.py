"""What an LLM is asked for a noisy text; a request, no item of a plan (`synth.asked`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.document import Document, Passage
from synth.personas.scope import NOBODY
from synth.plan import Item
from synth.tasks import Outputs, TaskInput
from synth.text import hash64, join

LONGEST = 4_000
"""Characters of a document that is rewritten; what is longer is no short noisy text."""


class Rewritten(Strict):
    """The text as a model writes it."""

    text: Annotated[str, Field(min_length=1, max_length=4 * LONGEST)]


class EnrichedText:
    """A noisy text -> the same, spelt out and corrected."""

    name: ClassVar[str] = "enriched-text"
    prompt: ClassVar[str] = "enriched-text"
    prompt_folder: ClassVar[Path | None] = None
    output: ClassVar[type[BaseModel]] = Rewritten

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, _: Outputs) -> Mapping[str, Any]:
        passage = task_input.passage
        return {
            "domain": task_input.domain,
            "about": task_input.instruction,
            "title": passage.title,
            "passage": passage.text,
            "language": task_input.item.language,
        }


def enrich_input(
    document: Document, position: int, *, seed: int, model: str, language: str, domain: tuple[str, str]
) -> TaskInput:
    """The request for a document; `domain` is its name and description, `language` where the document states none."""
    key = hash64(join(seed, EnrichedText.name, document.id, document.text))
    text = document.text
    item = Item(
        position=position,
        id=f"{key:016x}",
        passage=0,
        occurrence=0,
        task=EnrichedText.name,
        persona="",
        query_type="",
        difficulty="",
        length="",
        language=document.language or language,
        seed=key >> 1,
        model=model,
    )
    passage = Passage(
        id=document.id, document_id=document.id, title=document.title, text=text, start=0, end=len(text), split="train"
    )
    return TaskInput(item, passage, NOBODY, domain[0], domain[1])
