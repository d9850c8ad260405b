"""passage -> a query with the mistakes of fast fingers.

The query is written clean; the mistakes are made by rule, so that how many there are is known
and no digit is touched: another number would be another question.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from synth.lexicon import Lexicon
from synth.noise.keyboard import mistype
from synth.tasks import Draft, Extracted, Failure, Outputs, PassageTask, Query, TaskInput
from synth.tasks.query_from_passage import QueryFromPassage

__all__ = ["NoisyQuery"]

SHARE = (0.15, 0.4)
"""Of the words that get a mistake; at least one does."""


class NoisyQuery(PassageTask):
    """A query with typing mistakes: letters swapped, dropped, doubled or hit beside, no capitals, no punctuation.

    `clean_query` holds it without them. The extractive rule spoils what `query-from-passage` extracts.
    """

    name: ClassVar[str] = "noisy-query"
    prompt: ClassVar[str] = "noisy-query"
    exempt: ClassVar[frozenset[str]] = frozenset({"truncated"})
    paper: ClassVar[str] = "ours: synthetic queries read better than people type; the mistakes are made by rule"
    example: ClassVar[Mapping[str, BaseModel]] = {
        "noisy-query": Query(query="what interest does harbour lines pay on its revolving facility")
    }

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:
        return QueryFromPassage.extract(task_input, lexicon, random_source)

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        clean = QueryFromPassage.draft(task_input, {QueryFromPassage.name: outputs[cls.name]}, method)
        noisy = misspell(clean.query, random.Random(task_input.item.seed), task_input.item.language)
        return replace(clean, query=noisy, attributes={"clean_query": clean.query})


def misspell(text: str, source: random.Random, language: str = "en") -> str:
    """The text with mistakes in some of its words, never in one that holds a digit, and often without its marks."""
    joined, _ = mistype(text, source.uniform(*SHARE), source, language)
    if source.random() < 0.5:
        joined = joined.lower()
    return joined.rstrip("?.!") if source.random() < 0.7 else joined
