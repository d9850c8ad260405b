"""passage -> who asks what -> the query: the LLM chooses the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.persona import Persona
from synth.tasks import Draft, Outputs, PassageTask, Query, Step, TaskInput, declared_inputs

__all__ = ["QueryFromConfiguration"]


class Configuration(Strict):
    """Who of the candidates asks what kind of query, and how hard it is."""

    character: Annotated[int, Field(ge=1, le=5)]
    """1-based place among the candidates."""
    question_type: Literal["keywords", "knowledge", "summary", "yes_or_no", "background"]
    difficulty: Literal["easy", "medium", "hard"]


def _configuration_inputs(task_input: TaskInput, _: Outputs) -> dict[str, Any]:
    candidates = [persona.text for persona in task_input.candidates]
    return declared_inputs(CONFIGURATION, task_input) | {"candidates": candidates}


def _chosen(task_input: TaskInput, outputs: Outputs) -> tuple[Persona, Configuration]:
    configuration: Configuration = outputs[CONFIGURATION]
    place = min(configuration.character, len(task_input.candidates)) - 1
    return task_input.candidates[place], configuration


CONFIGURATION = "configuration"


class QueryFromConfiguration(PassageTask):
    """A query whose asker, kind and difficulty the LLM chose to fit the passage, before it wrote it.

    Length and language are drawn by the plan.
    """

    name: ClassVar[str] = "query-from-configuration"
    prompt: ClassVar[str] = "query-from-configuration"
    paper: ClassVar[str] = "Qwen3-Embedding (arXiv 2506.05176), section 3 and appendix A.1"
    earlier: ClassVar[tuple[Step, ...]] = (
        Step(CONFIGURATION, CONFIGURATION, Configuration, _configuration_inputs, in_language=False),
    )
    candidates: ClassVar[int] = 5
    example: ClassVar[Mapping[str, BaseModel]] = {
        CONFIGURATION: Configuration(character=2, question_type="yes_or_no", difficulty="medium"),
        "query-from-configuration": Query(query="is harbour lines allowed to borrow more than three times its ebitda"),
    }

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        persona, configuration = _chosen(task_input, outputs)
        chosen = {"persona": persona.text, "query_type": configuration.question_type}
        return {**super().prompt_inputs(task_input, outputs), **chosen, "difficulty": configuration.difficulty}

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        persona, configuration = _chosen(task_input, outputs)
        chosen = {
            "persona": persona.id,
            "query_type": configuration.question_type,
            "difficulty": configuration.difficulty,
        }
        return replace(super().draft(task_input, outputs, method), chosen=chosen)
