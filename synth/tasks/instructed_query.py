"""passage -> a search instruction -> a query that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import Draft, Outputs, PassageTask, Query, Step, TaskInput, declared_inputs, instruction_of, not_pinned

__all__ = ["InstructedQuery"]

INSTRUCTION = "instruction"


class Instruction(Strict):
    """What is given and what is to be found, for a class of searches."""

    instruction: Annotated[str, Field(min_length=1, max_length=240)]


def _instruction_inputs(task_input: TaskInput, _: Outputs) -> dict[str, Any]:
    return declared_inputs(INSTRUCTION, task_input)


class InstructedQuery(PassageTask):
    """A query under an instruction of its own, so that a model does not learn one sentence by heart.

    The instruction is written first, for a person, by another model where there are several; the
    query then without the person, so that two of them can't conflict. It becomes the record's instruction.
    """

    name: ClassVar[str] = "instructed-query"
    prompt: ClassVar[str] = "instructed-query"
    paper: ClassVar[str] = (
        "KaLM-Embedding (arXiv 2501.01028), persona in the instruction only; Llama-Embed-Nemotron (arXiv 2511.07025), tasks and examples by different models"
    )
    earlier: ClassVar[tuple[Step, ...]] = (
        Step(INSTRUCTION, INSTRUCTION, Instruction, _instruction_inputs, when=not_pinned),
    )
    instructing: ClassVar[str] = INSTRUCTION
    example: ClassVar[Mapping[str, BaseModel]] = {
        INSTRUCTION: Instruction(instruction="Given a borrower's name, retrieve the terms of its bank loans"),
        "instructed-query": Query(query="Harbour Lines plc"),
    }

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        return super().prompt_inputs(task_input, outputs) | {
            "instruction": instruction_of(task_input, outputs, INSTRUCTION)
        }

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        instruction = instruction_of(task_input, outputs, INSTRUCTION)
        return replace(super().draft(task_input, outputs, method), instruction=instruction)
