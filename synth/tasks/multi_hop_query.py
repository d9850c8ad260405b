"""Two or three passages of a document -> the query that needs all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import Draft, Failure, Outputs, PassageTask, TaskInput

__all__ = ["MultiHopQuery"]


class MultiHop(Strict):
    """What each passage contributes comes first, so that the query is built on it."""

    facts: Annotated[list[Annotated[str, Field(min_length=1, max_length=240)]], Field(min_length=2, max_length=3)]
    query: Annotated[str, Field(min_length=1, max_length=400)]


class MultiHopQuery(PassageTask):
    """A query that is answered only by two or three passages together, whose ids the record holds."""

    name: ClassVar[str] = "multi-hop-query"
    prompt: ClassVar[str] = "multi-hop-query"
    output: ClassVar[type[BaseModel]] = MultiHop
    paper: ClassVar[str] = "NVIDIA's retriever data (segment ids and hop contexts); its 1 to 3 hops are 2 to 3 here"
    passages: ClassVar[int] = 3
    example: ClassVar[Mapping[str, BaseModel]] = {
        "multi-hop-query": MultiHop(
            facts=[
                "Net debt must stay below 3.5 times EBITDA, tested in December.",
                "EBITDA was 96 million and net debt 288 million in 2024.",
            ],
            query="Did Harbour Lines meet the leverage covenant of its revolving facility at the end of 2024?",
        )
    }

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        others = [{"heading": other.heading, "text": other.text} for other in task_input.others]
        return {**super().prompt_inputs(task_input, outputs), "others": others}

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        return replace(super().draft(task_input, outputs, method), more_positives=task_input.others)

    @staticmethod
    def refuse(task_input: TaskInput) -> Failure | None:
        return None if task_input.others else Failure("lone_passage", "its document has no other passage")
