"""passage -> a search instruction, and a query that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import Draft, Outputs, PassageTask, TaskInput, as_text

__all__ = ["InstructedQuery"]


class Instructed(Strict):
    """What kind of text is wanted, and the query."""

    instruction: Annotated[str, Field(min_length=1, max_length=240)]
    query: Annotated[str, Field(min_length=1, max_length=400)]


class InstructedQuery(PassageTask):
    """A query under an instruction of its own, so that a model does not learn one sentence by heart.

    The instruction becomes the record's.
    """

    name: ClassVar[str] = "instructed-query"
    prompt: ClassVar[str] = "instructed-query"
    output: ClassVar[type[BaseModel]] = Instructed
    paper: ClassVar[str] = (
        "KaLM-Embedding (arXiv 2501.01028), instructions by persona; Gecko (arXiv 2403.20327), task and query together"
    )
    example: ClassVar[Mapping[str, BaseModel]] = {
        "instructed-query": Instructed(
            instruction="Given a borrower's name, retrieve the terms of its bank loans", query="Harbour Lines plc"
        )
    }

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        said: Instructed = outputs[cls.name]
        return Draft(as_text(said.query), task_input.passage.text, method, instruction=as_text(said.instruction))
