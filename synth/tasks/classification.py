"""text -> its label in a classification, and labels that mislead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.record import Pair
from synth.tasks import Draft, Outputs, Step, TaskInput, declared_inputs, instruction_of, not_pinned
from synth.text import word_count, words
from synth.text_pairs import TextPairTask, excerpt_of, holds

__all__ = ["Classification"]

LABELLING = "labelling"
MOST_WORDS = 10
_SENTENCES = 6
_Label = Annotated[str, Field(min_length=1, max_length=80)]


class Labelling(Strict):
    """What texts are sorted by: the instruction of a classification."""

    instruction: Annotated[str, Field(min_length=1, max_length=200)]


class Labels(Strict):
    """The label of the text, and labels of the same classification that do not fit it."""

    positive: _Label
    negatives: Annotated[list[_Label], Field(min_length=2, max_length=4)]


def _labelling_inputs(task_input: TaskInput, _: Outputs) -> dict[str, Any]:
    return declared_inputs(LABELLING, task_input) | {"text": Classification.query(task_input)}


class Classification(TextPairTask):
    """A text of one to six sentences with its label; the hard negatives are labels that a hasty reader would choose.

    What it is sorted by is invented first, by another model where there are several, and becomes the
    record's instruction.
    """

    name: ClassVar[str] = "classification"
    prompt: ClassVar[str] = "classification"
    output: ClassVar[type[BaseModel]] = Labels
    instruction: ClassVar[str] = ""
    paper: ClassVar[str] = "Llama-Embed-Nemotron (arXiv 2511.07025) and E5-mistral's long-short: label names as texts"
    instructing: ClassVar[str] = LABELLING
    earlier: ClassVar[tuple[Step, ...]] = (
        Step(LABELLING, LABELLING, Labelling, _labelling_inputs, in_language=False, when=not_pinned),
    )
    example: ClassVar[Mapping[str, BaseModel]] = {
        LABELLING: Labelling(instruction="Given a sentence of a report, name the kind of obligation it describes"),
        "classification": Labels(positive="financial covenant", negatives=["repayment schedule", "security package"]),
    }

    @classmethod
    def query(cls, task_input: TaskInput) -> str:
        return excerpt_of(task_input, _SENTENCES)

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        said = instruction_of(task_input, outputs, LABELLING)
        return super().prompt_inputs(task_input, outputs) | {"instruction": said}

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        said = instruction_of(task_input, outputs, LABELLING)
        return replace(super().draft(task_input, outputs, method), instruction=said)

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:
        for label in (record.positive.text, *record.written):
            if word_count(words(label)) > MOST_WORDS:
                return "long_label", label
        if holds(record.query, record.positive.text):
            return "label_in_text", record.positive.text
        return "", ""
