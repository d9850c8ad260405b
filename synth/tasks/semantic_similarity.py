"""sentence -> one that means the same, and one that only looks like it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.record import Pair
from synth.numbers import numbers_of
from synth.tasks import Draft, Outputs, TaskInput
from synth.text_pairs import TextPairTask, same_words

__all__ = ["SemanticSimilarity"]

HIGH, LOW = ("4", "4.5", "5"), ("1.5", "2", "2.5")
"""Similarities, 0 to 5, that are drawn for the two sentences."""


class Sentences(Strict):
    """Both new sentences."""

    positive: Annotated[str, Field(min_length=1, max_length=600)]
    negative: Annotated[str, Field(min_length=1, max_length=600)]


class SemanticSimilarity(TextPairTask):
    """A sentence of the passage with one of the same meaning and one of other meaning in similar words (STS).

    `similarity` and `negative_similarity`, 0 to 5, are what the LLM was asked to aim at.
    """

    name: ClassVar[str] = "semantic-similarity"
    prompt: ClassVar[str] = "semantic-similarity"
    output: ClassVar[type[BaseModel]] = Sentences
    instruction: ClassVar[str] = "Retrieve sentences that mean the same"
    paper: ClassVar[str] = "E5-mistral (arXiv 2401.00368), STS with drawn scores; the first sentence is real text"
    example: ClassVar[Mapping[str, BaseModel]] = {
        "semantic-similarity": Sentences(
            positive="Of the 250 million pounds that its banks would lend, the company had taken up 180 million when 2024 ended.",
            negative="At 31 December 2024 the group had repaid 180 million of its 250 million pound revolving credit facility.",
        )
    }

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        high, low = _aims(task_input)
        return super().prompt_inputs(task_input, outputs) | {"high": high, "low": low}

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        high, low = _aims(task_input)
        made = super().draft(task_input, outputs, method)
        return replace(made, attributes={"similarity": high, "negative_similarity": low})

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:
        query, positive = record.query, record.positive.text
        if changed := numbers_of(positive) - numbers_of(query):
            return "changed_number", f"{sorted(changed)[0]} stands in the positive alone"
        for text in record.written:
            if same_words(text, positive) or (same_words(text, query) and not numbers_of(text)):
                return "negative_is_positive", f"the same words: {text[:160]}"
        return "", ""


def _aims(task_input: TaskInput) -> tuple[str, str]:
    source = random.Random(task_input.item.seed)
    return source.choice(HIGH), source.choice(LOW)
