"""text -> a text of the same length that matches it: short to short, long to long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import Draft, Outputs, Step, TaskInput, declared_inputs, instruction_of, not_pinned
from synth.text_pairs import TextPairTask

__all__ = ["LongLong", "ShortShort"]

SHORT, LONG = "short-relation", "long-relation"


class Relation(Strict):
    """In which relation the texts of a pair stand: the instruction of the search."""

    instruction: Annotated[str, Field(min_length=1, max_length=200)]


class ShortTexts(Strict):
    """A short text that matches, and one that seems to."""

    positive: Annotated[str, Field(min_length=1, max_length=240)]
    negative: Annotated[str, Field(min_length=1, max_length=240)]


class LongTexts(Strict):
    """A long text that matches, and one that seems to."""

    positive: Annotated[str, Field(min_length=8, max_length=4_000)]
    negative: Annotated[str, Field(min_length=8, max_length=4_000)]


def _relation(name: str, query: Callable[[TaskInput], str]) -> Step:
    def inputs(task_input: TaskInput, _: Outputs) -> dict[str, Any]:
        return declared_inputs(name, task_input) | {"text": query(task_input)}

    return Step(name, name, Relation, inputs, in_language=False, when=not_pinned)


def _whole(task_input: TaskInput) -> str:
    return task_input.passage.text


class _Matching(TextPairTask):
    earlier: ClassVar[tuple[Step, ...]]
    instructing: ClassVar[str]
    instruction: ClassVar[str] = ""
    paper: ClassVar[str] = (
        "E5-mistral (arXiv 2401.00368), short-short and long-long, relation first; one side is real text"
    )

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        given = {
            "instruction": instruction_of(task_input, outputs, cls.instructing),
            "chars": len(cls.query(task_input)) // 50 * 50 or 50,
        }
        return super().prompt_inputs(task_input, outputs) | given

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        said = instruction_of(task_input, outputs, cls.instructing)
        return replace(super().draft(task_input, outputs, method), instruction=said)


class ShortShort(_Matching):
    """A sentence and another that stands to it as an instruction says, such as a claim and its counter-claim.

    The instruction is invented first, by another model where there are several.
    """

    name: ClassVar[str] = "short-short"
    prompt: ClassVar[str] = "short-short"
    output: ClassVar[type[BaseModel]] = ShortTexts
    earlier: ClassVar[tuple[Step, ...]] = (_relation(SHORT, TextPairTask.query),)
    instructing: ClassVar[str] = SHORT
    example: ClassVar[Mapping[str, BaseModel]] = {
        SHORT: Relation(instruction="Given a sentence of a report, retrieve the headline that a newspaper gives it"),
        "short-short": ShortTexts(
            positive="Harbour Lines bank line runs to 2027 with twice-yearly debt test",
            negative="Harbour Lines asks bondholders to wait until 2027 for their money",
        ),
    }


class LongLong(_Matching):
    """A passage and another text of its length that stands to it as an instruction says, such as two cases of one rule.

    The instruction is invented first, by another model where there are several.
    """

    name: ClassVar[str] = "long-long"
    prompt: ClassVar[str] = "long-long"
    output: ClassVar[type[BaseModel]] = LongTexts
    earlier: ClassVar[tuple[Step, ...]] = (_relation(LONG, _whole),)
    instructing: ClassVar[str] = LONG
    tokens: ClassVar[int] = 1_600
    most_words: ClassVar[int] = 2_000
    example: ClassVar[Mapping[str, BaseModel]] = {
        LONG: Relation(instruction="Given the terms of a loan, retrieve the terms of another borrower's similar loan"),
        "long-long": LongTexts(
            positive="Calder Freight has used 95 million euros of a revolving line of 140 million that its banks provide until March 2028. It pays EURIBOR plus 2 % and must hold net borrowings under three times its earnings at each half-year.",
            negative="At 31 December 2024 the group had issued 180 million pounds of notes under its 250 million pound programme. They are repaid in June 2027, bear 5.75 % and place no limit on net debt, which is reported every June and December.",
        ),
    }

    @classmethod
    def query(cls, task_input: TaskInput) -> str:
        return _whole(task_input)
