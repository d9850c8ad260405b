"""sentence -> what follows from it in other words, and its contradiction in the words of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.record import Pair
from synth.numbers import numbers_of
from synth.text_pairs import TextPairTask, shared_words

__all__ = ["NegationPair"]

_Text = Annotated[str, Field(min_length=1, max_length=600)]


class Contradiction(Strict):
    """The entailment comes first, so that the contradiction is made of its words."""

    positive: _Text
    negative: _Text


class NegationPair(TextPairTask):
    """A sentence of the passage, what follows from it, and a contradiction that looks like what follows.

    Between positive and negative a word or two differ, between sentence and positive nearly all: who counts words
    is wrong. Its share is capped as that of `negation-query` is.
    """

    name: ClassVar[str] = "negation-pair"
    prompt: ClassVar[str] = "negation-pair"
    output: ClassVar[type[BaseModel]] = Contradiction
    instruction: ClassVar[str] = "Retrieve sentences that follow from the text"
    paper: ClassVar[str] = "Jina v2's negation set: anchor, entailment, negative; the anchor is real text"
    most_share: ClassVar[float] = 0.15
    example: ClassVar[Mapping[str, BaseModel]] = {
        "negation-pair": Contradiction(
            positive="When 2024 ended, some of what the banks had promised was still unused.",
            negative="When 2024 ended, none of what the banks had promised was still unused.",
        )
    }

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:
        query, positive = record.query, record.positive.text
        if changed := numbers_of(positive) - numbers_of(query):
            return "changed_number", f"{sorted(changed)[0]} stands in the positive alone"
        far = shared_words(query, positive)
        for text in record.written:
            if (near := shared_words(text, positive)) <= far:
                return "shortcut", f"{near:.0%} of the words shared with the negative, {far:.0%} with the text"
        return "", ""
